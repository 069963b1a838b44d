"""Affine functions of pixels' places, told by what they add along rows and down columns."""

import cv2
import numpy as np

from svsdata.editing.occlusion import Rect
from svsdata.editing.sight import Floats

# Numbers of a few functions that fit a core's own cache; of more, one by one is faster.
_AT_ONCE = 1 << 16


def pixel_places(rect: Rect) -> tuple[Floats, Floats]:
    """Return the (w,) columns and the (h,) rows of a rectangle."""
    columns, rows = np.arange(rect.x0, rect.x1), np.arange(rect.y0, rect.y1)
    return columns.astype(np.float64), rows.astype(np.float64)


def affine_at(affine: Floats, u: Floats, v: Floats) -> Floats:
    """Return (P, h, w) of affine functions (P, 3) at the places of (w,) columns and (h,) rows."""
    values = np.empty((len(affine), len(v), len(u)))
    for column, row, whole in zip(*affine_factors(affine, u, v), values, strict=True):
        _multiply(column, row, whole)
    return values


def affine_factors(affine: Floats, u: Floats, v: Floats) -> tuple[Floats, Floats]:
    """Return (P, h, 2) and (P, 2, w) whose products are affine functions (P, 3) of places.

    A product of matrices adds a column to a row to the same bits, and faster than broadcasting.
    """
    down, across = np.ones((len(affine), len(v), 2)), np.ones((len(affine), 2, len(u)))
    down[..., 0] = affine[:, 1:2] * v + affine[:, 2:]
    across[:, 1] = affine[:, :1] * u
    return down, across


def extreme(choose: np.ufunc, start: float, down: Floats, across: Floats) -> Floats:
    """Choose among affine functions at every pixel.

    Args:
        choose: ``np.minimum`` or ``np.maximum``.
        start: What is chosen where there are none.
        down: (P, h, 2).
        across: (P, 2, w), whose products with the former they are.

    Returns:
        (h, w) the least or the most.
    """
    num, height, width = len(down), down.shape[1], across.shape[2]
    if not num:
        return np.full((height, width), start)
    if num * height * width < _AT_ONCE:
        return np.asarray(choose.reduce(down @ across, axis=0))
    chosen, values = np.empty((2, height, width))
    _multiply(down[0], across[0], chosen)
    for column, row in zip(down[1:], across[1:], strict=True):
        _multiply(column, row, values)
        choose(chosen, values, out=chosen)
    return chosen


def _multiply(column: Floats, row: Floats, product: Floats) -> None:
    """Fill (h, w) with (h, 2) @ (2, w), on this thread alone."""
    cv2.gemm(column, row, 1.0, product, 0.0, product)
