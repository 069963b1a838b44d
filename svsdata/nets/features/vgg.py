"""The convolutional trunk of VGG16 and VGG19, for the perceptual loss.

Parameter names are torchvision's (``features.N.weight``), so its checkpoints load as they are.
"""

from collections.abc import Mapping
from typing import Literal, TypeAlias

import torch
from torch import Tensor, nn

from svsdata.errors import WeightsError

Depth: TypeAlias = Literal[16, 19]

_CONVS_PER_STAGE: Mapping[Depth, int] = {16: 3, 19: 4}
"""Convolutions in each of the last three stages."""
_WIDTHS = (64, 128, 256, 512, 512)


class Vgg(nn.Module):
    """VGG up to relu5_1; returns relu1_1, relu2_1, relu3_1, relu4_1, relu5_1."""

    mean: Tensor
    std: Tensor

    def __init__(self, depth: Depth = 19) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        self.taps: list[int] = []
        channels = 3
        for stage, width in enumerate(_WIDTHS):
            convs = 2 if stage < 2 else _CONVS_PER_STAGE[depth]
            self.taps.append(len(layers) + 1)
            for _ in range(1 if stage == len(_WIDTHS) - 1 else convs):
                layers += [nn.Conv2d(channels, width, 3, padding=1), nn.ReLU()]
                channels = width
            layers.append(nn.MaxPool2d(2))
        self.features = nn.Sequential(*layers[:-1])
        self.register_buffer("mean", _color(0.485, 0.456, 0.406), persistent=False)
        self.register_buffer("std", _color(0.229, 0.224, 0.225), persistent=False)

    def forward(self, image: Tensor) -> list[Tensor]:
        """Map (B, 3, H, W) RGB in [-1, 1] to five feature maps at strides 1, 2, 4, 8, 16."""
        x = ((image + 1) / 2 - self.mean) / self.std
        outputs = []
        for index, layer in enumerate(self.features):
            x = layer(x)
            if index in self.taps:
                outputs.append(x)
        return outputs


def vgg_from_state_dict(state: Mapping[str, Tensor]) -> Vgg:
    """Build the trunk that a torchvision-style checkpoint holds; further layers are left out.

    Raises:
        WeightsError: If it is neither VGG16 nor VGG19, naming what is missing.
    """
    # the third convolution of stage 4 or the fourth of stage 3 tells the depths apart
    vgg = Vgg(19 if "features.16.weight" in state else 16)
    wanted = vgg.state_dict()
    misfits = [
        key for key, value in wanted.items() if key not in state or state[key].shape != value.shape
    ]
    if misfits:
        raise WeightsError(
            f"perceptual weights are neither VGG16 nor VGG19 of torchvision: "
            f"missing or of another shape: {', '.join(misfits[:4])}"
        )
    vgg.load_state_dict({key: state[key] for key in wanted})
    return vgg.eval().requires_grad_(requires_grad=False)


def _color(red: float, green: float, blue: float) -> Tensor:
    return torch.tensor([red, green, blue]).view(1, 3, 1, 1)
