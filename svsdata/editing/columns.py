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

    labels: SemanticMap
    """(h, w) what stands from above down to where the ground begins, ground from below up to it."""
    upper: SemanticMap
    """(h, w) what stands from above, all the way down."""
    ground_row: NDArray[np.float64]
    """(w,) where the ground begins, in rows of the frame."""


def continued_columns(around: SemanticMap, rect: Rect, label_set: LabelSet) -> Columns:
    """Continue the columns of a (H, W) map with ``NO_LABEL`` in a hole of a rectangle."""
    is_flat_id, is_source_id = _sources(label_set)
    height, width = around.shape
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
    num_rows = runs.num_rows
    rows_above = np.clip(np.ceil(ground_row)[runs.column] - runs.top, 0, num_rows)
    lengths = np.stack([rows_above, num_rows - rows_above], axis=1).astype(np.intp)
    labels = np.stack([from_above, from_below], axis=1).astype(np.uint8)
    filled = np.repeat(labels.ravel(), lengths.ravel()).reshape(-1, height)
    inside = slice(rect.x0 - x0, rect.x1 - x0)
    upper = np.repeat(labels[:, 0], num_rows).reshape(-1, height)
    filled, upper = filled[inside, rect.y0 : rect.y1], upper[inside, rect.y0 : rect.y1]
    return Columns(_transposed(filled), upper.T, ground_row[inside])


@lru_cache(maxsize=8)
def _sources(label_set: LabelSet) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """(256,) which ids are ground, and which go on below where they are seen."""
    is_flat = layers_of(label_set) == Layer.FLAT
    is_source = np.ones(256, bool)
    is_source[[NO_LABEL, *label_set.thing_ids]] = False
    for name in ("traffic light", "traffic sign"):
        is_source[[label.id for label in label_set.labels if label.name == name]] = False
    return is_flat, is_source


def _transposed(array: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Contiguous (W, H) of (H, W), in blocks that fit the cache."""
    return np.asarray(cv2.transpose(array), np.uint8)


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
