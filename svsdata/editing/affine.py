"""Affine functions of pixels' places, told by what they add along rows and down columns."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

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
    across, down = _across_and_down(affine, u, v)
    return np.asarray(across[:, None] + down[..., None])


def _across_and_down(affine: Floats, u: Floats, v: Floats) -> tuple[Floats, Floats]:
    """(P, w) and (P, h) whose sums are affine functions (P, 3) of places."""
    return affine[:, :1] * u, affine[:, 1:2] * v + affine[:, 2:]


@dataclass(frozen=True)
class Affines:
    """Affine functions at the pixels of a rectangle, some for each part of a solid."""

    across: Floats
    down: Floats
    """(P, w) and (P, h), whose sums are the functions."""
    bounds: list[int]
    """Where those of each part begin, and P."""

    @classmethod
    def of(
        cls,
        affine: Floats,
        chosen: NDArray[np.bool_],
        bounds: NDArray[np.intp],
        places: tuple[Floats, Floats],
    ) -> "Affines":
        """Choose among affine functions (M, 3), which begin for each part at its bound."""
        num_before = np.append(0, np.cumsum(chosen))
        return cls(*_across_and_down(affine[chosen], *places), num_before[bounds].tolist())

    def at(self, part: int, box: tuple[slice, slice]) -> tuple[Floats, Floats]:
        """Return those of a part in a box of the rectangle."""
        own = slice(self.bounds[part], self.bounds[part + 1])
        return self.across[own, box[1]], self.down[own, box[0]]


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
