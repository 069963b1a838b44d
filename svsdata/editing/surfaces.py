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


@dataclass(frozen=True)
class Surface:
    """What pixels show of a solid; (N, ...) each."""

    depth: NDArray[np.float64]
    """z-depth in metres, infinite where the ray misses."""
    part: NDArray[np.intp]
    """Index into the parts."""
    normal: Points
    """(N, 3) outwards, object's frame."""


def nearest_surface(stance: Stance, pixels: NDArray[np.float64]) -> Surface:
    """Find what (N, 2) pixels u, v show of a solid."""
    origin, rays = _sight(stance, pixels)
    u, v = np.ascontiguousarray(pixels.T)
    depth = np.full(len(pixels), np.inf)
    part, normal = np.zeros(len(pixels), np.intp), np.zeros((len(pixels), 3))
    for index, piece in enumerate(stance.parts):
        near = _may_show(stance, piece, u, v)
        planes = _planes(piece.points.tobytes())
        enter, plane = _entry(origin, rays[near], planes)
        closer = np.flatnonzero(enter < depth[near])
        depth[near[closer]] = enter[closer]
        part[near[closer]] = index
        normal[near[closer]] = planes[plane[closer], :3]
    return Surface(depth, part, normal)


def faces_camera(stance: Stance, points: Points, normal: Points) -> NDArray[np.bool_]:
    """(N,) whether the outside of a surface is seen; points and normals in the object's frame."""
    origin, _ = _sight(stance, np.zeros((0, 2)))
    return np.asarray(np.einsum("ij,ij->i", origin - points, normal) > 0)


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


def _may_show(
    stance: Stance, piece: Part, u: NDArray[np.float64], v: NDArray[np.float64]
) -> NDArray[np.intp]:
    """Which pixels lie in the box around a part on the screen."""
    corners = seen_from_camera(stance, piece.points)
    if corners[:, 2].min() < _NEAR_M:
        return np.arange(len(u) if corners[:, 2].max() > 0 else 0)
    low, high = corners[:, :2].min(axis=0), corners[:, :2].max(axis=0)
    return np.flatnonzero((u >= low[0]) & (u <= high[0]) & (v >= low[1]) & (v <= high[1]))


def _entry(
    origin: NDArray[np.float64], rays: Points, planes: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    """(N,) where rays enter a convex piece, infinite where they miss it, and the plane."""
    height = planes[:, :3] @ origin + planes[:, 3]
    along = planes[:, :3] @ rays.T
    with np.errstate(divide="ignore", invalid="ignore"):
        cut = -height[:, None] / along
    # From outside of a plane a ray must come in through it, from inside it may go out.
    is_outside = height > 0
    outside = np.flatnonzero(is_outside)
    if not outside.size:
        return np.full(len(rays), np.inf), np.zeros(len(rays), np.intp)
    comes_in = np.where(along[outside] < 0, cut[outside], np.inf)
    goes_out = np.where(along[~is_outside] > 0, cut[~is_outside], np.inf)
    plane = comes_in.argmax(axis=0)
    enter = comes_in[plane, np.arange(len(rays))]
    is_hit = enter <= goes_out.min(axis=0, initial=np.inf)
    return np.where(is_hit, enter, np.inf), outside[plane]


@lru_cache(maxsize=512)
def _planes(points: bytes) -> NDArray[np.float64]:
    """(P, 4) outward normals and offsets of the hull of (N, 3) points."""
    equations = ConvexHull(np.frombuffer(points).reshape(-1, 3)).equations
    return np.unique(equations.round(_SAME_PLANE_DIGITS), axis=0)


def _with_ones(points: Points) -> NDArray[np.float64]:
    return np.column_stack([points, np.ones(len(points))])
