"""The trainings of a usefulness measurement, each kept with all that it rests on."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from pydantic import BaseModel, ConfigDict, JsonValue, ValidationError

import svsdata
from svsdata.estimation.segmenter_checkpoints import load_network
from svsdata.estimation.transformers_segmenter import TransformersSegmenter
from svsdata.evaluation.segmentation import Confusion
from svsdata.labels import CITYSCAPES_TRAIN, NO_LABEL, conversion_table
from svsdata.pipelines.configs.usefulness import UsefulnessConfig
from svsdata.progress import Progress
from svsdata.records import Image, SemanticMap
from svsdata.store.reader import StoreReader
from svsdata.training.segmenter import (
    class_weights_of,
    save_segmenter,
    small_segformer,
    train_segmenter,
    training_frames,
)
from svsdata.whole_files import whole_file

_RUNS = "runs"
Pair = tuple[Image, SemanticMap]


@dataclass(frozen=True)
class Training:
    """One way of training."""

    name: str
    added: str | None
    """``synthetic`` or ``edited``; None: real frames alone."""
    steps_factor: int = 1

    @property
    def file_name(self) -> str:
        """What its files are called."""
        return self.name.replace(",", "").replace(" + ", "-").replace(" ", "-")


TRAININGS = (
    Training("real", None),
    Training("real + unedited synthetic", "synthetic"),
    Training("real + edited synthetic", "edited"),
    Training("real, double steps", None, 2),
)


class _Run(BaseModel):
    """A finished training on disk."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    rests_on: dict[str, JsonValue]
    """The stores' contents and the settings that it was trained and measured with."""
    iou: dict[str, float | None]
    """By class of the test frames; None for one that they lack."""


def measured_run(
    training: Training,
    seed: int,
    readers: Mapping[str, StoreReader],
    size_hw: tuple[int, int],
    config: UsefulnessConfig,
    progress: Progress,
) -> dict[str, float]:
    """Train once and return IoU by class, or what an earlier run found of the same stores."""
    folder = config.out / _RUNS / training.file_name
    path = folder.with_name(f"{folder.name}-{seed}.json")
    rests_on = _rests_on(training, seed, readers, size_hw, config)
    iou = _finished(path, rests_on)
    if iou is None:
        again = ", again: the stores or settings are not those of before" if path.exists() else ""
        progress.note(f"train: {training.name}, seed {seed}{again}")
        torch.manual_seed(seed)
        model = small_segformer()
        train_segmenter(
            model,
            _frames(training, seed, readers, size_hw, config.synthetic_share),
            steps=config.steps * training.steps_factor,
            batch_size=config.batch_size,
            class_weights=class_weights_of(readers["real"]),
            progress=progress,
        )
        folder.mkdir(parents=True, exist_ok=True)
        save_segmenter(model, folder)
        network = load_network(str(folder), CITYSCAPES_TRAIN)
        segmenter = TransformersSegmenter(network, CITYSCAPES_TRAIN)
        iou = _measured(segmenter, readers["test"], size_hw, config.test_every)
        run = _Run(rests_on=rests_on, iou=iou)
        with whole_file(path) as partial:
            partial.write_text(run.model_dump_json(indent=1) + "\n", encoding="utf-8")
    return {name: float("nan") if value is None else value for name, value in iou.items()}


def mixed(first: Iterator[Pair], second: Iterator[Pair], share: float) -> Iterator[Pair]:
    """Yield from two endless streams, evenly so that ``share`` of the frames are the second's."""
    number = 0
    while True:
        yield next(second if int((number + 1) * share) > int(number * share) else first)
        number += 1


def _finished(path: Path, rests_on: Mapping[str, JsonValue]) -> dict[str, float | None] | None:
    """Return what an earlier training found; None unless it is known to rest on the same."""
    try:
        run = _Run.model_validate_json(path.read_bytes())
    except (FileNotFoundError, ValidationError):
        return None
    return run.iou if run.rests_on == rests_on else None


def _rests_on(
    training: Training,
    seed: int,
    readers: Mapping[str, StoreReader],
    size_hw: tuple[int, int],
    config: UsefulnessConfig,
) -> dict[str, JsonValue]:
    stores = ["real", "test", *([training.added] if training.added else [])]
    return {
        "version": svsdata.__version__,
        "stores": {name: readers[name].store_hash() for name in stores},
        "seed": seed,
        "size_hw": list(size_hw),
        "steps": config.steps * training.steps_factor,
        "batch_size": config.batch_size,
        "synthetic_share": config.synthetic_share,
        "test_every": config.test_every,
    }


def _frames(
    training: Training,
    seed: int,
    readers: Mapping[str, StoreReader],
    size_hw: tuple[int, int],
    share: float,
) -> Iterator[Pair]:
    real = training_frames(readers["real"], seed=seed, size_hw=size_hw)
    if training.added is None:
        return real
    return mixed(real, training_frames(readers[training.added], seed=seed, size_hw=size_hw), share)


def _measured(
    segmenter: TransformersSegmenter,
    reader: StoreReader,
    size_hw: tuple[int, int],
    every: int,
) -> dict[str, float | None]:
    """Return IoU by class on one test frame in ``every``, None for a class that they lack."""
    to_train_ids = conversion_table(reader.info.label_set, CITYSCAPES_TRAIN)
    total = Confusion.empty(CITYSCAPES_TRAIN)
    for sequence_id in reader.sequence_ids:
        for frame in reader.read(sequence_id, size_hw=size_hw):
            if frame.frame_index % every:
                continue
            assert frame.image is not None
            assert frame.semantic is not None
            true = to_train_ids[frame.semantic]
            (labels,) = segmenter.segment([frame.image])
            counted = true != NO_LABEL
            total += Confusion.of(true[counted], labels.semantic[counted], CITYSCAPES_TRAIN)
    shares = total.true_share()
    return {name: value if shares[name] else None for name, value in total.iou().items()}
