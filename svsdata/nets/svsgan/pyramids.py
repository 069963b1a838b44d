"""The two encoders: label maps to SPADE conditions, the warped image to skips and a bottleneck.

# B batch, K classes, C channels, H, W
"""

import math
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrize import register_parametrization

from svsdata.nets.svsgan.blocks import InstanceNorm
from svsdata.nets.svsgan.config import GeneratorConfig
from svsdata.nets.svsgan.spectral import spectral_norm
from svsdata.tensors import check_ids, one_hot


class LabelInput(nn.Module):
    """Turn ids, and instance borders where the model has them, into channels.

    A learned table stands for a one-hot map followed by a 1x1 convolution: the same function, a
    quarter of the memory traffic.
    """

    def __init__(self, config: GeneratorConfig) -> None:
        super().__init__()
        self.num_classes = config.num_classes
        self.edges = config.edges
        self.table: nn.Parameter | None = None
        if config.label_embedding:
            self.table = nn.Parameter(torch.randn(config.num_classes, config.label_embedding))
        self.channels = (config.label_embedding or config.num_classes) + int(config.edges)

    def forward(self, semantic: Tensor, edges: Tensor | None, *, patch: int = 1) -> Tensor:
        """Map (B, H, W) ids and (B, 1, H, W) edges to (B, channels, H, W).

        Args:
            semantic: Integer ids.
            edges: Of 0 and 1, exactly where the model has them.
            patch: As by ``fold``: (B, channels * patch**2, H / patch, W / patch).
        """
        if (edges is not None) != self.edges:
            wanted = "needs an edge map" if self.edges else "takes no edge map"
            raise ValueError(f"the generator {wanted} for every label map")
        if self.table is None:
            maps = one_hot(semantic, self.num_classes)
            return fold(
                maps if edges is None else torch.cat([maps, edges.to(maps.dtype)], 1), patch
            )
        check_ids(semantic, self.num_classes)
        # ids change places before they are looked up: they are fewer bytes than channels
        ids = fold(semantic.unsqueeze(1), patch).movedim(1, -1)
        maps = F.embedding(ids.int(), self.table)
        if edges is not None:
            borders = fold(edges.to(maps.dtype), patch).movedim(1, -1)
            maps = torch.cat([maps, borders.unsqueeze(-1)], dim=-1)
        return maps.transpose(-1, -2).flatten(-2).movedim(-1, 1)


class SemanticPyramid(nn.Module):
    """DP-GAN's label encoder: every level is joined by the upsampled coarsest one."""

    def __init__(
        self, in_channels: int, stem: tuple[int, int], *, num_scales: int, num_downs: int
    ) -> None:
        super().__init__()
        width = stem[1]
        self.stems = nn.ModuleList(
            nn.Sequential(
                _normed(in_channels, stem[0], stride=1), _normed(stem[0], width, stride=1)
            )
            for _ in range(num_scales)
        )
        self.downs = nn.ModuleList(_normed(width, width, stride=2) for _ in range(num_downs))

    def forward(self, labels: list[Tensor]) -> tuple[Tensor, ...]:
        """Return conditions of 2 * stem[1] channels, coarsest first.

        Args:
            labels: Channels of ``LabelInput`` at the base size, then at each larger one.
        """
        base, *larger = (stem(maps) for stem, maps in zip(self.stems, labels, strict=True))
        levels = [base]
        for down in self.downs:
            levels.append(down(levels[-1]))
        coarsest = levels[-1]
        return tuple(
            torch.cat([_upsample(coarsest, level), level], dim=1)
            for level in (*reversed(levels), *larger)
        )


class ImagePyramid(nn.Module):
    """Encoder of the warped image, colour-safe: spectral norm on weights, none on activations.

    A norm on activations would take the previous frame's colour offset away
    (docs/paper-notes.md#colour). Extra blocks bring stems for larger images, each joined to the
    next smaller one. Without ``skip_convolutions`` a skip is what leads to its level.
    """

    def __init__(
        self,
        in_channels: int,
        widths: tuple[int, ...],
        *,
        larger_widths: tuple[int, ...] = (),
        skip_convolutions: bool = True,
    ) -> None:
        super().__init__()
        stems = (widths[0], *larger_widths)
        self.stems = nn.ModuleList(_conv(in_channels, width, stride=1) for width in stems)
        joins = [nn.Conv2d(b, a, 3, 2, 1) for a, b in pairwise(stems)]
        for join in joins:
            nn.init.zeros_(join.weight)  # a larger size starts without changing the base
        self.joins = nn.ModuleList(joins)
        own = widths[:-1] if skip_convolutions else ()
        self.same = nn.ModuleList(_conv(width, width, stride=1) for width in own)
        self.downs = nn.ModuleList(_conv(a, b, stride=2) for a, b in pairwise(widths))

    def forward(self, images: list[Tensor]) -> list[Tensor]:
        """Return the skips of all strides, finest first, and last the bottleneck.

        Args:
            images: At the base size, then at each larger one; those beyond the stems are not read.
        """
        levels: list[Tensor] = []
        x = F.leaky_relu(self.stems[-1](images[len(self.stems) - 1]), 0.2)
        for index in range(len(self.joins) - 1, -1, -1):
            levels.append(x)
            x = F.leaky_relu(self.stems[index](images[index]), 0.2) + self.joins[index](x)
        for index, down in enumerate(self.downs):
            levels.append(F.leaky_relu(self.same[index](x), 0.2) if self.same else x)
            x = F.leaky_relu(down(levels[-1]), 0.2)
        return [*levels, x]


class _Gain(nn.Module):
    """Undo what the leaky ReLU takes, or ten layers of norm 1 leave nothing of the image."""

    def forward(self, weight: Tensor) -> Tensor:
        return weight * math.sqrt(2)


def _conv(fin: int, fout: int, *, stride: int) -> nn.Module:
    conv = spectral_norm(nn.Conv2d(fin, fout, 3, stride, 1))
    return register_parametrization(conv, "weight", _Gain())


def _normed(fin: int, fout: int, *, stride: int) -> nn.Module:
    return nn.Sequential(nn.Conv2d(fin, fout, 3, stride, 1), InstanceNorm(fout), nn.ReLU())


def _upsample(coarse: Tensor, like: Tensor) -> Tensor:
    return F.interpolate(coarse, like.shape[2:], mode="bilinear", align_corners=False)


def fold(maps: Tensor, patch: int) -> Tensor:
    """Map (B, C, H, W) to (B, C * patch**2, H / patch, W / patch), as ``pixel_unshuffle`` does."""
    return F.pixel_unshuffle(maps, patch) if patch > 1 else maps
