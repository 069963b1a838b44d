"""The triple-pyramid generator: labels and previous image in, next image out.

One class makes all models but A and B; their differences are numbers of its config.

# B batch, K classes, C channels, H, W
"""

import copy
from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from svsdata.nets.svsgan.blocks import (
    GuidanceModulator,
    SemanticModulator,
    SpadeBlock,
    StyleModulator,
    doubled,
    occlusion_fusion,
    picture_heads,
    warp_features,
)
from svsdata.nets.svsgan.config import GeneratorConfig
from svsdata.nets.svsgan.label_features import LabelFeatures
from svsdata.nets.svsgan.motion import MotionNet
from svsdata.nets.svsgan.pyramids import ImagePyramid, LabelInput, SemanticPyramid, fold
from svsdata.nets.video_generator import GeneratorOutput, Motion, VideoGenerator
from svsdata.tensors import resize, resize_flow, warp


class Generator(VideoGenerator[LabelFeatures]):
    """Generator of svs-gan 3.1; docs/paper-notes.md#generator lists what the paper leaves open."""

    def __init__(self, config: GeneratorConfig) -> None:
        super().__init__(config)
        self.config: GeneratorConfig = config
        widths, patch = config.image_widths, config.patch
        self.label_input = LabelInput(config)
        channels = self.label_input.channels
        self.motion = MotionNet(2 * channels, config.motion)
        larger = config.larger_skips
        self.image_pyramid = ImagePyramid(
            (3 + config.image_sees_occlusion) * patch**2,
            widths,
            larger_widths=larger,
            skip_convolutions=config.skip_convolutions,
        )
        self.semantic_pyramid = SemanticPyramid(
            channels * patch**2,
            config.semantic_stem,
            num_scales=1 + len(config.extra_widths),
            num_downs=len(widths) - 1,
        )
        condition = 2 * config.semantic_stem[1]
        blocks = [
            SpadeBlock(a, b, norm=config.decoder_norm)
            for a, b in zip(config.entering_widths, config.block_widths, strict=True)
        ]
        self.blocks = nn.ModuleList(blocks)
        self.semantic_modulators = nn.ModuleList(
            SemanticModulator(condition, block.spade_widths, kernel=kernel)
            for block, kernel in zip(blocks, config.modulation_kernels, strict=True)
        )
        self.style_modulators = nn.ModuleList(
            StyleModulator(widths[-1], skip, block.spade_widths, hidden=config.style_width)
            for block, skip in zip(blocks, widths[::-1], strict=False)
            if config.style_width
        )
        self.guidance_modulators = nn.ModuleList(
            GuidanceModulator(block.spade_widths, hidden=config.guidance_width)
            for block in blocks[config.first_guided :]
            if config.guidance_width
        )
        self.fusions = nn.ModuleList(
            occlusion_fusion(config.fusion, width) for width in (*widths[-2::-1], *larger)
        )
        for module in self.modules():
            if isinstance(module, nn.Conv2d | nn.ConvTranspose2d) and module.bias is not None:
                nn.init.zeros_(module.bias)
        self.heads = picture_heads(config)

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
        colours: Tensor | None = None,
        motion: Motion | None = None,
    ) -> LabelFeatures:
        """Compute everything that depends on labels only; batch it over time where they are known.

        Arguments are those of ``VideoGenerator.label_features``; ``previous_semantic`` may lack its
        axis of frames. Motion that is known is followed; the motion network is asked for the rest.

        Raises:
            LabelSetError: If an id is outside the model's classes.
            ValueError: If edges are missing or not wanted, colours are not wanted, the size does
                not fit, or motion is given to a network that reads it off the image.
        """
        self._check_size(semantic)
        if colours is not None and not self.config.object_colours:
            raise ValueError("the generator sees no colours of objects")
        if motion is not None and self.config.motion.sees_image:
            raise ValueError("the motion network sees the image: it follows no other motion")
        patch, base_scale, pending = self.config.patch, self.config.base_scale, None
        if motion is not None:
            height, width = semantic.shape[1:]
            motion = motion.resized((height // base_scale, width // base_scale))
            motion = motion.drawn_anew(self.config.forgetting)
        if motion is None or motion.known is not None:
            previous_semantic = previous_semantic.view_as(semantic)
            previous = self._channels(previous_semantic, previous_edges, base_scale)
            current = self._channels(semantic, edges, base_scale)
            label_pair = torch.cat([previous, current], dim=1)
            if self.config.motion.sees_image:
                pending = label_pair
                nothing = label_pair.new_zeros(len(label_pair), 3, *label_pair.shape[2:]).float()
                told = Motion(nothing[:, :2], nothing[:, 2:])
            else:
                told = Motion(*self.motion(label_pair)).drawn_anew(self.config.doubt)
            motion = told if motion is None else motion.completed(told)
        conditions = self.semantic_pyramid(
            [self._channels(semantic, edges, step, patch=patch) for step in self._steps()]
        )
        flow, mask = motion.backward_flow, motion.occlusion_mask
        return LabelFeatures(flow, mask, conditions, pending, colours=colours)

    def render(
        self, previous_images: Tensor, features: LabelFeatures, detail: float = 1.0
    ) -> GeneratorOutput:
        """Generate the frame of some labels from the frame before.

        Args:
            previous_images: (B, 3, H, W) float32 in [-1, 1], real or generated: one.
            features: From ``label_features``, same batch and size.
            detail: How far the newest extra block takes part, 0 to 1.
        """
        config = self.config
        features = self._moved(previous_images, features)
        flow, occlusion_mask = self.motion_of(features)
        sources, warped = [], previous_images
        for step in self._steps():  # the base size first, the full size last
            previous = F.avg_pool2d(previous_images, step) if step > 1 else previous_images
            own_flow = resize_flow(features.backward_flow, (previous.shape[2], previous.shape[3]))
            warped = warp(previous, own_flow, interpolation=config.interpolation)
            source = previous if config.warp_features else features.painted(warped)
            if config.image_sees_occlusion:
                mask = resize(features.occlusion_mask, (source.shape[2], source.shape[3]))
                source = torch.cat([source, mask], dim=1)
            sources.append(fold(source, config.patch).to(self.dtype))
        pyramid = self.image_pyramid(sources)
        if config.warp_features:
            pyramid = [warp_features(level, features.backward_flow) for level in pyramid]
        decoded = self._decode(pyramid, features, detail)
        drawn = torch.tanh(decoded[:, :3])
        if config.warp_use == "keep":
            drawn_share = occlusion_mask
            if config.learned_forgetting:
                drawn_share = 1 - (1 - occlusion_mask) * torch.sigmoid(-decoded[:, 3:])
            image = warped.lerp(drawn, drawn_share).clamp(-1, 1)  # sharp warps overshoot
            return GeneratorOutput(image, warped, flow, occlusion_mask, raw=drawn)
        if config.warp_use == "correct":
            drawn = (warped * (1 - occlusion_mask) + drawn).clamp(-1, 1)
        return GeneratorOutput(drawn, warped, flow, occlusion_mask)

    def _decode(
        self, pyramid: list[Tensor], features: LabelFeatures, detail: float = 1.0
    ) -> Tensor:
        """Run the SPADE blocks from the bottleneck up and sum what is drawn at all sizes."""
        x, unseen = pyramid[-1], features.unseen
        image: Tensor | None = None
        first_head = len(self.config.decoder_widths) - 1
        for index, (block, modulator, condition) in enumerate(
            zip(self.blocks, self.semantic_modulators, features.conditions, strict=True)
        ):
            meets_skip = 0 < index < len(pyramid)
            if meets_skip and not self.config.fuses_after_block:
                x = self._fused(x, pyramid, unseen, index)
            elif index:
                x = F.interpolate(x, scale_factor=2.0, mode="nearest")
            modulations = modulator(condition)
            if index < len(self.style_modulators):
                styles = self.style_modulators[index](pyramid[-1], pyramid[-1 - index])
                modulations = [a.then(b) for a, b in zip(modulations, styles, strict=True)]
            if self.guidance_modulators and index >= self.config.first_guided:
                shown = features.guidance_like(condition)
                guides = self.guidance_modulators[index - self.config.first_guided](shown)
                modulations = [a.then(b) for a, b in zip(modulations, guides, strict=True)]
            x = block(x, modulations)
            if meets_skip and self.config.fuses_after_block:
                x = self._fused(x, pyramid, unseen, index)
            if index >= first_head:
                folded = self.heads[index - first_head](F.leaky_relu(x, 0.2))
                drawn = F.pixel_shuffle(folded.float(), self.config.patch)
                share = detail if index == len(self.blocks) - 1 else 1.0
                image = drawn if image is None else share * drawn + doubled(image)
        assert image is not None
        return image

    def _fused(self, x: Tensor, pyramid: list[Tensor], unseen: Tensor, index: int) -> Tensor:
        """Join what is generated with the skip that a block meets."""
        skip = pyramid[-1 - index]
        mask = resize(unseen, (skip.shape[2], skip.shape[3])).to(x.dtype)
        fused: Tensor = self.fusions[index - 1](x, skip, mask)
        return fused

    def _moved(self, previous_images: Tensor, features: LabelFeatures) -> LabelFeatures:
        """Ask a motion network that sees the image; what was to be generated anew stays so."""
        if features.label_pair is None:
            return features
        base = F.avg_pool2d(previous_images, self.config.base_scale).to(self.dtype)
        told = Motion(*self.motion(torch.cat([features.label_pair, base], dim=1)))
        told = told.drawn_anew(self.config.doubt)
        mask = torch.maximum(told.occlusion_mask, features.occlusion_mask)
        return replace(
            features, backward_flow=told.backward_flow, occlusion_mask=mask, label_pair=None
        )

    def motion_of(self, features: LabelFeatures) -> tuple[Tensor, Tensor]:
        """Return flow and occlusion mask of the full size.

        Raises:
            ValueError: If they are still to be read off the image.
        """
        if features.label_pair is not None:
            return super().motion_of(features)
        height, width = features.backward_flow.shape[2:]
        full = (height * self.config.base_scale, width * self.config.base_scale)
        return resize_flow(features.backward_flow, full), resize(features.occlusion_mask, full)

    def cast(self, dtype: torch.dtype) -> None:
        """Set the type of weights and features; the heads of flow and occlusion stay float32."""
        head = copy.deepcopy(self.motion.head)
        self.to(dtype)
        self.motion.head = head

    def newest_modules(self) -> list[nn.Module]:
        """Return what the last extra block brought: all that a network of half the size lacks."""
        if not self.config.extra_widths:
            return super().newest_modules()
        newest: list[nn.Module] = [
            self.blocks[-1],
            self.semantic_modulators[-1],
            self.semantic_pyramid.stems[-1],
            self.heads[-1],
        ]
        if self.config.extra_image_stem:
            pyramid = self.image_pyramid
            newest += [pyramid.stems[-1], pyramid.joins[-1], self.fusions[-1]]
        return [*newest, *self.guidance_modulators[-1:]]

    @property
    def dtype(self) -> torch.dtype:
        """Type of weights and features; flow, warp and images are float32 throughout."""
        return next(self.heads.parameters()).dtype

    def _steps(self) -> list[int]:
        """Divisors of the full size, the base size's first."""
        return [2**level for level in range(len(self.config.extra_widths), -1, -1)]

    def _channels(
        self, semantic: Tensor, edges: Tensor | None, step: int, *, patch: int = 1
    ) -> Tensor:
        """Return the input channels of every ``step``-th pixel, folded by ``patch``."""
        borders = None if edges is None else edges[:, :, ::step, ::step]
        maps: Tensor = self.label_input(semantic[:, ::step, ::step], borders, patch=patch)
        return maps.to(self.dtype)

    def _check_size(self, semantic: Tensor) -> None:
        height, width = semantic.shape[1:]
        multiple = self.config.size_multiple
        if height % multiple or width % multiple or min(height, width) < 2 * multiple:
            raise ValueError(
                f"frames of {width}x{height} do not fit the generator: pad both sides to multiples "
                f"of {multiple} (rollout.step does), at least {2 * multiple}"
            )
