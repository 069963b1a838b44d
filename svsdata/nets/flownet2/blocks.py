"""Layers of FlowNet2. Their positions and names give the published checkpoint's keys."""

import torch
from torch import Tensor, nn


def conv(in_channels: int, out_channels: int, *, kernel: int = 3, stride: int = 1) -> nn.Sequential:
    """Return a convolution that keeps the size up to its stride, and its activation."""
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, kernel, stride, (kernel - 1) // 2), leaky_relu()
    )


def deconv(in_channels: int, out_channels: int) -> nn.Sequential:
    """Return a learned doubling of the size and its activation."""
    return nn.Sequential(nn.ConvTranspose2d(in_channels, out_channels, 4, 2, 1), leaky_relu())


def inter_conv(in_channels: int, out_channels: int) -> nn.Sequential:
    """Return a convolution without activation, the layer before a prediction."""
    return nn.Sequential(nn.Conv2d(in_channels, out_channels, 3, padding=1))


class FlowHead(nn.Conv2d):
    """Predicts (B, 2, H, W) float32 flow from features of any precision."""

    def __init__(self, in_channels: int) -> None:
        super().__init__(in_channels, 2, 3, padding=1)

    def forward(self, features: Tensor) -> Tensor:  # noqa: D102
        return super().forward(features.to(self.weight.dtype))


class FlowUpsampling(nn.ConvTranspose2d):
    """Doubles the size of a flow; learned, of the same precision as ``FlowHead``."""

    def __init__(self, *, bias: bool = True) -> None:
        super().__init__(2, 2, 4, 2, 1, bias=bias)


def joined(features: Tensor, *others: Tensor) -> Tensor:
    """Put features and flows together on the channel axis, in the precision of the first."""
    return torch.cat([features, *(other.to(features.dtype) for other in others)], dim=1)


def leaky_relu() -> nn.LeakyReLU:
    """Return the activation used throughout."""
    return nn.LeakyReLU(0.1, inplace=True)
