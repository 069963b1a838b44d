"""Make what the demo ships: its generator and its judge, both trained on the street world.

Run as ``python -m svsdata.pipelines.demo_assets FOLDER``; about three hours on two cores.
FOLDER then holds ``bundled/``, whose files lie in ``svsdata/checkpoints/bundled`` in this project.
The shipped generator learned textures in 3763 steps of an earlier recipe that taught it no motion,
then motion and 1239 steps at full size as the ``demo`` preset has them, then the refinement below.
The judge learned on the first half of the streets.
"""

import sys
from pathlib import Path

import torch

from svsdata.checkpoints.tensor_files import read_tensors, write_tensors
from svsdata.checkpoints.training_state import GENERATOR_FILE
from svsdata.checkpoints.weights import BUNDLED_GENERATOR
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

STREETS = range(1000, 1096)
"""Seeds to learn from; the demo shows another one."""
FRAMES_A_STREET = 48
SEGMENTER_STEPS = 2000
_SIZE_HW = (256, 512)
_REFINEMENT = {
    "phases": (Phase(1, 24, _SIZE_HW, 2e-4, 1e-5),),
    "steps": 460,
    "loss_weights": LossWeights(
        image_adversarial=0.2,
        video_adversarial=0.1,
        feature_matching=2.0,
        perceptual=0.0,
        pixel=10.0,
        consistency=20.0,
        occlusion=5.0,
    ),
    "given_motion": 0.8,
    "perturbed_feedback": 0.0,
    "ema_decay": 0.99,
    "ema_start": 0,
}
"""What the second run changes of the ``demo`` preset: what is in view is to stay as it is."""


def make_demo_assets(folder: Path, progress: Progress) -> Path:
    """Label streets, train both networks, and return the folder of the files to ship.

    Labelling and the generator's training go on where an earlier run stopped.
    """
    # Streets with exact labels
    store = folder / "store"
    for seed in STREETS:
        source = f"street:seed={seed},frames={FRAMES_A_STREET}"
        run_label(LabelConfig(source=source, store=str(store)), progress)

    # The generator: taught what things look like and how they move, then to leave them alone
    demo = train_preset("demo")
    choices = {"store": store, "run": folder / "run"}
    run_train(make_config(TrainConfig, demo, choices), progress)
    choices = {"store": store, "run": folder / "refined", "start_from": folder / "run"}
    trained = run_train(make_config(TrainConfig, demo | _REFINEMENT, choices), progress)

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
    halves = {name: tensor.half() for name, tensor in tensors.items()}  # all are weights
    write_tensors(bundled / BUNDLED_GENERATOR.name, halves, header)
    return bundled


if __name__ == "__main__":
    make_demo_assets(Path(sys.argv[1]), Silent())
