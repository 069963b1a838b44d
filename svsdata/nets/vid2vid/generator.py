"""vid2vid's generator: three label maps and two past frames in, next frame out.

# B batch, C channels, h, w the coarsest grid, H, W
"""

import copy
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from svsdata.nets.svsgan.blocks import InstanceNorm
from svsdata.nets.svsgan.motion import ResidualBlock
from svsdata.nets.vid2vid.config import Vid2VidConfig
from svsdata.nets.video_generator import GeneratorOutput, Motion, VideoGenerator
from svsdata.tensors import full_precision, one_hot, warp

_HEAD_KERNEL = 7
_INIT_STD = 0.02


@dataclass(frozen=True)
class Vid2VidFeatures:
    """What a frame's labels decide: encoded labels, and the foreground drawn from them alone."""

    encoded: tuple[Tensor, ...]
    """(B, C, h, w) of the base, then of each enhancer, twice as high and wide as the one before."""
    foreground: Tensor
    """(B, 3, H, W) float32 in [-1, 1]."""
    foreground_mask: Tensor
    """(B, 1, H, W) float32, 1 = drawn by the foreground branch."""
    anew: Tensor
    """(B, 1, H, W) float32, 1 = generated anew whatever the occlusion mask says."""

    def map(self, change: Callable[[Tensor], Tensor]) -> "Vid2VidFeatures":
        """Apply a function to every tensor."""
        return Vid2VidFeatures(
            tuple(change(one) for one in self.encoded),
            *(change(it) for it in (self.foreground, self.foreground_mask, self.anew)),
        )

    def rows(self, start: int, stop: int) -> "Vid2VidFeatures":
        """Return a part of the batch."""
        return self.map(lambda maps: maps[start:stop])

    def occluded(self, where: Tensor) -> "Vid2VidFeatures":
        """Have pixels generated anew: (B, 1, H, W) bool, or (B, 1, 1, 1) for whole frames."""
        return replace(self, anew=self.anew.masked_fill(where, 1.0))

    def guided(self, guidance: Tensor) -> "Vid2VidFeatures":
        """Raise, since vid2vid sees none: (B, 4, H, W)."""
        raise ValueError(f"guidance {tuple(guidance.shape)} given to a generator that sees none")


class Vid2VidGenerator(VideoGenerator[Vid2VidFeatures]):
    """Blend a drawn image and the warped previous one by an occlusion mask (vid2vid eq. 4 to 6).

    Labels and past images have an encoder each; their sum feeds an image part and a flow part. Each
    local enhancer (vid2vid section 3.4) sees them at twice the size and adds the features of the
    level below. Norms are instance norms, which is what the batch norms of a batch of one do.
    """

    def __init__(self, config: Vid2VidConfig) -> None:
        super().__init__(config)
        self.config: Vid2VidConfig = config
        seen = config.context_frames
        channels = (seen + 1) * (config.num_classes + int(config.edges))
        widths = [config.width * 2**level for level in range(config.num_downs + 1)]
        late = config.num_residual // 2
        early = config.num_residual - late
        self.label_encoder = _encoder(channels, widths, num_residual=early)
        self.image_encoder = _encoder(3 * seen, widths, num_residual=early)
        self.image_decoder = _decoder(widths, num_residual=late)
        self.image_head = _head(widths[0], 3)
        self.flow_decoder = _decoder(widths, num_residual=late)
        self.flow_head = _head(widths[0], 2)
        self.occlusion_head = _head(widths[0], 1)
        narrow = [config.foreground_width * 2**level for level in range(config.num_downs + 1)]
        self.foreground_net = nn.Sequential(
            _encoder(channels, narrow, num_residual=config.num_residual),
            _decoder(narrow, num_residual=0),
            _head(narrow[0], 3),
        )
        self.enhancers = nn.ModuleList(
            _Enhancer(
                channels,
                3 * seen,
                width=config.width // 2**level,
                foreground_width=config.foreground_width // 2**level,
                num_residual=config.enhancer_residual,
            )
            for level in range(1, config.extra_blocks + 1)
        )
        for module in self.modules():
            if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
                nn.init.normal_(module.weight, std=_INIT_STD)
                assert module.bias is not None
                nn.init.zeros_(module.bias)
        for level in self._levels:
            for head in (level.flow_head, level.occlusion_head):
                nn.init.zeros_(head.weight)  # motion starts at 0 and occlusion at 0.5

    def label_features(
        self,
        previous_semantic: Tensor,
        semantic: Tensor,
        *,
        previous_edges: Tensor | None = None,
        edges: Tensor | None = None,
        colours: Tensor | None = None,
        motion: Motion | None = None,
    ) -> Vid2VidFeatures:
        """Encode the labels, and draw the foreground.

        Args:
            previous_semantic: (B, 2, H, W) integer ids at t - 2 and t - 1.
            semantic: (B, H, W) integer ids at t.
            previous_edges: (B, 2, H, W) of 0 and 1; exactly where the config says ``edges``.
            edges: (B, 1, H, W), the same at t.
            colours: Refused: it sees none.
            motion: Refused: flow is drawn together with the frame.

        Raises:
            LabelSetError: If an id is outside the model's classes.
            ValueError: If colours or motion are given, edges are missing or not wanted, or the size
                does not fit.
        """
        if colours is not None:
            raise ValueError("the generator sees no colours of objects")
        if motion is not None:
            raise ValueError("vid2vid draws its flow together with the frame: it follows no other")
        self._check(semantic, previous_edges, edges)
        labels = [*previous_semantic.unbind(dim=1), semantic]
        maps = [one_hot(one, self.config.num_classes) for one in labels]
        if edges is not None and previous_edges is not None:
            borders = torch.cat([previous_edges, edges], dim=1).float()
            maps = [part for t, one in enumerate(maps) for part in (one, borders[:, t : t + 1])]
        channels = torch.cat(maps, dim=1).to(self.dtype)
        is_foreground = torch.zeros_like(semantic, dtype=torch.bool)
        for id_ in self.config.foreground:
            is_foreground |= semantic == id_
        mask = is_foreground.unsqueeze(1).float()
        scales = _halved(channels, self.config.extra_blocks)
        encoded = [self.label_encoder(scales[0])]
        drawn = self.foreground_net[:-1](scales[0])
        head = self.foreground_net[-1]
        for enhancer, maps_at in zip(self._enhancers, scales[1:], strict=True):
            encoded.append(enhancer.label_encoder(maps_at))
            drawn = enhancer.foreground_decoder(enhancer.foreground_encoder(maps_at) + drawn)
            head = enhancer.foreground_head
        foreground = torch.tanh(head(drawn).float())
        return Vid2VidFeatures(tuple(encoded), foreground, mask, torch.zeros_like(mask))

    def render(
        self,
        previous_images: Tensor,
        features: Vid2VidFeatures,
        detail: float = 1.0,  # noqa: ARG002
    ) -> GeneratorOutput:
        """Generate the frame of some labels from the two frames before.

        Args:
            previous_images: (B, 6, H, W) float32 in [-1, 1], t - 2 and t - 1.
            features: From ``label_features``, same batch and size.
            detail: Without effect: enhancers do not fade in.
        """
        pasts = _halved(previous_images.to(self.dtype), self.config.extra_blocks)
        image: Tensor | float = 0.0
        motion: Tensor | float = 0.0
        for level, encoded, past in zip(self._levels, features.encoded, pasts, strict=True):
            x = encoded + level.image_encoder(past)
            image, motion = level.image_decoder(x + image), level.flow_decoder(x + motion)
        assert isinstance(motion, Tensor)
        finest = self._levels[-1]
        raw = torch.tanh(finest.image_head(image).float())
        with full_precision(motion.device.type):
            unit_px = self.config.flow_unit_px * 2**self.config.extra_blocks
            flow = finest.flow_head(motion.float()) * unit_px
            occlusion_mask = torch.sigmoid(finest.occlusion_head(motion.float()))
        occlusion_mask = torch.maximum(occlusion_mask, features.anew)
        warped = warp(previous_images[:, -3:], flow)
        image = raw * occlusion_mask + warped * (1 - occlusion_mask)
        mask = features.foreground_mask
        raw, image = (features.foreground * mask + it * (1 - mask) for it in (raw, image))
        return GeneratorOutput(image, warped, flow, occlusion_mask, raw)

    def newest_modules(self) -> list[nn.Module]:
        """Return the last enhancer."""
        return [self.enhancers[-1]] if len(self.enhancers) else super().newest_modules()

    @property
    def dtype(self) -> torch.dtype:
        """Type of weights and features; flow, warp and images are float32 throughout."""
        return next(self.image_head.parameters()).dtype

    def cast(self, dtype: torch.dtype) -> None:
        """Set the type of weights and features; the heads of flow and occlusion stay float32."""
        heads = [copy.deepcopy((level.flow_head, level.occlusion_head)) for level in self._levels]
        self.to(dtype)
        for level, kept in zip(self._levels, heads, strict=True):
            level.flow_head, level.occlusion_head = kept

    @property
    def _enhancers(self) -> list["_Enhancer"]:
        return [cast("_Enhancer", enhancer) for enhancer in self.enhancers]

    @property
    def _levels(self) -> list["Vid2VidGenerator | _Enhancer"]:
        """What draws at each size, the base first."""
        return [self, *self._enhancers]

    def _check(self, semantic: Tensor, *edges: Tensor | None) -> None:
        if any((one is not None) != self.config.edges for one in edges):
            wanted = "needs an edge map" if self.config.edges else "takes no edge map"
            raise ValueError(f"the generator {wanted} for every label map")
        height, width = semantic.shape[1:]
        multiple = self.config.size_multiple
        if height % multiple or width % multiple or min(height, width) < 2 * multiple:
            raise ValueError(
                f"frames of {width}x{height} do not fit the generator: pad both sides to multiples "
                f"of {multiple} (rollout.step does), at least {2 * multiple}"
            )


class _Enhancer(nn.Module):
    """Draws at twice the size from what the level below knows; its parts are those of the base."""

    def __init__(
        self,
        label_channels: int,
        image_channels: int,
        *,
        width: int,
        foreground_width: int,
        num_residual: int,
    ) -> None:
        super().__init__()
        widths, narrow = [width, 2 * width], [foreground_width, 2 * foreground_width]
        self.label_encoder = _encoder(label_channels, widths, num_residual=0)
        self.image_encoder = _encoder(image_channels, widths, num_residual=0)
        self.image_decoder = _decoder(widths, num_residual=num_residual)
        self.image_head = _head(width, 3)
        self.flow_decoder = _decoder(widths, num_residual=num_residual)
        self.flow_head = _head(width, 2)
        self.occlusion_head = _head(width, 1)
        self.foreground_encoder = _encoder(label_channels, narrow, num_residual=0)
        self.foreground_decoder = _decoder(narrow, num_residual=num_residual)
        self.foreground_head = _head(foreground_width, 3)


def _halved(x: Tensor, times: int) -> list[Tensor]:
    """Return (B, C, H, W) at every size from the coarsest, averaged, up to its own."""
    sizes = [x]
    for _ in range(times):
        sizes.insert(0, F.avg_pool2d(sizes[0], 2))
    return sizes


def _encoder(channels: int, widths: list[int], *, num_residual: int) -> nn.Sequential:
    stem = nn.Conv2d(channels, widths[0], _HEAD_KERNEL, padding=3, padding_mode="reflect")
    layers = _normed(stem, widths[0])
    for fin, fout in pairwise(widths):
        layers += _normed(nn.Conv2d(fin, fout, 3, 2, 1), fout)
    return nn.Sequential(*layers, *(ResidualBlock(widths[-1]) for _ in range(num_residual)))


def _decoder(widths: list[int], *, num_residual: int) -> nn.Sequential:
    layers: list[nn.Module] = [ResidualBlock(widths[-1]) for _ in range(num_residual)]
    for fin, fout in pairwise(widths[::-1]):
        layers += _normed(nn.ConvTranspose2d(fin, fout, 3, 2, 1, output_padding=1), fout)
    return nn.Sequential(*layers)


def _normed(convolution: nn.Module, width: int) -> list[nn.Module]:
    return [convolution, InstanceNorm(width), nn.ReLU()]


def _head(width: int, channels: int) -> nn.Conv2d:
    return nn.Conv2d(width, channels, _HEAD_KERNEL, padding=3, padding_mode="reflect")
