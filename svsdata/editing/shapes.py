"""Solids with the outline of a class: what an inserted object looks like from any side.

A solid is a handful of convex parts, so its silhouette is exactly the union of their projected
hulls. The object frame lies on the ground: x forward, y left, z up, metres, origin in the middle
of the footprint.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter

import cv2
import numpy as np
from numpy.typing import NDArray

from svsdata.editing.solids import (
    Part,
    Points,
    bus,
    car,
    cyclist,
    motorcyclist,
    person,
    truck,
)
from svsdata.geometry.camera import project
from svsdata.records import Camera

_NEAR_M = 0.3


@dataclass(frozen=True)
class ObjectKind:
    """What can be inserted: its solid, its sizes, its limits."""

    name: str
    class_names: tuple[str, ...]
    """Classes of its parts, the one that names its track first."""
    length_m: tuple[float, float]
    width_m: tuple[float, float]
    height_m: tuple[float, float]
    max_speed_mps: float
    surfaces: tuple[str, ...]
    """Classes it may stand on."""
    build: Callable[[float, float, float, float], tuple[Part, ...]]
    """(length, width, height, travelled metres) to parts in painting order."""


@dataclass(frozen=True)
class Silhouette:
    """A projected solid inside the rectangle it needs."""

    x: int
    y: int
    """Upper left corner of ``part_index`` in the frame."""
    part_index: NDArray[np.uint8]
    """(h, w): 0 outside, else 1 + index into the kind's ``class_names``."""


def silhouette(
    camera: Camera, parts: tuple[Part, ...], class_names: tuple[str, ...], pose: Points
) -> Silhouette | None:
    """Project a solid.

    Args:
        camera: Where to; also the frame's size.
        parts: Pieces in painting order.
        class_names: Classes that ``part_index`` numbers.
        pose: (3,) x, y in metres and heading in radians, vehicle frame.

    Returns:
        None where nothing of it falls into the frame.
    """
    height, width = camera.size_hw
    hulls = []
    for part in parts:
        outline = _projected_hull(camera, placed(part.points, pose))
        if outline is not None:
            hulls.append((1 + class_names.index(part.class_name), outline))
    if not hulls:
        return None
    corners = np.concatenate([outline for _, outline in hulls])
    left, top = np.maximum(np.floor(corners.min(axis=0)).astype(int), 0)
    right, bottom = np.minimum(np.ceil(corners.max(axis=0)).astype(int) + 1, (width, height))
    if left >= right or top >= bottom:
        return None
    part_index = np.zeros((bottom - top, right - left), np.uint8)
    for index, neighbours in groupby(hulls, key=itemgetter(0)):
        corner = np.array((left, top), np.float32)
        _fill(part_index, [outline - corner for _, outline in neighbours], index)
    return Silhouette(int(left), int(top), part_index)


def placed(points: Points, pose: Points) -> Points:
    """Move (N, 3) points of the object frame to the vehicle frame by (x, y, heading)."""
    cosine, sine = np.cos(pose[2]), np.sin(pose[2])
    x = cosine * points[:, 0] - sine * points[:, 1] + pose[0]
    y = sine * points[:, 0] + cosine * points[:, 1] + pose[1]
    return np.stack([x, y, points[:, 2]], axis=1)


def _projected_hull(camera: Camera, points: Points) -> NDArray[np.float32] | None:
    """(N, 2) corners of the hull of what lies before the camera, or None."""
    in_camera = points @ camera.cam_T_vehicle[:3, :3].T + camera.cam_T_vehicle[:3, 3]
    is_ahead = in_camera[:, 2] > _NEAR_M
    if not is_ahead.any():
        return None
    if is_ahead.all():
        kept = points
    else:
        # Cut every edge, and harmlessly every diagonal, that crosses the near plane.
        ahead, behind = points[is_ahead], points[~is_ahead]
        z_ahead, z_behind = in_camera[is_ahead, 2], in_camera[~is_ahead, 2]
        share = ((z_ahead[:, None] - _NEAR_M) / (z_ahead[:, None] - z_behind))[..., None]
        cuts = ahead[:, None] * (1 - share) + behind[None] * share
        kept = np.concatenate([ahead, cuts.reshape(-1, 3)])
    pixels = project(camera, kept)[:, :2].astype(np.float32)
    return np.asarray(cv2.convexHull(pixels)[:, 0], np.float32)


def _fill(part_index: NDArray[np.uint8], hulls: list[NDArray[np.float32]], index: int) -> None:
    """Set the pixels whose centre lies inside any hull, drawn over what is there.

    OpenCV's fill would add half a pixel all around.
    """
    height, width = part_index.shape
    # How many hulls cover a pixel, as differences along its row.
    steps = np.zeros((height, width + 1), np.int8)
    for outline in hulls:
        first = max(0, int(np.ceil(outline[:, 1].min())))
        last = min(height - 1, int(np.floor(outline[:, 1].max())))
        rows = np.arange(first, last + 1)
        (x0, y0), (x1, y1) = outline.T, np.roll(outline, -1, axis=0).T
        down = rows[:, None].astype(np.float32)
        crosses = (y0 <= down) != (y1 <= down)
        slope = (x1 - x0) / np.where(y1 == y0, 1, y1 - y0)
        x = x0 + (down - y0) * slope
        left = np.where(crosses, x, np.inf).min(axis=1, initial=np.inf)
        right = np.where(crosses, x, -np.inf).max(axis=1, initial=-np.inf)
        begin = np.ceil(np.clip(left, 0, width)).astype(np.intp)
        end = np.floor(np.clip(right, -1, width - 1)).astype(np.intp) + 1
        covered = begin < end
        steps[rows[covered], begin[covered]] += 1
        steps[rows[covered], end[covered]] -= 1
    part_index[np.cumsum(steps[:, :-1], axis=1, dtype=np.int8) > 0] = index


_DRIVABLE = ("road", "parking", "ground")
_WALKABLE = (*_DRIVABLE, "sidewalk", "terrain")
OBJECT_KINDS = {
    kind.name: kind
    for kind in (
        ObjectKind("car", ("car",), (3.9, 4.8), (1.7, 1.9), (1.4, 1.65), 60.0, _DRIVABLE, car),
        ObjectKind(
            "truck", ("truck",), (7.0, 10.0), (2.4, 2.55), (3.2, 3.8), 30.0, _DRIVABLE, truck
        ),
        ObjectKind("bus", ("bus",), (10.5, 12.5), (2.5, 2.55), (2.95, 3.2), 30.0, _DRIVABLE, bus),
        ObjectKind(
            "person", ("person",), (0.6, 0.8), (0.5, 0.6), (1.55, 1.9), 4.0, _WALKABLE, person
        ),
        ObjectKind(
            "bicycle",
            ("bicycle", "rider"),
            (1.7, 1.8),
            (0.55, 0.62),
            (1.65, 1.8),
            14.0,
            _WALKABLE,
            cyclist,
        ),
        ObjectKind(
            "motorcycle",
            ("motorcycle", "rider"),
            (2.0, 2.2),
            (0.7, 0.8),
            (1.6, 1.75),
            45.0,
            _DRIVABLE,
            motorcyclist,
        ),
    )
}
"""Insertable kinds by the class that names them."""
