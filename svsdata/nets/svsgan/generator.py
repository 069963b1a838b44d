"""The triple-pyramid generator: labels and previous image in, next image out.

One class makes the models C, D, E, fast and demo; their differences are numbers of its config.

# B batch, K classes, C channels, H, W
"""

from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from svsdata.nets.svsgan.blocks import (
    OcclusionFusion,
    SemanticModulator,
    SpadeBlock,
    StyleModulator,
)
from svsdata.nets.svsgan.config import GeneratorConfig
from svsdata.nets.svsgan.motion import MotionNet
from svsdata.nets.svsgan.pyramids import ImagePyramid, LabelInput, SemanticPyramid
from svsdata.tensors import resize, resize_flow, warp


@dataclass(frozen=True)
class LabelFeatures:
    """All that a frame's labels decide; rows of a batch may be frames of one sequence."""

    backward_flow: Tensor
    """(B, 2, H, W) float32, pixels."""
    occlusion_mask: Tensor
    """(B, 1, H, W) float32 in [0, 1], 1 = occluded."""
    conditions: tuple[Tensor, ...]
    """What each SPADE block is modulated by, coarsest first."""

    def rows(self, start: int, stop: int) -> "LabelFeatures":
        """Return a part of the batch."""
        rows = slice(start, stop)
        return LabelFeatures(
            self.backward_flow[rows],
            self.occlusion_mask[rows],
            tuple(condition[rows] for condition in self.conditions),
        )


@dataclass(frozen=True)
class GeneratorOutput:
    """One generated frame and how it came to be."""

    image: Tensor
    """(B, 3, H, W) float32 in [-1, 1]."""
    warped: Tensor
    """(B, 3, H, W) float32, the previous image on the current grid."""
    backward_flow: Tensor
    """(B, 2, H, W) float32, pixels."""
    occlusion_mask: Tensor
    """(B, 1, H, W) float32, 1 = occluded, so generated anew."""


def without_previous(
    previous_image: Tensor, features: LabelFeatures, which: Tensor
) -> tuple[Tensor, LabelFeatures]:
    """Make frames from labels alone: black previous image, everything occluded.

    Args:
        previous_image: (B, 3, H, W).
        features: Of the same batch.
        which: (B,) bool, True = has no previous frame.
    """
    mask = which.view(-1, 1, 1, 1)
    return previous_image.masked_fill(mask, 0.0), replace(
        features, occlusion_mask=features.occlusion_mask.masked_fill(mask, 1.0)
    )


class Generator(nn.Module):
    """Generator of svs-gan 3.1; docs/paper-notes.md#generator lists what the paper leaves open."""

    def __init__(self, config: GeneratorConfig) -> None:
        super().__init__()
        self.config = config
        widths, patch = config.image_widths, config.patch
        self.label_input = LabelInput(config)
        channels = self.label_input.channels
        self.motion = MotionNet(2 * channels, config.motion)
        self.image_pyramid = ImagePyramid(3 * patch**2, widths)
        self.semantic_pyramid = SemanticPyramid(
            channels * patch**2, config.semantic_stem, num_downs=len(widths) - 1
        )
        condition = 2 * config.semantic_stem[1]
        decoder = (widths[-1], *config.decoder_widths)
        self.blocks = nn.ModuleList(
            SpadeBlock(a, b, norm=config.decoder_norm)
            for a, b in zip(decoder, config.decoder_widths, strict=False)
        )
        self.semantic_modulators = nn.ModuleList(
            SemanticModulator(condition, _spade_widths(block), kernel=kernel)
            for block, kernel in zip(self.blocks, config.modulation_kernels, strict=True)
        )
        self.style_modulators = nn.ModuleList(
            StyleModulator(widths[-1], skip, _spade_widths(block), hidden=config.style_width)
            for block, skip in zip(self.blocks, widths[::-1], strict=True)
            if config.style_width
        )
        self.fusions = nn.ModuleList(OcclusionFusion(width) for width in widths[-2::-1])
        self.head = nn.Conv2d(config.decoder_widths[-1], 3 * patch**2, 3, padding=1)

    def forward(
        self,
        previous_image: Tensor,
        previous_semantic: Tensor,
        semantic: Tensor,
        *,
        previous_edges: Tensor | None = None,
        edges: Tensor | None = None,
    ) -> GeneratorOutput:
        """Generate one frame: ``label_features``, then ``render``."""
        features = self.label_features(
            previous_semantic, semantic, previous_edges=previous_edges, edges=edges
        )
        return self.render(previous_image, features)

    def label_features(
        self,
        previous_semantic: Tensor,
        semantic: Tensor,
        *,
        previous_edges: Tensor | None = None,
        edges: Tensor | None = None,
    ) -> LabelFeatures:
        """Compute everything that depends on labels only; batch it over time where they are known.

        Args:
            previous_semantic: (B, H, W) integer ids at t - 1.
            semantic: (B, H, W) integer ids at t.
            previous_edges: (B, 1, H, W) of 0 and 1, as ``tensors.edges`` makes them; exactly where
                the config says ``edges``.
            edges: The same at t.

        Raises:
            LabelSetError: If an id is outside the model's classes.
            ValueError: If edges are missing or not wanted, or the size does not fit.
        """
        self._check_size(semantic)
        dtype = self.head.weight.dtype
        previous = self.label_input(previous_semantic, previous_edges).to(dtype)
        current = self.label_input(semantic, edges).to(dtype)
        flow, occlusion_mask = self.motion(torch.cat([previous, current], dim=1))
        conditions = self.semantic_pyramid(_fold(current, self.config.patch))
        return LabelFeatures(flow, occlusion_mask, conditions)

    def render(self, previous_image: Tensor, features: LabelFeatures) -> GeneratorOutput:
        """Generate the frame of some labels from the frame before.

        Args:
            previous_image: (B, 3, H, W) float32 in [-1, 1], real or generated.
            features: From ``label_features``, same batch and size.
        """
        config = self.config
        flow, occlusion_mask = features.backward_flow, features.occlusion_mask
        warped = warp(previous_image, flow, interpolation=config.interpolation)
        source = previous_image if config.warp_features else warped
        source = source.to(self.head.weight.dtype)
        pyramid = self.image_pyramid(_fold(source, config.patch))
        if config.warp_features:
            pyramid = [_warp_features(level, flow) for level in pyramid]
        x = self._decode(pyramid, features)
        folded = self.head(F.leaky_relu(x, 0.2))
        image = torch.tanh(F.pixel_shuffle(folded.float(), config.patch))
        if config.output_blend:
            image = warped.lerp(image, occlusion_mask).clamp(-1, 1)
        return GeneratorOutput(image, warped, flow, occlusion_mask)

    def _decode(self, pyramid: list[Tensor], features: LabelFeatures) -> Tensor:
        """Run the SPADE blocks from the bottleneck up; ``pyramid`` is finest first."""
        x = pyramid[-1]
        for index, (block, modulator, condition) in enumerate(
            zip(self.blocks, self.semantic_modulators, features.conditions, strict=True)
        ):
            skip = pyramid[-1 - index]
            if index:
                x = F.interpolate(x, scale_factor=2.0, mode="nearest")
                mask = resize(features.occlusion_mask, (x.shape[2], x.shape[3])).to(x.dtype)
                x = self.fusions[index - 1](x, skip, mask)
            modulations = modulator(condition)
            if self.config.style_width:
                styles = self.style_modulators[index](pyramid[-1], skip)
                modulations = [a.then(b) for a, b in zip(modulations, styles, strict=True)]
            x = block(x, modulations)
        return x

    def _check_size(self, semantic: Tensor) -> None:
        height, width = semantic.shape[1:]
        multiple = self.config.size_multiple
        if height % multiple or width % multiple:
            raise ValueError(
                f"frames of {width}x{height} do not fit the generator: "
                f"pad both sides to multiples of {multiple} (rollout.step does)"
            )


def _fold(picture: Tensor, patch: int) -> Tensor:
    return F.pixel_unshuffle(picture, patch) if patch > 1 else picture


def _warp_features(level: Tensor, flow: Tensor) -> Tensor:
    return warp(level, resize_flow(flow, (level.shape[2], level.shape[3]))).to(level.dtype)


def _spade_widths(block: nn.Module) -> tuple[int, ...]:
    assert isinstance(block, SpadeBlock)
    return block.spade_widths
