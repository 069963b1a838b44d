"""The report of an evaluation: a record for programs and one page for people."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from math import ceil, floor, isfinite, isnan, log10
from pathlib import PurePath
from typing import Annotated, TypeAlias

import numpy as np
from jinja2 import Environment, StrictUndefined
from pydantic import PlainSerializer

from svsdata.evaluation.showcase import Showcase, Shown
from svsdata.progress import counted

_CHART_WIDTH, _CHART_HEIGHT = 640, 180
_COLORS = ("#2563eb", "#d97706")

TITLES: Mapping[str, tuple[str, str]] = {
    "fid": ("FID", "lower is better"),
    "fvd_i3d": ("FVD (I3D)", "lower is better"),
    "fvd_cd": ("FVD (VideoMAE v2)", "lower is better"),
    "miou": ("mIoU", "higher is better"),
    "miou_shared": ("mIoU, classes of both", "higher is better"),
    "label_agreement": ("label agreement", "higher is better"),
    "lpips": ("LPIPS", "lower is closer to the recording"),
    "psnr": ("PSNR, dB", "higher is closer to the recording"),
    "ssim": ("SSIM", "higher is closer to the recording"),
    "warping_error": ("warping error", "compare with the real one"),
    "flow_epe": ("flow end-point error, px", "compare with the real one"),
    "flow_outliers": ("flow outliers (Fl)", "compare with the real one"),
    "color_distance": ("colour distance by class", "lower is better"),
    "identity": ("identity, colour distance", "compare with the real one"),
    "identity_after_occlusion": ("identity after occlusion", "compare with the real one"),
}
"""Names for people, and which way is better."""

_SHARES = ("miou", "miou_shared", "label_agreement", "flow_outliers")
_UNITS = ("dB", "px")
_HEADLINE = (
    "fid", "fvd_i3d", "fvd_cd", "miou", "label_agreement", "lpips", "warping_error", "flow_epe"
)  # fmt: skip

Figure: TypeAlias = Annotated[
    float,
    PlainSerializer(lambda value: value if isfinite(value) else str(value), when_used="json"),
]
"""JSON has no infinity, which the PSNR of equal images is: it becomes the text ``inf``."""


@dataclass(frozen=True)
class Measure:
    """One figure, with all that must be known to compare it with another."""

    value: Figure
    real: Figure | None
    """The same measure of the real store, where it has one."""
    samples: str
    """Of what it was taken, with numbers."""
    protocol: str


@dataclass(frozen=True)
class Report:
    """What an evaluation found."""

    real: str
    synthetic: str
    version: str
    measures: Mapping[str, Measure]
    not_measured: Mapping[str, str]
    """Why a wanted measure is missing, and what to do."""
    warnings: tuple[str, ...]
    class_iou: Mapping[str, tuple[float | None, float | None]]
    """IoU by class: synthetic, real; None for a class in neither map."""
    curves: Mapping[str, Mapping[str, list[tuple[int, Figure]]]]
    """By measure, by store ("synthetic", "real"): (first frame of a bin, mean)."""
    curve_bins: Mapping[str, Mapping[str, tuple[int, int]]] = field(default_factory=dict)
    """By measure, by store: frames of a bin, and the last frame of all, where the last bin ends."""
    frames: str = ""
    """Which frames were measured, how many and at which size."""
    basis: str = ""
    """Hash of the frames, weights and code that it was taken of."""
    kept: tuple[str, ...] = ()
    """Measures, as the config names them, whose figures of the real store an earlier evaluation
    had kept."""
    class_share: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    """Share of the evaluated pixels by labelled class: synthetic, real."""
    clips: tuple[tuple[str, int, Mapping[str, Figure]], ...] = ()
    """Worst clips, then best: sequence, first frame, figures."""
    edits: tuple[tuple[str, int, str, Mapping[str, Figure]], ...] = ()
    """Edits where they are largest: sequence, first frame of the clip, name, figures."""


def render_page(
    report: Report,
    *,
    showcase: Showcase,
    legend: Mapping[str, str],
) -> str:
    """Return the page: one HTML file with its style, charts and moving pictures inside.

    Args:
        report: What was found.
        showcase: Clips and edits.
        legend: Colours of the labels, by class.
    """
    template = files("svsdata.evaluation").joinpath("templates/report.html").read_text("utf-8")
    environment = Environment(autoescape=True, undefined=StrictUndefined)
    environment.filters["figure"] = told_figure
    environment.filters["measured"] = told_measured
    environment.filters["title"] = lambda name: _title_and_unit(name)[0]
    best = showcase.best
    galleries: dict[str, tuple[str, Sequence[Shown]]] = {
        "Edits": (_told_edits(showcase), showcase.edits),
        "Worst clips" if best else "Clips": (_told_clips(showcase), showcase.worst),
        "Best clips": ("", best),
    }
    return environment.from_string(template).render(
        report=report,
        title=f"{PurePath(report.synthetic).name} against {PurePath(report.real).name}",
        titles=TITLES,
        headline=[name for name in _HEADLINE if name in report.measures],
        charts=[
            chart(name, lines, report.curve_bins[name])
            for name, lines in report.curves.items()
            if _has_points(lines)
        ],
        legend=legend,
        galleries=galleries,
    )


def _told_edits(showcase: Showcase) -> str:
    small = showcase.num_small_edits
    return f"{len(showcase.edits)} of {counted(showcase.num_edits, 'edits')}, largest first" + (
        f"; {small} more never {'fills' if small == 1 else 'fill'} a thousandth of a frame."
        if small
        else "."
    )


def _told_clips(showcase: Showcase) -> str:
    if not showcase.ranked_by:
        return ""
    title, _ = _title_and_unit(showcase.ranked_by)
    return f"Of {counted(showcase.num_clips, 'clips')}, ranked by {title}."


def told_figure(value: float | None, name: str) -> str:
    """Return a figure as people read it: four digits, no exponent; shares in percent."""
    if value is None or isnan(value):
        return "-"
    if name in _SHARES:
        return "<0.1 %" if 0 < value < 0.0005 else f"{100 * value:.1f} %"
    if 0 < value < 1e-6:
        return "<0.000001"
    return np.format_float_positional(float(f"{value:.4g}"), trim="-")


def told_measured(value: float | None, name: str) -> str:
    """Return a figure with its unit."""
    return f"{told_figure(value, name)} {_title_and_unit(name)[1]}".rstrip()


def _title_and_unit(name: str) -> tuple[str, str]:
    title, _, unit = TITLES[name][0].partition(", ")
    return (title, unit) if unit in _UNITS else (TITLES[name][0], "")


def _has_points(lines: Mapping[str, list[tuple[int, float]]]) -> bool:
    return any(isfinite(value) for line in lines.values() for _, value in line)


def chart(
    name: str, lines: Mapping[str, list[tuple[int, float]]], bins: Mapping[str, tuple[int, int]]
) -> dict[str, object]:
    """Lay a chart out, each point in the middle of its bin; the template draws it.

    Args:
        name: Of the measure.
        lines: By store, (first index of a bin, value), at least one of them finite; others are
            left out.
        bins: By store, as many indices as a bin has, and the last index of all.
    """
    placed = {
        store: [
            ((first + min(first + bins[store][0] - 1, bins[store][1])) / 2, value)
            for first, value in line
            if isfinite(value)
        ]
        for store, line in lines.items()
    }
    points = [point for line in placed.values() for point in line]
    last = max(bins[store][1] for store in lines) or 1
    levels = _levels(min(value for _, value in points), max(value for _, value in points))
    low, high = levels[0], levels[-1]

    def place(index: float, value: float) -> tuple[float, float]:
        x = _CHART_WIDTH * index / last
        y = _CHART_HEIGHT * (1 - (value - low) / (high - low))
        return round(x, 1), round(y, 1)

    return {
        "name": name,
        "axis": "frames since it was first seen" if name.startswith("identity") else "frame",
        "width": _CHART_WIDTH,
        "height": _CHART_HEIGHT,
        "levels": [(place(0, level)[1], level) for level in levels],
        "last": last,
        "lines": [
            (store, color, [place(*point) for point in line])
            for (store, line), color in zip(placed.items(), _COLORS, strict=False)
        ],
    }


def _levels(low: float, high: float) -> list[float]:
    """Return three to five round numbers, evenly apart, around all values of a chart."""
    third = (high - low or abs(high) or 1.0) / 3
    power = 10.0 ** floor(log10(third))
    step = next(power * times for times in (1, 2, 5, 10) if power * times >= third)
    first = floor(low / step)
    return [step * number for number in range(first, max(ceil(high / step), first + 2) + 1)]
