"""I3D trained on Kinetics-400, whose logits are the features of FVD (Unterthiner et al. 2018).

Key names and paddings are those of the PyTorch port that FVD tools share.

B batch, C channels, T frames, H, W size.
"""

from functools import reduce

import torch
import torch.nn.functional as F
from torch import Tensor, nn

INPUT_HW = (224, 224)
NUM_FEATURES = 400
MIN_FRAMES = 9
"""Time is halved three times and the last pooling looks at two steps."""

_MIXED = {
    "Mixed_3b": (192, (64, 96, 128, 16, 32, 32)),
    "Mixed_3c": (256, (128, 128, 192, 32, 96, 64)),
    "Mixed_4b": (480, (192, 96, 208, 16, 48, 64)),
    "Mixed_4c": (512, (160, 112, 224, 24, 64, 64)),
    "Mixed_4d": (512, (128, 128, 256, 24, 64, 64)),
    "Mixed_4e": (512, (112, 144, 288, 32, 64, 64)),
    "Mixed_4f": (528, (256, 160, 320, 32, 128, 128)),
    "Mixed_5b": (832, (256, 160, 320, 32, 128, 128)),
    "Mixed_5c": (832, (384, 192, 384, 48, 128, 128)),
}
"""Channels in, and widths of the six convolutions."""
_POOL_BEFORE = {
    "Conv3d_2b_1x1": ((1, 3, 3), (1, 2, 2)),
    "Mixed_3b": ((1, 3, 3), (1, 2, 2)),
    "Mixed_4b": ((3, 3, 3), (2, 2, 2)),
    "Mixed_5b": ((2, 2, 2), (2, 2, 2)),
}


def i3d_input(clips: Tensor) -> Tensor:
    """Squash clips to 224x224 and scale them, as cd-fvd does with arrays.

    Args:
        clips: (B, T, H, W, 3) uint8 RGB.

    Returns:
        (B, 3, T, 224, 224) float32 in [-1, 1].
    """
    return 2 * squashed(clips) / 255 - 1


def squashed(clips: Tensor) -> Tensor:
    """Resize (B, T, H, W, 3) uint8 to (B, 3, T, 224, 224) float32, 0..255, without antialiasing."""
    batch, frames = clips.shape[:2]
    pictures = clips.flatten(0, 1).permute(0, 3, 1, 2).float()
    small = F.interpolate(pictures, INPUT_HW, mode="bilinear", align_corners=False)
    return small.view(batch, frames, *small.shape[1:]).transpose(1, 2)


class _Unit(nn.Module):
    """Convolution, batch norm, ReLU, padded so that the output has ceil(size / stride)."""

    def __init__(self, channels: int, width: int, kernel: int, stride: int = 1) -> None:
        super().__init__()
        self.conv3d = nn.Conv3d(channels, width, kernel, stride, bias=False)
        self.bn = nn.BatchNorm3d(width)

    def forward(self, x: Tensor) -> Tensor:
        padded = _pad_same(x, self.conv3d.kernel_size, self.conv3d.stride)
        return F.relu(self.bn(self.conv3d(padded)), inplace=True)


class _Mixed(nn.Module):
    def __init__(self, channels: int, widths: tuple[int, int, int, int, int, int]) -> None:
        super().__init__()
        self.b0 = _Unit(channels, widths[0], 1)
        self.b1a = _Unit(channels, widths[1], 1)
        self.b1b = _Unit(widths[1], widths[2], 3)
        self.b2a = _Unit(channels, widths[3], 1)
        self.b2b = _Unit(widths[3], widths[4], 3)
        self.b3b = _Unit(channels, widths[5], 1)

    def forward(self, x: Tensor) -> Tensor:
        pooled = _max_pool_same(x, (3, 3, 3), (1, 1, 1))
        branches = [self.b0(x), self.b1b(self.b1a(x)), self.b2b(self.b2a(x)), self.b3b(pooled)]
        return torch.cat(branches, 1)


class _Logits(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv3d = nn.Conv3d(1024, NUM_FEATURES, 1)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.conv3d(F.avg_pool3d(x, (2, 7, 7), stride=1))
        return out


class I3d(nn.Module):
    """I3D on RGB."""

    def __init__(self) -> None:
        super().__init__()
        self.logits = _Logits()
        self.Conv3d_1a_7x7 = _Unit(3, 64, 7, stride=2)
        self.Conv3d_2b_1x1 = _Unit(64, 64, 1)
        self.Conv3d_2c_3x3 = _Unit(64, 192, 3)
        for name, (channels, widths) in _MIXED.items():
            self.add_module(name, _Mixed(channels, widths))

    def forward(self, clips: Tensor) -> Tensor:
        """Map (B, 3, T, 224, 224) in [-1, 1], T at least 9, to (B, 400) logits, averaged over time.

        Raises:
            ValueError: If there are fewer frames.
        """
        if clips.shape[2] < MIN_FRAMES:
            raise ValueError(f"I3D needs {MIN_FRAMES} frames, got {clips.shape[2]}")
        x = clips
        for name, block in self.named_children():
            if name == "logits":
                continue
            if name in _POOL_BEFORE:
                x = _max_pool_same(x, *_POOL_BEFORE[name])
            x = block(x)
        logits: Tensor = self.logits(x)
        return logits.mean((2, 3, 4))


def _pad_same(x: Tensor, kernel: tuple[int, ...], stride: tuple[int, ...]) -> Tensor:
    """Pad with zeros so that a window yields ceil(size / stride), more at the end."""
    pads: list[int] = []
    for size, k, s in zip(reversed(x.shape[2:]), reversed(kernel), reversed(stride), strict=True):
        total = max(k - (size % s or s), 0)
        pads += [total // 2, total - total // 2]
    return F.pad(x, pads) if any(pads) else x


def _max_pool_same(x: Tensor, kernel: tuple[int, ...], stride: tuple[int, ...]) -> Tensor:
    # The zeros of the padding never win wrongly: inputs are ReLU outputs. One axis after the other
    # gives max_pool3d's numbers, five to fifteen times as fast on a processor.
    x = _pad_same(x, kernel, stride)
    for axis, (size, step) in enumerate(zip(kernel, stride, strict=True), start=2):
        x = reduce(torch.maximum, x.unfold(axis, size, step).unbind(-1))
    return x
