"""Which point of a solid each pixel shows, and where that point was on the frame before.

A solid is made of convex parts, and two builds of one kind differ by an affine map of each part:
legs swing, everything else stays. So a pixel's ray, cut with the planes of the parts, tells a point
that can be found again in the solid of another moment.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import ConvexHull

from svsdata.editing.shapes import placed
from svsdata.editing.solids import Part, Points
from svsdata.geometry.camera import camera_centre, pixel_rays, project
from svsdata.records import Camera

# Planes of one side of a hull that differ by less are one.
_SAME_PLANE_DIGITS = 9
_NEAR_M = 0.3


@dataclass(frozen=True)
class Stance:
    """A solid at one moment, before the camera of that moment."""

    camera: Camera
    parts: tuple[Part, ...]
    pose: Points
    """(3,) x, y in metres and heading in radians, vehicle frame."""


def nearest_surface(
    stance: Stance, pixels: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    """Find what pixels show of a solid.

    Args:
        stance: The solid before its camera.
        pixels: (N, 2) u, v.

    Returns:
        (N,) z-depth in metres, infinite where the ray misses, and (N,) index into the parts.
    """
    origin, rays = _sight(stance, pixels)
    depth = np.full(len(pixels), np.inf)
    part = np.zeros(len(pixels), np.intp)
    for index, piece in enumerate(stance.parts):
        near = np.flatnonzero(_may_show(stance, piece, pixels))
        enter = _entry(origin, rays[near], _planes(piece.points.tobytes()))
        closer = enter < depth[near]
        depth[near[closer]] = enter[closer]
        part[near[closer]] = index
    return depth, part


def object_points(
    stance: Stance, pixels: NDArray[np.float64], depth: NDArray[np.float64]
) -> Points:
    """Return the (N, 3) points of the object's frame that (N, 2) pixels see at z-depths."""
    origin, rays = _sight(stance, pixels)
    return origin + depth[:, None] * rays


def moved_points(
    points: Points, part: NDArray[np.intp], now: tuple[Part, ...], then: tuple[Part, ...]
) -> Points:
    """Return where points of a solid lie in the same solid of another moment.

    Args:
        points: (N, 3) object's frame.
        part: (N,) which part each belongs to.
        now: The solid that they lie on.
        then: The solid of the other moment, part by part.

    Returns:
        (N, 3) object's frame.
    """
    moved = points.copy()
    for index, (piece, other) in enumerate(zip(now, then, strict=True)):
        own = part == index
        if own.any() and not np.array_equal(piece.points, other.points):
            affine, *_ = np.linalg.lstsq(_with_ones(piece.points), other.points, rcond=None)
            moved[own] = _with_ones(points[own]) @ affine
    return moved


def seen_from_camera(stance: Stance, points: Points) -> NDArray[np.float64]:
    """Return (N, 3) u, v and z-depth of points of the object's frame."""
    return project(stance.camera, placed(points, stance.pose))


def _sight(stance: Stance, pixels: NDArray[np.float64]) -> tuple[Points, Points]:
    """(3,) camera's centre and (N, 3) rays of z-depth 1, in the object's frame."""
    x, y, heading = stance.pose
    cosine, sine = np.cos(heading), np.sin(heading)
    vehicle_R_object = np.array([[cosine, -sine, 0.0], [sine, cosine, 0.0], [0.0, 0.0, 1.0]])
    origin = camera_centre(stance.camera) - np.array([x, y, 0.0])
    return origin @ vehicle_R_object, pixel_rays(stance.camera, pixels) @ vehicle_R_object


def _may_show(stance: Stance, piece: Part, pixels: NDArray[np.float64]) -> NDArray[np.bool_]:
    """(N,) which pixels lie in the box around a part on the screen."""
    corners = seen_from_camera(stance, piece.points)
    if corners[:, 2].min() < _NEAR_M:
        return np.full(len(pixels), bool(corners[:, 2].max() > 0))
    low, high = corners[:, :2].min(axis=0), corners[:, :2].max(axis=0)
    return np.asarray(((pixels >= low) & (pixels <= high)).all(axis=1))


def _entry(
    origin: NDArray[np.float64], rays: Points, planes: NDArray[np.float64]
) -> NDArray[np.float64]:
    """(N,) where rays enter a convex piece; infinite where they miss it."""
    enter, leave = np.zeros(len(rays)), np.full(len(rays), np.inf)
    for *normal, offset in planes:
        along, height = rays @ np.array(normal), float(origin @ normal + offset)
        with np.errstate(divide="ignore", invalid="ignore"):
            cut = -height / along
        np.maximum(enter, cut, out=enter, where=along < 0)
        np.minimum(leave, cut, out=leave, where=along > 0)
        leave[(along == 0) & (height > 0)] = -1.0
    return np.where((enter <= leave) & (enter > 0), enter, np.inf)


@lru_cache(maxsize=512)
def _planes(points: bytes) -> NDArray[np.float64]:
    """(P, 4) outward normals and offsets of the hull of (N, 3) points."""
    equations = ConvexHull(np.frombuffer(points).reshape(-1, 3)).equations
    return np.unique(equations.round(_SAME_PLANE_DIGITS), axis=0)


def _with_ones(points: Points) -> NDArray[np.float64]:
    return np.column_stack([points, np.ones(len(points))])
