"""Layers that the generator and its motion network are made of.

# B batch, C channels, H, W
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from svsdata.nets.svsgan.config import DecoderNorm, Fusion, GeneratorConfig
from svsdata.nets.svsgan.spectral import spectral_norm
from svsdata.tensors import resize_flow, warp

GROUP_WIDTH = 16
"""Channels a group; smaller groups take the colour of the previous frame away (paper-notes)."""

_FIRST_FORGETTING = -4.0
"""Logit of the share that a decoder adds before it has learned: 2 %."""


class Modulation(NamedTuple):
    """What a SPADE does to normalised features; ``scale`` is its 1 + gamma, ``shift`` its beta."""

    scale: Tensor
    shift: Tensor

    def apply(self, normalized: Tensor) -> Tensor:
        """Scale and shift (B, C, H, W)."""
        return self.shift.addcmul(normalized, self.scale)

    def then(self, second: "Modulation") -> "Modulation":
        """Return the one modulation that equals this one followed by ``second``."""
        return Modulation(self.scale * second.scale, second.apply(self.shift))


def _around_one(conv: nn.Conv2d, x: Tensor, parts: list[int]) -> Tensor:
    """Convolve to scales and shifts in turn, so many channels each; scales get their one here."""
    assert conv.bias is not None
    biases = [bias + (index % 2 == 0) for index, bias in enumerate(torch.split(conv.bias, parts))]
    out: Tensor = conv._conv_forward(x, conv.weight, torch.cat(biases))
    return out


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
        hidden = self.conv_0(F.leaky_relu_(modulations[0].apply(normalized), 0.2))
        hidden = self._normalize(hidden)
        hidden = self.conv_1(F.leaky_relu_(modulations[1].apply(hidden), 0.2))
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
        self.splits = [width for width in spade_widths for _ in Modulation._fields]
        self.conv = nn.Conv2d(condition, sum(self.splits), kernel, padding=kernel // 2)

    def forward(self, condition: Tensor) -> list[Modulation]:
        """Map (B, condition, H, W) to one modulation per SPADE."""
        maps = torch.split(_around_one(self.conv, condition, self.splits), self.splits, dim=1)
        return [Modulation(*pair) for pair in zip(maps[::2], maps[1::2], strict=True)]


class GuidanceModulator(nn.Module):
    """Gamma and beta from what was seen before; starts as a modulation that changes nothing."""

    def __init__(self, spade_widths: tuple[int, ...], *, hidden: int) -> None:
        super().__init__()
        self.shared = nn.Conv2d(4, hidden, 3, padding=1)
        self.head = SemanticModulator(hidden, spade_widths, kernel=3)
        nn.init.zeros_(self.head.conv.weight)
        nn.init.zeros_(self.head.conv.bias)  # type: ignore[arg-type]

    def forward(self, guidance: Tensor) -> list[Modulation]:
        """Map (B, 4, H, W), RGB and 1 = known, to one modulation per SPADE."""
        modulations: list[Modulation] = self.head(F.relu(self.shared(guidance)))
        return modulations


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
        modulations = []
        for head, part in zip(self.heads, hidden, strict=True):
            assert isinstance(head, nn.Conv2d)
            maps = _around_one(head, part, [head.out_channels // 2] * 2)
            modulations.append(Modulation(*maps.chunk(2, dim=1)))
        return modulations


def occlusion_fusion(mode: Fusion, width: int) -> nn.Module:
    """Return what joins generated features and carried-over ones of so many channels."""
    return OcclusionFusion(width) if mode == "proj" else PlainFusion(mode)


class PlainFusion(nn.Module):
    """Weigh generated features against carried-over ones without parameters."""

    def __init__(self, mode: Fusion) -> None:
        super().__init__()
        self.mode = mode

    def forward(self, generated: Tensor, skip: Tensor, occlusion_mask: Tensor) -> Tensor:
        """Fuse as ``OcclusionFusion`` does; ``cat`` returns the channels of both."""
        generated = _on_grid_of(skip, generated)
        if self.mode == "blend":
            return skip.lerp(generated, occlusion_mask)
        carried = skip * (1 - occlusion_mask)
        return generated + carried if self.mode == "gate" else torch.cat([generated, carried], 1)


class OcclusionFusion(nn.Module):
    """Weigh generated features against carried-over ones by the occlusion mask (svs-gan 3.1)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(2 * width, width, 1)
        # starts as a blend of both
        self.proj.weight.data.copy_(torch.eye(width).repeat(1, 2)[..., None, None])

    def forward(self, generated: Tensor, skip: Tensor, occlusion_mask: Tensor) -> Tensor:
        """Fuse what is generated, doubled in size, with what is carried over.

        The literal form is ``proj(cat(mask * doubled, (1 - mask) * skip))``. A 1x1 convolution may
        as well come before doubling and weighing: then it has a quarter of the pixels to do.

        Args:
            generated: (B, C, H / 2, W / 2), or of the skip's size.
            skip: (B, C, H, W).
            occlusion_mask: (B, 1, H, W), 1 = take what is generated.

        Returns:
            (B, C, H, W).
        """
        of_generated, of_skip = self.proj.weight.chunk(2, dim=1)
        # the mask's weights sum to one, so both may bring the whole bias
        drawn = F.conv2d(generated, of_generated, self.proj.bias)
        doubled = _on_grid_of(skip, drawn)
        kept = F.conv2d(skip, of_skip, self.proj.bias)
        return kept.lerp(doubled, occlusion_mask)


def picture_heads(config: GeneratorConfig) -> nn.ModuleList:
    """Return what makes pictures of the last base block's features, and of each extra block's.

    A larger size starts as the base, upsampled, and what is kept of the warped image as the
    occlusion mask says.
    """
    colours = 3 * config.patch**2
    heads = nn.ModuleList()
    for width in config.block_widths[len(config.decoder_widths) - 1 :]:
        head = nn.Conv2d(width, config.drawn_channels * config.patch**2, 3, padding=1)
        assert head.bias is not None
        nn.init.zeros_(head.bias)
        nn.init.zeros_(head.weight[0 if len(heads) else colours :])
        if not len(heads):
            nn.init.constant_(head.bias[colours:], _FIRST_FORGETTING)
        heads.append(head)
    return heads


def warp_features(level: Tensor, flow: Tensor) -> Tensor:
    """Warp (B, C, H, W) features by a flow of another size."""
    return warp(level, resize_flow(flow, (level.shape[2], level.shape[3]))).to(level.dtype)


def doubled(image: Tensor) -> Tensor:
    """Return (B, C, H, W) at twice the size, bilinear."""
    return F.interpolate(image, scale_factor=2.0, mode="bilinear", align_corners=False)


def _on_grid_of(like: Tensor, maps: Tensor) -> Tensor:
    if maps.shape[2:] == like.shape[2:]:
        return maps
    return F.interpolate(maps, scale_factor=2.0, mode="nearest")
