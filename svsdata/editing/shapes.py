"""Solids with the outline of a class: what an inserted object looks like from any side.

A solid is a handful of convex parts, so its silhouette is exactly the union of their projected
hulls. The object frame lies on the ground: x forward, y left, z up, metres, origin in the middle
of the footprint.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby, pairwise
from operator import itemgetter

import cv2
import numpy as np
from numpy.typing import NDArray

from svsdata.editing.convex_masks import masks_of
from svsdata.editing.solids import (
    Part,
    Points,
    bus,
    car,
    corners_of,
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
    moves_legs: bool = False
    """Whether its parts move with the way travelled."""


@dataclass(frozen=True)
class Silhouette:
    """A projected solid inside the rectangle it needs."""

    x: int
    y: int
    """Upper left corner of ``part_index`` in the frame."""
    part_index: NDArray[np.uint8]
    """(h, w): 0 outside, else 1 + index into the kind's ``class_names``."""


Solid = tuple[tuple[Part, ...], tuple[str, ...], Points]
"""Pieces in painting order, the classes that ``part_index`` numbers, and the pose: (3,) x, y in
metres and heading in radians, vehicle frame."""


def silhouette(
    camera: Camera, parts: tuple[Part, ...], class_names: tuple[str, ...], pose: Points
) -> Silhouette | None:
    """Project one solid, see ``silhouettes``."""
    return silhouettes(camera, [(parts, class_names, pose)])[0]


def silhouettes(camera: Camera, solids: Sequence[Solid]) -> list[Silhouette | None]:
    """Project solids, each for itself; all at once takes less time than one by one.

    Args:
        camera: Where to; also the frame's size.
        solids: What.

    Returns:
        None where nothing of a solid falls into the frame.
    """
    drawn: list[Silhouette | None] = []
    groups: list[tuple[int, int, list[NDArray[np.float32]]]] = []
    for number, (parts, class_names, pose) in enumerate(solids):
        outlines = _projected_hulls(camera, parts, pose)
        hulls = [
            (1 + class_names.index(part.class_name), outline)
            for part, outline in zip(parts, outlines, strict=True)
            if outline is not None
        ]
        own = _empty_around([outline for _, outline in hulls], camera.size_hw)
        drawn.append(own)
        if own is not None:
            corner = np.array((own.x, own.y), np.float32)
            for index, neighbours in groupby(hulls, key=itemgetter(0)):
                groups.append((number, index, [outline - corner for _, outline in neighbours]))
    owners = [drawn[number] for number, _, _ in groups]
    targets = [own.part_index for own in owners if own is not None]
    masks = masks_of([outlines for _, _, outlines in groups], [it.shape for it in targets])
    for target, mask, (_, index, _) in zip(targets, masks, groups, strict=True):
        np.copyto(target, index, where=mask)
    return drawn


def _empty_around(
    outlines: list[NDArray[np.float32]], size_hw: tuple[int, int]
) -> Silhouette | None:
    """Return the rectangle that outlines need, None outside the frame."""
    if not outlines:
        return None
    height, width = size_hw
    corners = np.concatenate(outlines)
    left, top = np.maximum(np.floor(corners.min(axis=0)).astype(int), 0).tolist()
    right, bottom = np.ceil(corners.max(axis=0)).astype(int).tolist()
    right, bottom = min(right + 1, width), min(bottom + 1, height)
    if left >= right or top >= bottom:
        return None
    return Silhouette(left, top, np.zeros((bottom - top, right - left), np.uint8))


def placed(points: Points, pose: Points) -> Points:
    """Move (N, 3) points of the object frame to the vehicle frame by (x, y, heading)."""
    cosine, sine = np.cos(pose[2]), np.sin(pose[2])
    moved = points.copy()
    moved[:, 0] = cosine * points[:, 0] - sine * points[:, 1] + pose[0]
    moved[:, 1] = sine * points[:, 0] + cosine * points[:, 1] + pose[1]
    return moved


def _projected_hulls(
    camera: Camera, parts: tuple[Part, ...], pose: Points
) -> list[NDArray[np.float32] | None]:
    """(N, 2) corners of the hull of what of each part lies before the camera, or None."""
    corners, bounds = corners_of(parts)
    points = placed(corners, pose)
    seen = project(camera, points)
    pixels, depth = seen[:, :2].astype(np.float32), seen[:, 2]
    is_ahead = depth > _NEAR_M
    are_ahead = np.logical_and.reduceat(is_ahead, bounds[:-1]).tolist()
    reach_ahead = np.logical_or.reduceat(is_ahead, bounds[:-1]).tolist()
    hulls: list[NDArray[np.float32] | None] = []
    for (start, stop), is_whole, is_seen in zip(
        pairwise(bounds.tolist()), are_ahead, reach_ahead, strict=True
    ):
        own = slice(start, stop)
        if is_whole:
            hulls.append(_hull(pixels[own]))
        elif is_seen:
            hulls.append(_hull(project(camera, _cut(points[own], depth[own]))[:, :2]))
        else:
            hulls.append(None)
    return hulls


def _hull(pixels: NDArray[np.floating]) -> NDArray[np.float32]:
    return np.asarray(cv2.convexHull(pixels.astype(np.float32, copy=False))[:, 0], np.float32)


def _cut(points: Points, depth: NDArray[np.float64]) -> Points:
    """Points before the near plane and where edges, and harmlessly diagonals, cross it."""
    is_ahead = depth > _NEAR_M
    ahead, behind = points[is_ahead], points[~is_ahead]
    z_ahead, z_behind = depth[is_ahead], depth[~is_ahead]
    share = ((z_ahead[:, None] - _NEAR_M) / (z_ahead[:, None] - z_behind))[..., None]
    cuts = ahead[:, None] * (1 - share) + behind[None] * share
    return np.concatenate([ahead, cuts.reshape(-1, 3)])


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
            "person",
            ("person",),
            (0.6, 0.8),
            (0.5, 0.6),
            (1.55, 1.9),
            4.0,
            _WALKABLE,
            person,
            moves_legs=True,
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
            moves_legs=True,
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


def solid_of(
    class_name: str, size_m: tuple[float, float, float], travelled_m: float
) -> tuple[Part, ...]:
    """Return the parts of an insertable class, the same ones where only the way differs.

    Args:
        class_name: Names the kind.
        size_m: Length, width, height.
        travelled_m: Way since it set out, which moves legs.
    """
    moves = OBJECT_KINDS[class_name].moves_legs
    return _built(class_name, size_m, float(travelled_m) if moves else 0.0)


@lru_cache(maxsize=64)
def _built(
    class_name: str, size_m: tuple[float, float, float], travelled_m: float
) -> tuple[Part, ...]:
    return OBJECT_KINDS[class_name].build(*size_m, travelled_m)
