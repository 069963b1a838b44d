"""Make what the demo ships: its generator and its judge, both trained on the street world.

Run as ``python -m svsdata.pipelines.demo_assets FOLDER``; about three hours on two cores.
FOLDER then holds ``bundled/``, whose files lie in ``svsdata/checkpoints/bundled`` in this project.
The shipped generator came by a longer way, in several runs (docs/paper-notes.md#carry).
"""

import sys
from pathlib import Path

import torch

from svsdata.checkpoints.tensor_files import read_tensors, write_tensors
from svsdata.checkpoints.training_state import GENERATOR_FILE
from svsdata.checkpoints.weights import BUNDLED_GENERATOR
from svsdata.pipelines.configs.base import make_config
from svsdata.pipelines.configs.label import LabelConfig
from svsdata.pipelines.configs.train import TrainConfig, train_preset
from svsdata.pipelines.label import run_label
from svsdata.pipelines.train import run_train
from svsdata.progress import Progress, Silent
from svsdata.store.reader import StoreReader
from svsdata.training.segmenter import (
    class_weights_of,
    save_segmenter,
    small_segformer,
    train_segmenter,
    training_frames,
)

STREETS = range(1000, 1096)
"""Seeds to learn from; the demo shows another one."""
FRAMES_A_STREET = 48
SEGMENTER_STEPS = 2000
_SIZE_HW = (256, 512)


def make_demo_assets(folder: Path, progress: Progress) -> Path:
    """Label streets, train both networks, and return the folder of the files to ship.

    Labelling and the generator's training go on where an earlier run stopped.
    """
    # Streets with exact labels
    store = folder / "store"
    for seed in STREETS:
        source = f"street:seed={seed},frames={FRAMES_A_STREET}"
        run_label(LabelConfig(source=source, store=str(store)), progress)

    # The generator, which carries over what is in view
    request = {"store": store, "run": folder / "run"}
    trained = run_train(make_config(TrainConfig, train_preset("carry"), request), progress)

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
    halves = {name: tensor.half() for name, tensor in tensors.items()}
    write_tensors(bundled / BUNDLED_GENERATOR.name, halves, header)
    return bundled


if __name__ == "__main__":
    make_demo_assets(Path(sys.argv[1]), Silent())
