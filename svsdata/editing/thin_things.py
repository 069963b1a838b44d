"""How far away poles with their signs and lights are whose foot is hidden."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from svsdata.editing.runs import Runs
from svsdata.labels import LabelSet
from svsdata.records import SemanticMap

# Heights and a width that tell the distance.
_HEIGHTS_M = {"traffic light": 0.9, "traffic sign": 0.7}
_POLE_WIDTH_M = 0.15
# What is so much wider than high is the arm of a pole.
_LIES_RATIO = 2
# Of two things as far away as each other the thin one is in front.
_THIN_FIRST_M = 0.5
# From the foot of a thing to what stands behind it: the narrowest car is as wide.
_BEHIND_M = 1.7


@dataclass(frozen=True)
class ThinThings:
    """Those of one frame."""

    semantic: SemanticMap
    is_thin: NDArray[np.uint8]
    """(256,) 1 for the ids of their classes."""
    label_set: LabelSet
    focal_px: float

    def depths(
        self,
        depth: NDArray[np.float32],
        whole: Runs,
        thin: NDArray[np.intp],
        hider: NDArray[np.float32],
        columns: tuple[int, int],
    ) -> NDArray[np.float32]:
        """Give pieces of them the depth of their foot, else what their size tells.

        What a thing hides the foot of stands behind that thing, and every piece before what is seen
        on both sides of it, whatever its size tells.

        Args:
            depth: (R,) z-depth of all runs of a rectangle; NaN where it is not known.
            whole: These runs.
            thin: (n,) which of them are thin.
            hider: (n,) known depth of the things that these end at downwards; NaN where at none.
            columns: Pieces that do not reach into them, the last excluded, may be left without.

        Returns:
            (n,) metres.
        """
        runs = whole.at(thin)
        x, y = int(runs.column[0]), int(runs.top.min())
        window = self.semantic[y : runs.foot.max() + 1, x : runs.column[-1] + 1]
        count, pieces = cv2.connectedComponents(cv2.LUT(window, self.is_thin))
        piece = np.asarray(pieces[runs.top - y, runs.column - x], np.intp)
        nearest = np.full(count, np.inf, np.float32)
        np.fmin.at(nearest, piece, depth[thin])
        is_asked = np.zeros(count, bool)
        is_asked[piece[slice(*np.searchsorted(runs.column, columns))]] = True
        for index in np.flatnonzero(np.isinf(nearest) & is_asked):
            is_piece = piece == index
            own = runs.at(is_piece)
            across = slice(own.column[0] - x, own.column[-1] + 1 - x)
            down = slice(own.top.min() - y, own.foot.max() + 1 - y)
            is_own = pieces[down, across] == index
            behind = np.fmax.reduce(hider[is_piece][own.foot == own.foot.max()]) + _BEHIND_M
            told = np.fmax(self._depth_by_size(window[down, across], is_own), behind)
            nearest[index] = min(told, _depth_beside(depth, whole, own))
        return np.maximum(nearest[piece] - _THIN_FIRST_M, 0.0)

    def _depth_by_size(self, labels: SemanticMap, is_own: NDArray[np.bool_]) -> float:
        """Return the metres at which a piece is as large as its (h, w) pixels."""
        label = self.label_set.labels[np.bincount(labels[is_own]).argmax()]
        if label.name in _HEIGHTS_M:
            # Without the pole that carries it.
            num_rows = np.count_nonzero((is_own & (labels == label.id)).any(axis=1))
            return self.focal_px * _HEIGHTS_M[label.name] / num_rows
        height, width = is_own.shape
        thickness = _median(is_own.sum(axis=0 if width > _LIES_RATIO * height else 1))
        # A pole of a pixel or two may be wider by nearly one: it counts as near as it can be.
        return self.focal_px * _POLE_WIDTH_M / (thickness + 1)


def _depth_beside(depth: NDArray[np.float32], whole: Runs, own: Runs) -> float:
    """Return the depth of what is seen on both sides of a thin piece: of the farther side.

    Args:
        depth: (R,) of all runs; NaN where none is known, as of the piece.
        whole: All runs.
        own: Those of the piece.
    """
    height = int(whole.foot.max()) + 1
    begins, middle = whole.column * height + whole.top, (own.top + own.foot) // 2
    farther = 0.0
    for column in (own.column - 1, own.column + 1):
        at = np.searchsorted(begins, column * height + middle, side="right") - 1
        side = np.where(whole.column.take(at) == column, depth.take(at), np.inf)
        known = side[~np.isnan(side)]
        farther = max(farther, _median(known) if len(known) else np.inf)
    return farther


def _median(values: NDArray[np.integer] | NDArray[np.floating]) -> float:
    """Of a few numbers; NumPy's own takes thirty times as long to begin."""
    ordered = np.sort(values)
    half = len(ordered) // 2
    return float(ordered[half] + ordered[~half]) / 2
