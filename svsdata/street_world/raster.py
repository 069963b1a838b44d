"""Painter's rasterisation of faces into ids, exact depth planes and flow.

Every pixel belongs to the sky, the ground or one face. On a plane the inverse depth is affine in
the pixel, so a table of three numbers per face gives depth everywhere, and the same holds for
texture coordinates times inverse depth.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from svsdata.geometry.camera import camera_centre, pixel_rays
from svsdata.records import Camera, Flow, Mask, Transform
from svsdata.street_world.mesh import Mesh

SKY, GROUND, FIRST_FACE = 0, 1, 2
NEAR_M = 0.4
_SUBPIXEL_BITS = 4
Float = NDArray[np.float32]


@dataclass(frozen=True)
class View:
    """What the camera alone decides: pixel grid, ground plane and sky."""

    camera: Camera
    columns: Float
    """(1, W)"""
    rows: Float
    """(H, 1)"""
    rays: Float
    """(H, W, 3) vehicle frame, z-depth 1."""
    background: NDArray[np.int32]
    """(H, W) SKY or GROUND."""
    inverse_depth: Float
    """(H, W) of the background, 0 in the sky."""
    slope: NDArray[np.float32]
    """(H, W, 2) its change per pixel to the right and down."""


def view_of(camera: Camera) -> View:
    """Precompute the background of a camera above level ground."""
    height, width = camera.size_hw
    columns = np.arange(width, dtype=np.float32)[None]
    rows = np.arange(height, dtype=np.float32)[:, None]
    pixels = np.stack(np.broadcast_arrays(columns, rows), axis=-1).astype(np.float64)
    rays = pixel_rays(camera, pixels)
    inverse = -rays[..., 2] / camera_centre(camera)[2]
    is_ground = inverse > 1 / 2000
    to_ray = np.linalg.inv(camera.intrinsics).T @ camera.cam_T_vehicle[:3, :3]
    slope = -to_ray[:2, 2] / camera_centre(camera)[2]
    return View(
        camera,
        columns,
        rows,
        rays.astype(np.float32),
        np.where(is_ground, GROUND, SKY).astype(np.int32),
        np.where(is_ground, inverse, 0).astype(np.float32),
        (is_ground[..., None] * slope).astype(np.float32),
    )


@dataclass(frozen=True)
class Raster:
    """One frame's visible surfaces."""

    mesh: Mesh
    ids: NDArray[np.int32]
    """(H, W) SKY, GROUND or FIRST_FACE + row of the mesh."""
    solid: NDArray[np.int64]
    """(P,) flat pixel numbers that show a face."""
    faces: NDArray[np.int64]
    """(P,) their rows of the mesh."""
    inverse_depth: Float
    """(H, W), 0 in the sky."""
    slope: NDArray[np.float32]
    """(H, W, 2) change of inverse depth per pixel on the same plane."""
    plane: Float
    """(F, 3) inverse depth of each face as an affine function of column, row and 1."""
    to_camera: Transform
    """cam_T_world."""


def rasterize(view: View, mesh: Mesh, cam_T_world: Transform) -> Raster:
    """Paint the faces from far to near over ground and sky."""
    turn, shift = cam_T_world[:3, :3], cam_T_world[:3, 3]
    corners = mesh.corners @ turn.T + shift
    normal = mesh.normal @ turn.T
    distance = np.einsum("fi,fi->f", normal, mesh.origin @ turn.T + shift)
    ids = view.background.copy()
    _paint(ids, view.camera.intrinsics, corners, mesh, distance)
    safe = np.where(np.abs(distance) < 1e-6, 1e-6, distance)
    plane = ((normal / safe[:, None]) @ np.linalg.inv(view.camera.intrinsics)).astype(np.float32)

    solid = np.flatnonzero(ids >= FIRST_FACE)
    faces = ids.ravel()[solid].astype(np.int64) - FIRST_FACE
    rows, columns = np.divmod(solid, ids.shape[1])
    a, b, c = (plane[:, k][faces] for k in range(3))
    starts = np.concatenate([[0], np.cumsum(mesh.counts)[:-1]])
    depth = np.maximum(corners[:, 2], NEAR_M)
    # Polygons are painted up to half a pixel beyond their edges; depth stays within the face's.
    nearest = (1 / np.minimum.reduceat(depth, starts)).astype(np.float32)
    farthest = (1 / np.maximum.reduceat(depth, starts)).astype(np.float32)
    inverse_depth, slope = view.inverse_depth.copy(), view.slope.copy()
    inverse = a * columns.astype(np.float32) + b * rows.astype(np.float32) + c
    inverse_depth.ravel()[solid] = np.clip(inverse, farthest[faces], nearest[faces])
    slope.reshape(-1, 2)[solid, 0] = a
    slope.reshape(-1, 2)[solid, 1] = b
    return Raster(mesh, ids, solid, faces, inverse_depth, slope, plane, cam_T_world)


def _paint(
    ids: NDArray[np.int32],
    intrinsics: NDArray[np.float64],
    corners: NDArray[np.float64],
    mesh: Mesh,
    distance: NDArray[np.float64],
) -> None:
    """Fill visible faces into ``ids``, greatest rank first, then farthest first."""
    height, width = ids.shape
    ends = np.cumsum(mesh.counts)
    starts = ends - mesh.counts
    depth = corners[:, 2]
    ahead = np.maximum(depth, NEAR_M)
    pixels = (corners[:, :2] / ahead[:, None]) @ intrinsics[:2, :2].T + intrinsics[:2, 2]
    low = np.minimum.reduceat(pixels, starts)
    high = np.maximum.reduceat(pixels, starts)
    nearest, farthest = np.minimum.reduceat(depth, starts), np.maximum.reduceat(depth, starts)
    crossing = nearest < NEAR_M
    on_screen = (low < (width, height)).all(axis=1) & (high > (-1, -1)).all(axis=1)
    facing = mesh.two_sided | (distance < -1e-4)
    shown = np.flatnonzero(facing & (farthest > NEAR_M) & (on_screen | crossing))
    order = shown[np.lexsort((-(nearest + farthest)[shown], -mesh.rank[shown]))]
    scale = 1 << _SUBPIXEL_BITS
    fixed = np.round(pixels * scale).astype(np.int32)
    for face in order.tolist():
        points = fixed[starts[face] : ends[face]]
        if crossing[face]:
            clipped = _clip_near(corners[starts[face] : ends[face]])
            projected = (clipped[:, :2] / clipped[:, 2:]) @ intrinsics[:2, :2].T + intrinsics[:2, 2]
            points = np.round(projected * scale).astype(np.int32)
        if len(points) > 12:  # crowns of trees are not convex
            cv2.fillPoly(ids, [points], face + FIRST_FACE, cv2.LINE_8, _SUBPIXEL_BITS)
        else:
            cv2.fillConvexPoly(ids, points, face + FIRST_FACE, cv2.LINE_8, _SUBPIXEL_BITS)


def _clip_near(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Cut a polygon of the camera frame at the near plane (Sutherland-Hodgman)."""
    kept = []
    for start, end in zip(points, np.roll(points, -1, axis=0), strict=True):
        if start[2] >= NEAR_M:
            kept.append(start)
        if (start[2] >= NEAR_M) != (end[2] >= NEAR_M):
            kept.append(start + (NEAR_M - start[2]) / (end[2] - start[2]) * (end - start))
    return np.array(kept)


def backward_flow(
    view: View, raster: Raster, previous_to_camera: Transform, motions: NDArray[np.float64]
) -> tuple[Flow, Float]:
    """Project what each pixel shows to where it was one frame before.

    Args:
        view: The camera.
        raster: The current frame.
        previous_to_camera: cam_T_world one frame before.
        motions: (B, 4, 4) previous_T_current of each body in the world.

    Returns:
        (H, W, 2) flow, and the (H, W) inverse depth that the point had before.
    """
    intrinsics = view.camera.intrinsics
    steps = previous_to_camera @ motions @ np.linalg.inv(raster.to_camera)
    matrices = (intrinsics @ steps[:, :3, :3] @ np.linalg.inv(intrinsics)).astype(np.float32)
    shifts = (steps[:, :3, 3] @ intrinsics.T).astype(np.float32)

    matrix, shift = matrices[0], shifts[0]
    there = np.empty((3, *raster.ids.shape), np.float32)
    for k in range(3):
        np.multiply(raster.inverse_depth, shift[k], out=there[k])
        there[k] += matrix[k, 0] * view.columns + (matrix[k, 1] * view.rows + matrix[k, 2])

    body = raster.mesh.body[raster.faces]
    moving = np.flatnonzero(body)
    pixels, body = raster.solid[moving], body[moving]
    rows, columns = np.divmod(pixels, raster.ids.shape[1])
    inverse = raster.inverse_depth.ravel()[pixels]
    for k in range(3):
        row = matrices[body, k]
        there[k].ravel()[pixels] = (
            row[:, 0] * columns + row[:, 1] * rows + row[:, 2] + shifts[body, k] * inverse
        )
    scale = 1 / np.maximum(there[2], 1e-6)
    flow = np.empty((*raster.ids.shape, 2), np.float32)
    np.subtract(there[0] * scale, view.columns, out=flow[..., 0])
    np.subtract(there[1] * scale, view.rows, out=flow[..., 1])
    return flow, raster.inverse_depth * scale


def occlusion_mask(
    flow: Flow,
    owner: NDArray[np.uint16],
    inverse_depth_before: Float,
    previous: Raster,
    previous_owner: NDArray[np.uint16],
) -> Mask:
    """Test each point against the surface that the previous frame shows at its place.

    Visible means: inside the previous frame, owned by the same object at the nearest pixel, and
    at the depth of that pixel's plane evaluated at the exact place, within 1 %.

    Args:
        flow: Backward flow of the current frame.
        owner: (H, W) instance id of things, 0 for all stuff.
        inverse_depth_before: (H, W) of the points at the previous time.
        previous: The frame before.
        previous_owner: Its owners.

    Returns:
        (H, W) uint8, 1 = occluded or outside.
    """
    height, width = owner.shape
    x = flow[..., 0] + np.arange(width, dtype=np.float32)
    y = flow[..., 1] + np.arange(height, dtype=np.float32)[:, None]
    outside = (x < 0) | (x > width - 1) | (y < 0) | (y > height - 1) | (inverse_depth_before < 0)
    column = np.clip(np.rint(x), 0, width - 1)
    row = np.clip(np.rint(y), 0, height - 1)
    place = (row * width + column).astype(np.int64)
    slope = previous.slope.reshape(-1, 2)[place]
    surface = previous.inverse_depth.ravel()[place]
    surface = surface + slope[..., 0] * (x - column) + slope[..., 1] * (y - row)
    differs = np.abs(surface - inverse_depth_before) > 0.01 * inverse_depth_before + 2e-5
    differs |= previous_owner.ravel()[place] != owner
    return (outside | differs).astype(np.uint8)
