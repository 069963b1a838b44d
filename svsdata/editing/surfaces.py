"""Which point of a solid each pixel shows, and where that point was on the frame before.

A solid is made of convex parts, and two builds of one kind differ by an affine map of each part:
legs swing, everything else stays. So a pixel's ray, cut with the planes of the parts, tells a point
that can be found again in the solid of another moment.

One over the z-depth of a plane is affine in the pixel's place, and so is, times the depth, where a
point of it was: a few numbers tell it of a whole rectangle of pixels.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import ConvexHull

from svsdata.editing.affine import affine_factors, extreme, pixel_places
from svsdata.editing.occlusion import Rect
from svsdata.editing.placement import pose_matrix
from svsdata.editing.sight import Floats
from svsdata.editing.solids import Part, Points, corners_of
from svsdata.geometry.camera import ray_matrix
from svsdata.records import Camera

# Planes of one side of a hull that differ by less are one.
_SAME_PLANE_DIGITS = 9
# An eye in a plane lies that far inside of it.
_IN_PLANE_M = 1e-12
_NEAR_M = 0.3
_STAYS = np.eye(4)


@dataclass(frozen=True)
class Stance:
    """A solid at one moment, before the camera of that moment."""

    camera: Camera
    parts: tuple[Part, ...]
    rest: tuple[Part, ...]
    """The same solid before it moved any part."""
    pose: Points
    """(3,) x, y in metres and heading in radians, vehicle frame."""

    @cached_property
    def swings(self) -> list[Floats]:
        """For each part the (4, 4) matrix that takes its points at rest to where they are."""
        if self.parts is self.rest:
            return [_STAYS] * len(self.parts)
        corners, bounds = corners_of(self.parts)
        has_moved = (corners != corners_of(self.rest)[0]).any(axis=1)
        return [
            np.vstack([(_fit_to(rest.points.tobytes()) @ piece.points).T, _STAYS[3]])
            if moves
            else _STAYS
            for piece, rest, moves in zip(
                self.parts,
                self.rest,
                np.logical_or.reduceat(has_moved, bounds[:-1]).tolist(),
                strict=True,
            )
        ]

    @cached_property
    def backswings(self) -> Sequence[Floats]:
        """For each part the (4, 4) matrix that takes its points to where they are at rest."""
        return self.swings if self.parts is self.rest else list(np.linalg.inv(self.swings))

    @cached_property
    def planes(self) -> list[Floats]:
        """For each part the (P, 4) normals outwards, of any length, and offsets of its sides."""
        return [
            planes if swing is _STAYS else planes @ back
            for planes, swing, back in zip(
                _planes_of(self.rest), self.swings, self.backswings, strict=True
            )
        ]

    @cached_property
    def projection(self) -> Floats:
        """(3, 4) takes x, y, z, 1 of the object's frame to z-depth times (u, v, 1)."""
        sees = self.camera.intrinsics @ self.camera.cam_T_vehicle[:3]
        return np.asarray(sees @ pose_matrix(self.pose))

    @cached_property
    def rays(self) -> Floats:
        """(3, 3) takes (u, v, 1) to the ray of z-depth 1 in the object's frame."""
        return np.asarray(pose_matrix(self.pose)[:3, :3].T @ ray_matrix(self.camera))

    @cached_property
    def eye(self) -> Points:
        """(3,) the camera's centre in the object's frame."""
        return np.asarray(-self.rays @ self.projection[:, 3])


@dataclass(frozen=True)
class Surface:
    """What the pixels of a rectangle show of a solid; (h, w) each."""

    inverse_depth: Floats
    """One over the z-depth in metres, 0 where the ray misses."""
    part: NDArray[np.uint8]
    """Index into the parts."""
    was_turned: NDArray[np.bool_]
    """Whether its outside looked away from where the eye was."""


def nearest_surface(stance: Stance, rect: Rect, eyes: Sequence[Points]) -> Surface:
    """Find what a rectangle of pixels shows of a solid.

    Args:
        stance: The solid and the camera.
        rect: Pixels of that camera's frame.
        eyes: For each part where the eye was, (3,) in the object's frame.
    """
    u, v = pixel_places(rect)
    size_hw = (len(v), len(u))
    shown = Surface(np.zeros(size_hw), np.zeros(size_hw, np.uint8), np.zeros(size_hw, bool))
    counts = [len(it) for it in stance.planes]
    planes = np.concatenate(stance.planes)
    height = planes[:, :3] @ stance.eye + planes[:, 3]
    eye_before = np.array(eyes).repeat(counts, axis=0)
    height_before = np.einsum("pi,pi->p", planes[:, :3], eye_before) + planes[:, 3]
    # From outside of a plane a ray must come in through it, from inside it may go out.
    is_outside = height > 0
    height = np.where(is_outside, height, np.minimum(height, -_IN_PLANE_M))
    inverse = planes[:, :3] @ stance.rays / -height[:, None]
    # Each part's planes that rays come in through, of these those that were turned, the others.
    group = np.repeat(3 * np.arange(len(counts)), counts)
    group += np.where(is_outside, height_before <= 0, 2)
    any_turned = bool((group % 3 == 1).any())
    begins = np.cumsum(np.bincount(group + 1, minlength=3 * len(counts) + 1)).tolist()
    down, across = affine_factors(inverse[np.argsort(group, kind="stable")], u, v)
    for index, box in enumerate(_boxes(stance, rect)):
        kept, turned, leaving, stop = begins[3 * index : 3 * index + 4]
        if box is None or kept == leaving:
            continue
        rows, columns = box
        below, along = down[kept:stop, rows], across[kept:stop, :, columns]
        turned, leaving = turned - kept, leaving - kept
        nearest = extreme(np.minimum, np.inf, below[:turned], along[:turned])
        was_turned = np.zeros((), bool)
        if turned < leaving:
            before = extreme(np.minimum, np.inf, below[turned:leaving], along[turned:leaving])
            was_turned = before < nearest
            np.minimum(before, nearest, out=nearest)
        inside = shown.inverse_depth[box]
        is_nearer = nearest > inside
        is_nearer &= nearest >= extreme(np.maximum, 0.0, below[leaving:], along[leaving:])
        np.copyto(inside, nearest, where=is_nearer)
        np.copyto(shown.part[box], index, where=is_nearer)
        if any_turned:
            np.copyto(shown.was_turned[box], was_turned, where=is_nearer)
    return shown


def part_motions(now: Stance, then: Stance) -> list[Floats]:
    """Return for each part the (4, 4) matrix that takes its points to those of another moment."""
    return [
        _STAYS if swing is other or np.array_equal(swing, other) else other @ back
        for swing, other, back in zip(now.swings, then.swings, now.backswings, strict=True)
    ]


def eyes_before(then: Stance, motions: Sequence[Floats]) -> list[Points]:
    """Return where the camera of another moment stands, (3,), for each part as it is now."""
    eye = np.append(then.eye, 1.0)
    return [then.eye if it is _STAYS else np.linalg.solve(it, eye)[:3] for it in motions]


def seen_before(
    now: Stance, then: Stance, motions: Sequence[Floats], rect: Rect, shown: Surface
) -> Floats:
    """Tell where what a rectangle shows of a solid was in the frame of another moment.

    Args:
        now: What is shown.
        then: The same solid at the other moment.
        motions: Of its parts, from now to then.
        rect: The pixels.
        shown: What they show.

    Returns:
        (3, h, w): z-depth then over z-depth now, times (u, v, 1).
    """
    moving = [k for k, it in enumerate(motions) if it is not _STAYS]
    seen = np.empty((3, *shown.part.shape))
    if len(moving) < len(motions):
        _look_back(seen, now, then.projection, rect, shown.inverse_depth)
    for index in moving:
        own = shown.part == index
        box = Rect.around(own)
        if box is not None:
            moved = np.empty((3, box.y1 - box.y0, box.x1 - box.x0))
            depth = shown.inverse_depth[box.slices]
            _look_back(moved, now, then.projection @ motions[index], box.within(rect), depth)
            np.copyto(seen[:, *box.slices], moved, where=own[box.slices])
    return seen


def seen_from_camera(stance: Stance, points: Points) -> Floats:
    """Return (N, 3) u, v and z-depth of points of the object's frame."""
    seen = points @ stance.projection[:, :3].T + stance.projection[:, 3]
    depth = seen[:, 2:]
    seen[:, :2] /= np.where(depth == 0, np.inf, depth)
    return np.asarray(seen)


def _look_back(
    seen: Floats, now: Stance, projection: Floats, rect: Rect, inverse_depth: Floats
) -> None:
    """Fill (3, h, w) with the projection (3, 4) of what pixels see, over its z-depth now."""
    u, v = pixel_places(rect)
    per_pixel, per_inverse = projection[:, :3] @ now.rays, projection @ np.append(now.eye, 1.0)
    for row, (across, down, whole), slope in zip(seen, per_pixel, per_inverse, strict=True):
        np.multiply(inverse_depth, slope, out=row)
        row += across * u
        row += (down * v + whole)[:, None]


def _boxes(stance: Stance, rect: Rect) -> list[tuple[slice, slice] | None]:
    """Where in a rectangle each part may show, None where nowhere."""
    corners, bounds = corners_of(stance.parts)
    seen = seen_from_camera(stance, corners)
    low, high = (f.reduceat(seen, bounds[:-1]) for f in (np.minimum, np.maximum))
    corner, size = (rect.x0, rect.y0), (rect.x1 - rect.x0, rect.y1 - rect.y0)
    ends = np.stack([np.ceil(low[:, :2]), np.floor(high[:, :2]) + 1]) - corner
    first, stop = np.minimum(np.maximum(ends, 0), size).astype(int).tolist()
    depths = zip(low[:, 2].tolist(), high[:, 2].tolist(), strict=True)
    boxes: list[tuple[slice, slice] | None] = []
    for (nearest, furthest), (x0, y0), (x1, y1) in zip(depths, first, stop, strict=True):
        if nearest < _NEAR_M:
            boxes.append((slice(None), slice(None)) if furthest > 0 else None)
        else:
            boxes.append((slice(y0, y1), slice(x0, x1)) if x0 < x1 and y0 < y1 else None)
    return boxes


@lru_cache(maxsize=64)
def _planes_of(parts: tuple[Part, ...]) -> list[Floats]:
    """For each part the (P, 4) outward normals and offsets of its sides."""
    return [_planes(part.points.tobytes()) for part in parts]


@lru_cache(maxsize=512)
def _planes(points: bytes) -> Floats:
    """(P, 4) outward normals and offsets of the hull of (N, 3) points."""
    equations = ConvexHull(np.frombuffer(points).reshape(-1, 3)).equations
    return np.unique(equations.round(_SAME_PLANE_DIGITS), axis=0)


@lru_cache(maxsize=512)
def _fit_to(points: bytes) -> Floats:
    """(4, N) takes images (N, 3) of (N, 3) points to the affine map between them, transposed."""
    own = np.frombuffer(points).reshape(-1, 3)
    return np.asarray(np.linalg.pinv(np.column_stack([own, np.ones(len(own))])))
