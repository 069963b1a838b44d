"""How far away what a label map shows is: from where it touches the ground.

Everything that stands on the ground is as far as its lowest contact with it. That orders an
inserted object among poles, vehicles and buildings without any depth map.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from functools import cached_property, lru_cache

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from svsdata.editing.things import things_in
from svsdata.geometry.camera import camera_centre, pixel_rays
from svsdata.labels import LabelSet
from svsdata.records import INSTANCE_BASE, Camera, InstanceMap, SemanticMap

FLAT_NAMES = ("road", "sidewalk", "parking", "rail track", "terrain", "ground")
_BORDER_NAMES = ("ego vehicle", "rectification border", "out of roi")
_OPEN_NAMES = ("sky", "unlabeled")
_THIN_NAMES = (
    *("pole", "polegroup", "traffic light", "traffic sign"),
    *("smallpole", "lamp", "stop"),
)
# Pixels of one column with the same key are one piece; other classes' keys are their ids.
_FLAT_KEY, _OPEN_KEY, _BORDER_KEY, _THIN_KEY = range(INSTANCE_BASE - 4, INSTANCE_BASE)
# Heights and a width that tell the distance of a thin object whose foot is hidden.
_HEIGHTS_M = {"traffic light": 0.9, "traffic sign": 0.7}
_POLE_WIDTH_M = 0.15
# Of two things as far away as each other the thin one is in front.
_THIN_FIRST_M = 0.5
# Columns beside the rectangle that are looked at, for feet and contacts just outside it.
_MARGIN_PX = 24


@dataclass(frozen=True)
class Rect:
    """A rectangle of pixels, ends excluded."""

    x0: int
    y0: int
    x1: int
    y1: int

    @classmethod
    def around(cls, mask: NDArray[np.bool_] | NDArray[np.uint8]) -> "Rect | None":
        """Return the smallest one around what is not 0 in a (H, W) map; None where all is."""
        x, y, width, height = cv2.boundingRect(mask.view(np.uint8))
        return cls(x, y, x + width, y + height) if width else None

    def within(self, outer: "Rect") -> "Rect":
        """Return a rectangle of a part of the frame in pixels of the frame."""
        return Rect(outer.x0 + self.x0, outer.y0 + self.y0, outer.x0 + self.x1, outer.y0 + self.y1)

    @property
    def slices(self) -> tuple[slice, slice]:
        """Index of the rectangle into a (H, W) map."""
        return slice(self.y0, self.y1), slice(self.x0, self.x1)


class GroundDepth:
    """z-depth of the ground under one camera; its inverse is affine in the pixel's place."""

    def __init__(self, camera: Camera) -> None:
        probe = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
        inverse = -pixel_rays(camera, probe)[:, 2] / camera_centre(camera)[2]
        self._at_origin = np.float32(inverse[0])
        self._per_column, self._per_row = (inverse[1:] - inverse[0]).astype(np.float32)
        self.focal_px = float(camera.intrinsics[1, 1])

    def at(self, columns: ArrayLike, rows: ArrayLike) -> NDArray[np.float32]:
        """Return the metres at pixels; a million at and above the horizon."""
        across, down = np.asarray(columns, np.float32), np.asarray(rows, np.float32)
        inverse = self._at_origin + self._per_column * across + self._per_row * down
        return np.float32(1) / np.maximum(inverse, np.float32(1e-6))


class Layer(IntEnum):
    """What a class is to the order."""

    FLAT = 0
    OPEN = 1
    """Endless behind everything."""
    BORDER = 2
    """The ego vehicle and what is no picture: in front of everything."""
    THIN = 3
    UPRIGHT = 4


def layers_of(label_set: LabelSet) -> NDArray[np.uint8]:
    """Return the (256,) ``Layer`` of every class id."""
    return _tables(label_set)[0]


@lru_cache(maxsize=8)
def _tables(label_set: LabelSet) -> tuple[NDArray[np.uint8], NDArray[np.uint16]]:
    """(256,) layer and (256,) key of every class id."""
    layers = np.full(256, Layer.UPRIGHT, np.uint8)
    keys = np.arange(256, dtype=np.uint16)
    groups = (
        (FLAT_NAMES, Layer.FLAT, _FLAT_KEY),
        (_OPEN_NAMES, Layer.OPEN, _OPEN_KEY),
        (_BORDER_NAMES, Layer.BORDER, _BORDER_KEY),
        (_THIN_NAMES, Layer.THIN, _THIN_KEY),
    )
    for names, layer, key in groups:
        ids = [label_set.by_name[name].id for name in names if name in label_set.by_name]
        layers[ids], keys[ids] = layer, key
    return layers, keys


class Standing:
    """How far away what one frame shows stands, asked rectangle by rectangle.

    Args:
        semantic: (H, W) whole frame.
        instance: (H, W) whole frame.
        ground: Of the frame's camera.
        label_set: Of both maps.
    """

    def __init__(
        self,
        semantic: SemanticMap,
        instance: InstanceMap,
        *,
        ground: GroundDepth,
        label_set: LabelSet,
    ) -> None:
        self._semantic, self._instance = semantic, instance
        self._ground, self._labels = ground, label_set.labels
        self._layers, self._keys = _tables(label_set)
        self._thing_depths: dict[int, float] = {}

    @cached_property
    def feet(self) -> Mapping[int, tuple[float, int]]:
        """Column and row of the lowest pixels of every thing, by instance id."""
        things = things_in(self._instance)
        return {
            one: (column, int(row))
            for one, (column, row) in zip(
                things.instance_id.tolist(), things.foot.tolist(), strict=True
            )
        }

    def depth(self, rect: Rect) -> "DepthRuns":
        """Estimate the z-depth of what a rectangle shows, for ordering only.

        Returns:
            Zero at the ego vehicle and the borders, which nothing covers; infinite at the ground,
            which is always behind what stands on it, and at the sky.
        """
        height, width = self._semantic.shape
        x0, x1 = max(0, rect.x0 - _MARGIN_PX), min(width, rect.x1 + _MARGIN_PX)
        below = (slice(rect.y0, height), slice(x0, x1))
        num_rows = rect.y1 - rect.y0
        runs = self._runs(self._semantic[below], self._instance[below], num_rows)
        stands = (runs.layer_below == Layer.FLAT) | (runs.layer_below == Layer.BORDER)
        stands |= runs.foot == height - rect.y0 - 1
        foot_depth = self._ground.at(runs.column + x0, runs.foot + rect.y0 + 0.5)
        depth = np.where(stands, foot_depth, np.float32(np.nan))
        is_thing = runs.key >= INSTANCE_BASE
        ids, which = np.unique(runs.key[is_thing], return_inverse=True)
        depth[is_thing] = np.array([self._thing_depth(int(one)) for one in ids], np.float32)[which]
        self._settle_thin(depth, runs, self._semantic[below][:num_rows])
        _settle_upright(depth, runs)
        depth[(runs.layer == Layer.FLAT) | (runs.layer == Layer.OPEN)] = np.inf
        depth[runs.layer == Layer.BORDER] = 0.0
        left = rect.x0 - x0
        asked = slice(*np.searchsorted(runs.column, (left, left + rect.x1 - rect.x0)))
        return DepthRuns(num_rows, runs.column[asked] - left, runs.num_rows[asked], depth[asked])

    def _runs(self, semantic: SemanticMap, instance: InstanceMap, num_rows: int) -> "_Runs":
        """Cut the columns of (rows, columns) maps into runs that begin in the first rows."""
        height = len(semantic)
        keys = np.asarray(cv2.LUT(semantic, self._keys), np.uint16)
        np.copyto(keys, instance, where=instance >= INSTANCE_BASE)
        keys = np.asarray(cv2.transpose(keys), np.uint16)
        begins = np.ones(keys.shape, bool)
        np.not_equal(keys[:, 1:], keys[:, :-1], out=begins[:, 1:])
        starts = np.flatnonzero(begins)
        column, top = np.divmod(starts, height)
        foot = np.append(starts[1:], keys.size) - 1 - column * height
        layer = self._layers[semantic[top, column]]
        below = np.where(foot < height - 1, np.append(layer[1:], layer[-1:]), layer)
        asked = top < num_rows
        column, top, foot, below = column[asked], top[asked], foot[asked], below[asked]
        shown = np.minimum(foot, num_rows - 1) - top + 1
        return _Runs(column, top, foot, shown, keys.ravel()[starts[asked]], layer[asked], below)

    def _thing_depth(self, instance_id: int) -> float:
        """Depth of a thing's foot; a rider's is his vehicle's."""
        if instance_id not in self._thing_depths:
            column, row = self.feet[instance_id]
            name = self._labels[instance_id // INSTANCE_BASE].name
            if name == "rider" and row + 1 < len(self._instance):
                under = int(self._instance[row + 1, int(column)])
                if self._labels[under // INSTANCE_BASE].name in ("bicycle", "motorcycle"):
                    column, row = self.feet[under]
            self._thing_depths[instance_id] = float(self._ground.at(column, row + 0.5))
        return self._thing_depths[instance_id]

    def _settle_thin(
        self, depth: NDArray[np.float32], runs: "_Runs", semantic: SemanticMap
    ) -> None:
        """Give poles with their signs and lights the depth of their foot, else of their size."""
        is_thin = runs.layer == Layer.THIN
        if not is_thin.any():
            return
        mask = np.asarray(cv2.LUT(semantic, (self._layers == Layer.THIN).astype(np.uint8)))
        x, y, width, height = cv2.boundingRect(mask)
        count, pieces = cv2.connectedComponents(mask[y : y + height, x : x + width])
        piece = pieces[runs.top[is_thin] - y, runs.column[is_thin] - x]
        nearest = np.full(count, np.inf, np.float32)
        np.fmin.at(nearest, piece, depth[is_thin])
        for index in np.flatnonzero(np.isinf(nearest[1:])) + 1:
            rows, columns = np.nonzero(pieces == index)
            label_id = np.bincount(semantic[rows + y, columns + x]).argmax()
            size_m = _HEIGHTS_M.get(self._labels[int(label_id)].name)
            if size_m is not None:
                size_px = rows[-1] - rows[0] + 1
            else:
                size_m, size_px = _POLE_WIDTH_M, np.median(np.bincount(rows - rows[0]))
            nearest[index] = self._ground.focal_px * size_m / size_px
        depth[is_thin] = np.maximum(nearest[piece] - _THIN_FIRST_M, 0.0)


@dataclass(frozen=True)
class DepthRuns:
    """z-depth of a rectangle in runs of one depth down its columns, from the left column on.

    A few runs stand for tens of thousands of pixels. Arrays are (R,).
    """

    height: int
    column: NDArray[np.intp]
    num_rows: NDArray[np.intp]
    """1 or more; ``height`` in each column together."""
    metres: NDArray[np.float32]

    def behind(self, depth: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Return the (h, w) pixels that show something farther away than (w,) metres."""
        is_behind = np.repeat(depth[self.column] < self.metres, self.num_rows)
        columns = is_behind.reshape(-1, self.height).view(np.uint8)
        return np.asarray(cv2.transpose(columns), np.uint8).view(bool)


@dataclass(frozen=True)
class _Runs:
    """Pixels of one column that show one piece, from the left column to the right, downwards.

    All arrays are (R,).
    """

    column: NDArray[np.intp]
    top: NDArray[np.intp]
    foot: NDArray[np.intp]
    """Lowest row, also below the rows that are asked for."""
    num_rows: NDArray[np.intp]
    """Within the rows that are asked for, 1 or more."""
    key: NDArray[np.uint16]
    layer: NDArray[np.uint8]
    layer_below: NDArray[np.uint8]
    """Of what the run stands on; its own at the bottom of the frame."""


def _settle_upright(depth: NDArray[np.float32], runs: _Runs) -> None:
    """Give runs whose contact is hidden that of the same class in the columns beside."""
    is_hidden = np.isnan(depth)
    inverse = np.zeros(int(runs.column[-1]) + 1)
    for class_key in np.unique(runs.key[is_hidden & (runs.layer == Layer.UPRIGHT)]):
        is_class = runs.key == class_key
        known, hidden = is_class & ~is_hidden, is_class & is_hidden
        if not known.any():
            depth[hidden] = np.inf
            continue
        inverse[:] = 0.0
        np.maximum.at(inverse, runs.column[known], 1.0 / depth[known])
        columns = np.flatnonzero(inverse)
        depth[hidden] = 1.0 / np.interp(runs.column[hidden], columns, inverse[columns])
