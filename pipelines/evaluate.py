"""Compare a synthetic store with a real one: read both once, clip by clip, then tell.

The real store is measured by the same judges wherever a measure needs no counterpart, so that
every figure of the synthetic one stands beside what real video reaches.
"""

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from svsdata.errors import ConfigError, StoreError
from svsdata.evaluation.clip_figures import Judges, StoreFigures
from svsdata.evaluation.report import TITLES, Measure, Report, render_page
from svsdata.pipelines.configs.evaluate import EvaluateConfig
from svsdata.pipelines.evaluation_clips import clips, told_frames
from svsdata.pipelines.evaluation_gallery import Gallery, edit_names
from svsdata.pipelines.evaluation_judges import build_judges
from svsdata.pipelines.evaluation_real import code_sha256, measure_real
from svsdata.pipelines.evaluation_report import make_report
from svsdata.pipelines.run_dir import open_run_dir, require_apart
from svsdata.progress import Progress
from svsdata.store.reader import StoreReader

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


def run_evaluate(
    config: EvaluateConfig, progress: Progress, *, overwrite: bool = False
) -> EvaluateResult:
    """Measure both stores and write the report.

    Nothing is measured where it is there already, of the same frames, weights and code.

    Raises:
        StoreError: If the stores differ in label set or in the shape of their frames, one has no
            sequence, or nothing could be measured.
        WeightsError: If a judge or weights that the config names cannot be loaded, or nothing can
            be measured.
        ConfigError: If the folder holds another evaluation, or no frame counts.
    """
    # What is compared, and who judges
    require_apart(config.out, [config.real, config.synthetic])
    real, synthetic = StoreReader(config.real), StoreReader(config.synthetic)
    _check_stores(real, synthetic)
    frames, size_hw = told_frames(real, synthetic, config), synthetic.info.size_hw
    judges, not_measured = build_judges(config, real.info.label_set, size_hw)
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

    # Real first, whose colours the synthetic one is compared with
    of_real, kept = measure_real(real, judges, size_hw, config, progress)
    if kept:
        progress.note(
            f"taken up from '{config.kept_figures}': {', '.join(kept)} of the real store; "
            "'--set kept_figures=none' measures them again"
        )
    of_synthetic = StoreFigures(
        synthetic.info.label_set, judges, config.curve_frames, usual_colors=of_real.colors
    )
    gallery = Gallery(config.gallery_clips, synthetic.info.label_set, edit_names(synthetic))
    for clip in clips(synthetic, real, size_hw, config, progress):
        gallery.add(of_synthetic.add(clip))

    # Tell
    report = replace(
        make_report(config, judges, of_real, of_synthetic, not_measured, gallery),
        frames=frames,
        basis=basis,
        kept=kept,
    )
    if size_hw > real.info.size_hw:
        report = replace(report, warnings=(*report.warnings, _ENLARGED))
    if not report.measures:
        reasons = [f"{TITLES[name][0]}: {why}" for name, why in report.not_measured.items()]
        raise StoreError(f"nothing could be measured; {'; '.join(reasons)}")
    page = render_page(
        report,
        worst=gallery.worst,
        best=gallery.best,
        edits=gallery.edits,
        fps=synthetic.info.fps,
        legend=gallery.legend,
    )
    _write(config.out / _PAGE, page.encode())
    _write(config.out / _REPORT, _REPORTS.dump_json(report, indent=1) + b"\n")
    return _result(config, report)


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
    partial = path.with_name(f".{path.name}")
    partial.write_bytes(data)
    partial.replace(path)


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
