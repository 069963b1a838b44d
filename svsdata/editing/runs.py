"""The columns of label maps in runs: a few thousand stand for half a million pixels."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from svsdata.records import INSTANCE_BASE, InstanceMap, SemanticMap


@dataclass(frozen=True)
class Runs:
    """Pixels of one column that show one piece, from the left column to the right, downwards.

    All arrays are (R,).
    """

    column: NDArray[np.intp]
    top: NDArray[np.intp]
    foot: NDArray[np.intp]
    """Lowest row, not excluded."""
    key: NDArray[np.uint16] | NDArray[np.uint8]

    @classmethod
    def of_labels(cls, labels: SemanticMap) -> "Runs":
        """Cut one (H, W) map, whose labels are the keys."""
        columns = np.asarray(cv2.transpose(labels), np.uint8)
        begins = np.empty(columns.shape, bool)
        begins[:, 0] = True
        np.not_equal(columns[:, 1:], columns[:, :-1], out=begins[:, 1:])
        starts = np.flatnonzero(begins)
        column = starts // len(labels)
        first = column * len(labels)
        top, foot = starts - first, np.append(starts[1:], labels.size) - 1 - first
        return cls(column, top, foot, columns.ravel().take(starts))

    @classmethod
    def of(cls, semantic: SemanticMap, instance: InstanceMap, keys: NDArray[np.uint16]) -> "Runs":
        """Cut whole maps.

        Args:
            semantic: (H, W).
            instance: (H, W).
            keys: (256,) of the classes; a thing's key is its id. Classes of one key are one piece.
        """
        begins = np.empty(semantic.shape, bool)
        begins[0] = True
        np.not_equal(semantic[1:], semantic[:-1], out=begins[1:])
        begins[1:] |= instance[1:] != instance[:-1]
        columns = np.asarray(cv2.transpose(begins.view(np.uint8)))
        starts = np.flatnonzero(columns.view(bool))
        column, top = np.divmod(starts, len(semantic))
        place = top * semantic.shape[1] + column
        label, ids = semantic.ravel().take(place), instance.ravel().take(place)
        key = np.where(ids >= INSTANCE_BASE, ids, keys.take(label))
        is_new = top == 0
        is_new[1:] |= key[1:] != key[:-1]
        begin = np.flatnonzero(is_new)
        foot = np.append(starts[begin[1:]], semantic.size) - 1
        column, top = column.take(begin), top.take(begin)
        return cls(column, top, foot - column * len(semantic), key.take(begin))

    @property
    def num_rows(self) -> NDArray[np.intp]:
        """1 or more."""
        return self.foot - self.top + 1

    def at(self, chosen: NDArray[np.bool_] | NDArray[np.intp]) -> "Runs":
        """Return those that are chosen."""
        return Runs(self.column[chosen], self.top[chosen], self.foot[chosen], self.key[chosen])

    def inside(self, columns: tuple[int, int], rows: tuple[int, int]) -> NDArray[np.intp]:
        """Return which of them reach into a rectangle, ends excluded."""
        first, stop = np.searchsorted(self.column, columns)
        reach_in = (self.foot[first:stop] >= rows[0]) & (self.top[first:stop] < rows[1])
        return np.flatnonzero(reach_in) + first

    def cut(self, rows: tuple[int, int]) -> "Runs":
        """Return what of them lies in rows, the last excluded; each must reach into these."""
        top, foot = np.maximum(self.top, rows[0]), np.minimum(self.foot, rows[1] - 1)
        return Runs(self.column, top, foot, self.key)
