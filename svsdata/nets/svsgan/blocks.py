"""Layers that the generator and its motion network are made of.

# B batch, C channels, H, W
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from svsdata.nets.svsgan.config import DecoderNorm
from svsdata.nets.svsgan.spectral import spectral_norm

GROUP_WIDTH = 16
"""Channels a group; smaller groups take the colour of the previous frame away (paper-notes)."""


class Modulation(NamedTuple):
    """What a SPADE does to normalised features: ``x * (1 + gamma) + beta``."""

    gamma: Tensor
    beta: Tensor

    def apply(self, normalized: Tensor) -> Tensor:
        """Scale and shift (B, C, H, W)."""
        return self.beta.addcmul(normalized, self.gamma + 1)

    def then(self, second: "Modulation") -> "Modulation":
        """Return the one modulation that equals this one followed by ``second``."""
        scale = second.gamma + 1
        return Modulation(self.gamma * scale + second.gamma, self.beta * scale + second.beta)


class InstanceNorm(nn.GroupNorm):
    """Instance norm with scale and shift, kept in channels_last."""

    def __init__(self, width: int) -> None:
        super().__init__(width, width)


class SpadeBlock(nn.Module):
    """ResNet block of two SPADEs, and a third on the shortcut where widths differ.

    SPADE normalises without parameters and modulates by gamma and beta (svs-gan 3.1, SPADE eq. 1).
    """

    def __init__(self, fin: int, fout: int, *, norm: DecoderNorm) -> None:
        super().__init__()
        mid = min(fin, fout)
        self.spade_widths = (fin, mid) if fin == fout else (fin, mid, fin)
        self.norm = norm
        self.conv_0 = spectral_norm(nn.Conv2d(fin, mid, 3, padding=1))
        self.conv_1 = spectral_norm(nn.Conv2d(mid, fout, 3, padding=1))
        self.shortcut: nn.Module | None = None
        if fin != fout:
            self.shortcut = spectral_norm(nn.Conv2d(fin, fout, 1, bias=False))

    def forward(self, x: Tensor, modulations: list[Modulation]) -> Tensor:
        """Map (B, fin, H, W) to (B, fout, H, W); one modulation per entry of ``spade_widths``."""
        normalized = self._normalize(x)
        hidden = self.conv_0(F.leaky_relu(modulations[0].apply(normalized), 0.2))
        hidden = self._normalize(hidden)
        hidden = self.conv_1(F.leaky_relu(modulations[1].apply(hidden), 0.2))
        if self.shortcut is None:
            return x + hidden
        return self.shortcut(modulations[2].apply(normalized)) + hidden

    def _normalize(self, x: Tensor) -> Tensor:
        width = x.shape[1]
        groups = width if self.norm == "instance" else max(width // GROUP_WIDTH, 1)
        return F.group_norm(x, groups)


class SemanticModulator(nn.Module):
    """Gamma and beta of all SPADEs of a block, straight from the label features (DP-GAN)."""

    def __init__(self, condition: int, spade_widths: tuple[int, ...], *, kernel: int) -> None:
        super().__init__()
        self.splits = [width for width in spade_widths for _ in ("gamma", "beta")]
        self.conv = nn.Conv2d(condition, sum(self.splits), kernel, padding=kernel // 2)

    def forward(self, condition: Tensor) -> list[Modulation]:
        """Map (B, condition, H, W) to one modulation per SPADE."""
        maps = self.conv(condition).split(self.splits, dim=1)
        return [Modulation(*pair) for pair in zip(maps[::2], maps[1::2], strict=True)]


class StyleModulator(nn.Module):
    """Variant E: gamma and beta from the image bottleneck and the skip of the same stride.

    Each SPADE has a hidden layer of its own. The bottleneck's half of it runs on the bottleneck's
    grid and is upsampled: same parameters, half the operations (docs/paper-notes.md#style).
    """

    def __init__(
        self, bottleneck: int, skip: int, spade_widths: tuple[int, ...], *, hidden: int
    ) -> None:
        super().__init__()
        total = hidden * len(spade_widths)
        self.from_bottleneck = nn.Conv2d(bottleneck, total, 3, padding=1, bias=False)
        self.from_skip = nn.Conv2d(skip, total, 3, padding=1)
        self.heads = nn.ModuleList(
            nn.Conv2d(hidden, 2 * width, 3, padding=1) for width in spade_widths
        )

    def forward(self, bottleneck: Tensor, skip: Tensor) -> list[Modulation]:
        """Map both feature maps to one modulation per SPADE, on the grid of ``skip``."""
        coarse = F.interpolate(self.from_bottleneck(bottleneck), skip.shape[2:], mode="nearest")
        hidden = F.relu(coarse + self.from_skip(skip)).chunk(len(self.heads), dim=1)
        return [
            Modulation(*head(part).chunk(2, dim=1))
            for head, part in zip(self.heads, hidden, strict=True)
        ]


class OcclusionFusion(nn.Module):
    """Weigh generated features against carried-over ones by the occlusion mask (svs-gan 3.1)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(2 * width, width, 1)
        # starts as a blend of both
        self.proj.weight.data.copy_(torch.eye(width).repeat(1, 2)[..., None, None])

    def forward(self, generated: Tensor, skip: Tensor, occlusion_mask: Tensor) -> Tensor:
        """Fuse (B, C, H, W) twice; mask (B, 1, H, W): 1 = take what is generated."""
        kept = skip * (1 - occlusion_mask)
        return self.proj(torch.cat([generated * occlusion_mask, kept], dim=1))
