"""Size and cost of every network, counted without computing anything."""

from collections.abc import Sequence
from typing import Any

import torch
from pydantic import BaseModel, ConfigDict
from torch.utils.flop_counter import FlopCounterMode

from svsdata.labels import CITYSCAPES
from svsdata.nets.models import MODELS, build_generator, model_config
from svsdata.nets.svsgan.config import MODELS as GROWING_MODELS
from svsdata.nets.video_generator import VideoGenerator

_BASE_HW = (256, 512)
_DOUBLINGS = 3


class ModelLine(BaseModel):
    """One network of the table."""

    model_config = ConfigDict(frozen=True)

    model: str
    parameters_m: float
    """Millions of parameters of the generator at 512x256."""
    gmac: dict[str, float]
    """Billions of multiplications a frame, by size; each doubling takes one more block, which A and
    B have not."""


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
    for doublings in range(_DOUBLINGS if model in GROWING_MODELS else 1):
        height, width = (side * 2**doublings for side in _BASE_HW)
        config = model_config(model, CITYSCAPES.num_classes, extra_blocks=doublings)
        with torch.device("meta"):
            generator = build_generator(config)
        if not doublings:
            parameters = sum(parameter.numel() for parameter in generator.parameters())
        gmac[f"{width}x{height}"] = round(_operations(generator, (height, width)) / 1e9, 1)
    return ModelLine(model=model, parameters_m=round(parameters / 1e6, 3), gmac=gmac)


def _operations(generator: VideoGenerator[Any], size_hw: tuple[int, int]) -> float:
    """Count the multiplications of one frame."""
    generator.eval()
    with torch.device("meta"), torch.no_grad(), FlopCounterMode(display=False) as counter:
        seen = generator.config.context_frames
        labels = torch.zeros(1, seen, *size_hw, dtype=torch.uint8)
        features = generator.label_features(labels, labels[:, 0])
        generator.render(torch.zeros(1, 3 * seen, *size_hw), features)
    return counter.get_total_flops() / 2
