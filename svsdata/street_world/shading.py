"""The picture of a raster: texture, light, shade and haze."""

from typing import cast

import cv2
import numpy as np
from numpy.typing import NDArray

from svsdata.records import Image
from svsdata.street_world.appearance import BLOCK, LEVELS, MATERIALS, OFFSETS, TILE, atlas
from svsdata.street_world.raster import Raster, View
from svsdata.street_world.road import (
    GROUND_MATERIAL,
    GROUND_TILE_M,
    KERB_M,
    LANE_EDGE_M,
    SIDEWALK_ID,
    Ground,
    paint_coverage,
)

Float = NDArray[np.float32]
SUN = np.array([-0.48, -0.52, 0.71])
HAZE_RGB = np.array([206, 214, 222], np.float32)
ZENITH_RGB = np.array([92, 142, 206], np.float32)
HAZE_M = 150.0
CLOUD, KERB, PAINT = np.float32(248), np.float32(186), np.float32(232)


def shade(
    view: View, raster: Raster, ground: Ground, world_heading: float, footprints: Float
) -> Image:
    """Paint a raster.

    Args:
        view: The camera.
        raster: Visible surfaces.
        ground: Of the pixels that show the ground, in their order.
        world_heading: Direction of the vehicle, radians; clouds stay with the world.
        footprints: (N, 4, 3) camera frame, what casts a contact shadow.

    Returns:
        (H, W, 3) uint8 RGB.
    """
    height, width = raster.ids.shape
    flat_ids = raster.ids.ravel()
    sky, soil = np.flatnonzero(flat_ids == 0), np.flatnonzero(flat_ids == 1)
    place = np.zeros((2, height * width), np.float32)
    for pixels, (x, y) in (
        (sky, _sky_texels(view, sky, world_heading)),
        (soil, (ground_texels := _ground_texels(view, soil, ground))[0]),
        (raster.solid, _face_texels(view, raster)),
    ):
        place[0, pixels], place[1, pixels] = x, y
    maps = place.reshape(2, height, width)
    texels = cv2.remap(atlas(), maps[0], maps[1], cv2.INTER_LINEAR)
    planes = [plane.ravel() for plane in cv2.split(texels)]
    mask = planes[3][raster.solid] * np.float32(1 / 255)
    mesh = raster.mesh
    light = (0.66 + 0.42 * np.clip(mesh.normal @ SUN, 0, 1)).astype(np.float32)
    light[mesh.two_sided] = 0.95
    bright = light[raster.faces]
    cover = _cloud_cover(view, sky, planes[0][sky])
    elevation = np.clip(view.rays.reshape(-1, 3)[sky, 2] / np.float32(0.42), 0, 1) ** np.float32(
        0.7
    )
    kerb, bay, paint, lit = _ground_layers(
        ground, ground_texels[1], _shadow(view, footprints).ravel()[soil]
    )
    clear = np.exp(np.float32(-1 / HAZE_M) / np.maximum(raster.inverse_depth.ravel(), 1e-4))
    clear[sky] = 1

    channels = []
    for k, (haze, zenith) in enumerate(zip(HAZE_RGB, ZENITH_RGB, strict=True)):
        color = np.empty(height * width, np.float32)
        blue = haze + (zenith - haze) * elevation
        color[sky] = blue + (CLOUD - blue) * cover
        earth = planes[k][soil] * bay
        earth += (KERB - earth) * kerb
        earth += (PAINT - earth) * paint
        color[soil] = earth * lit
        painted = (light * (mesh.tint[:, k] - 1))[raster.faces]
        color[raster.solid] = planes[k][raster.solid] * (bright + painted * mask)
        color -= haze
        color *= clear
        color += haze
        channels.append(cv2.convertScaleAbs(color.reshape(height, width)))
    return cast(Image, cv2.merge(channels))


def _texels(
    s: Float, t: Float, texels_s: Float, texels_t: Float, material: NDArray[np.int64] | int
) -> tuple[Float, Float]:
    """Look up places of the atlas; ``texels_*`` are texels of the full tile per pixel."""
    coordinates = []
    for along, footprint in ((s, texels_s), (t, texels_t)):
        level = np.clip(np.frexp(footprint * np.float32(0.8))[1], 0, LEVELS - 1)
        size = np.ldexp(np.float32(TILE), -level)
        coordinates.append((along - np.floor(along)) * size + OFFSETS[level] - np.float32(0.5))
    return coordinates[0], coordinates[1] + np.float32(BLOCK) * np.float32(1) * material


def _sky_texels(view: View, pixels: NDArray[np.int64], heading: float) -> tuple[Float, Float]:
    rays = view.rays.reshape(-1, 3)[pixels]
    up = np.maximum(rays[:, 2], 0.02)
    cosine, sine = np.float32(np.cos(heading)), np.float32(np.sin(heading))
    s = (cosine * rays[:, 0] - sine * rays[:, 1]) / up * np.float32(0.13)
    t = (sine * rays[:, 0] + cosine * rays[:, 1]) / up * np.float32(0.13)
    footprint = np.float32(0.13 * TILE / view.camera.intrinsics[0, 0]) / up / up
    return _texels(s, t, footprint, footprint, MATERIALS["clouds"])


def _cloud_cover(view: View, pixels: NDArray[np.int64], texels: NDArray[np.uint8]) -> Float:
    """Return the share of white, which thins out towards the horizon."""
    up = view.rays.reshape(-1, 3)[pixels, 2]
    return texels * np.clip(up * 6, 0, 1) * np.float32(0.9 / 255)


def _ground_texels(
    view: View, pixels: NDArray[np.int64], ground: Ground
) -> tuple[tuple[Float, Float], tuple[Float, Float]]:
    depth = 1 / view.inverse_depth.ravel()[pixels]
    across = depth * np.float32(1 / view.camera.intrinsics[0, 0])
    along = depth * across * np.float32(abs(view.slope[-1, 0, 1]) * view.camera.intrinsics[0, 0])
    scale = np.float32(TILE / GROUND_TILE_M)
    place = _texels(
        ground.u / np.float32(GROUND_TILE_M), ground.n / np.float32(GROUND_TILE_M),
        along * scale, across * scale, GROUND_MATERIAL[ground.label],
    )  # fmt: skip
    return place, (along, across)


def _ground_layers(
    ground: Ground, footprint: tuple[Float, Float], shadow: NDArray[np.uint8]
) -> tuple[Float, Float, Float, Float]:
    """Return shares of kerb stone, brightness of parking bays, share of paint, and light."""
    width = np.abs(ground.n)
    kerb = np.clip((0.16 - np.abs(width - (KERB_M + 0.1))) / footprint[1] + 0.5, 0, 1)
    kerb *= ground.label == SIDEWALK_ID
    in_bay = (width > LANE_EDGE_M) & (width < KERB_M) & ~ground.crossing
    bay = np.where(in_bay, np.float32(1.1), np.float32(1))
    paint = paint_coverage(ground, *footprint) * np.float32(0.85)
    return kerb, bay, paint, 1 - shadow * np.float32(0.62 / 255)


def _face_texels(view: View, raster: Raster) -> tuple[Float, Float]:
    mesh, faces = raster.mesh, raster.faces
    turn, shift = raster.to_camera[:3, :3], raster.to_camera[:3, 3]
    width = raster.ids.shape[1]
    rows, columns = (part.astype(np.float32) for part in np.divmod(raster.solid, width))
    depth = 1 / raster.inverse_depth.ravel()[raster.solid]
    slope = raster.slope.reshape(-1, 2)[raster.solid]
    coordinates, footprints = [], []
    origin = mesh.origin @ turn.T + shift
    to_ray = np.linalg.inv(view.camera.intrinsics)
    for axis in (mesh.s_axis, mesh.t_axis):
        gradient = axis @ turn.T
        offset = -np.einsum("fi,fi->f", gradient, origin)
        table = (gradient @ to_ray + offset[:, None] * raster.plane).astype(np.float32)
        a, b, c = (table[:, k][faces] for k in range(3))
        place = (a * columns + b * rows + c) * depth
        change = np.maximum(np.abs(a - place * slope[:, 0]), np.abs(b - place * slope[:, 1]))
        coordinates.append(place)
        footprints.append(change * depth * np.float32(TILE))
    return _texels(*coordinates, *footprints, mesh.material[faces])


def _shadow(view: View, footprints: Float) -> NDArray[np.uint8]:
    """Soft dark patches under actors, (H, W) uint8."""
    layer = np.zeros(view.camera.size_hw, np.uint8)
    near = footprints[..., 2].min(axis=1) > 0.8 if len(footprints) else np.zeros(0, bool)
    pixels = footprints[near] @ view.camera.intrinsics.T
    for corners in np.round(16 * pixels[..., :2] / pixels[..., 2:]).astype(np.int32):
        cv2.fillConvexPoly(layer, corners, 255, cv2.LINE_AA, 4)
    radius = max(3, view.camera.size_hw[1] // 100) | 1
    return cv2.blur(layer, (radius, radius))
