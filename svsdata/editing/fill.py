"""What a removed object leaves: labels seen there in near frames, else what is next to it.

Whatever stands is continued from above unless near frames saw what stands there. The ground is
looked for where other frames saw it, by the vehicle's motion and the ground's depth; what none saw
is what is next to it along the road.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from svsdata.editing.columns import continued_columns
from svsdata.editing.occlusion import GroundDepth, Layer, Rect, layers_of
from svsdata.editing.placement import pose_step
from svsdata.editing.roadside import RoadsideMemory
from svsdata.geometry.camera import ground_points
from svsdata.labels import NO_LABEL
from svsdata.records import Camera, Frame, SemanticMap

LOOK_AROUND = 16
"""Frames before and after the current one whose labels may fill a hole."""

_OFFSETS = (-4, 4, -8, 8, -12, 12, -16, 16)
# Beyond, a pixel is metres of ground, and a pitch error moves it further.
_SEEN_WITHIN_M = 50.0
_GROUND_WITHIN_M = 300.0
# The ground is looked up at this many columns at most: a label is larger than that.
_LATTICE_WIDTH = 512
_NEAR_M = 0.3
# How far across ground that nobody saw may be taken from.
_BESIDE_M = 6.0


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
    memory: RoadsideMemory,
    *,
    columns_only: bool,
) -> None:
    """Overwrite a hole of a semantic map in place.

    Args:
        semantic: (H, W), changed inside the hole only.
        hole: (H, W) what is removed; not empty.
        window: The frame and its neighbours, unedited.
        memory: Of the plan whose camera and vehicle poses relate the frames.
        columns_only: Continue the columns and look nowhere else.
    """
    rect = Rect.around(hole)
    assert rect is not None
    around = semantic.copy()
    np.copyto(around[rect.slices], NO_LABEL, where=hole[rect.slices])
    columns = continued_columns(around, rect, memory.label_set)
    cv2.copyTo(columns.labels, hole[rect.slices].view(np.uint8), semantic[rect.slices])
    if columns_only:
        return
    lattice = _Lattice.of(hole, rect)
    is_ground = lattice.rows >= columns.ground_row[lattice.columns - rect.x0]
    found = np.full(len(lattice.rows), NO_LABEL, np.uint8)
    camera = memory.plan.camera_at(window.frame.frame_index)
    ahead, aside, depth = np.ascontiguousarray(ground_points(camera, lattice.pixels).T)
    below = np.flatnonzero(depth < _GROUND_WITHIN_M)  # NaN above the horizon is not
    ahead, aside, near = ahead[below], aside[below], depth[below] < _SEEN_WITHIN_M
    on_ground = np.zeros((3, np.count_nonzero(near)))
    on_ground[0], on_ground[1] = ahead[near], aside[near]
    near_frames = _near_frames(window, memory)
    found[below[near]] = _elsewhere(on_ground, near_frames, memory.is_flat)
    roadside = memory.around((*window.before, window.frame, *window.after))
    along, left = memory.view(window.frame.frame_index).coordinates(ahead, aside)
    stands = np.ones(len(found), bool)
    stands[below] = ~is_ground[below] | (np.abs(left) > roadside.wall(along, left))
    hidden = (found[below] == NO_LABEL) & near & ~stands[below]
    found[below[hidden]] = roadside.ground(along[hidden], left[hidden])
    lost = below[(found[below] == NO_LABEL) & ~stands[below]]
    found[lost] = _beside(around, lattice.at(lost), memory.is_flat, camera)
    rest = np.flatnonzero((found == NO_LABEL) & stands)
    # A pole that is seen above goes on downwards before whatever stands behind it.
    upper = columns.upper[lattice.rows[rest] - rect.y0, lattice.columns[rest] - rect.x0]
    behind = rest[layers_of(memory.label_set)[upper] != Layer.THIN]
    found[rest] = upper
    points, is_known = memory.on_walls(
        lattice.at(behind).pixels, roadside, window.frame.frame_index
    )
    standing = np.full(len(behind), NO_LABEL, np.uint8)
    standing[is_known] = _elsewhere(points[:, is_known], near_frames, memory.stands)
    found[behind] = np.where(standing == NO_LABEL, found[behind], standing)
    lattice.write(semantic, hole, found, rect)


@dataclass(frozen=True)
class _Lattice:
    """Pixels of a hole that are looked up, every one or every so many; (N,)."""

    rows: NDArray[np.intp]
    columns: NDArray[np.intp]
    step: int

    @classmethod
    def of(cls, hole: NDArray[np.bool_], rect: Rect) -> "_Lattice":
        """Choose them inside a rectangle."""
        step = max(1, round(hole.shape[1] / _LATTICE_WIDTH))
        first = step // 2
        rows, columns = np.nonzero(
            hole[rect.y0 + first : rect.y1 : step, rect.x0 + first : rect.x1 : step]
        )
        return cls(rect.y0 + first + step * rows, rect.x0 + first + step * columns, step)

    def at(self, chosen: NDArray[np.intp]) -> "_Lattice":
        """Return those that are chosen."""
        return _Lattice(self.rows[chosen], self.columns[chosen], self.step)

    @property
    def pixels(self) -> NDArray[np.float64]:
        """(N, 2) u, v."""
        return np.column_stack([self.columns, self.rows]).astype(np.float64)

    def write(
        self, semantic: SemanticMap, hole: NDArray[np.bool_], found: SemanticMap, rect: Rect
    ) -> None:
        """Write what was found at these pixels into the hole around them."""
        height, width = rect.y1 - rect.y0, rect.x1 - rect.x0
        coarse = np.full((-(-height // self.step), -(-width // self.step)), NO_LABEL, np.uint8)
        coarse[(self.rows - rect.y0) // self.step, (self.columns - rect.x0) // self.step] = found
        # The shorter way: rows are copied whole.
        fine = np.repeat(np.repeat(coarse, self.step, axis=1), self.step, axis=0)[:height, :width]
        where = hole[rect.slices] & (fine != NO_LABEL)
        np.copyto(semantic[rect.slices], fine, where=where)


@dataclass(frozen=True)
class _NearFrame:
    """Another frame as points of the window's vehicle frame lie in it."""

    semantic: SemanticMap
    projection: NDArray[np.float64]
    """(3, 4) takes x, y, z, 1 to z-depth times (u, v, 1)."""


def _near_frames(window: MapWindow, memory: RoadsideMemory) -> list[_NearFrame]:
    """Return the frames that may fill a hole, from the nearest in time on."""
    plan, index = memory.plan, window.frame.frame_index
    frames = {frame.frame_index - index: frame for frame in (*window.before, *window.after)}
    near = []
    for frame in (frames[offset] for offset in _OFFSETS if offset in frames):
        assert frame.semantic is not None
        step = pose_step(plan.ego[index], plan.ego[frame.frame_index])
        moved = np.eye(4)
        moved[:2, :2], moved[:2, 3] = step[:2, :2], step[:2, 2]
        camera = plan.camera_at(frame.frame_index)
        projection = camera.intrinsics @ (camera.cam_T_vehicle[:3] @ moved)
        near.append(_NearFrame(frame.semantic, projection))
    return near


def _elsewhere(
    points: NDArray[np.float64], near_frames: list[_NearFrame], is_wanted: NDArray[np.bool_]
) -> SemanticMap:
    """Look points up in near frames, the first one first.

    Args:
        points: (3, P) vehicle frame of the window's frame.
        near_frames: Where to look.
        is_wanted: (256,) labels that count; any other hides the point.

    Returns:
        (P,) labels, ``NO_LABEL`` where no frame shows a wanted one.
    """
    is_wanted = is_wanted.copy()
    is_wanted[NO_LABEL] = False
    count = points.shape[1]
    found = np.full(count, NO_LABEL, np.uint8)
    left, places = np.arange(count), np.vstack([points, np.ones(count)])
    for frame in near_frames:
        shown = _shown(places, frame)
        is_found = is_wanted.take(shown)
        here = np.flatnonzero(is_found)
        if len(here):
            found[left.take(here)] = shown.take(here)
            rest = np.flatnonzero(~is_found)
            left, places = left.take(rest), places.take(rest, axis=1)
    return found


def _shown(places: NDArray[np.float64], frame: _NearFrame) -> SemanticMap:
    """(P,) labels that a frame shows at (4, P) places x, y, z, 1; ``NO_LABEL`` outside of it."""
    u, v, depth = frame.projection @ places
    height, width = frame.semantic.shape
    is_ahead = depth > _NEAR_M
    depth = np.where(is_ahead, depth, 1.0)
    u, v = np.rint(u / depth), np.rint(v / depth)
    inside = is_ahead & (u >= 0) & (u < width) & (v >= 0) & (v < height)
    pixels = np.where(inside, v * width + u, 0.0).astype(np.intp)
    return np.where(inside, frame.semantic.ravel().take(pixels), np.uint8(NO_LABEL))


def _beside(
    around: SemanticMap, lattice: _Lattice, is_flat: NDArray[np.bool_], camera: Camera
) -> SemanticMap:
    """Take ground from the nearest ground of the same rows: what is far away lies across.

    Returns:
        (N,) labels, ``NO_LABEL`` where none is within some metres.
    """
    rows, inverse = np.unique(lattice.rows, return_inverse=True)
    labels = around[rows]
    width = labels.shape[1]
    known = is_flat[labels]
    numbers = np.arange(width)
    left = np.maximum.accumulate(np.where(known, numbers, -width), axis=1)
    right = np.minimum.accumulate(np.where(known, numbers, 2 * width)[:, ::-1], axis=1)[:, ::-1]
    place = (inverse, lattice.columns)
    before, after = lattice.columns - left[place], right[place] - lattice.columns
    source = np.where(before <= after, left[place], right[place])
    depth = GroundDepth(camera).at(lattice.columns, lattice.rows)
    metres = np.minimum(before, after) * depth / camera.intrinsics[0, 0]
    found = labels[inverse, np.clip(source, 0, width - 1)]
    return np.where(metres < _BESIDE_M, found, NO_LABEL).astype(np.uint8)
