"""The stores of a usefulness measurement on the built-in street, where trucks are rare."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count, islice
from pathlib import Path

from svsdata.checkpoints.weights import BUNDLED_GENERATOR
from svsdata.labels import CITYSCAPES
from svsdata.pipelines.configs.label import LabelConfig
from svsdata.pipelines.configs.synthesize import SynthesizeConfig
from svsdata.pipelines.configs.usefulness import StreetConfig
from svsdata.pipelines.label import run_label
from svsdata.pipelines.synthesize import run_synthesize
from svsdata.progress import Progress
from svsdata.street_world.scene import StreetWorld

_LOOKED_AT_HW = (64, 128)
_LOOKED_EVERY = 6
_VISIBLE = 0.004
"""Mean share of the pixels from which on a street counts as one with a truck."""


@dataclass(frozen=True)
class Stores:
    """What is trained and measured on."""

    real: Path
    synthetic: Path
    edited: Path
    test: Path


def make_street_stores(config: StreetConfig, folder: Path, progress: Progress) -> Stores:
    """Label streets, and draw them anew with the bundled generator, unedited and edited.

    A stopped run goes on.

    Raises:
        EditPlanError: If the edit fits none of the streets.
    """
    stores = Stores(*(folder / name for name in ("real", "synthetic", "edited", "test")))
    label_streets(config, stores, progress)
    request = SynthesizeConfig(
        store=stores.real,
        checkpoint=BUNDLED_GENERATOR,
        out=stores.synthetic,
    )
    run_synthesize(request, progress)
    edits = {"out": stores.edited, "presets": (config.edit,)}
    run_synthesize(request.model_copy(update=edits), progress)
    return stores


def label_streets(config: StreetConfig, stores: Stores, progress: Progress) -> None:
    """Label the streets with the lowest seeds that fit.

    For training one with a truck in plain view and the rest without any in the frames looked at,
    every sixth; for the test only such as have one.
    """
    with_truck = _streets(config, truck=True)
    rare = [next(with_truck), *islice(_streets(config, truck=False), config.streets - 1)]
    for store, seeds in (
        (stores.real, rare),
        (stores.test, list(islice(with_truck, config.test_streets))),
    ):
        for seed in seeds:
            size = f"{2 * config.height}x{config.height}"
            source = f"street:seed={seed},frames={config.frames},size={size}"
            run_label(LabelConfig(source=source, store=str(store)), progress)


def _streets(config: StreetConfig, *, truck: bool) -> Iterator[int]:
    """Yield the seeds of streets that have a truck in plain view, or none at all."""
    for seed in count(config.first_seed):
        share = _truck_share(seed, config.frames)
        if (share >= _VISIBLE) if truck else (share == 0):
            yield seed


def _truck_share(seed: int, num_frames: int) -> float:
    world = StreetWorld(seed, size_hw=_LOOKED_AT_HW)
    truck = CITYSCAPES.label("truck").id
    shares = [
        float((world.render(index, image=False).semantic == truck).mean())
        for index in range(0, num_frames, _LOOKED_EVERY)
    ]
    return sum(shares) / len(shares)
