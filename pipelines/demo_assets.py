"""Make what the demo ships: its generator and its judge, both trained on the street world.

Run as ``python -m svsdata.pipelines.demo_assets FOLDER``; about three hours on two cores.
FOLDER then holds ``bundled/``, whose files lie in ``svsdata/checkpoints/bundled`` in this project.
The shipped generator was refined from a draft of step 3103 of 4000, when the image discriminator
still scored single pixels, and the network did not see where in the frame a pixel lies.
"""

import shutil
import sys
from pathlib import Path

import torch

from svsdata.pipelines.configs.base import make_config
from svsdata.pipelines.configs.label import LabelConfig
from svsdata.pipelines.configs.train import LossWeights, TrainConfig, train_preset
from svsdata.pipelines.label import run_label
from svsdata.pipelines.train import run_train
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

STREETS = range(1000, 1048)
"""Seeds to learn from; the demo shows another one."""
FRAMES_A_STREET = 48
SEGMENTER_STEPS = 2000


_SIZE_HW = (256, 512)
_DRAFT = {
    "loss_weights": LossWeights(pixel=10.0, perceptual=0.0),
    "discriminator_rate": 1.0,
    "reference_free": 0.1,
}
_REFINEMENT = {
    "phases": (Phase(1, 44, _SIZE_HW, 4e-4, 1e-5),),
    "steps": 660,
    "ema_decay": 0.99,
    "ema_start": 0,
}
"""What each run changes of the ``demo`` preset."""


def make_demo_assets(folder: Path, progress: Progress) -> Path:
    """Label streets, train both networks, and return the folder of the files to ship.

    Labelling and the generator's training go on where an earlier run stopped.
    """
    # Streets with exact labels
    store = folder / "store"
    for seed in STREETS:
        source = f"street:seed={seed},frames={FRAMES_A_STREET}"
        run_label(LabelConfig(source=source, store=str(store)), progress)

    # The generator: a draft that knows what things look like, refined until long videos are steady
    draft = _trained(_DRAFT, store, folder / "draft", progress)
    generator = _trained({**_REFINEMENT, "start_from": draft}, store, folder / "refined", progress)

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
    shutil.copyfile(generator, bundled / "demo-generator.safetensors")
    return bundled


def _trained(changes: dict[str, object], store: Path, run: Path, progress: Progress) -> Path:
    """Train, and return the averaged generator's file."""
    config = make_config(TrainConfig, train_preset("demo") | changes, {"store": store, "run": run})
    return run_train(config, progress).checkpoint / "generator.safetensors"


if __name__ == "__main__":
    make_demo_assets(Path(sys.argv[1]), Silent())
