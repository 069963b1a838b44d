"""The two encoders: label maps to SPADE conditions, the warped image to skips and a bottleneck.

# B batch, K classes, C channels, H, W
"""

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from svsdata.nets.svsgan.blocks import InstanceNorm
from svsdata.nets.svsgan.config import GeneratorConfig
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

    def forward(self, semantic: Tensor, edges: Tensor | None) -> Tensor:
        """Map (B, H, W) ids and (B, 1, H, W) edges to (B, channels, H, W)."""
        if (edges is not None) != self.edges:
            wanted = "needs an edge map" if self.edges else "takes no edge map"
            raise ValueError(f"the generator {wanted} for every label map")
        maps: Tensor
        if self.table is None:
            maps = one_hot(semantic, self.num_classes)
        else:
            check_ids(semantic, self.num_classes)
            maps = F.embedding(semantic.int(), self.table).movedim(-1, 1)
        return maps if edges is None else torch.cat([maps, edges.to(maps.dtype)], dim=1)


class SemanticPyramid(nn.Module):
    """DP-GAN's label encoder: every level is joined by the upsampled coarsest one."""

    def __init__(self, in_channels: int, stem: tuple[int, int], *, num_downs: int) -> None:
        super().__init__()
        width = stem[1]
        self.stem = nn.Sequential(
            _normed(in_channels, stem[0], stride=1), _normed(stem[0], width, stride=1)
        )
        self.downs = nn.ModuleList(_normed(width, width, stride=2) for _ in range(num_downs))

    def forward(self, labels: Tensor) -> tuple[Tensor, ...]:
        """Return conditions of 2 * stem[1] channels, coarsest first."""
        levels = [self.stem(labels)]
        for down in self.downs:
            levels.append(down(levels[-1]))
        coarsest = levels[-1]
        return tuple(
            torch.cat([_upsample(coarsest, level), level], dim=1) for level in reversed(levels)
        )


class ImagePyramid(nn.Module):
    """Encoder of the warped image, colour-safe: spectral norm on weights, none on activations.

    A norm on activations would take the previous frame's colour offset away
    (docs/paper-notes.md#colour).
    """

    def __init__(self, in_channels: int, widths: tuple[int, ...]) -> None:
        super().__init__()
        self.stem = _conv(in_channels, widths[0], stride=1)
        self.same = nn.ModuleList(_conv(width, width, stride=1) for width in widths[:-1])
        self.downs = nn.ModuleList(_conv(a, b, stride=2) for a, b in pairwise(widths))

    def forward(self, image: Tensor) -> list[Tensor]:
        """Return the skips of all strides, finest first, and last the bottleneck."""
        x = F.leaky_relu(self.stem(image), 0.2)
        levels = []
        for same, down in zip(self.same, self.downs, strict=True):
            levels.append(F.leaky_relu(same(x), 0.2))
            x = F.leaky_relu(down(levels[-1]), 0.2)
        return [*levels, x]


def _conv(fin: int, fout: int, *, stride: int) -> nn.Module:
    return spectral_norm(nn.Conv2d(fin, fout, 3, stride, 1))


def _normed(fin: int, fout: int, *, stride: int) -> nn.Module:
    return nn.Sequential(nn.Conv2d(fin, fout, 3, stride, 1), InstanceNorm(fout), nn.ReLU())


def _upsample(coarse: Tensor, like: Tensor) -> Tensor:
    return F.interpolate(coarse, like.shape[2:], mode="bilinear", align_corners=False)
