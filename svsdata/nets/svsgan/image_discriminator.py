"""OASIS' segmenting discriminator: a U-Net that names each pixel's class, or calls it fake.

# B batch, K classes, C channels, H, W
"""

from itertools import pairwise
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from svsdata.nets.svsgan.blocks import GROUP_WIDTH
from svsdata.nets.svsgan.config import ImageDiscriminatorConfig
from svsdata.nets.svsgan.spectral import spectral_norm

_PATCH_LEVELS = (-3, -1)
"""Down blocks whose outputs the patch heads read: the fourth and the sixth of six (DP-GAN)."""


class ImageScores(NamedTuple):
    """What the image discriminator says of a picture."""

    logits: Tensor
    """(B, K + 1, H, W) over the config's ``patch``: channel 0 = fake, channel c + 1 = class c (the
    paper puts fake last)."""
    features: tuple[Tensor, ...]
    """Outputs of all down blocks and of all up blocks but the last, for feature matching."""
    ups: tuple[Tensor, ...]
    """Outputs of all up blocks but the first, for DP-GAN's alignment."""
    patches: tuple[Tensor, ...] = ()
    """(B, 1, h, w) float32 of each patch head, where there are any: high = real."""


class ImageDiscriminator(nn.Module):
    """Segment an image into K classes and "fake" (svs-gan 3.2, eq. 1); sees no labels."""

    def __init__(self, config: ImageDiscriminatorConfig) -> None:
        super().__init__()
        self.config = config
        widths = config.widths
        self.downs = nn.ModuleList(
            _DownBlock(a, b, first=index == 0)
            for index, (a, b) in enumerate(pairwise((3 * config.patch**2, *widths)))
        )
        outs = (*widths[-2::-1], widths[0] // 2)
        # every up block but the first reads the one before it and the down block of its size
        ins = (widths[-1], *(2 * width for width in widths[-2::-1]))
        self.ups = nn.ModuleList(_UpBlock(a, b) for a, b in zip(ins, outs, strict=True))
        self.head = nn.Conv2d(outs[-1], config.num_classes + 1, 1)
        heads = config.patch_head_width
        self.patch_heads = nn.ModuleList(
            _patch_head(widths[level], heads) for level in _PATCH_LEVELS if heads
        )

    def forward(self, image: Tensor) -> ImageScores:
        """Score (B, 3, H, W) in [-1, 1].

        Raises:
            ValueError: If H or W is not a multiple of the config's ``size_multiple``.
        """
        height, width = image.shape[2:]
        multiple = self.config.size_multiple
        if height % multiple or width % multiple:
            raise ValueError(
                f"image of {width}x{height} does not fit the image discriminator: "
                f"both sides must be multiples of {multiple}"
            )
        downs = []
        x = F.pixel_unshuffle(image, self.config.patch)
        for down in self.downs:
            x = down(x)
            downs.append(x)
        ups = [self.ups[0](x)]
        for up, skip in zip(self.ups[1:], downs[-2::-1], strict=True):
            ups.append(up(torch.cat([ups[-1], skip], dim=1)))
        logits = self.head(ups[-1]).float()
        patches = [
            head(downs[level]).float()
            for head, level in zip(self.patch_heads, _PATCH_LEVELS, strict=False)
        ]
        return ImageScores(logits, (*downs, *ups[:-1]), tuple(ups[1:]), tuple(patches))


def _patch_head(fin: int, width: int) -> nn.Sequential:
    """Return DP-GAN's five convolutions, with group norms, which one patch of one image has too."""
    layers: list[nn.Module] = [nn.Conv2d(fin, width, 3, 2, 1), nn.LeakyReLU(0.2)]
    for _ in range(3):
        norm = nn.GroupNorm(max(width // GROUP_WIDTH, 1), width)
        layers += [nn.Conv2d(width, width, 3, 1, 1), norm, nn.LeakyReLU(0.2)]
    return nn.Sequential(*layers, nn.Conv2d(width, 1, 3, 1, 1))


class _DownBlock(nn.Module):
    def __init__(self, fin: int, fout: int, *, first: bool) -> None:
        super().__init__()
        self.first = first
        self.conv_0 = spectral_norm(nn.Conv2d(fin, fout, 3, padding=1))
        self.conv_1 = spectral_norm(nn.Conv2d(fout, fout, 3, padding=1))
        self.shortcut = _shortcut(fin, fout)

    def forward(self, x: Tensor) -> Tensor:
        hidden = self.conv_0(x if self.first else F.leaky_relu(x, 0.2))
        hidden = F.avg_pool2d(self.conv_1(F.leaky_relu(hidden, 0.2)), 2)
        return self.shortcut(F.avg_pool2d(x, 2)) + hidden


class _UpBlock(nn.Module):
    def __init__(self, fin: int, fout: int) -> None:
        super().__init__()
        self.conv_0 = spectral_norm(nn.Conv2d(fin, fout, 3, padding=1))
        self.conv_1 = spectral_norm(nn.Conv2d(fout, fout, 3, padding=1))
        self.shortcut = _shortcut(fin, fout)

    def forward(self, x: Tensor) -> Tensor:
        hidden = self.conv_0(_double(F.leaky_relu(x, 0.2)))
        hidden = self.conv_1(F.leaky_relu(hidden, 0.2))
        return _double(self.shortcut(x)) + hidden  # 1x1 before doubling: same result, a quarter


def _shortcut(fin: int, fout: int) -> nn.Module:
    return nn.Identity() if fin == fout else spectral_norm(nn.Conv2d(fin, fout, 1))


def _double(x: Tensor) -> Tensor:
    return F.interpolate(x, scale_factor=2.0, mode="nearest")
