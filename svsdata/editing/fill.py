"""What a removed object leaves: labels seen there in near frames, else the columns continued.

Whatever stands is continued from above, the ground is looked for: first where other frames saw it,
by the vehicle's motion and the ground's depth; then at the same distance from the vehicle's path
further on in the same frame, for a kerb behind a row of parked cars goes on between them.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from svsdata.editing.occlusion import Layer, Rect, layers_of
from svsdata.editing.placement import pose_step
from svsdata.editing.plan import EditPlan
from svsdata.geometry.camera import ground_homography
from svsdata.labels import NO_LABEL, LabelSet
from svsdata.records import Frame, SemanticMap

LOOK_AROUND = 16
"""Frames before and after the current one whose labels may fill a hole."""

_OFFSETS = (-4, 4, -8, 8, -12, 12, -16, 16)
# The way along the road, metres, that a kerb is followed in the same frame.
_FOLLOWED_M = (3.0, -3.0, 6.0, -6.0, 10.0, 15.0)
# Beyond, a pixel is metres of ground, and a pitch error moves it further.
_SEEN_WITHIN_M = 50.0
# The ground is looked up at this many columns at most: a label is larger than that.
_LATTICE_WIDTH = 512

Matrix = NDArray[np.float64]


@dataclass(frozen=True)
class MapWindow:
    """A frame among its neighbours in time."""

    frame: Frame
    before: tuple[Frame, ...]
    after: tuple[Frame, ...]


def fill_hole(
    semantic: SemanticMap,
    hole: NDArray[np.bool_],
    window: MapWindow,
    plan: EditPlan,
    label_set: LabelSet,
    *,
    columns_only: bool,
) -> None:
    """Overwrite a hole of a semantic map in place.

    Args:
        semantic: (H, W), changed inside the hole only.
        hole: (H, W) what is removed; not empty.
        window: The frame and its neighbours, unedited.
        plan: Whose camera and vehicle poses relate the frames.
        label_set: Of the maps.
        columns_only: Continue the columns and look nowhere else.
    """
    rect = Rect.around(hole)
    assert rect is not None
    around = semantic.copy()
    np.copyto(around[rect.slices], NO_LABEL, where=hole[rect.slices])
    columns = _continued_columns(around, rect, label_set)
    cv2.copyTo(columns.labels, hole[rect.slices].view(np.uint8), semantic[rect.slices])
    if columns_only:
        return
    flat_table = np.where(_sources(label_set)[0], np.arange(256), NO_LABEL).astype(np.uint8)
    lattice = _Lattice.of(hole, rect, plan)
    found = np.full(len(lattice.rows), NO_LABEL, np.uint8)
    for frame, moved in _elsewhere(window, plan):
        assert frame.semantic is not None
        _look_up(found, lattice, frame.semantic, moved, plan, flat_table)
    ground = lattice.rows >= columns.ground_row[lattice.columns - rect.x0]
    part, along = lattice.at(ground), found[ground]
    for moved in _further_along(window.frame.frame_index, plan):
        _look_up(along, part, around, moved, plan, flat_table)
    found[ground] = along
    lattice.write(semantic, hole, found, rect)


@dataclass(frozen=True)
class _Lattice:
    """Pixels of a hole near enough to be looked up, every one or every so many; (N,)."""

    rows: NDArray[np.intp]
    columns: NDArray[np.intp]
    step: int

    @classmethod
    def of(cls, hole: NDArray[np.bool_], rect: Rect, plan: EditPlan) -> "_Lattice":
        """Choose them inside a rectangle."""
        step = max(1, round(hole.shape[1] / _LATTICE_WIDTH))
        first = step // 2
        rows, columns = np.nonzero(
            hole[rect.y0 + first : rect.y1 : step, rect.x0 + first : rect.x1 : step]
        )
        rows, columns = rect.y0 + first + step * rows, rect.x0 + first + step * columns
        inverse = np.linalg.inv(ground_homography(plan.camera))[2]
        depth = inverse[0] * columns + inverse[1] * rows + inverse[2]
        return cls(rows, columns, step).at(depth > 1 / _SEEN_WITHIN_M)

    def at(self, chosen: NDArray[np.bool_]) -> "_Lattice":
        """Return those that are chosen."""
        return _Lattice(self.rows[chosen], self.columns[chosen], self.step)

    def write(
        self, semantic: SemanticMap, hole: NDArray[np.bool_], found: SemanticMap, rect: Rect
    ) -> None:
        """Write what was found at these pixels into the hole around them."""
        height, width = rect.y1 - rect.y0, rect.x1 - rect.x0
        coarse = np.full((-(-height // self.step), -(-width // self.step)), NO_LABEL, np.uint8)
        coarse[(self.rows - rect.y0) // self.step, (self.columns - rect.x0) // self.step] = found
        fine = np.repeat(np.repeat(coarse, self.step, axis=0), self.step, axis=1)[:height, :width]
        where = hole[rect.slices] & (fine != NO_LABEL)
        np.copyto(semantic[rect.slices], fine, where=where)


def _elsewhere(window: MapWindow, plan: EditPlan) -> Iterator[tuple[Frame, Matrix]]:
    """Near frames, from the nearest on, with how the ground moves to them."""
    index = window.frame.frame_index
    frames = {frame.frame_index - index: frame for frame in (*window.before, *window.after)}
    for offset in _OFFSETS:
        if offset in frames:
            yield frames[offset], pose_step(plan.ego[index], plan.ego[index + offset])


def _further_along(index: int, plan: EditPlan) -> Iterator[Matrix]:
    """How the ground moves on along the vehicle's path, and back."""
    for metres in _FOLLOWED_M:
        side = (
            plan.ego[index : index + 200]
            if metres > 0
            else plan.ego[max(0, index - 200) : index + 1][::-1]
        )
        way = np.linalg.norm(side[:, :2] - plan.ego[index, :2], axis=1)
        beyond = np.flatnonzero(way >= abs(metres))
        step = np.eye(3)
        step[0, 2] = metres
        yield pose_step(side[beyond[0]], plan.ego[index]) if beyond.size else step


def _look_up(
    found: SemanticMap,
    lattice: _Lattice,
    semantic: SemanticMap,
    moved: Matrix,
    plan: EditPlan,
    flat_table: NDArray[np.uint8],
) -> None:
    """Look up the ground at other places where nothing was found so far.

    Args:
        found: (N,) changed in place.
        lattice: Where.
        semantic: (H, W) map that is looked at.
        moved: (3, 3) takes (x, y, 1) of the ground to the place in ``semantic``.
        plan: Whose camera sees both.
        flat_table: (256,) ids of the ground as they are, ``NO_LABEL`` for all others.
    """
    left = np.flatnonzero(found == NO_LABEL)
    image_T_ground = ground_homography(plan.camera)
    homography = (image_T_ground @ moved @ np.linalg.inv(image_T_ground)).astype(np.float32)
    columns, rows = (v[left].astype(np.float32) for v in (lattice.columns, lattice.rows))
    u, v, w = (h[0] * columns + (h[1] * rows + h[2]) for h in homography)
    height, width = semantic.shape
    is_ahead = w > 0.01
    scale = 1 / np.where(is_ahead, w, 1)
    u, v = np.rint(u * scale), np.rint(v * scale)
    inside = is_ahead & (u >= 0) & (u < width) & (v >= 0) & (v < height)
    labels = semantic[v[inside].astype(np.intp), u[inside].astype(np.intp)]
    found[left[inside]] = flat_table[labels]


@dataclass(frozen=True)
class _Columns:
    """Columns of a rectangle continued across a hole."""

    labels: SemanticMap
    """(h, w) what stands from above down to where the ground begins, ground from below up to it."""
    ground_row: NDArray[np.float64]
    """(w,) where the ground begins, in rows of the frame."""


def _continued_columns(around: SemanticMap, rect: Rect, label_set: LabelSet) -> _Columns:
    """Continue the columns of a (H, W) map with ``NO_LABEL`` in a hole of a rectangle."""
    is_flat_id, is_source_id = _sources(label_set)
    height, width = around.shape
    # Columns beside the hole tell where the ground begins.
    margin = width // 8
    x0, x1 = max(0, rect.x0 - margin), min(width, rect.x1 + margin)
    runs = _Runs.of(_transposed(around[:, x0:x1]))
    is_flat, is_source = is_flat_id[runs.label], is_source_id[runs.label]
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
    ground_row = _ground_rows(runs, is_flat, is_source)
    length_above = np.clip(np.ceil(ground_row)[runs.column] - runs.top, 0, runs.length)
    lengths = np.stack([length_above, runs.length - length_above], axis=1).astype(np.intp)
    labels = np.stack([from_above, from_below], axis=1).astype(np.uint8)
    filled = np.repeat(labels.ravel(), lengths.ravel()).reshape(-1, height)
    inside = slice(rect.x0 - x0, rect.x1 - x0)
    return _Columns(_transposed(filled[inside, rect.y0 : rect.y1]), ground_row[inside])


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


@dataclass(frozen=True)
class _Runs:
    """Pixels of one column with one label, downwards, column after column; (R,)."""

    column: NDArray[np.intp]
    top: NDArray[np.intp]
    length: NDArray[np.intp]
    label: NDArray[np.uint8]

    @classmethod
    def of(cls, labels: NDArray[np.uint8]) -> "_Runs":
        """Cut a (columns, rows) map."""
        begins = np.ones(labels.shape, bool)
        np.not_equal(labels[:, 1:], labels[:, :-1], out=begins[:, 1:])
        starts = np.flatnonzero(begins)
        column, top = np.divmod(starts, labels.shape[1])
        return cls(column, top, np.diff(starts, append=labels.size), labels.ravel()[starts])


def _ground_rows(
    runs: _Runs, is_flat: NDArray[np.bool_], is_source: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """(columns,) row at which the ground begins, across holes by straight lines."""
    count, height = int(runs.column[-1]) + 1, int(runs.top[-1] + runs.length[-1])
    flat = np.flatnonzero(is_flat)
    columns, first = np.unique(runs.column[flat], return_index=True)
    first = flat[first]
    # It is seen where something that stands there reaches down to it.
    is_seen = (runs.top[first] > 0) & is_source[np.maximum(first - 1, 0)]
    if not is_seen.any():
        return np.full(count, height / 2)
    return np.interp(np.arange(count), columns[is_seen], runs.top[first][is_seen])
