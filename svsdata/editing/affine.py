"""Affine functions of pixels' places, told by what they add along rows and down columns."""

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
    across, down = affine_parts(affine, u, v)
    return np.asarray(across[:, None] + down[..., None])


def affine_parts(affine: Floats, u: Floats, v: Floats) -> tuple[Floats, Floats]:
    """Return (P, w) and (P, h) whose sums are affine functions (P, 3) of places."""
    return affine[:, :1] * u, affine[:, 1:2] * v + affine[:, 2:]


def extreme(choose: np.ufunc, start: float, across: Floats, down: Floats) -> Floats:
    """Choose among affine functions at every pixel.

    Args:
        choose: ``np.minimum`` or ``np.maximum``.
        start: What is chosen where there are none.
        across: (P, w).
        down: (P, h), whose sums with the former they are.

    Returns:
        (h, w) the least or the most.
    """
    num, height, width = len(across), down.shape[1], across.shape[1]
    if not num:
        return np.full((height, width), start)
    if num * height * width < _AT_ONCE:
        return np.asarray(choose.reduce(across[:, None] + down[..., None], axis=0))
    chosen = across[0] + down[0][:, None]
    values = np.empty_like(chosen)
    for along, below in zip(across[1:], down[1:], strict=True):
        choose(chosen, np.add(along, below[:, None], out=values), out=chosen)
    return chosen
