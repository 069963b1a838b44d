"""One of the processes that torchrun would start; run by a test."""

import os
import sys
from pathlib import Path

import numpy as np
import torch

from svsdata.pipelines.configs.train import TrainConfig
from svsdata.pipelines.train import run_train
from svsdata.progress import Silent


class Notes(Silent):
    """Hands on what a person would be told."""

    def note(self, message: str) -> None:
        sys.stdout.write(f"{message}\n")


def compute_in_float64() -> None:
    """Have torch take float64 for weights, images, flow and losses wherever it takes float32."""
    torch.set_default_dtype(torch.float64)
    torch.Tensor.float = torch.Tensor.double
    as_they_are = torch.from_numpy
    torch.from_numpy = lambda array: (
        as_they_are(array).double() if array.dtype == np.float32 else as_they_are(array)
    )


config_path, precision = sys.argv[1:]
if precision == "float64":
    compute_in_float64()
run_train(
    TrainConfig.model_validate_json(Path(config_path).read_text()),
    Notes(),
    environment=os.environ,
)
