"""Fill a hole column by column: what stands goes on downwards, the ground upwards to meet it."""

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from svsdata.editing.occlusion import Layer, Rect, layers_of
from svsdata.labels import LabelSet
from svsdata.records import SemanticMap


def continue_columns(
    semantic: SemanticMap, hole: NDArray[np.bool_], rect: Rect, label_set: LabelSet
) -> tuple[NDArray[np.bool_], SemanticMap]:
    """Fill each column from above down to where the ground begins, and from below up to it.

    Returns:
        (h, w) of the rectangle where it is ground, and (h, w) what stands there if it is not.
    """
    is_flat_id, is_source_id = _sources(label_set)
    height = len(semantic)
    # Columns beside the hole tell where the ground begins.
    margin = semantic.shape[1] // 8
    x0, x1 = max(0, rect.x0 - margin), min(semantic.shape[1], rect.x1 + margin)
    labels = _transposed(semantic[:, x0:x1])
    gone = _transposed(hole[:, x0:x1].view(np.uint8)).view(bool)
    runs = _Runs.of(labels, gone)
    is_flat = is_flat_id[runs.label] & ~runs.is_hole
    is_source = is_source_id[runs.label] & ~runs.is_hole
    numbers = np.arange(len(runs.label))
    above = np.maximum.accumulate(np.where(is_source & ~is_flat, numbers, -1))
    below = np.minimum.accumulate(np.where(is_flat, numbers, len(numbers))[::-1])[::-1]
    # A source of another column is none.
    has_above = (above >= 0) & (runs.column[above] == runs.column)
    has_below = below < len(numbers)
    below = np.minimum(below, len(numbers) - 1)
    has_below &= runs.column[below] == runs.column
    road = label_set.label("road").id
    from_above = np.where(has_above, runs.label[above], road)
    from_below = np.where(has_below, runs.label[below], from_above)
    from_above = np.where(has_above, from_above, from_below)
    ground_row = _ground_rows(runs, is_flat, is_source, height)
    rows = np.arange(height)
    take_below = rows >= ground_row[:, None]
    upper, lower = (
        np.repeat(labels_of, runs.length).reshape(labels.shape)
        for labels_of in (from_above, from_below)
    )
    filled = np.where(take_below, lower, upper)
    part = (slice(rect.x0 - x0, rect.x1 - x0), slice(rect.y0, rect.y1))
    np.copyto(semantic[rect.slices], _transposed(filled[part]), where=hole[rect.slices])
    is_ground = _transposed(take_below[part].view(np.uint8)).view(bool)
    return is_ground, _transposed(upper[part].astype(np.uint8))


@lru_cache(maxsize=8)
def _sources(label_set: LabelSet) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """(256,) which ids are ground, and which go on below where they are seen."""
    is_flat = layers_of(label_set) == Layer.FLAT
    is_source = np.ones(256, bool)
    is_source[list(label_set.thing_ids)] = False
    for name in ("traffic light", "traffic sign"):
        is_source[[label.id for label in label_set.labels if label.name == name]] = False
    return is_flat, is_source


def _transposed(array: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Contiguous (W, H) of (H, W), in blocks that fit the cache."""
    return np.asarray(cv2.transpose(array), np.uint8)


@dataclass(frozen=True)
class _Runs:
    """Pixels of one column with one label, hole or not, downwards, column after column; (R,)."""

    column: NDArray[np.intp]
    top: NDArray[np.intp]
    length: NDArray[np.intp]
    label: NDArray[np.uint8]
    is_hole: NDArray[np.bool_]

    @classmethod
    def of(cls, labels: NDArray[np.uint8], hole: NDArray[np.bool_]) -> "_Runs":
        """Cut (columns, rows) maps."""
        begins = np.ones(labels.shape, bool)
        np.not_equal(labels[:, 1:], labels[:, :-1], out=begins[:, 1:])
        begins[:, 1:] |= hole[:, 1:] != hole[:, :-1]
        starts = np.flatnonzero(begins)
        column, top = np.divmod(starts, labels.shape[1])
        length = np.diff(starts, append=labels.size)
        return cls(column, top, length, labels.ravel()[starts], hole.ravel()[starts])


def _ground_rows(
    runs: _Runs, is_flat: NDArray[np.bool_], is_source: NDArray[np.bool_], height: int
) -> NDArray[np.float64]:
    """(columns,) row at which the ground begins, across holes by straight lines."""
    count = int(runs.column[-1]) + 1
    flat = np.flatnonzero(is_flat)
    columns, first = np.unique(runs.column[flat], return_index=True)
    first = flat[first]
    # It is seen where something that stands there reaches down to it.
    is_seen = (runs.top[first] > 0) & is_source[np.maximum(first - 1, 0)]
    if not is_seen.any():
        return np.full(count, height / 2)
    return np.interp(np.arange(count), columns[is_seen], runs.top[first][is_seen])
