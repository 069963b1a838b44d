"""How far away what a label map shows is: from where it touches the ground.

Everything that stands on the ground is as far as its lowest contact with it. That orders an
inserted object among poles, vehicles and buildings without any depth map.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from functools import lru_cache
from types import MappingProxyType

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from svsdata.editing.runs import Runs
from svsdata.editing.thin_things import ThinThings
from svsdata.editing.things import feet_of, rim_owners
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
# Columns beside the rectangle that are looked at, for feet and contacts just outside it.
_MARGIN_PX = 24
# Houses, walls, fences and trees are higher where they meet the ground.
_LOW_M = 0.3


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

    def inside(self, outer: "Rect") -> "Rect":
        """Return a rectangle of the frame in pixels of a part of the frame, undoes ``within``."""
        return Rect(self.x0 - outer.x0, self.y0 - outer.y0, self.x1 - outer.x0, self.y1 - outer.y0)

    def bands(self, width: int) -> list["Rect"]:
        """Cut it into rectangles of so many columns, the last of what is left."""
        starts = range(self.x0, self.x1, width)
        return [Rect(x, self.y0, min(x + width, self.x1), self.y1) for x in starts]

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


# Arrays are compared with plain numbers several times as fast.
_FLAT, _OPEN, _BORDER, _THIN, _UPRIGHT = map(int, Layer)


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
        depths: By instance id how far away things are known to stand, metres; all others are as far
            as their lowest pixels. Behind these stands what they hide the foot of.
        slack_px: Rows by which the lowest contact of what is no thing and not thin may be too low:
            it stands as far as so many rows above tell, and what is between is before it.

    Attributes:
        instance_ids: Of all things that are seen.
    """

    def __init__(
        self,
        semantic: SemanticMap,
        instance: InstanceMap,
        *,
        ground: GroundDepth,
        label_set: LabelSet,
        depths: Mapping[int, float] = MappingProxyType({}),
        slack_px: float = 0.0,
    ) -> None:
        self._semantic, self._instance = semantic, instance
        self._ground, self._label_set = ground, label_set
        self._layers, keys = _tables(label_set)
        is_thin = (self._layers == _THIN).view(np.uint8)
        self._thin = ThinThings(semantic, is_thin, label_set, ground.focal_px)
        self._runs = Runs.of(semantic, instance, keys)
        self._depth = self._depth_of_contacts(slack_px)
        things = np.flatnonzero(self._runs.key >= INSTANCE_BASE)
        ids, which = np.unique(self._runs.key[things], return_inverse=True)
        self.instance_ids = ids.tolist()
        feet = feet_of(which, self._runs.column[things], self._runs.foot[things], len(ids))
        stands = ground.at(feet[:, 0], feet[:, 1] + 0.5)
        for number, instance_id in enumerate(self.instance_ids):
            stands[number] = depths.get(instance_id, stands[number])
        self._mount_riders(feet, stands)
        self._depth[things] = stands[which]
        self._stands = stands
        self._is_thing_class = np.zeros(INSTANCE_BASE, bool)
        self._is_thing_class[list(label_set.thing_ids)] = True
        known = np.array([stands[n] if i in depths else np.nan for n, i in enumerate(ids)])
        self._hides_m = np.full(len(self._depth), np.nan, np.float32)
        self._hides_m[things] = known[which]

    def depth(self, rect: Rect) -> "DepthRuns":
        """Estimate the z-depth of what a rectangle shows, for ordering only.

        Returns:
            Zero at the ego vehicle and the borders, which nothing covers; infinite at the ground,
            which is always behind what stands on it, and at the sky.
        """
        width = self._semantic.shape[1]
        x0, x1 = max(0, rect.x0 - _MARGIN_PX), min(width, rect.x1 + _MARGIN_PX)
        inside = self._runs.inside((x0, x1), (rect.y0, rect.y1))
        whole, depth = self._runs.at(inside), self._depth[inside]
        runs = whole.cut((rect.y0, rect.y1))
        layer = self._layer_of(runs)
        self._settle_rims(depth, runs)
        is_low = whole.num_rows * depth < self._ground.focal_px * _LOW_M
        _settle_upright(depth, runs, layer == _UPRIGHT, is_low)
        depth[(layer == _FLAT) | (layer == _OPEN)] = np.inf
        thin = np.flatnonzero(layer == _THIN)
        if len(thin):
            hider = self._hider_depth(inside[thin])
            depth[thin] = self._thin.depths(depth, runs, thin, hider, (rect.x0, rect.x1))
        depth[layer == _BORDER] = 0.0
        asked = slice(*np.searchsorted(runs.column, (rect.x0, rect.x1)))
        column, num_rows = runs.column[asked] - rect.x0, runs.num_rows[asked]
        return DepthRuns(rect.y1 - rect.y0, column, num_rows, depth[asked])

    def _settle_rims(self, depth: NDArray[np.float32], runs: Runs) -> None:
        """Let pixels of things that have no id stand where the thing stands that they surround."""
        loose = np.flatnonzero(self._is_thing_class.take(runs.key, mode="clip"))
        if not len(loose):
            return
        owner = rim_owners(self._instance, runs.at(loose))
        is_rim = owner > 0
        depth[loose[is_rim]] = self._stands[np.searchsorted(self.instance_ids, owner[is_rim])]

    def _depth_of_contacts(self, slack_px: float) -> NDArray[np.float32]:
        """(R,) depth at which runs meet the ground; NaN where that is hidden."""
        runs = self._runs
        layer = self._layer_of(runs)
        stands = runs.foot == len(self._semantic) - 1
        stands[:-1] |= (layer[1:] == _FLAT) | (layer[1:] == _BORDER)
        row = runs.foot + np.where(layer == _UPRIGHT, 0.5 - slack_px, 0.5)
        return np.where(stands, self._ground.at(runs.column, row), np.float32(np.nan))

    def _layer_of(self, runs: Runs) -> NDArray[np.uint8]:
        """(R,) of the class at the top of runs."""
        place = runs.top * self._semantic.shape[1] + runs.column
        return self._layers.take(self._semantic.ravel().take(place))

    def _mount_riders(self, feet: NDArray[np.float64], stands: NDArray[np.float32]) -> None:
        """Let riders stand where their vehicles do, of all things in order."""
        by_name = self._label_set.by_name
        riders, vehicles = (
            [by_name[name].id for name in names if name in by_name]
            for names in (("rider",), ("bicycle", "motorcycle"))
        )
        for number, instance_id in enumerate(self.instance_ids):
            column, row = int(feet[number, 0]), int(feet[number, 1])
            if instance_id // INSTANCE_BASE in riders and row + 1 < len(self._instance):
                under = int(self._instance[row + 1, column])
                if under // INSTANCE_BASE in vehicles:
                    stands[number] = stands[self.instance_ids.index(under)]

    def _hider_depth(self, which: NDArray[np.intp]) -> NDArray[np.float32]:
        """(R,) known depth of the things that runs end at downwards; NaN where at none."""
        key, last = self._runs.key, len(self._depth) - 1
        below = np.minimum(which + 1, last)
        # The rim of a thing may have its class and no id.
        further = np.minimum(below + 1, last)
        below = np.where(key[further] // INSTANCE_BASE == key[below], further, below)
        is_below = self._runs.column[below] == self._runs.column[which]
        return np.where(is_below, self._hides_m[below], np.float32(np.nan))


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


def _settle_upright(
    depth: NDArray[np.float32],
    runs: Runs,
    is_upright: NDArray[np.bool_],
    is_low: NDArray[np.bool_],
) -> None:
    """Give runs whose contact is hidden that of the same class in the columns beside.

    What is low tells nothing of others: specks on the bonnet of the vehicle are taken for fences.
    """
    nearness = np.zeros(int(runs.column[-1]) + 1)
    for class_key in np.flatnonzero(np.bincount(runs.key[np.isnan(depth) & is_upright])):
        of_class = np.flatnonzero(runs.key == class_key)
        column, metres = runs.column[of_class], depth[of_class]
        is_hidden = np.isnan(metres)
        tells = ~is_hidden & ~is_low[of_class]
        if not tells.any():
            depth[of_class[is_hidden]] = np.inf
            continue
        nearness[:] = 0.0
        known = (1.0 / metres[tells]).astype(np.float64)
        np.maximum.at(nearness, column[tells], known)
        columns = np.flatnonzero(nearness)
        metres[is_hidden] = 1.0 / np.interp(column[is_hidden], columns, nearness[columns])
        depth[of_class] = metres
