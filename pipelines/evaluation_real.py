"""What is measured of the real store, which is the same beside every synthetic one: once.

Figures are kept by measure, so that the next evaluation measures only what no earlier one did.
"""

import json
from collections.abc import Sequence

from svsdata.evaluation.clip_figures import Judges, StoreFigures
from svsdata.evaluation.kept_figures import arrays_of, take_up
from svsdata.pipelines.configs.evaluate import EvaluateConfig
from svsdata.pipelines.evaluation_clips import clips
from svsdata.pipelines.evaluation_kept import Kept, KeptFigures, forget_unused, shared_basis
from svsdata.progress import Progress
from svsdata.store.files import sha256_of
from svsdata.store.format import STORE_FILE
from svsdata.store.reader import StoreReader

_OF_PAIRS = ("lpips", "psnr", "ssim")
"""Measures that the real store has not by itself."""


def measure_real(
    reader: StoreReader,
    sequence_ids: Sequence[str],
    judges: Judges,
    size_hw: tuple[int, int],
    config: EvaluateConfig,
    progress: Progress,
) -> tuple[StoreFigures, tuple[str, ...]]:
    """Measure sequences of the real store at a size, as far as that was not done and kept before.

    Returns:
        Their figures, and the measures that were taken up from earlier evaluations.

    Raises:
        ConfigError: If no frame of the store counts.
    """
    files = _files(reader, judges, size_hw, config)
    judges = judges.only(files)
    contents = {name: f"{name} {reader.content_hash(name)}" for name in sequence_ids}
    taken = {metric: it.take(contents.values(), progress) for metric, it in files.items()}
    left = {
        metric: tuple(
            name
            for name, content in contents.items()
            if not any(content in part.sequences for part in parts)
        )
        for metric, parts in taken.items()
    }
    measured = {}
    for missing in filter(None, dict.fromkeys(left.values())):
        metrics = [metric for metric in files if left[metric] == missing]
        part = StoreFigures(reader.info.label_set, judges.only(metrics), config.curve_frames)
        asked = config.model_copy(update={"metrics": metrics})
        for clip in clips(reader, None, missing, size_hw, asked, progress):
            part.add(clip)
        measured[missing] = part

    figures = StoreFigures(reader.info.label_set, judges, config.curve_frames)
    for metric, parts in taken.items():
        arrays = [part.arrays for part in parts]
        if left[metric]:
            arrays.append(arrays_of(measured[left[metric]], metric))
        whole = StoreFigures(figures.label_set, judges.only((metric,)), figures.bin_frames)
        for one in arrays:
            part = StoreFigures(whole.label_set, whole.judges, whole.bin_frames)
            take_up(part, metric, one)
            whole.merge(part)
        if left[metric]:
            together = Kept(frozenset(contents.values()), arrays_of(whole, metric))
            files[metric].keep(together, progress)
        take_up(figures, metric, arrays_of(whole, metric))
    figures.compare_colors(figures.colors.usual())
    forget_unused(config.kept_figures)
    return figures, _told_kept(left, len(contents))


def _told_kept(left: dict[str, tuple[str, ...]], num_sequences: int) -> tuple[str, ...]:
    """Return the measures whose figures were kept, of all sequences or of some."""
    return tuple(
        metric
        if not missing
        else f"{metric} ({num_sequences - len(missing)} of {num_sequences} sequences)"
        for metric, missing in left.items()
        if len(missing) < num_sequences
    )


def _files(
    reader: StoreReader, judges: Judges, size_hw: tuple[int, int], config: EvaluateConfig
) -> dict[str, KeptFigures]:
    """Return by measure where its figures are kept, and all that they depend on."""
    told = judges.told()
    metrics = [metric for metric in judges.measures() if metric not in _OF_PAIRS]
    shared = {"store": sha256_of(reader.path / STORE_FILE), **shared_basis(size_hw, config)}
    return {
        metric: KeptFigures(
            config.kept_figures,
            metric,
            json.dumps({"measure": metric, "judge": told.get(metric), **shared}),
            f"{metric} of the real store",
        )
        for metric in metrics
    }
