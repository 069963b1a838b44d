"""What synthetic video adds: the same small segmenter trained on real frames, and on mixtures.

Every training takes the same number of optimiser steps, so that more data never means more
training; one more, on real frames alone, takes twice as many.
"""

from collections.abc import Mapping
from pathlib import Path

from pydantic import BaseModel, ConfigDict

import svsdata
from svsdata.errors import StoreError
from svsdata.evaluation.page import write_page
from svsdata.evaluation.usefulness import MEAN, Spread, spreads
from svsdata.pipelines.configs.usefulness import UsefulnessConfig
from svsdata.pipelines.run_dir import open_run_dir, require_apart
from svsdata.pipelines.usefulness_runs import TRAININGS, measured_run
from svsdata.pipelines.usefulness_streets import Stores, make_street_stores
from svsdata.progress import Progress, counted
from svsdata.store.files import writing
from svsdata.store.reader import StoreReader
from svsdata.whole_files import whole_file

_REPORT, _PAGE = "usefulness.json", "usefulness.html"
_ONE_SEED = (
    "with one seed nobody knows how far a figure scatters, so neither gains nor losses are told; "
    "add seeds, such as --set seeds=0,1,2"
)
_LEARNED = 0.01
"""IoU below which a class counts as not learned."""


class UsefulnessResult(BaseModel):
    """What synthetic data added."""

    model_config = ConfigDict(frozen=True)

    version: str
    report: Path
    page: Path
    protocol: str
    iou: dict[str, dict[str, Spread]]
    """By training, by class: over the seeds, on the test store."""
    gains: tuple[str, ...]
    """Classes that the edited videos lift above real frames alone by over two standard errors."""
    losses: tuple[str, ...]
    """Classes that fall by as much."""
    warnings: tuple[str, ...]
    unlearned: tuple[str, ...]
    """Classes of the test that no training brings to an IoU of 1 %: nothing can be said of them
    before more steps or frames."""


def run_usefulness(
    config: UsefulnessConfig, progress: Progress, *, overwrite: bool = False
) -> UsefulnessResult:
    """Train, measure and tell; run again it goes on with the first training that is missing.

    Raises:
        StoreError: If a store cannot be read, is empty, or has frames of another shape.
        ConfigError: If the folder holds another measurement.
        SvsDataError: As labelling and synthesis raise, where streets are made.
    """
    require_apart(config.out, [config.real, config.synthetic, config.edited, config.test])
    open_run_dir(config.out, config, overwrite=overwrite, may_differ=("out",))
    stores = _stores(config, progress)
    readers = {name: StoreReader(getattr(stores, name)) for name in Stores.__dataclass_fields__}
    size_hw = _checked_size(readers, config.height)
    iou = {
        training.name: spreads(
            [
                measured_run(training, seed, readers, size_hw, config, progress)
                for seed in config.seeds
            ]
        )
        for training in TRAININGS
    }
    real, edited = iou[TRAININGS[0].name], iou[TRAININGS[2].name]
    result = UsefulnessResult(
        version=svsdata.__version__,
        report=config.out / _REPORT,
        page=config.out / _PAGE,
        protocol=_protocol(config, readers, size_hw),
        iou=iou,
        gains=tuple(name for name in real if edited[name].exceeds(real[name])),
        losses=tuple(name for name in real if real[name].exceeds(edited[name])),
        warnings=(*((_ONE_SEED,) if len(config.seeds) < 2 else ()), *_learnt_by_heart(readers)),
        unlearned=tuple(
            name
            for name in real
            if name != MEAN and all(spread[name].mean < _LEARNED for spread in iou.values())
        ),
    )
    with writing(result.report), whole_file(result.report) as partial:
        partial.write_text(result.model_dump_json(indent=1) + "\n", encoding="utf-8")
    write_page(result.page, "usefulness.html", {"result": result})
    return result


def _learnt_by_heart(readers: Mapping[str, StoreReader]) -> list[str]:
    """Warn of training stores that hold sequences of the test store."""
    contents = {
        name: {reader.content_hash(one) for one in reader.sequence_ids}
        for name, reader in readers.items()
    }
    counts = {
        name: len(found & contents["test"]) for name, found in contents.items() if name != "test"
    }
    return [
        f"{counted(count, 'sequences')} of the test store '{readers['test'].path}' "
        f"{'is' if count == 1 else 'are'} in the {name} store too: the figures tell how well they "
        "were learnt by heart; measure on recordings that nothing was made from"
        for name, count in counts.items()
        if count
    ]


def _stores(config: UsefulnessConfig, progress: Progress) -> Stores:
    if config.real and config.synthetic and config.edited and config.test:
        return Stores(config.real, config.synthetic, config.edited, config.test)
    return make_street_stores(config.street, config.out, progress)


def _checked_size(readers: Mapping[str, StoreReader], height: int) -> tuple[int, int]:
    """Return the size to work at; refuses stores that are empty or of different shapes."""
    shapes = {name: reader.info.size_hw for name, reader in readers.items()}
    whole_height, whole_width = shapes["real"]
    for name, reader in readers.items():
        if not reader.sequence_ids:
            raise StoreError(f"store '{reader.path}' ({name}) has no sequence yet")
        if shapes[name][0] * whole_width != shapes[name][1] * whole_height:
            raise StoreError(
                f"'{reader.path}' ({name}) has frames of {shapes[name][1]}x{shapes[name][0]}, the "
                f"real store of {whole_width}x{whole_height}; their shapes must be the same"
            )
    if height * whole_width % whole_height:
        raise StoreError(
            f"frames of {whole_width}x{whole_height} have no whole width at height {height}; "
            f"choose another, such as --set height={whole_height // 2}"
        )
    return height, height * whole_width // whole_height


def _protocol(
    config: UsefulnessConfig, readers: Mapping[str, StoreReader], size_hw: tuple[int, int]
) -> str:
    counts = {
        name: sum(reader.sequence(one).num_frames for one in reader.sequence_ids)
        for name, reader in readers.items()
    }
    stores = ", ".join(f"{name} {number} frames" for name, number in counts.items())
    return (
        f"SegFormer of 1.07 M parameters from scratch, {config.steps} steps of {config.batch_size} "
        f"frames of {size_hw[1]}x{size_hw[0]}, {config.synthetic_share:.0%} of them synthetic in "
        f"mixtures, seeds {', '.join(map(str, config.seeds))}; {stores}; IoU over the classes of "
        f"one test frame in {config.test_every}"
    )
