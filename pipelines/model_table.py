"""Size and cost of every network, counted without computing a convolution."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from pydantic import BaseModel, ConfigDict
from torch import Tensor
from torch.nn.utils.parametrize import is_parametrized, remove_parametrizations
from torch.overrides import TorchFunctionMode

from svsdata.labels import CITYSCAPES
from svsdata.nets.models import MODELS, AnyConfig, build_generator, model_config
from svsdata.nets.video_generator import VideoGenerator

_BASE_HW = (256, 512)
_DOUBLINGS = 3
_SHRINK = 4
"""Operations are counted on frames of a quarter of the sides: they grow with the pixels."""


class ModelLine(BaseModel):
    """One network of the table."""

    model_config = ConfigDict(frozen=True)

    model: str
    parameters_m: float
    """Millions of parameters of the generator at 512x256."""
    gmac: dict[str, float]
    """Billions of multiplications a frame, by size; each doubling takes one more block: of
    SPADE, in A and B a local enhancer."""


class ModelTable(BaseModel):
    """Networks, with the 35 classes of Cityscapes and without instance borders."""

    model_config = ConfigDict(frozen=True)

    models: tuple[ModelLine, ...]


def model_table(models: Sequence[str] = MODELS) -> ModelTable:
    """Count parameters and operations.

    Raises:
        ConfigError: If there is no such model.
    """
    counted: dict[AnyConfig, ModelLine] = {}  # A and B are one generator
    lines = []
    for model in models:
        config = model_config(model, CITYSCAPES.num_classes)
        if config not in counted:
            counted[config] = _line(model)
        lines.append(counted[config].model_copy(update={"model": model}))
    return ModelTable(models=tuple(lines))


def _line(model: str) -> ModelLine:
    gmac = {}
    for doublings in range(_DOUBLINGS):
        height, width = (side * 2**doublings for side in _BASE_HW)
        config = model_config(model, CITYSCAPES.num_classes, extra_blocks=doublings)
        with torch.device("meta"):
            generator = build_generator(config)
        if not doublings:
            parameters = sum(parameter.numel() for parameter in generator.parameters())
        gmac[f"{width}x{height}"] = round(_operations(generator, (height, width)) / 1e9, 1)
    return ModelLine(model=model, parameters_m=round(parameters / 1e6, 3), gmac=gmac)


def _operations(generator: VideoGenerator[Any], size_hw: tuple[int, int]) -> float:
    """Count the multiplications of one frame; the generator cannot be used afterwards."""
    for module in generator.modules():
        if is_parametrized(module, "weight"):
            remove_parametrizations(module, "weight", leave_parametrized=False)
    generator.eval().to_empty(device="cpu")
    height, width = (side // _SHRINK for side in size_hw)
    seen = generator.config.context_frames
    with torch.no_grad(), _Convolutions() as convolutions:
        labels = torch.zeros(1, seen, height, width, dtype=torch.uint8)
        features = generator.label_features(labels, labels[:, 0])
        generator.render(torch.zeros(1, 3 * seen, height, width), features)
    return convolutions.multiplications * _SHRINK**2


class _Convolutions(TorchFunctionMode):
    """Counts convolutions and gives zeros for what they would have made."""

    def __init__(self) -> None:
        super().__init__()
        self.multiplications = 0

    def __torch_function__(
        self,
        function: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        if function not in (F.conv2d, F.conv_transpose2d):
            return function(*args, **(kwargs or {}))
        taken, weight = args[:2]
        shapes = [one.to("meta") if isinstance(one, Tensor) else one for one in args]
        made = taken.new_zeros(function(*shapes).shape)
        # every weight meets every pixel that is made; of a transposed one, that is taken
        counted = made if function is F.conv2d else taken
        self.multiplications += weight.numel() * counted[:, 0].numel()
        return made
