"""VideoMAE v2's vision transformer, whose pooled features are those of FVD_cd (Ge et al. 2024).

Key names are those of the authors' fine-tuned checkpoints.

B batch, T frames, H, W size, N tokens, C width.
"""

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from svsdata.nets.features.i3d import INPUT_HW, squashed

NUM_FRAMES = 16
_PATCH, _TUBELET = 14, 2


@dataclass(frozen=True)
class VideoMaeConfig:
    """Size of the transformer; the defaults are ViT-g's, which FVD_cd takes."""

    width: int = 1408
    depth: int = 40
    heads: int = 16
    num_classes: int = 174
    """Of the head that no feature comes from: Something-Something v2."""


def videomae_input(clips: Tensor) -> Tensor:
    """Squash clips to 224x224 and scale them to 0..1, without ImageNet's mean, as cd-fvd does.

    Args:
        clips: (B, 16, H, W, 3) uint8 RGB.

    Returns:
        (B, 3, 16, 224, 224) float32 in [0, 1].
    """
    return squashed(clips) / 255


class _Attention(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.q_bias = nn.Parameter(torch.zeros(width))
        self.v_bias = nn.Parameter(torch.zeros(width))
        self.qkv = nn.Linear(width, 3 * width, bias=False)
        self.proj = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        bias = torch.cat([self.q_bias, torch.zeros_like(self.v_bias), self.v_bias])
        qkv = F.linear(x, self.qkv.weight, bias).view(*x.shape[:2], 3, self.heads, -1)
        query, key, value = qkv.permute(2, 0, 3, 1, 4)
        mixed = F.scaled_dot_product_attention(query, key, value)
        out: Tensor = self.proj(mixed.transpose(1, 2).flatten(2))
        return out


class _Mlp(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        hidden = int(width * 48 / 11)
        self.fc1, self.fc2 = nn.Linear(width, hidden), nn.Linear(hidden, width)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.fc2(F.gelu(self.fc1(x)))
        return out


class _Block(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width, eps=1e-6)
        self.attn = _Attention(width, heads)
        self.norm2 = nn.LayerNorm(width, eps=1e-6)
        self.mlp = _Mlp(width)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attn(self.norm1(x))
        return x + self.mlp(self.norm2(x))


class _PatchEmbedding(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        size = (_TUBELET, _PATCH, _PATCH)
        self.proj = nn.Conv3d(3, width, size, size)

    def forward(self, clips: Tensor) -> Tensor:
        out: Tensor = self.proj(clips).flatten(2).transpose(1, 2)
        return out


class VideoMae(nn.Module):
    """Vision transformer over space and time, 16 frames of 224x224."""

    positions: Tensor

    def __init__(self, config: VideoMaeConfig) -> None:
        super().__init__()
        tokens = (NUM_FRAMES // _TUBELET) * (INPUT_HW[0] // _PATCH) * (INPUT_HW[1] // _PATCH)
        self.patch_embed = _PatchEmbedding(config.width)
        self.blocks = nn.ModuleList(_Block(config.width, config.heads) for _ in range(config.depth))
        self.fc_norm = nn.LayerNorm(config.width, eps=1e-6)
        self.head = nn.Linear(config.width, config.num_classes)
        self.register_buffer("positions", _positions(tokens, config.width), persistent=False)

    def forward(self, clips: Tensor) -> Tensor:
        """Map (B, 3, 16, 224, 224) in [0, 1] to (B, C) features; the head takes no part."""
        x = self.patch_embed(clips) + self.positions.to(clips.dtype)
        for block in self.blocks:
            x = block(x)
        out: Tensor = self.fc_norm(x.mean(1))
        return out


def _positions(tokens: int, width: int) -> Tensor:
    """Return the fixed (1, N, C) table: sines on even, cosines on odd channels."""
    channel = np.arange(width)
    angle = np.arange(tokens)[:, None] / 10000 ** (2 * (channel // 2) / width)
    table = np.where(channel % 2 == 0, np.sin(angle), np.cos(angle))
    return torch.from_numpy(table).float().unsqueeze(0)
