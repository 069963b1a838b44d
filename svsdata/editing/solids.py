"""The solids of insertable classes as handfuls of convex parts.

The object frame lies on the ground: x forward, y left, z up, metres, origin in the middle of the
footprint. Builders take length, width, height and the way travelled, all in metres, and return
parts in painting order.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float64]


def _circle(count: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Cosines and sines of (count,) angles all around."""
    angles = np.linspace(0, 2 * np.pi, count, endpoint=False)
    return np.cos(angles), np.sin(angles)


_CIRCLE, _OCTAGON = _circle(12), _circle(8)
# Rings of a ball, as shares of its upper half.
_LEVELS = np.array([-0.7, 0.0, 0.7])


@dataclass(frozen=True, eq=False)
class Part:
    """One convex piece; another one of the same points is another piece."""

    class_name: str
    points: Points
    """(N, 3) object frame; their convex hull is the piece."""


@lru_cache(maxsize=64)
def corners_of(parts: tuple[Part, ...]) -> tuple[Points, NDArray[np.intp]]:
    """Return (N, 3) points of all parts, and the (P + 1,) places where those of each begin."""
    bounds = np.cumsum([0, *(len(part.points) for part in parts)])
    return np.concatenate([part.points for part in parts]), bounds


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
    across, up = x + radius * _CIRCLE[0], radius + radius * _CIRCLE[1]
    sides = [np.stack([across, np.full_like(up, side), up], axis=1) for side in y]
    return Part(class_name, np.concatenate(sides))


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
    ring, height = radii[0] * np.sqrt(1 - _LEVELS**2), _LEVELS * radii[1]
    x, y = (np.outer(ring, way).ravel() for way in _OCTAGON)
    rings = np.stack([x, y, np.repeat(height, len(x) // len(ring))], axis=1)
    poles = [(0.0, 0.0, radii[1]), (0.0, 0.0, -radii[1])]
    return Part(class_name, np.concatenate([poles, rings]) + np.array(centre))


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


def truck(length: float, width: float, height: float, _travelled: float) -> tuple[Part, ...]:
    """Return a lorry with a cab and a box body."""
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


def bus(length: float, width: float, height: float, _travelled: float) -> tuple[Part, ...]:
    """Return a city bus."""
    half, side = length / 2, width / 2
    return (
        *_wheels("bus", (half - 2.6, -half + 3.2), 0.97 * width, 0.48),
        _box("bus", (-half, half), (-side, side), (0.32, 0.9 * height)),
        _box("bus", (-half, half), (-side, side), (0.9 * height, height), (0.15, 0.3, 0.12)),
    )


def car(length: float, width: float, height: float, _travelled: float) -> tuple[Part, ...]:
    """Return a car: body and cabin."""
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


def person(length: float, width: float, height: float, travelled: float) -> tuple[Part, ...]:
    """Return a walking person, whose legs follow the way travelled."""
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


def cyclist(length: float, width: float, height: float, travelled: float) -> tuple[Part, ...]:
    """Return a bicycle with its rider."""
    return _two_wheeler("bicycle", length, width, height, travelled)


def motorcyclist(length: float, width: float, height: float, travelled: float) -> tuple[Part, ...]:
    """Return a motorcycle with its rider."""
    return _two_wheeler("motorcycle", length, width, height, travelled)
