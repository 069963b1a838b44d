"""Size and cost of every network, counted without computing anything."""

from collections.abc import Sequence

import torch
from pydantic import BaseModel, ConfigDict
from torch.utils.flop_counter import FlopCounterMode

from svsdata.labels import CITYSCAPES
from svsdata.nets.svsgan.config import MODELS, generator_config
from svsdata.nets.svsgan.generator import Generator

_BASE_HW = (256, 512)
_DOUBLINGS = 3


class ModelLine(BaseModel):
    """One network of the table."""

    model_config = ConfigDict(frozen=True)

    model: str
    parameters_m: float
    """Millions of parameters of the generator at 512x256."""
    gmac: dict[str, float]
    """Billions of multiplications a frame, by size; each doubling takes one more block."""


class ModelTable(BaseModel):
    """Networks, with the 35 classes of Cityscapes and without instance borders."""

    model_config = ConfigDict(frozen=True)

    models: tuple[ModelLine, ...]


def model_table(models: Sequence[str] = MODELS) -> ModelTable:
    """Count parameters and operations on torch's meta device.

    Raises:
        ConfigError: If there is no such model.
    """
    return ModelTable(models=tuple(_line(model) for model in models))


def _line(model: str) -> ModelLine:
    gmac = {}
    for doublings in range(_DOUBLINGS):
        height, width = (side * 2**doublings for side in _BASE_HW)
        config = generator_config(model, CITYSCAPES.num_classes, extra_blocks=doublings)
        with torch.device("meta"):
            generator = Generator(config)
        if not doublings:
            parameters = sum(parameter.numel() for parameter in generator.parameters())
        gmac[f"{width}x{height}"] = round(_operations(generator, (height, width)) / 1e9, 1)
    return ModelLine(model=model, parameters_m=round(parameters / 1e6, 3), gmac=gmac)


def _operations(generator: Generator, size_hw: tuple[int, int]) -> float:
    """Count the multiplications of one frame."""
    generator.eval()
    with torch.device("meta"), torch.no_grad(), FlopCounterMode(display=False) as counter:
        labels = torch.zeros(1, *size_hw, dtype=torch.uint8)
        generator(torch.zeros(1, 3, *size_hw), labels, labels)
    return counter.get_total_flops() / 2
