"""How far away what a label map shows is: from where it touches the ground.

Everything that stands on the ground is as far as its lowest contact with it. That orders an
inserted object among poles, vehicles and buildings without any depth map.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

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


Feet = Mapping[int, tuple[float, int]]
"""Column and row of the lowest pixels of every thing in a frame, by instance id."""


@dataclass(frozen=True)
class Rect:
    """A rectangle of pixels, ends excluded."""

    x0: int
    y0: int
    x1: int
    y1: int

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


def depth_of_labels(
    semantic: SemanticMap,
    instance: InstanceMap,
    rect: Rect,
    *,
    ground: GroundDepth,
    label_set: LabelSet,
) -> NDArray[np.float32]:
    """Estimate the z-depth of what a rectangle shows, for ordering only.

    Args:
        semantic: (H, W) whole frame.
        instance: (H, W) whole frame.
        rect: Where.
        ground: Of the frame's camera.
        label_set: Of both maps.

    Returns:
        (h, w) metres. Zero at the ego vehicle and the borders, which nothing covers; infinite at
        the ground, which is always behind what stands on it, and at the sky.
    """
    height, width = semantic.shape
    x0, x1 = max(0, rect.x0 - _MARGIN_PX), min(width, rect.x1 + _MARGIN_PX)
    column = (slice(rect.y0, height), slice(x0, x1))
    runs = _runs(semantic[column], instance[column], rect.y1 - rect.y0, label_set)
    is_flat_below = np.isin(runs.layer_below, (Layer.FLAT, Layer.BORDER))
    touches = is_flat_below | (runs.foot == height - rect.y0 - 1)
    foot_depth = ground.at(runs.column + x0, runs.foot + rect.y0 + 0.5)
    depth = np.where(touches, foot_depth, np.float32(np.nan))
    for instance_id in np.unique(runs.key[runs.key >= INSTANCE_BASE]):
        own = runs.key == instance_id
        lowest = rect.y0 + int(runs.foot[own].max())
        depth[own] = _thing_depth(instance, int(instance_id), lowest, ground, label_set)
    _settle_thin(depth, runs, semantic[column][: rect.y1 - rect.y0], ground, label_set)
    _settle_upright(depth, runs)
    depth[(runs.layer == Layer.FLAT) | (runs.layer == Layer.OPEN)] = np.inf
    depth[runs.layer == Layer.BORDER] = 0.0
    filled = np.repeat(depth, runs.num_rows).reshape(x1 - x0, rect.y1 - rect.y0)
    return filled[rect.x0 - x0 : rect.x1 - x0].T


@dataclass(frozen=True)
class _Runs:
    """Pixels of one column that show one piece, from the left column to the right, downwards.

    A few runs stand for hundreds of thousands of pixels. All arrays are (R,).
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


def _runs(
    semantic: SemanticMap, instance: InstanceMap, num_rows: int, label_set: LabelSet
) -> _Runs:
    """Cut the columns of (rows, columns) maps into runs that begin in the first rows."""
    layers, keys = _tables(label_set)
    height = len(semantic)
    labels, ids = np.ascontiguousarray(semantic.T), instance.T
    key = np.where(ids >= INSTANCE_BASE, ids, keys[labels])
    begins = np.ones(key.shape, bool)
    np.not_equal(key[:, 1:], key[:, :-1], out=begins[:, 1:])
    starts = np.flatnonzero(begins)
    ends = np.append(starts[1:], key.size) - 1
    column, top = np.divmod(starts, height)
    foot = ends - column * height
    layer = layers[labels.ravel()[starts]]
    below = np.where(foot < height - 1, np.append(layer[1:], layer[-1:]), layer)
    asked = top < num_rows
    column, top, foot, below = column[asked], top[asked], foot[asked], below[asked]
    shown = np.minimum(foot, num_rows - 1) - top + 1
    return _Runs(column, top, foot, shown, key.ravel()[starts[asked]], layer[asked], below)


def feet_of_things(instance: InstanceMap) -> Feet:
    """Find the lowest pixels of every thing of a (H, W) instance map."""
    _, width = instance.shape
    ends = np.ones(instance.shape, bool)
    np.not_equal(instance[:-1], instance[1:], out=ends[:-1])
    places = np.flatnonzero(ends)
    # Of places with the same id the last one assigned stays, which lies in its lowest row.
    last = np.full(np.iinfo(np.uint16).max + 1, -1)
    last[instance.ravel()[places]] = places
    ids = np.flatnonzero(last[INSTANCE_BASE:] >= 0) + INSTANCE_BASE
    rows = last[ids] // width
    return {
        int(instance_id): (float(np.flatnonzero(instance[row] == instance_id).mean()), int(row))
        for instance_id, row in zip(ids, rows, strict=True)
    }


def _thing_depth(
    instance: InstanceMap, instance_id: int, lowest: int, ground: GroundDepth, label_set: LabelSet
) -> float:
    """Depth of a thing's foot, in row ``lowest`` or below; a rider's is his vehicle's."""
    column, row = _foot(instance, instance_id, lowest)
    if label_set.labels[instance_id // INSTANCE_BASE].name == "rider" and row + 1 < len(instance):
        below = int(instance[row + 1, int(column)])
        two_wheelers = [label_set.by_name[name].id for name in ("bicycle", "motorcycle")]
        if below // INSTANCE_BASE in two_wheelers:
            column, row = _foot(instance, below, row + 1)
    return float(ground.at(column, row + 0.5))


def _foot(instance: InstanceMap, instance_id: int, lowest: int) -> tuple[float, int]:
    """Column and row of a thing's lowest pixels."""
    is_thing = instance[lowest:] == instance_id
    row = int(np.flatnonzero(is_thing.any(axis=1))[-1])
    return float(np.flatnonzero(is_thing[row]).mean()), lowest + row


def _settle_thin(
    depth: NDArray[np.float32],
    runs: _Runs,
    semantic: SemanticMap,
    ground: GroundDepth,
    label_set: LabelSet,
) -> None:
    """Give poles with their signs and lights the depth of their foot, else that of their size."""
    is_thin = runs.layer == Layer.THIN
    if not is_thin.any():
        return
    layers, _ = _tables(label_set)
    mask = np.ascontiguousarray(layers[semantic] == Layer.THIN).view(np.uint8)
    count, component, boxes, _ = cv2.connectedComponentsWithStats(mask, ltype=cv2.CV_32S)
    piece = component[runs.top[is_thin], runs.column[is_thin]]
    nearest = np.full(count, np.inf, np.float32)
    np.fmin.at(nearest, piece, depth[is_thin])
    for index in np.flatnonzero(np.isinf(nearest[1:])) + 1:
        x, y, width, height, _ = boxes[index]
        box = (slice(y, y + height), slice(x, x + width))
        rows, columns = np.nonzero(component[box] == index)
        name = label_set.labels[int(np.bincount(semantic[box][rows, columns]).argmax())].name
        if name in _HEIGHTS_M:
            nearest[index] = ground.focal_px * _HEIGHTS_M[name] / height
        else:
            nearest[index] = ground.focal_px * _POLE_WIDTH_M / np.median(np.bincount(rows))
    depth[is_thin] = np.maximum(nearest[piece] - _THIN_FIRST_M, 0.0)


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
