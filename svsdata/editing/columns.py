"""Fill a hole column by column: what stands goes on downwards, the ground upwards to meet it."""

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from svsdata.editing.occlusion import Layer, Rect, layers_of
from svsdata.editing.runs import Runs
from svsdata.labels import NO_LABEL, LabelSet
from svsdata.records import SemanticMap


@dataclass(frozen=True)
class Columns:
    """Columns of a rectangle continued across a hole."""

    rect: Rect
    labels: SemanticMap
    """(h, w) what stands from above down to where the ground begins, ground from below up to it."""
    upper: SemanticMap
    """(w, h), transposed: what stands from above, all the way down."""
    ground_row: NDArray[np.float64]
    """(w,) where the ground begins, in rows of the frame."""

    def is_ground(self, rows: NDArray[np.intp], columns: NDArray[np.intp]) -> NDArray[np.bool_]:
        """(N,) whether the ground has begun at pixels of the frame inside the rectangle."""
        return rows >= self.ground_row.take(columns - self.rect.x0)

    def upper_at(self, rows: NDArray[np.intp], columns: NDArray[np.intp]) -> SemanticMap:
        """(N,) of ``upper`` at pixels of the frame inside the rectangle."""
        place = (columns - self.rect.x0) * self.upper.shape[1] + (rows - self.rect.y0)
        return self.upper.ravel().take(place)


def continued_columns(around: SemanticMap, rect: Rect, label_set: LabelSet) -> Columns:
    """Continue the columns of a (H, W) map with ``NO_LABEL`` in a hole of a rectangle."""
    is_flat_id, is_source_id = _sources(label_set)
    width = around.shape[1]
    # Columns beside the hole tell where the ground begins.
    margin = width // 8
    x0, x1 = max(0, rect.x0 - margin), min(width, rect.x1 + margin)
    runs = Runs.of_labels(around[:, x0:x1])
    is_flat, is_source = is_flat_id[runs.key], is_source_id[runs.key]
    numbers = np.arange(len(runs.key))
    above = np.maximum.accumulate(np.where(is_source & ~is_flat, numbers, -1))
    below = np.minimum.accumulate(np.where(is_flat, numbers, len(numbers))[::-1])[::-1]
    # A source of another column is none.
    has_above = (above >= 0) & (runs.column[above] == runs.column)
    has_below = below < len(numbers)
    below = np.minimum(below, len(numbers) - 1)
    has_below &= runs.column[below] == runs.column
    road = label_set.label("road").id
    from_above = np.where(has_above, runs.key[above], road)
    from_below = np.where(has_below, runs.key[below], from_above)
    from_above = np.where(has_above, from_above, from_below)
    ground_row = _ground_rows(runs, is_flat, is_source)
    asked = slice(*np.searchsorted(runs.column, (rect.x0 - x0, rect.x1 - x0)))
    first_row = np.ceil(ground_row)[runs.column[asked]]
    top, stop = (np.clip(it[asked], rect.y0, rect.y1) for it in (runs.top, runs.foot + 1))
    begins = np.clip(first_row, top, stop).astype(np.intp)
    lengths = np.stack([begins - top, stop - begins], axis=1)
    labels = np.stack([from_above[asked], from_below[asked]], axis=1).astype(np.uint8)
    rows = rect.y1 - rect.y0
    filled = np.repeat(labels.ravel(), lengths.ravel()).reshape(-1, rows)
    upper = np.repeat(labels[:, 0], stop - top).reshape(-1, rows)
    return Columns(
        rect,
        np.asarray(cv2.transpose(filled), np.uint8),
        upper,
        ground_row[rect.x0 - x0 : rect.x1 - x0],
    )


@lru_cache(maxsize=8)
def _sources(label_set: LabelSet) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """(256,) which ids are ground, and which go on below where they are seen."""
    is_flat = layers_of(label_set) == Layer.FLAT
    is_source = np.ones(256, bool)
    is_source[[NO_LABEL, *label_set.thing_ids]] = False
    for name in ("traffic light", "traffic sign"):
        is_source[[label.id for label in label_set.labels if label.name == name]] = False
    return is_flat, is_source


def _ground_rows(
    runs: Runs, is_flat: NDArray[np.bool_], is_source: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """(columns,) row at which the ground begins, across holes by straight lines."""
    count, height = int(runs.column[-1]) + 1, int(runs.foot[-1]) + 1
    flat = np.flatnonzero(is_flat)
    columns = runs.column[flat]
    is_first = np.append(True, columns[1:] != columns[:-1])[: len(flat)]
    columns, first = columns[is_first], flat[is_first]
    # It is seen where something that stands there reaches down to it.
    is_seen = (runs.top[first] > 0) & is_source[np.maximum(first - 1, 0)]
    if not is_seen.any():
        return np.full(count, height / 2)
    return np.interp(np.arange(count), columns[is_seen], runs.top[first][is_seen])
