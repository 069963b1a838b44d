"""What was measured of one store as arrays, measure by measure, so that it can be kept."""

from collections.abc import Mapping
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from svsdata.evaluation.clip_figures import StoreFigures
from svsdata.evaluation.curves import ClassColors, Curve
from svsdata.evaluation.frechet import FeatureStatistics
from svsdata.evaluation.identity import Identity
from svsdata.evaluation.segmentation import Confusion

Arrays: TypeAlias = dict[str, NDArray[Any]]

_CURVES = {
    "miou": "label_agreement",
    "warping_error": "warping_error",
    "flow_epe": "flow_epe",
}
"""The curve of a measure."""
_IDENTITY = ("by_age", "after_occlusion")
_COLORS = "color_distance"


def arrays_of(figures: StoreFigures, metric: str) -> Arrays:
    """Return all that was measured of a store for a measure.

    Args:
        figures: Of a store by itself.
        metric: The measure's name in the config: ``fid``, ``fvd_i3d``, ``fvd_cd``, ``miou``,
            ``warping_error``, ``flow_epe``, ``drift`` or ``identity``.
    """
    return {"num_frames": np.array([figures.num_frames]), **_arrays_of(figures, metric)}


def _arrays_of(figures: StoreFigures, metric: str) -> Arrays:
    if metric in figures.features:
        return figures.features[metric].to_arrays()
    if metric == "drift":
        curve = figures.curves.get(_COLORS, Curve(figures.bin_frames)).to_arrays()
        distances = {f"{_COLORS}.{key}": array for key, array in curve.items()}
        return {"sums": figures.colors.sums, "counts": figures.colors.counts, **distances}
    if metric == "identity":
        curves = (figures.identity.by_age, figures.identity.after_occlusion)
        return {
            f"{name}.{key}": array
            for name, curve in zip(_IDENTITY, curves, strict=True)
            for key, array in curve.to_arrays().items()
        }
    arrays = figures.curves.get(_CURVES[metric], Curve(figures.bin_frames)).to_arrays()
    return arrays | ({"confusion": figures.confusion.counts} if metric == "miou" else {})


def take_up(figures: StoreFigures, metric: str, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Put what ``arrays_of`` returned into the figures of a store, as if measured there.

    Raises:
        KeyError: If the arrays are those of another measure.
    """
    bin_frames = figures.bin_frames
    figures.num_frames = int(arrays["num_frames"][0])
    if metric == "drift":
        figures.colors = ClassColors(arrays["sums"], arrays["counts"])
        figures.curves[_COLORS] = Curve.from_arrays(bin_frames, _part(arrays, _COLORS))
    elif metric == "identity":
        by_age, after_occlusion = (
            Curve.from_arrays(bin_frames, _part(arrays, name)) for name in _IDENTITY
        )
        figures.identity = Identity(by_age, after_occlusion)
    elif metric in _CURVES:
        figures.curves[_CURVES[metric]] = Curve.from_arrays(bin_frames, arrays)
        if metric == "miou":
            figures.confusion = Confusion(figures.label_set, arrays["confusion"])
    else:
        figures.features[metric] = FeatureStatistics.from_arrays(arrays)


def _part(arrays: Mapping[str, NDArray[Any]], name: str) -> Arrays:
    """Return the arrays of one of several curves."""
    return {key: arrays[f"{name}.{key}"] for key in ("places", "sums", "counts")}
