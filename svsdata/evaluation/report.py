"""The report of an evaluation: a record for programs and one page for people."""

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from math import isfinite
from typing import Annotated, TypeAlias

import numpy as np
from jinja2 import Environment, StrictUndefined
from pydantic import PlainSerializer

from svsdata.evaluation.clip_figures import ClipFigures, image_of, semantic_of
from svsdata.images import encode_jpeg, resize_image
from svsdata.labels import LabelSet
from svsdata.records import Image, SemanticMap

_TILE_WIDTH = 384
_CHART_WIDTH, _CHART_HEIGHT = 640, 180
_COLORS = ("#2563eb", "#d97706")

TITLES: Mapping[str, tuple[str, str]] = {
    "fid": ("FID", "lower is better"),
    "fvd_i3d": ("FVD (I3D)", "lower is better"),
    "fvd_cd": ("FVD (VideoMAE v2)", "lower is better"),
    "miou": ("mIoU", "higher is better"),
    "label_agreement": ("label agreement", "higher is better"),
    "lpips": ("LPIPS", "lower is closer to the recording"),
    "psnr": ("PSNR, dB", "higher is closer to the recording"),
    "ssim": ("SSIM", "higher is closer to the recording"),
    "warping_error": ("warping error", "compare with the real one"),
    "flow_epe": ("flow end-point error, px", "compare with the real one"),
    "color_distance": ("colour distance by class", "lower is better"),
    "identity": ("identity, colour distance", "compare with the real one"),
    "identity_after_occlusion": ("identity after occlusion", "compare with the real one"),
}
"""Names for people, and which way is better."""


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
    clips: tuple[tuple[str, int, Mapping[str, Figure]], ...] = ()
    """Clips of the gallery: sequence, first frame, figures."""


@dataclass(frozen=True)
class Exhibit:
    """A row of pictures of one frame."""

    title: str
    figures: Mapping[str, float]
    pictures: Mapping[str, str]
    """By caption, as data addresses."""


def clip_exhibit(clip: ClipFigures, label_set: LabelSet) -> Exhibit:
    """Show a clip's middle frame: recording, labels, generated, disagreement or difference."""
    middle = len(clip.clip.frames) // 2
    frame = clip.clip.frames[middle]
    image, semantic = image_of(frame), semantic_of(frame)
    original = clip.clip.originals[middle] if clip.clip.originals else None
    pictures = {}
    if original is not None:
        pictures["real"] = _picture(image_of(original))
    pictures["labels"] = _picture(label_set.colorize(semantic))
    pictures["generated"] = _picture(image)
    if clip.predictions:
        pictures["disagreement"] = _picture(
            _disagreement(image, semantic, clip.predictions[middle], label_set)
        )
    elif original is not None and frame.plan_hash is None:
        difference = np.abs(image.astype(np.int16) - image_of(original)).astype(np.uint8)
        pictures["difference to real"] = _picture(difference)
    title = f"{clip.clip.sequence_id}, frame {frame.frame_index}"
    return Exhibit(title, clip.figures, pictures)


def edit_exhibit(clip: ClipFigures, label_set: LabelSet) -> Exhibit:
    """Show the frame of a clip with the largest edit: recording, edited labels, generated."""

    def edited_pixels(place: int) -> int:
        provenance = clip.clip.frames[place].provenance
        return 0 if provenance is None else int(_is_edited(provenance).sum())

    place = max(range(len(clip.clip.frames)), key=edited_pixels)
    frame = clip.clip.frames[place]
    original = clip.clip.originals[place] if clip.clip.originals else None
    pictures = {} if original is None else {"real": _picture(image_of(original))}
    if original is not None and original.semantic is not None:
        pictures["labels before"] = _picture(label_set.colorize(original.semantic))
    pictures["labels after"] = _picture(label_set.colorize(semantic_of(frame)))
    pictures["generated"] = _picture(image_of(frame))
    return Exhibit(f"{clip.clip.sequence_id}, frame {frame.frame_index}", {}, pictures)


def edited_share(clip: ClipFigures) -> float:
    """Return the largest share of a frame that edits changed; 0 without edits."""
    shares = [
        float(_is_edited(frame.provenance).mean())
        for frame in clip.clip.frames
        if frame.provenance is not None
    ]
    return max(shares, default=0.0)


def render_page(
    report: Report, *, worst: list[Exhibit], best: list[Exhibit], edits: list[Exhibit]
) -> str:
    """Return the page: one HTML file with its style, charts and pictures inside."""
    template = files("svsdata.evaluation").joinpath("templates/report.html").read_text("utf-8")
    environment = Environment(autoescape=True, undefined=StrictUndefined)
    environment.filters["figure"] = _figure
    return environment.from_string(template).render(
        report=report,
        titles=TITLES,
        charts=[_chart(name, lines) for name, lines in report.curves.items()],
        galleries=[
            ("Worst clips", worst),
            ("Best clips", best),
            ("Edits", edits),
        ],
    )


def _chart(name: str, lines: Mapping[str, list[tuple[int, float]]]) -> dict[str, object]:
    """Lay a chart out; the template draws it."""
    lines = {
        store: [point for point in line if isfinite(point[1])] for store, line in lines.items()
    }
    points = [point for line in lines.values() for point in line] or [(0, 0.0)]
    last = max((index for index, _ in points), default=0) or 1
    low, high = min(value for _, value in points), max(value for _, value in points)
    span = (high - low) or abs(high) or 1.0
    low, high = low - 0.05 * span, high + 0.05 * span

    def place(index: int, value: float) -> str:
        x = _CHART_WIDTH * index / last
        y = _CHART_HEIGHT * (1 - (value - low) / (high - low))
        return f"{x:.1f},{y:.1f}"

    return {
        "title": TITLES[name][0],
        "width": _CHART_WIDTH,
        "height": _CHART_HEIGHT,
        "low": low,
        "high": high,
        "last": last,
        "lines": [
            (store, color, " ".join(place(*point) for point in line), line)
            for (store, line), color in zip(lines.items(), _COLORS, strict=False)
        ],
    }


def _disagreement(
    image: Image, semantic: SemanticMap, predicted: SemanticMap, label_set: LabelSet
) -> Image:
    """Paint red where an evaluated label is not what the segmenter sees."""
    evaluated = np.array([label.evaluated for label in label_set.labels])
    wrong = evaluated[semantic] & (semantic != predicted)
    shown = image // 2
    shown[wrong] = shown[wrong] // 2 + np.array([128, 0, 0], np.uint8)
    return shown


def _is_edited(provenance: SemanticMap) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    return (provenance > 0) & (provenance <= 250)


def _picture(image: Image) -> str:
    height = max(1, round(image.shape[0] * _TILE_WIDTH / image.shape[1]))
    small = resize_image(np.ascontiguousarray(image), (height, _TILE_WIDTH))
    return f"data:image/jpeg;base64,{base64.b64encode(encode_jpeg(small, 85)).decode()}"


def _figure(value: float | None) -> str:
    return "n/a" if value is None or value != value else f"{value:.4g}"
