"""What a removed object leaves: labels seen there in near frames, else what is next to it.

Whatever stands is continued from above unless near frames saw what stands there. The ground is
looked for where other frames saw it, by the vehicle's motion and the ground's depth; what none saw
is what is next to it along the road.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from svsdata.editing.columns import Columns, continued_columns
from svsdata.editing.near_frames import first_seen
from svsdata.editing.occlusion import Layer, Rect, layers_of
from svsdata.editing.roadside import Roadside, RoadsideMemory
from svsdata.editing.sight import Sight
from svsdata.labels import NO_LABEL
from svsdata.records import Frame, SemanticMap

LOOK_AROUND = 16
"""Frames before and after the current one whose labels may fill a hole."""

_OFFSETS = (-4, 4, -8, 8, -12, 12, -16, 16)
# Beyond, a pixel is metres of ground, and a pitch error moves it further.
_SEEN_WITHIN_M = 50.0
_GROUND_WITHIN_M = 300.0
# The ground is looked up at this many columns at most: a label is larger than that.
_LATTICE_WIDTH = 512
# How far across ground that nobody saw may be taken from.
_BESIDE_M = 6.0
_NOWHERE = 1 << 20
"""Pixels away from all."""


@dataclass(frozen=True)
class MapWindow:
    """A frame among its neighbours in time."""

    frame: Frame
    before: tuple[Frame, ...]
    after: tuple[Frame, ...]


@dataclass(frozen=True)
class Hole:
    """What is removed from a frame."""

    rect: Rect
    """The smallest one around it."""
    mask: NDArray[np.uint8]
    """(h, w) of the rectangle, not 0 where something is removed."""

    def write(self, labels: SemanticMap, semantic: SemanticMap) -> None:
        """Write (h, w) labels of the rectangle into a (H, W) map."""
        cv2.copyTo(labels, self.mask, semantic[self.rect.slices])


def fill_hole(
    semantic: SemanticMap,
    hole: Hole,
    window: MapWindow,
    memory: RoadsideMemory,
    *,
    columns_only: bool,
) -> None:
    """Overwrite a hole of a semantic map in place.

    Args:
        semantic: (H, W), changed inside the hole only.
        hole: Not empty.
        window: The frame and its neighbours, unedited.
        memory: Of the plan whose camera and vehicle poses relate the frames.
        columns_only: Continue the columns and look nowhere else.
    """
    hole.write(np.full_like(hole.mask, NO_LABEL), semantic)
    columns = continued_columns(semantic, hole.rect, memory.label_set)
    if not columns_only:
        roadside = memory.around((*window.before, window.frame, *window.after))
        sight = memory.viewpoint(window.frame.frame_index).sight
        lattice = _Lattice.of(hole, semantic.shape[1], sight)
        scene = _Scene(semantic, columns, window, memory, roadside)
        lattice.write(_looked_up(lattice, scene), columns.labels)
    hole.write(columns.labels, semantic)


@dataclass(frozen=True)
class _Lattice:
    """Pixels of a hole that are looked up, every one or every so many; (N,)."""

    rect: Rect
    """Of the hole."""
    step: int
    shape: tuple[int, int]
    """Of a grid over the rectangle."""
    cells: NDArray[np.intp]
    """Where they are in the grid, row by row."""
    rows: NDArray[np.intp]
    """Of the frame, as are ``columns``."""
    columns: NDArray[np.intp]
    rays: NDArray[np.float64]
    """(3, N) of z-depth 1, vehicle frame."""
    depth: NDArray[np.float64]
    """z-depth of the ground there; infinite at and above the horizon."""
    sight: Sight

    @classmethod
    def of(cls, hole: Hole, width: int, sight: Sight) -> "_Lattice":
        """Choose them in a hole of a frame of that width."""
        step = max(1, round(width / _LATTICE_WIDTH))
        first = step // 2
        grid = hole.mask[first::step, first::step] != 0
        cells = np.flatnonzero(grid)
        rows = cells // max(1, grid.shape[1])
        columns = cells - rows * grid.shape[1]
        rows = hole.rect.y0 + first + step * rows
        columns = hole.rect.x0 + first + step * columns
        rays = sight.rays_at(columns, rows)
        return cls(
            hole.rect, step, grid.shape, cells, rows, columns, rays, sight.ground_depth(rays), sight
        )

    def places(self, chosen: NDArray[np.intp], depth: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return x, y, z, 1 (4, n) in the vehicle frame that some of them show at z-depths."""
        return self.sight.places(self.rays.take(chosen, axis=1), depth)

    def write(self, found: SemanticMap, labels: SemanticMap) -> None:
        """Write what was found at these pixels around them into (h, w) labels of the rectangle."""
        grid = np.full(self.shape, NO_LABEL, np.uint8)
        grid.ravel()[self.cells] = found
        size_wh = (self.step * grid.shape[1], self.step * grid.shape[0])
        fine = np.asarray(cv2.resize(grid, size_wh, interpolation=cv2.INTER_NEAREST), np.uint8)
        fine = fine[: labels.shape[0], : labels.shape[1]]
        is_found = (fine != NO_LABEL).view(np.uint8)
        cv2.copyTo(fine, is_found, labels[: fine.shape[0], : fine.shape[1]])


@dataclass(frozen=True)
class _Scene:
    """What is known of a frame that has a hole."""

    around: SemanticMap
    """(H, W), ``NO_LABEL`` in the hole."""
    columns: Columns
    window: MapWindow
    memory: RoadsideMemory
    roadside: Roadside


def _looked_up(lattice: _Lattice, scene: _Scene) -> SemanticMap:
    """Return the (N,) labels of a lattice, ``NO_LABEL`` where the columns' stay."""
    memory, roadside, columns = scene.memory, scene.roadside, scene.columns
    index = scene.window.frame.frame_index
    frames = {it.frame_index - index: it for it in (*scene.window.before, *scene.window.after)}
    near_frames = memory.relate(index, [frames[at] for at in _OFFSETS if at in frames])
    found = np.full(len(lattice.cells), NO_LABEL, np.uint8)
    near = np.flatnonzero(lattice.depth < _SEEN_WITHIN_M)
    found[near] = first_seen(near_frames, lattice.places(near, lattice.depth[near]), memory.is_flat)
    # Ground that no frame shows, unless something stands before it.
    is_hidden = (found == NO_LABEL) & columns.is_ground(lattice.rows, lattice.columns)
    hidden = np.flatnonzero(is_hidden & (lattice.depth < _GROUND_WITHIN_M))
    ahead, aside = lattice.places(hidden, lattice.depth[hidden])[:2]
    along, left = memory.viewpoint(index).road.coordinates(ahead, aside)
    is_open = np.abs(left) <= roadside.wall(along, left)
    hidden, along, left = hidden[is_open], along[is_open], left[is_open]
    is_near = lattice.depth[hidden] < _SEEN_WITHIN_M
    found[hidden[is_near]] = roadside.ground(along[is_near], left[is_near])
    lost = hidden[found[hidden] == NO_LABEL]
    found[lost] = _beside(scene.around, lattice, lost, memory.is_flat)
    # What stands: a pole that is seen above goes on downwards before whatever is behind it.
    is_standing = found == NO_LABEL
    is_standing[lost] = False
    standing = np.flatnonzero(is_standing)
    upper = columns.upper_at(lattice.rows[standing], lattice.columns[standing])
    found[standing] = upper
    behind = standing[layers_of(memory.label_set)[upper] != Layer.THIN]
    depth = _wall_depth(lattice, behind, scene)
    behind, depth = behind[~np.isnan(depth)], depth[~np.isnan(depth)]
    shown = first_seen(near_frames, lattice.places(behind, depth), memory.stands)
    is_seen = shown != NO_LABEL
    found[behind[is_seen]] = shown[is_seen]
    return found


def _wall_depth(lattice: _Lattice, chosen: NDArray[np.intp], scene: _Scene) -> NDArray[np.float64]:
    """Return the (n,) z-depth of what stands beside the road at some pixels; NaN if unknown.

    It is told at both ends of every column: down a wall its inverse runs in a straight line.
    """
    rect, index = lattice.rect, scene.window.frame.frame_index
    columns = rect.x0 + lattice.step // 2 + lattice.step * np.arange(lattice.shape[1])
    rows = np.repeat([rect.y0, rect.y1], len(columns))
    rays = lattice.sight.rays_at(np.tile(columns, 2), rows)
    top, bottom = (1.0 / scene.memory.wall_depth(rays, scene.roadside, index)).reshape(2, -1)
    which = (lattice.columns.take(chosen) - rect.x0) // lattice.step
    down = (lattice.rows.take(chosen) - rect.y0) / (rect.y1 - rect.y0)
    return np.asarray(1.0 / (top.take(which) + down * (bottom - top).take(which)))


def _beside(
    around: SemanticMap, lattice: _Lattice, lost: NDArray[np.intp], is_flat: NDArray[np.bool_]
) -> SemanticMap:
    """Take ground from the nearest ground of the same rows: what is far away lies across.

    Returns:
        (N,) labels of the pixels ``lost`` of a lattice, ``NO_LABEL`` where none is within metres.
    """
    if not len(lost):
        return np.zeros(0, np.uint8)
    columns, rows = lattice.columns.take(lost), lattice.rows.take(lost)
    is_first = np.append(True, rows[1:] != rows[:-1])
    labels = around[rows[is_first]]
    width = labels.shape[1]
    start = (np.cumsum(is_first) - 1) * width
    # Ends that are far from all.
    known = np.flatnonzero(cv2.LUT(labels, is_flat.view(np.uint8)))
    known = np.concatenate([[-_NOWHERE], known, [labels.size + _NOWHERE]])
    rank = np.searchsorted(known, start + columns)
    left, right = known.take(rank - 1) - start, known.take(rank) - start
    before = np.where(left >= 0, columns - left, _NOWHERE)
    after = np.where(right < width, right - columns, _NOWHERE)
    metres = np.minimum(before, after) * lattice.depth.take(lost) / lattice.sight.focal_px
    is_near = metres < _BESIDE_M
    source = np.where(is_near, start + np.where(before <= after, left, right), 0)
    return np.where(is_near, labels.ravel().take(source, mode="clip"), np.uint8(NO_LABEL))
