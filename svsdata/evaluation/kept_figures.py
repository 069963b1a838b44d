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
    "miou": ("label_agreement",),
    "lpips": ("lpips",),
    "psnr": ("psnr",),
    "ssim": ("ssim",),
    "warping_error": ("warping_error",),
    "flow_epe": ("flow_epe", "flow_outliers"),
}
"""The curves of a measure."""
_IDENTITY = ("by_age", "after_occlusion")


def arrays_of(figures: StoreFigures, metric: str) -> Arrays:
    """Return all that was measured of a store for a measure.

    Args:
        figures: Of a store by itself.
        metric: The measure's name in the config, such as ``fid`` or ``drift``.
    """
    return {"num_frames": np.array([figures.num_frames]), **_arrays_of(figures, metric)}


def _arrays_of(figures: StoreFigures, metric: str) -> Arrays:
    if metric in figures.features:
        return figures.features[metric].to_arrays()
    if metric == "drift":
        return figures.colors.to_arrays()
    if metric == "identity":
        curves = (figures.identity.by_age, figures.identity.after_occlusion)
        return _named(dict(zip(_IDENTITY, curves, strict=True)))
    arrays = _named({name: figures.curves[name] for name in _CURVES[metric]
                     if name in figures.curves})  # fmt: skip
    if metric == "miou":
        arrays["confusion"] = figures.confusion.counts
    if metric == "psnr":
        arrays["num_equal"] = np.array([figures.num_equal])
    return arrays


def take_up(figures: StoreFigures, metric: str, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Put what ``arrays_of`` returned into the figures of a store, as if measured there.

    Raises:
        KeyError: If the arrays are those of another measure.
    """
    figures.num_frames = int(arrays["num_frames"][0])
    if metric == "drift":
        figures.colors = ClassColors.from_arrays(
            figures.label_set.num_classes, figures.bin_frames, arrays
        )
    elif metric == "identity":
        by_age, after_occlusion = (_curve(arrays, name, figures) for name in _IDENTITY)
        figures.identity = Identity(by_age, after_occlusion)
    elif metric in _CURVES:
        for name in _CURVES[metric]:
            if f"{name}.places" in arrays:
                figures.curves[name] = _curve(arrays, name, figures)
        if metric == "miou":
            figures.confusion = Confusion(figures.label_set, arrays["confusion"])
        if metric == "psnr":
            figures.num_equal = int(arrays["num_equal"][0])
    else:
        figures.features[metric] = FeatureStatistics.from_arrays(arrays)


def _named(curves: Mapping[str, Curve]) -> Arrays:
    return {
        f"{name}.{key}": array
        for name, curve in curves.items()
        for key, array in curve.to_arrays().items()
    }


def _curve(arrays: Mapping[str, NDArray[Any]], name: str, figures: StoreFigures) -> Curve:
    """Return one of several curves."""
    part = {key: arrays[f"{name}.{key}"] for key in ("bins", "places", "sums", "counts")}
    return Curve.from_arrays(figures.bin_frames, part)
