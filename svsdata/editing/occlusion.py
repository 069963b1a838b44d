"""How far away what a label map shows is: from where it touches the ground.

Everything that stands on the ground is as far as its lowest contact with it. That orders an
inserted object among poles, vehicles and buildings without any depth map.
"""

from collections.abc import Mapping
from dataclasses import dataclass
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
# Layers: what a class is to the order.
_FLAT, _OPEN, _BORDER, _THIN, _UPRIGHT = range(5)
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


@lru_cache(maxsize=8)
def _tables(label_set: LabelSet) -> tuple[NDArray[np.uint8], NDArray[np.uint16]]:
    """(256,) layer and (256,) key of every class id."""
    layers = np.full(256, _UPRIGHT, np.uint8)
    keys = np.arange(256, dtype=np.uint16)
    groups = (
        (FLAT_NAMES, _FLAT, _FLAT_KEY),
        (_OPEN_NAMES, _OPEN, _OPEN_KEY),
        (_BORDER_NAMES, _BORDER, _BORDER_KEY),
        (_THIN_NAMES, _THIN, _THIN_KEY),
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
    feet: Feet,
    ground: GroundDepth,
    label_set: LabelSet,
) -> NDArray[np.float32]:
    """Estimate the z-depth of what a rectangle shows, for ordering only.

    Args:
        semantic: (H, W) whole frame.
        instance: (H, W) whole frame.
        rect: Where.
        feet: Of ``instance``.
        ground: Of the frame's camera.
        label_set: Of both maps.

    Returns:
        (h, w) metres. Zero at the ego vehicle and the borders, which nothing covers; infinite at
        the ground, which is always behind what stands on it, and at the sky.
    """
    height, width = semantic.shape
    x0, x1 = max(0, rect.x0 - _MARGIN_PX), min(width, rect.x1 + _MARGIN_PX)
    layers, keys = _tables(label_set)
    column = (slice(rect.y0, height), slice(x0, x1))
    ids = instance[column]
    layer = layers[semantic[column]]
    key = np.where(ids >= INSTANCE_BASE, ids, keys[semantic[column]])
    shown = slice(0, rect.y1 - rect.y0)
    foot = _feet(key)[shown]
    columns = np.arange(x1 - x0)[None]
    below = layer[np.minimum(foot + 1, len(layer) - 1), columns]
    touches = (foot == len(layer) - 1) | (below == _FLAT) | (below == _BORDER)
    depth = np.where(touches, ground.at(columns + x0, foot + rect.y0 + 0.5), np.float32(np.nan))
    layer, key = layer[shown], key[shown]
    for instance_id in np.unique(key[key >= INSTANCE_BASE]):
        depth[key == instance_id] = _thing_depth(
            instance, int(instance_id), feet, ground, label_set
        )
    _settle_thin(depth, semantic[column][shown], layer, ground, label_set)
    _settle_upright(depth, key)
    depth[(layer == _FLAT) | (layer == _OPEN)] = np.inf
    depth[layer == _BORDER] = 0.0
    return depth[:, rect.x0 - x0 : rect.x1 - x0]


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


def _feet(key: NDArray[np.uint16]) -> NDArray[np.intp]:
    """Row of the lowest pixel of each pixel's piece of its column."""
    rows = len(key)
    ends = np.full(key.shape, rows - 1, np.intp)
    ends[:-1] = np.where(key[:-1] != key[1:], np.arange(rows - 1)[:, None], rows - 1)
    return np.minimum.accumulate(ends[::-1], axis=0)[::-1]


def _thing_depth(
    instance: InstanceMap, instance_id: int, feet: Feet, ground: GroundDepth, label_set: LabelSet
) -> float:
    """Depth of a thing's foot; a rider's is his vehicle's."""
    column, row = feet[instance_id]
    if label_set.labels[instance_id // INSTANCE_BASE].name == "rider" and row + 1 < len(instance):
        below = int(instance[row + 1, int(column)])
        two_wheelers = [label_set.by_name[name].id for name in ("bicycle", "motorcycle")]
        if below // INSTANCE_BASE in two_wheelers:
            column, row = feet[below]
    return float(ground.at(column, row + 0.5))


def _settle_thin(
    depth: NDArray[np.float32],
    semantic: SemanticMap,
    layer: NDArray[np.uint8],
    ground: GroundDepth,
    label_set: LabelSet,
) -> None:
    """Give poles with their signs and lights the depth of their foot, else that of their size."""
    is_thin = layer == _THIN
    if not is_thin.any():
        return
    count, component = cv2.connectedComponents(is_thin.astype(np.uint8), ltype=cv2.CV_16U)
    nearest = np.full(count, np.inf, np.float32)
    is_known = is_thin & ~np.isnan(depth)
    np.minimum.at(nearest, component[is_known], depth[is_known])
    for index in np.flatnonzero(np.isinf(nearest[1:])) + 1:
        rows, columns = np.nonzero(component == index)
        name = label_set.labels[int(np.bincount(semantic[rows, columns]).argmax())].name
        if name in _HEIGHTS_M:
            nearest[index] = ground.focal_px * _HEIGHTS_M[name] / (np.ptp(rows) + 1)
        else:
            thickness_px = np.median(np.bincount(rows - rows.min()))
            nearest[index] = ground.focal_px * _POLE_WIDTH_M / thickness_px
    depth[is_thin] = np.maximum(nearest[component[is_thin]] - _THIN_FIRST_M, 0.0)


def _settle_upright(depth: NDArray[np.float32], key: NDArray[np.uint16]) -> None:
    """Give pieces whose contact is hidden that of the same class in the columns beside."""
    is_hidden = np.isnan(depth)
    for class_key in np.unique(key[is_hidden]):
        is_class = key == class_key
        inverse = np.where(is_class & ~is_hidden, 1.0 / depth, 0.0).max(axis=0)
        known = np.flatnonzero(inverse)
        if known.size:
            filled = 1.0 / np.interp(np.arange(depth.shape[1]), known, inverse[known])
        else:
            filled = np.full(depth.shape[1], np.inf)
        rows, columns = np.nonzero(is_class & is_hidden)
        depth[rows, columns] = filled[columns]
