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

from svsdata.geometry.camera import project
from svsdata.records import Camera

Points = NDArray[np.float64]

_NEAR_M = 0.3


@dataclass(frozen=True)
class Part:
    """One convex piece."""

    class_name: str
    points: Points
    """(N, 3) object frame; their convex hull is the piece."""


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


def _box(
    class_name: str,
    x: tuple[float, float],
    y: tuple[float, float],
    z: tuple[float, float],
    taper: tuple[float, float, float] = (0.0, 0.0, 0.0),
) -> Part:
    """A box whose top is shorter at the back, at the front, and on each side by ``taper``."""
    back, front, side = taper
    bottom = [(px, py, z[0]) for px in x for py in y]
    top = [
        (px, py, z[1]) for px in (x[0] + back, x[1] - front) for py in (y[0] + side, y[1] - side)
    ]
    return Part(class_name, np.array(bottom + top))


def _wheel(class_name: str, x: float, y: tuple[float, float], radius: float) -> Part:
    angles = np.linspace(0, 2 * np.pi, 12, endpoint=False)
    points = [
        (x + radius * np.cos(angle), side, radius + radius * np.sin(angle))
        for side in y
        for angle in angles
    ]
    return Part(class_name, np.array(points))


def _wheels(
    class_name: str, axles: tuple[float, ...], width: float, radius: float
) -> tuple[Part, ...]:
    half, tyre = width / 2, min(0.3, width / 4)
    return tuple(
        _wheel(class_name, x, side, radius)
        for x in axles
        for side in ((-half, -half + tyre), (half - tyre, half))
    )


def _ball(class_name: str, centre: tuple[float, float, float], radii: tuple[float, float]) -> Part:
    """An upright ellipsoid of (horizontal, vertical) radii."""
    angles = np.linspace(0, 2 * np.pi, 8, endpoint=False)
    points = [(0.0, 0.0, radii[1]), (0.0, 0.0, -radii[1])]
    for level in (-0.7, 0.0, 0.7):
        ring = radii[0] * np.sqrt(1 - level**2)
        points += [(ring * np.cos(a), ring * np.sin(a), level * radii[1]) for a in angles]
    return Part(class_name, np.array(points) + np.array(centre))


def _limb(
    class_name: str,
    start: tuple[float, float, float],
    end: tuple[float, float, float],
    thickness: tuple[float, float],
) -> Part:
    """A rod from ``start`` to ``end``, ``thickness`` wide at each."""
    points = []
    for (px, py, pz), wide in ((start, thickness[0]), (end, thickness[1])):
        half = wide / 2
        points += [(px + dx, py + dy, pz) for dx in (-half, half) for dy in (-half, half)]
    return Part(class_name, np.array(points))


def _truck(length: float, width: float, height: float, _travelled: float) -> tuple[Part, ...]:
    half, side, radius = length / 2, width / 2, 0.5
    cab = min(2.2, 0.3 * length)
    floor = 2 * radius + 0.05
    return (
        *_wheels("truck", (half - 1.4, -half + 1.2, -half + 2.5), 0.96 * width, radius),
        _box("truck", (-half, half - 0.2), (-0.3 * width, 0.3 * width), (0.6, floor)),
        _box("truck", (-half, half - cab - 0.35), (-side, side), (floor, height)),
        _box(
            "truck",
            (half - cab, half),
            (-0.97 * side, 0.97 * side),
            (0.4, min(0.88 * height, 3.1)),
            (0.0, 0.3, 0.06),
        ),
    )


def _bus(length: float, width: float, height: float, _travelled: float) -> tuple[Part, ...]:
    half, side = length / 2, width / 2
    return (
        *_wheels("bus", (half - 2.6, -half + 3.2), 0.97 * width, 0.48),
        _box("bus", (-half, half), (-side, side), (0.32, 0.9 * height)),
        _box("bus", (-half, half), (-side, side), (0.9 * height, height), (0.15, 0.3, 0.12)),
    )


def _car(length: float, width: float, height: float, _travelled: float) -> tuple[Part, ...]:
    half, side = length / 2, width / 2
    belt = 0.6 * height
    return (
        *_wheels("car", (0.6 * half, -0.58 * half), 0.97 * width, 0.32),
        _box("car", (-half, half), (-side, side), (0.22, belt), (0.08, 0.12, 0.03)),
        _box(
            "car",
            (-0.92 * half, 0.5 * half),
            (-0.95 * side, 0.95 * side),
            (belt - 0.02, height),
            (0.35, 0.8, 0.18),
        ),
    )


def _person(length: float, width: float, height: float, travelled: float) -> tuple[Part, ...]:
    # Two steps of 0.42 body heights are one swing of both legs.
    phase = 2 * np.pi * travelled / (0.84 * height)
    foot, shoulder, hip = 0.08 * height, 0.82 * height, 0.48 * height
    stride = 0.5 * (length - foot) * np.sin(phase)
    lift = 0.05 * height
    parts = [
        _limb(
            "person",
            (sign * stride, y, lift * max(0.0, sign * np.cos(phase))),
            (0.0, y, hip),
            (foot, 0.11 * height),
        )
        for sign, y in ((1, 0.09 * height / 1.75), (-1, -0.09 * height / 1.75))
    ]
    for sign, y in ((-1, 0.46 * width), (1, -0.46 * width)):
        hand = (sign * 0.6 * stride, y, 0.45 * height)
        parts.append(_limb("person", hand, (0.0, 0.9 * y, shoulder), (0.08, 0.1)))
    torso = _box(
        "person",
        (-0.13, 0.13),
        (-0.36 * width, 0.36 * width),
        (hip - 0.05, shoulder + 0.03),
        (0.02, 0.02, -0.04),
    )
    head = _ball("person", (0.02, 0.0, 0.925 * height), (0.1, 0.075 * height))
    neck = _limb("person", (0, 0, shoulder), (0, 0, 0.9 * height), (0.12, 0.11))
    return (*parts, torso, neck, head)


def _two_wheeler(
    vehicle: str, length: float, width: float, height: float, travelled: float
) -> tuple[Part, ...]:
    is_bicycle = vehicle == "bicycle"
    radius, tyre = (0.34, 0.03) if is_bicycle else (0.31, 0.08)
    axle = length / 2 - radius
    seat, bar = (0.9, 1.0) if is_bicycle else (0.8, 1.0)
    pedal = 0.17 * np.sin(2 * np.pi * travelled / 5.0) if is_bicycle else 0.0
    thick = 0.06 if is_bicycle else 0.3
    frame = (
        _wheel(vehicle, axle, (-tyre, tyre), radius),
        _wheel(vehicle, -axle, (-tyre, tyre), radius),
        _limb(vehicle, (-axle, 0, radius), (0.05, 0, 0.45), (thick, thick)),
        _limb(vehicle, (0.0, 0, 0.35), (-0.2, 0, seat - 0.1), (thick, thick)),
        _box(vehicle, (-0.2, 0.35), (-thick / 2, thick / 2), (0.55, seat - 0.08)),
        _limb(vehicle, (axle, 0, radius), (axle - 0.25, 0, bar), (0.06, 0.06)),
        _box(
            vehicle,
            (axle - 0.3, axle - 0.22),
            (-0.42 * width, 0.42 * width),
            (bar - 0.03, bar + 0.03),
        ),
    )
    hip, shoulder = (-0.2, seat), (0.12, 0.8 * height)
    legs = tuple(
        _limb(
            "rider",
            (0.02 + sign * 0.1, y, 0.28 + sign * pedal),
            (hip[0] + 0.1, y, hip[1]),
            (0.13, 0.18),
        )
        for sign, y in ((1, 0.12), (-1, -0.12))
    )
    arms = tuple(
        _limb("rider", (axle - 0.28, y, bar), (shoulder[0], 0.9 * y, shoulder[1]), (0.07, 0.1))
        for y in (0.4 * width, -0.4 * width)
    )
    torso = _limb("rider", (hip[0], 0, hip[1] - 0.08), (shoulder[0], 0, shoulder[1]), (0.32, 0.36))
    head = _ball("rider", (shoulder[0] + 0.1, 0, height - 0.14), (0.11, 0.14))
    return (*frame, *legs, torso, *arms, head)


def _cyclist(length: float, width: float, height: float, travelled: float) -> tuple[Part, ...]:
    return _two_wheeler("bicycle", length, width, height, travelled)


def _motorcyclist(length: float, width: float, height: float, travelled: float) -> tuple[Part, ...]:
    return _two_wheeler("motorcycle", length, width, height, travelled)


_DRIVABLE = ("road", "parking", "ground")
_WALKABLE = (*_DRIVABLE, "sidewalk", "terrain")
OBJECT_KINDS = {
    kind.name: kind
    for kind in (
        ObjectKind("car", ("car",), (3.9, 4.8), (1.7, 1.9), (1.4, 1.65), 60.0, _DRIVABLE, _car),
        ObjectKind(
            "truck", ("truck",), (7.0, 10.0), (2.4, 2.55), (3.2, 3.8), 30.0, _DRIVABLE, _truck
        ),
        ObjectKind("bus", ("bus",), (10.5, 12.5), (2.5, 2.55), (2.95, 3.2), 30.0, _DRIVABLE, _bus),
        ObjectKind(
            "person", ("person",), (0.6, 0.8), (0.5, 0.6), (1.55, 1.9), 4.0, _WALKABLE, _person
        ),
        ObjectKind(
            "bicycle",
            ("bicycle", "rider"),
            (1.7, 1.8),
            (0.55, 0.62),
            (1.65, 1.8),
            14.0,
            _WALKABLE,
            _cyclist,
        ),
        ObjectKind(
            "motorcycle",
            ("motorcycle", "rider"),
            (2.0, 2.2),
            (0.7, 0.8),
            (1.6, 1.75),
            45.0,
            _DRIVABLE,
            _motorcyclist,
        ),
    )
}
"""Insertable kinds by the class that names them."""
