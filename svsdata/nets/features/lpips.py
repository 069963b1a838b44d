"""LPIPS: the learned distance of two images (Zhang et al. 2018), version 0.1.

Trunks have torchvision's key names (``features.N``); heads are ``heads.0`` to ``heads.4``.
"""

from typing import Literal, TypeAlias

import torch
from torch import Tensor, nn

LpipsTrunk: TypeAlias = Literal["alex", "vgg"]

_VGG_WIDTHS = ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3))
HEAD_WIDTHS = {"alex": (64, 192, 384, 256, 256), "vgg": (64, 128, 256, 512, 512)}


class Lpips(nn.Module):
    """Distance of images by the features of AlexNet or VGG16."""

    shift: Tensor
    scale: Tensor

    def __init__(self, trunk: LpipsTrunk = "alex") -> None:
        super().__init__()
        self.trunk = trunk
        self.features, self._taps = _alex() if trunk == "alex" else _vgg()
        self.heads = nn.ModuleList(
            nn.Conv2d(width, 1, 1, bias=False) for width in HEAD_WIDTHS[trunk]
        )
        # ImageNet's mean and deviation, for images in [-1, 1] instead of [0, 1]
        self.register_buffer("shift", _color(-0.030, -0.088, -0.188), persistent=False)
        self.register_buffer("scale", _color(0.458, 0.448, 0.450), persistent=False)

    def forward(self, image: Tensor, other: Tensor) -> Tensor:
        """Map two (B, 3, H, W) RGB in [-1, 1], 32 pixels or more a side, to (B,) distances."""
        both = torch.cat([image, other])
        x = (both - self.shift) / self.scale
        total = torch.zeros(len(image), device=image.device)
        heads = iter(self.heads)
        for index, layer in enumerate(self.features):
            x = layer(x)
            if index in self._taps:
                a, b = _unit_length(x.float()).chunk(2)
                total = total + next(heads)((a - b).square()).mean((1, 2, 3))
        return total


def _unit_length(features: Tensor) -> Tensor:
    return features / (features.square().sum(1, keepdim=True).sqrt() + 1e-10)


def _alex() -> tuple[nn.Sequential, tuple[int, ...]]:
    layers = nn.Sequential(
        nn.Conv2d(3, 64, 11, stride=4, padding=2), nn.ReLU(), nn.MaxPool2d(3, 2),
        nn.Conv2d(64, 192, 5, padding=2), nn.ReLU(), nn.MaxPool2d(3, 2),
        nn.Conv2d(192, 384, 3, padding=1), nn.ReLU(),
        nn.Conv2d(384, 256, 3, padding=1), nn.ReLU(),
        nn.Conv2d(256, 256, 3, padding=1), nn.ReLU(),
    )  # fmt: skip
    return layers, (1, 4, 7, 9, 11)


def _vgg() -> tuple[nn.Sequential, tuple[int, ...]]:
    layers: list[nn.Module] = []
    taps = []
    channels = 3
    for width, count in _VGG_WIDTHS:
        if layers:
            layers.append(nn.MaxPool2d(2))
        for _ in range(count):
            layers += [nn.Conv2d(channels, width, 3, padding=1), nn.ReLU()]
            channels = width
        taps.append(len(layers) - 1)
    return nn.Sequential(*layers), tuple(taps)


def _color(red: float, green: float, blue: float) -> Tensor:
    return torch.tensor([red, green, blue]).view(1, 3, 1, 1)
