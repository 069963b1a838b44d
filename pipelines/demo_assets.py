"""Make what the demo ships: its generator and its judge, both trained on the street world.

Run as ``python -m svsdata.pipelines.demo_assets FOLDER`` after ``svsdata weights fetch vgg16``;
some five hours on two cores with bf16. FOLDER then holds ``bundled/``, whose files lie in
``svsdata/checkpoints/bundled`` in this project. The shipped generator had its first stage in
several runs, at a smaller width (docs/paper-notes.md#carry).
"""

import sys
from pathlib import Path

import torch
from torch import Tensor

from svsdata.checkpoints.tensor_files import read_tensors, write_tensors
from svsdata.checkpoints.training_state import GENERATOR_FILE
from svsdata.checkpoints.weights import BUNDLED_GENERATOR
from svsdata.pipelines.configs.base import make_config
from svsdata.pipelines.configs.label import LabelConfig
from svsdata.pipelines.configs.train import LossWeights, TrainConfig
from svsdata.pipelines.label import run_label
from svsdata.pipelines.train import run_train
from svsdata.pipelines.train_presets import train_preset
from svsdata.progress import Progress, Silent
from svsdata.store.reader import StoreReader
from svsdata.training.schedules import Phase
from svsdata.training.segmenter import (
    class_weights_of,
    save_segmenter,
    small_segformer,
    train_segmenter,
    training_frames,
)

STREETS = (
    *range(1000, 1096),
    2005, 2007, 2009, 2010, 2017, 2018, 2022, 2024, 2028, 2029, 2038, 2041, 2044, 2053, 2054, 2059,
    2062, 2068, 2070, 2078, 2080, 2091, 2112, 2113, 2114, 2118, 2119, 2137, 2139, 2146, 2153, 2159,
)  # fmt: skip
"""Seeds to learn from; the demo shows another one. The later ones show most trucks and buses among
160."""
FRAMES_A_STREET = 48
SEGMENTER_STEPS = 2000
_LARGE = 20_000
"""Weights of a convolution from which on they are rounded."""
_SIZE_HW = (256, 512)
_CROP_HW = (256, 256)
_PICTURES = {
    "perceptual_weights": "vgg16",
    "loss_weights": LossWeights(
        image_adversarial=1.0,
        video_adversarial=0.2,
        feature_matching=5.0,
        perceptual=5.0,
        pixel=8.0,
        occlusion=5.0,
    ),
    "ema_decay": 0.995,
}
_STAGES: dict[str, dict[str, object]] = {
    "motion": {},
    "parts": _PICTURES
    | {
        "phases": (
            Phase(0.25 / 11, 12, _SIZE_HW, 3e-4, crop_hw=_CROP_HW),
            Phase(0.35 / 29, 30, _SIZE_HW, 3e-4, crop_hw=_CROP_HW),
            Phase(0.40 / 29, 30, _SIZE_HW, 3e-4, 5e-5, crop_hw=_CROP_HW),
        ),
        "steps": 4000,
        "given_motion": 1.0,
        "reference_free": 0.15,
    },
    "whole": _PICTURES
    | {
        "phases": (
            Phase(0.5 / 15, 16, _SIZE_HW, 1.5e-4),
            Phase(0.5 / 35, 36, _SIZE_HW, 1.5e-4, 5e-6),
        ),
        "steps": 1000,
        "given_motion": 0.7,
        "reference_free": 0.1,
    },
}
"""Runs one after the other, each from the networks of the one before: changes to ``carry``."""


def make_demo_assets(folder: Path, progress: Progress) -> Path:
    """Label streets, train both networks, and return the folder of the files to ship.

    Labelling and the generator's training go on where an earlier run stopped.
    """
    # Streets with exact labels
    store = folder / "store"
    for seed in STREETS:
        source = f"street:seed={seed},frames={FRAMES_A_STREET}"
        run_label(LabelConfig(source=source, store=str(store)), progress)

    # The generator: to carry over what is in view, then to draw well what is not
    earlier: Path | None = None
    for name, changes in _STAGES.items():
        request = {"store": store, "run": folder / name, "start_from": earlier}
        config = make_config(TrainConfig, train_preset("carry") | changes, request)
        trained = run_train(config, progress)
        earlier = folder / name

    # The judge, which sees the same streets and never a generated frame
    torch.manual_seed(0)
    judge = small_segformer()
    frames = training_frames(StoreReader(store), seed=0, size_hw=_SIZE_HW)
    train_segmenter(
        judge,
        frames,
        steps=SEGMENTER_STEPS,
        batch_size=2,
        class_weights=class_weights_of(StoreReader(store)),
        progress=progress,
    )

    bundled = folder / "bundled"
    save_segmenter(judge, bundled / "demo-segmenter")
    tensors, header = read_tensors(trained.checkpoint / GENERATOR_FILE)
    halves = {name: _compressible(tensor) for name, tensor in tensors.items()}
    write_tensors(bundled / BUNDLED_GENERATOR.name, halves, header)
    return bundled


def _compressible(tensor: Tensor) -> Tensor:
    """Return float16; of large convolutions rounded to 5 bits of fraction, a third less to keep."""
    half = tensor.half()
    if half.ndim < 4 or half.numel() < _LARGE:
        return half
    return ((half.view(torch.int16) + 16) >> 5 << 5).view(torch.float16)


if __name__ == "__main__":
    make_demo_assets(Path(sys.argv[1]), Silent())
