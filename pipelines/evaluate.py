"""Compare a synthetic store with a real one: read both once, clip by clip, then tell.

Parts of both can be measured apart, by other processes and machines, and are joined here. The
real store is measured by the same judges wherever a measure needs no counterpart, so that every
figure of the synthetic one stands beside what real video reaches.
"""

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from svsdata.errors import ConfigError, StoreError
from svsdata.evaluation.clip_figures import Judges, StoreFigures
from svsdata.evaluation.report import TITLES, Measure, Report, render_page
from svsdata.evaluation.showcase import Showcase
from svsdata.pipelines.configs.evaluate import EvaluateConfig
from svsdata.pipelines.evaluation_clips import sequences_of_part, told_frames
from svsdata.pipelines.evaluation_judges import build_judges
from svsdata.pipelines.evaluation_kept import code_sha256
from svsdata.pipelines.evaluation_real import measure_real
from svsdata.pipelines.evaluation_report import make_report
from svsdata.pipelines.evaluation_synthetic import measure_synthetic
from svsdata.pipelines.run_dir import open_run_dir, require_apart
from svsdata.progress import Progress
from svsdata.store.files import writing
from svsdata.store.reader import StoreReader
from svsdata.whole_files import whole_file

_REPORT, _PAGE = "report.json", "report.html"
_REPORTS = TypeAdapter(Report)
_ENLARGED = (
    "the real frames were enlarged, so they are softer than recordings of that size; label the "
    "recording at it, with --size, for figures that are not"
)


class EvaluateResult(BaseModel):
    """What an evaluation came to."""

    model_config = ConfigDict(frozen=True)

    report: Path
    page: Path
    frames: str
    """Which frames were measured, how many and at which size."""
    measures: dict[str, Measure]
    not_measured: dict[str, str]
    kept: tuple[str, ...]
    """Measures whose figures of the real store came from an earlier evaluation."""
    warnings: tuple[str, ...]


class PartResult(BaseModel):
    """What measuring a part of an evaluation came to."""

    model_config = ConfigDict(frozen=True)

    part: str
    frames: str
    """Which frames were measured, how many and at which size."""
    sequences: str
    not_measured: dict[str, str]
    kept_in: Path
    """Where the evaluation of all takes the figures up."""
    then: str = "the same command without 'part' joins all parts and writes the report"


def run_evaluate(
    config: EvaluateConfig, progress: Progress, *, overwrite: bool = False
) -> EvaluateResult:
    """Measure both stores and write the report.

    Nothing is measured where it is there already, of the same frames, weights and code, and no
    sequence again that a part of the evaluation measured.

    Raises:
        StoreError: If the stores differ in label set or in the shape of their frames, one has no
            pictures, labels or sequence, nothing could be measured, or the report cannot be
            written.
        WeightsError: If a judge or weights that the config names cannot be loaded, or nothing can
            be measured.
        ConfigError: If the folder holds another evaluation, no frame counts, or a part is named.
    """
    # What is compared, and who judges
    if config.part is not None:
        raise ConfigError(f"part {config.part} has no report; leave 'part' out for one of all")
    require_apart(config.out, [config.real, config.synthetic])
    real, synthetic, frames = _open_stores(config)
    judges, not_measured = build_judges(config, real.info.label_set, synthetic.info.size_hw)
    open_run_dir(config.out, config, overwrite=overwrite, may_differ=("kept_figures", "out"))
    basis = _basis((real, synthetic), judges, not_measured)
    if (config.out / _REPORT).exists() and (config.out / _PAGE).exists():
        earlier = _read_report(config.out / _REPORT)
        if earlier.basis == basis:
            progress.note(f"nothing left to do: '{config.out / _REPORT}' is there")
            return _result(config, earlier)
        progress.note(
            f"measured again: stores, weights or code changed since '{config.out / _REPORT}'"
        )
    if not_measured:
        progress.note(f"not measured: {', '.join(not_measured)}; the result says why")
    of_real, kept, of_synthetic, showcase = _measure(real, synthetic, judges, config, progress)

    # Tell
    report = replace(
        make_report(config, judges, of_real, of_synthetic, not_measured, showcase),
        frames=frames,
        basis=basis,
        kept=kept,
    )
    if synthetic.info.size_hw > real.info.size_hw:
        report = replace(report, warnings=(*report.warnings, _ENLARGED))
    if not report.measures:
        reasons = [f"{TITLES[name][0]}: {why}" for name, why in report.not_measured.items()]
        raise StoreError(f"nothing could be measured; {'; '.join(reasons)}")
    legend = showcase.legend(synthetic.info.label_set)
    page = render_page(report, showcase=showcase, legend=legend)
    _write(config.out / _PAGE, page.encode())
    _write(config.out / _REPORT, _REPORTS.dump_json(report, indent=1) + b"\n")
    return _result(config, report)


def run_evaluate_part(config: EvaluateConfig, progress: Progress) -> PartResult:
    """Measure the part of both stores that the config names, and keep it for the evaluation of all.

    Raises:
        As ``run_evaluate``; ConfigError too if nothing is to be kept, or the part is empty.
    """
    if config.part is None or config.kept_figures is None:
        raise ConfigError(
            "a part's figures are kept for the evaluation of all: name 'kept_figures'"
        )
    real, synthetic, frames = _open_stores(config)
    made, recorded = (sequences_of_part(store, config.part) for store in (synthetic, real))
    if not made and not recorded:
        raise ConfigError(
            f"part {config.part} is empty: the stores have {len(synthetic.sequence_ids)} and "
            f"{len(real.sequence_ids)} sequences; take fewer parts"
        )
    judges, not_measured = build_judges(config, real.info.label_set, synthetic.info.size_hw)
    _measure(real, synthetic, judges, config, progress)
    return PartResult(
        part=config.part,
        frames=frames,
        sequences=f"{len(made)} of {len(synthetic.sequence_ids)} synthetic and {len(recorded)} of "
        f"{len(real.sequence_ids)} real",
        not_measured=not_measured,
        kept_in=config.kept_figures.expanduser(),
    )


def _open_stores(config: EvaluateConfig) -> tuple[StoreReader, StoreReader, str]:
    """Open the real store and the synthetic one, and tell which of their frames are measured."""
    real, synthetic = StoreReader(config.real), StoreReader(config.synthetic)
    _check_stores(real, synthetic)
    return real, synthetic, told_frames(real, synthetic, config)


def _measure(
    real: StoreReader,
    synthetic: StoreReader,
    judges: Judges,
    config: EvaluateConfig,
    progress: Progress,
) -> tuple[StoreFigures, tuple[str, ...], StoreFigures, Showcase]:
    """Measure both stores, or the part of them that the config names.

    Returns:
        Figures of the real store, the measures of it that were kept, figures of the synthetic
        store, and what is worth showing of that.
    """
    recorded, made = (sequences_of_part(store, config.part) for store in (real, synthetic))
    size_hw = synthetic.info.size_hw
    of_real, kept = measure_real(real, recorded, judges, size_hw, config, progress)
    if kept:
        progress.note(
            f"taken up from '{config.kept_figures}': {', '.join(kept)} of the real store; "
            "'--set kept_figures=none' measures them again"
        )
    of_synthetic, showcase = measure_synthetic(synthetic, real, made, judges, config, progress)
    of_synthetic.compare_colors(of_real.colors.usual())
    return of_real, kept, of_synthetic, showcase


def _check_stores(real: StoreReader, synthetic: StoreReader) -> None:
    if real.info.label_set != synthetic.info.label_set:
        raise StoreError(
            f"'{real.path}' has label set '{real.info.label_set.name}', '{synthetic.path}' "
            f"'{synthetic.info.label_set.name}'; evaluate against the store that it was made from"
        )
    (height, width), (real_height, real_width) = synthetic.info.size_hw, real.info.size_hw
    if height * real_width != width * real_height:
        raise StoreError(
            f"'{real.path}' has frames of {real_width}x{real_height}, '{synthetic.path}' of "
            f"{width}x{height}, another shape; evaluate against the store that it was made from"
        )
    for reader in (real, synthetic):
        reader.require_layers("image", "semantic")
        if not reader.sequence_ids:
            raise StoreError(f"store '{reader.path}' has no sequence yet")


def _basis(stores: Sequence[StoreReader], judges: Judges, not_measured: Collection[str]) -> str:
    """Return a hash of all that a report depends on besides its config: frames, weights, code."""
    told = [reader.store_hash() for reader in stores]
    told += [code_sha256(), *judges.told().values(), *sorted(not_measured)]
    return hashlib.sha256("\n".join(told).encode()).hexdigest()


def _read_report(path: Path) -> Report:
    try:
        return _REPORTS.validate_json(path.read_bytes())
    except ValidationError as error:
        raise ConfigError(f"'{path}' is damaged; delete it to evaluate again") from error


def _write(path: Path, data: bytes) -> None:
    with writing(path), whole_file(path) as partial:
        partial.write_bytes(data)


def _result(config: EvaluateConfig, report: Report) -> EvaluateResult:
    return EvaluateResult(
        report=config.out / _REPORT,
        page=config.out / _PAGE,
        frames=report.frames,
        measures=dict(report.measures),
        not_measured=dict(report.not_measured),
        kept=report.kept,
        warnings=report.warnings,
    )
