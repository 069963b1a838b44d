"""Periodic texture tiles of the street: (TILE, TILE, 4) float32, RGB in 0..255 and a paint mask.

Rows run upwards on the surface. Where the mask is 1, a face's own colour multiplies the tile.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from svsdata.randomness import generator

TILE = 128

Tile = NDArray[np.float32]


def noise(name: str, roughness: float) -> Tile:
    """Return periodic noise (TILE, TILE) of zero mean and unit deviation."""
    rng = generator(0, "street tile", name)
    frequency = np.hypot(np.fft.fftfreq(TILE)[:, None], np.fft.rfftfreq(TILE)[None])
    frequency[0, 0] = 1.0
    spectrum = np.fft.rfft2(rng.standard_normal((TILE, TILE))) / frequency**roughness
    spectrum[0, 0] = 0.0
    noise = np.fft.irfft2(spectrum, (TILE, TILE))
    return (noise / noise.std()).astype(np.float32)


def flat(color: tuple[float, float, float], name: str, grain: float, mask: float = 0.0) -> Tile:
    """Return a tile of one colour with grain: (TILE, TILE, 4), RGB in 0..255, mask in 0..1."""
    tile = np.empty((TILE, TILE, 4), np.float32)
    tile[..., :3] = np.array(color, np.float32) + grain * noise(name, 0.8)[..., None]
    tile[..., 3] = mask
    return tile


def box(tile: Tile, box: tuple[float, float, float, float], *rgb: float, mask: float = 0) -> None:
    """Fill left, bottom, right, top (fractions of the tile, t upwards) with a colour."""
    x0, y0, x1, y1 = (round(v * TILE) for v in box)
    tile[y0:y1, x0:x1] = (*rgb, mask)


def disc(tile: Tile, centre: tuple[float, float], radius: float, *rgb: float) -> None:
    """Fill a circle; centre and radius are fractions of the tile."""
    at = (round(centre[0] * TILE), round(centre[1] * TILE))
    cv2.circle(tile, at, round(radius * TILE), (*rgb, 0.0), -1, cv2.LINE_AA)


def asphalt() -> Tile:
    """Dark asphalt with stains."""
    tile = flat((96, 97, 101), "asphalt", 4.5)
    tile[..., :3] += 3.5 * noise("asphalt stains", 2.0)[..., None]
    return tile


def slabs() -> Tile:
    """Sidewalk of square slabs."""
    tile = flat((164, 157, 148), "slabs", 4.0)
    shades = generator(0, "slab shades").uniform(-8, 8, (4, 4)).astype(np.float32)
    tile[..., :3] += np.kron(shades, np.ones((TILE // 4, TILE // 4), np.float32))[..., None]
    for k in range(0, TILE, TILE // 4):
        tile[k : k + 2, :, :3] -= 30
        tile[:, k : k + 2, :3] -= 30
    return tile


def grass() -> Tile:
    """A mown meadow."""
    tile = flat((104, 132, 66), "grass", 9.0)
    tile[..., :3] += np.array([9, 8, 3], np.float32) * noise("meadow", 1.8)[..., None]
    return tile


def leaves() -> Tile:
    """Foliage of a tree's crown."""
    tile = flat((78, 112, 52), "leaves", 0.0, mask=1.0)
    clumps = noise("clumps", 1.5) + 0.5 * noise("leaf", 0.5)
    tile[..., :3] *= np.clip(1.0 + 0.27 * clumps, 0.4, 1.7)[..., None]
    return tile


def hedge() -> Tile:
    """Foliage of a clipped hedge."""
    tile = flat((62, 100, 50), "hedge", 0.0, mask=1.0)
    tile[..., :3] *= np.clip(1.0 + 0.2 * noise("hedge leaves", 0.9), 0.5, 1.5)[..., None]
    return tile


def bricks(color: tuple[float, float, float], mask: float) -> Tile:
    """Courses of bricks; ``mask`` is the share of paint."""
    tile = flat(color, "bricks", 5.0, mask)
    rng = generator(0, "brick shades")
    for row in range(16):
        y, shift = row * TILE // 16, (row % 2) * TILE // 16
        for column in range(8):
            x = (column * TILE // 8 + shift) % TILE
            tile[y : y + 8, x : x + 16, :3] *= rng.uniform(0.88, 1.1)
            tile[y : y + 8, x, :3] *= 0.8
        tile[y, :, :3] *= 0.78
    return tile


def planks() -> Tile:
    """Upright planks of a fence."""
    tile = flat((214, 196, 170), "planks", 5.0, mask=1.0)
    for x in range(0, TILE, 16):
        tile[:, x : x + 3, :3] *= 0.45
    for y in (0.2, 0.75):
        tile[round(y * TILE) : round(y * TILE) + 9, :, :3] *= 0.82
    return tile


def facade(style: int) -> Tile:
    """One storey and one bay of wall with its window."""
    bricked = style in (1, 4)
    tile = bricks((214, 206, 200), 1.0) if bricked else flat((226, 222, 214), "wall", 3.0, 1.0)
    tile[: 5 if style != 3 else 10, :, :3] *= 0.86
    windows = (
        [(0.3, 0.24, 0.7, 0.84)],
        [(0.14, 0.26, 0.44, 0.8), (0.56, 0.26, 0.86, 0.8)],
        [(0.08, 0.3, 0.92, 0.82)],
        [(0.22, 0.16, 0.78, 0.86)],
        [(0.32, 0.22, 0.68, 0.8)],
        [(0.0, 0.34, 1.0, 0.84)],
    )[style]
    for left, bottom, right, top in windows:
        if style != 5:
            frame = (left - 0.04, bottom - 0.06, right + 0.04, top + 0.04)
            box(tile, (max(frame[0], 0), *frame[1:]), 236, 234, 228)
            box(tile, (max(frame[0], 0), bottom - 0.07, frame[2], bottom - 0.04), 178, 174, 168)
        glass = np.linspace(74, 112, max(round(top * TILE) - round(bottom * TILE), 1))
        rows = slice(round(bottom * TILE), round(bottom * TILE) + len(glass))
        columns = slice(round(left * TILE), round(right * TILE))
        tile[rows, columns, :3] = glass[:, None, None] * np.array([0.78, 0.92, 1.08])
        tile[rows, columns, 3] = 0
        for share in (0.5,) if style in (0, 1, 4) else (0.33, 0.67):
            x = left + share * (right - left)
            box(tile, (x - 0.012, bottom, x + 0.012, top), 226, 224, 220)
    return tile


def shop() -> Tile:
    """A shop window with a door under a painted sign."""
    tile = flat((206, 200, 192), "shop", 3.0, 0.6)
    box(tile, (0.0, 0.74, 1.0, 0.92), 215, 210, 205, mask=1.0)
    box(tile, (0.06, 0.14, 0.62, 0.7), 66, 84, 96)
    box(tile, (0.1, 0.18, 0.58, 0.4), 128, 116, 96)
    box(tile, (0.7, 0.0, 0.94, 0.7), 58, 50, 46)
    box(tile, (0.73, 0.25, 0.91, 0.66), 84, 98, 106)
    box(tile, (0.0, 0.0, 0.68, 0.08), 120, 116, 112)
    return tile


def entrance() -> Tile:
    """A house's door and a window."""
    tile = flat((218, 212, 204), "entrance", 3.0, 1.0)
    box(tile, (0.0, 0.0, 1.0, 0.1), 132, 128, 124)
    box(tile, (0.08, 0.04, 0.38, 0.72), 232, 228, 220)
    box(tile, (0.11, 0.02, 0.35, 0.69), 92, 62, 44)
    box(tile, (0.15, 0.42, 0.31, 0.64), 104, 118, 124)
    box(tile, (0.52, 0.3, 0.9, 0.76), 236, 234, 228)
    box(tile, (0.55, 0.34, 0.87, 0.73), 78, 94, 108)
    box(tile, (0.7, 0.34, 0.72, 0.73), 226, 224, 220)
    return tile


def roof() -> Tile:
    """Rows of roof tiles."""
    tile = flat((196, 160, 150), "roof", 6.0, 1.0)
    for y in range(0, TILE, 8):
        tile[y : y + 2, :, :3] *= 0.72
    return tile


def sign(kind: int) -> Tile:
    """A traffic sign: speed limit, blue, no entry, priority."""
    background = ((244, 244, 244), (28, 84, 176), (240, 240, 240), (238, 196, 30))[kind]
    tile = flat(background, "sign", 0.5)
    centre = (0.5, 0.5)
    if kind == 0:
        disc(tile, centre, 0.49, 200, 24, 30)
        disc(tile, centre, 0.35, 246, 246, 246)
        box(tile, (0.3, 0.36, 0.46, 0.64), 26, 26, 28)
        box(tile, (0.54, 0.36, 0.7, 0.64), 26, 26, 28)
    elif kind == 1:
        box(tile, (0.44, 0.2, 0.56, 0.62), 246, 246, 246)
        box(tile, (0.3, 0.58, 0.7, 0.7), 246, 246, 246)
    elif kind == 2:
        box(tile, (0.0, 0.0, 1.0, 1.0), 204, 26, 32)
        box(tile, (0.2, 0.42, 0.8, 0.58), 246, 246, 246)
    else:
        box(tile, (0.14, 0.14, 0.86, 0.86), 250, 250, 246)
        box(tile, (0.22, 0.22, 0.78, 0.78), 240, 198, 30)
    return tile


def signal() -> Tile:
    """A traffic light that shows green."""
    tile = flat((40, 42, 44), "signal", 1.0)
    for y, rgb in ((0.82, (80, 26, 24)), (0.5, (86, 66, 20)), (0.18, (60, 240, 150))):
        cv2.ellipse(
            tile, ((64, round(y * TILE)), (84, 34), 0), (*map(float, rgb), 0.0), -1, cv2.LINE_AA
        )
    return tile


def clouds() -> Tile:
    """Share of cloud as brightness."""
    tile = np.ones((TILE, TILE, 4), np.float32)
    cover = np.clip(0.36 * noise("clouds", 1.75) + 0.22, 0, 1)
    tile[..., :3] = 255 * cover[..., None]
    return tile
