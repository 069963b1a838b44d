"""Surfaces of the street world: a texture atlas with prefiltered copies, drawn once per process.

Every tile is periodic and has a paint mask as fourth channel: where it is 1, the face's own colour
multiplies the tile. Each tile is stored at seven widths times seven heights, so that a surface
seen from afar or at a flat angle is averaged along the right axis and does not sparkle.
"""

from collections.abc import Callable
from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray

from svsdata.randomness import generator

TILE = 128
LEVELS = 7
PAD = 2
# Where a copy of each width (or height) starts inside its tile's block, past its wrapped border.
OFFSETS = np.array(
    [sum((TILE >> k) + 2 * PAD for k in range(level)) + PAD for level in range(LEVELS)], np.float32
)
BLOCK = int(OFFSETS[-1]) + (TILE >> (LEVELS - 1)) + PAD

Tile = NDArray[np.float32]
_HALF = TILE // 2


def _noise(name: str, roughness: float) -> Tile:
    """Return periodic noise (TILE, TILE) of zero mean and unit deviation."""
    rng = generator(0, "street tile", name)
    frequency = np.hypot(np.fft.fftfreq(TILE)[:, None], np.fft.rfftfreq(TILE)[None])
    frequency[0, 0] = 1.0
    spectrum = np.fft.rfft2(rng.standard_normal((TILE, TILE))) / frequency**roughness
    spectrum[0, 0] = 0.0
    noise = np.fft.irfft2(spectrum, (TILE, TILE))
    return (noise / noise.std()).astype(np.float32)


def _flat(color: tuple[float, float, float], name: str, grain: float, mask: float = 0.0) -> Tile:
    """Return a tile of one colour with grain: (TILE, TILE, 4), RGB in 0..255, mask in 0..1."""
    tile = np.empty((TILE, TILE, 4), np.float32)
    tile[..., :3] = np.array(color, np.float32) + grain * _noise(name, 0.8)[..., None]
    tile[..., 3] = mask
    return tile


def _box(tile: Tile, box: tuple[float, float, float, float], *rgb: float, mask: float = 0) -> None:
    """Fill left, bottom, right, top (fractions of the tile, t upwards) with a colour."""
    x0, y0, x1, y1 = (round(v * TILE) for v in box)
    tile[y0:y1, x0:x1] = (*rgb, mask)


def _disc(tile: Tile, centre: tuple[float, float], radius: float, *rgb: float) -> None:
    at = (round(centre[0] * TILE), round(centre[1] * TILE))
    cv2.circle(tile, at, round(radius * TILE), (*rgb, 0.0), -1, cv2.LINE_AA)


def _asphalt() -> Tile:
    tile = _flat((96, 97, 101), "asphalt", 4.5)
    tile[..., :3] += 3.5 * _noise("asphalt stains", 2.0)[..., None]
    return tile


def _slabs() -> Tile:
    tile = _flat((164, 157, 148), "slabs", 4.0)
    shades = generator(0, "slab shades").uniform(-8, 8, (4, 4)).astype(np.float32)
    tile[..., :3] += np.kron(shades, np.ones((TILE // 4, TILE // 4), np.float32))[..., None]
    for k in range(0, TILE, TILE // 4):
        tile[k : k + 2, :, :3] -= 30
        tile[:, k : k + 2, :3] -= 30
    return tile


def _grass() -> Tile:
    tile = _flat((104, 132, 66), "grass", 9.0)
    tile[..., :3] += np.array([9, 8, 3], np.float32) * _noise("meadow", 1.8)[..., None]
    return tile


def _leaves() -> Tile:
    tile = _flat((78, 112, 52), "leaves", 0.0, mask=1.0)
    clumps = _noise("clumps", 1.5) + 0.5 * _noise("leaf", 0.5)
    tile[..., :3] *= np.clip(1.0 + 0.27 * clumps, 0.4, 1.7)[..., None]
    return tile


def _hedge() -> Tile:
    tile = _flat((62, 100, 50), "hedge", 0.0, mask=1.0)
    tile[..., :3] *= np.clip(1.0 + 0.2 * _noise("hedge leaves", 0.9), 0.5, 1.5)[..., None]
    return tile


def _bricks(color: tuple[float, float, float], mask: float) -> Tile:
    tile = _flat(color, "bricks", 5.0, mask)
    rng = generator(0, "brick shades")
    for row in range(16):
        y, shift = row * TILE // 16, (row % 2) * TILE // 16
        for column in range(8):
            x = (column * TILE // 8 + shift) % TILE
            tile[y : y + 8, x : x + 16, :3] *= rng.uniform(0.88, 1.1)
            tile[y : y + 8, x, :3] *= 0.8
        tile[y, :, :3] *= 0.78
    return tile


def _planks() -> Tile:
    tile = _flat((214, 196, 170), "planks", 5.0, mask=1.0)
    for x in range(0, TILE, 16):
        tile[:, x : x + 3, :3] *= 0.45
    for y in (0.2, 0.75):
        tile[round(y * TILE) : round(y * TILE) + 9, :, :3] *= 0.82
    return tile


def _facade(style: int) -> Tile:
    """One storey and one bay of wall with its window."""
    bricked = style in (1, 4)
    tile = _bricks((214, 206, 200), 1.0) if bricked else _flat((226, 222, 214), "wall", 3.0, 1.0)
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
            _box(tile, (max(frame[0], 0), *frame[1:]), 236, 234, 228)
            _box(tile, (max(frame[0], 0), bottom - 0.07, frame[2], bottom - 0.04), 178, 174, 168)
        glass = np.linspace(74, 112, max(round(top * TILE) - round(bottom * TILE), 1))
        rows = slice(round(bottom * TILE), round(bottom * TILE) + len(glass))
        columns = slice(round(left * TILE), round(right * TILE))
        tile[rows, columns, :3] = glass[:, None, None] * np.array([0.78, 0.92, 1.08])
        tile[rows, columns, 3] = 0
        for share in (0.5,) if style in (0, 1, 4) else (0.33, 0.67):
            x = left + share * (right - left)
            _box(tile, (x - 0.012, bottom, x + 0.012, top), 226, 224, 220)
    return tile


def _shop() -> Tile:
    tile = _flat((206, 200, 192), "shop", 3.0, 0.6)
    _box(tile, (0.0, 0.74, 1.0, 0.92), 215, 210, 205, mask=1.0)
    _box(tile, (0.06, 0.14, 0.62, 0.7), 66, 84, 96)
    _box(tile, (0.1, 0.18, 0.58, 0.4), 128, 116, 96)
    _box(tile, (0.7, 0.0, 0.94, 0.7), 58, 50, 46)
    _box(tile, (0.73, 0.25, 0.91, 0.66), 84, 98, 106)
    _box(tile, (0.0, 0.0, 0.68, 0.08), 120, 116, 112)
    return tile


def _entrance() -> Tile:
    tile = _flat((218, 212, 204), "entrance", 3.0, 1.0)
    _box(tile, (0.0, 0.0, 1.0, 0.1), 132, 128, 124)
    _box(tile, (0.08, 0.04, 0.38, 0.72), 232, 228, 220)
    _box(tile, (0.11, 0.02, 0.35, 0.69), 92, 62, 44)
    _box(tile, (0.15, 0.42, 0.31, 0.64), 104, 118, 124)
    _box(tile, (0.52, 0.3, 0.9, 0.76), 236, 234, 228)
    _box(tile, (0.55, 0.34, 0.87, 0.73), 78, 94, 108)
    _box(tile, (0.7, 0.34, 0.72, 0.73), 226, 224, 220)
    return tile


def _roof() -> Tile:
    tile = _flat((196, 160, 150), "roof", 6.0, 1.0)
    for y in range(0, TILE, 8):
        tile[y : y + 2, :, :3] *= 0.72
    return tile


def _car_side() -> Tile:
    tile = _flat((250, 250, 250), "paint", 1.0, 1.0)
    _box(tile, (0.0, 0.0, 1.0, 0.13), 52, 52, 54)
    tile[round(0.6 * TILE) : round(0.64 * TILE), :, :3] *= 0.84
    for x in (0.3, 0.54, 0.76):
        tile[20:, round(x * TILE) : round(x * TILE) + 2, :3] *= 0.62
    for x in (0.47, 0.7):
        _box(tile, (x, 0.72, x + 0.04, 0.78), 60, 60, 62)
    _box(tile, (0.0, 0.66, 0.05, 0.88), 178, 34, 30)
    _box(tile, (0.95, 0.66, 1.0, 0.86), 238, 236, 220)
    for x in (0.19, 0.81):
        _disc(tile, (x, 0.0), 0.1, 30, 30, 32)
    return tile


def _glass(name: str, pillars: tuple[float, ...]) -> Tile:
    tile = _flat((58, 70, 80), name, 2.0)
    ramp = np.linspace(0.75, 1.5, TILE, dtype=np.float32)
    tile[..., :3] *= ramp[:, None, None]
    for x in pillars:
        _box(tile, (max(x - 0.03, 0), 0.0, min(x + 0.03, 1), 1.0), 235, 235, 235, mask=1.0)
    _box(tile, (0.0, 0.9, 1.0, 1.0), 240, 240, 240, mask=1.0)
    return tile


def _end(lamp: tuple[float, float, float], *, rear: bool) -> Tile:
    """Front or back of a vehicle's body."""
    tile = _flat((246, 246, 246), "paint end", 1.0, 1.0)
    _box(tile, (0.0, 0.0, 1.0, 0.28), 62, 62, 64)
    height = (0.56, 0.86) if rear else (0.6, 0.84)
    for left, right in ((0.03, 0.2), (0.8, 0.97)):
        _box(tile, (left, height[0], right, height[1]), *lamp)
    if rear:
        _box(tile, (0.36, 0.4, 0.64, 0.54), 236, 236, 230)
        tile[round(0.88 * TILE) : round(0.91 * TILE), :, :3] *= 0.6
    else:
        _box(tile, (0.27, 0.5, 0.73, 0.8), 44, 44, 46)
        _box(tile, (0.36, 0.16, 0.64, 0.3), 236, 236, 230)
    return tile


def _wheel() -> Tile:
    tile = _flat((30, 30, 32), "tyre", 1.5)
    _disc(tile, (0.5, 0.5), 0.28, 168, 170, 174)
    _disc(tile, (0.5, 0.5), 0.1, 84, 86, 88)
    return tile


def _bus_side() -> Tile:
    tile = _flat((248, 248, 248), "bus", 1.5, 1.0)
    _box(tile, (0.0, 0.0, 1.0, 0.1), 56, 56, 58)
    _box(tile, (0.0, 0.44, 1.0, 0.84), 54, 66, 76)
    for x in np.linspace(0.0, 0.94, 8):
        _box(tile, (x, 0.44, x + 0.02, 0.84), 36, 40, 44)
    for x in (0.3, 0.68):
        _box(tile, (x, 0.08, x + 0.09, 0.84), 72, 86, 94)
        _box(tile, (x + 0.042, 0.08, x + 0.05, 0.84), 30, 30, 32)
    return tile


def _bus_end(*, rear: bool) -> Tile:
    tile = _end((196, 36, 30) if rear else (244, 240, 222), rear=rear)
    tile[round(0.28 * TILE) :] = (246, 246, 246, 1.0)
    _box(tile, (0.06, 0.5 if rear else 0.36, 0.94, 0.82), 56, 70, 80)
    _box(tile, (0.2, 0.86, 0.8, 0.95), 38, 36, 30)
    _box(tile, (0.3, 0.885, 0.7, 0.925), 226, 160, 50)
    for left, right in ((0.04, 0.16), (0.84, 0.96)):
        _box(tile, (left, 0.17, right, 0.28), *((206, 36, 30) if rear else (244, 240, 222)))
    return tile


def _cargo(*, rear: bool) -> Tile:
    tile = _flat((246, 246, 244), "cargo", 1.5, 1.0)
    step = TILE // 2 if rear else TILE // 8
    for x in range(0, TILE, step):
        tile[:, x : x + 2, :3] *= 0.78
    for edge in (slice(0, 4), slice(TILE - 4, TILE)):
        tile[edge, :, :3] *= 0.7
    if rear:
        for x in (0.1, 0.44, 0.54, 0.88):
            _box(tile, (x, 0.04, x + 0.02, 0.96), 150, 150, 152)
    else:
        _box(tile, (0.25, 0.38, 0.75, 0.64), 250, 250, 250)
    return tile


def _truck_front() -> Tile:
    tile = _end((244, 240, 222), rear=False)
    tile[round(0.3 * TILE) :] = (246, 246, 246, 1.0)
    _box(tile, (0.07, 0.5, 0.93, 0.86), 56, 70, 80)
    _box(tile, (0.2, 0.3, 0.8, 0.44), 40, 40, 42)
    for left, right in ((0.04, 0.2), (0.8, 0.96)):
        _box(tile, (left, 0.16, right, 0.27), 244, 240, 222)
    return tile


def _truck_side() -> Tile:
    tile = _flat((248, 248, 248), "cab", 1.0, 1.0)
    _box(tile, (0.0, 0.0, 1.0, 0.16), 54, 54, 56)
    _box(tile, (0.36, 0.5, 0.92, 0.85), 58, 72, 82)
    tile[20:110, round(0.3 * TILE) : round(0.3 * TILE) + 3, :3] *= 0.6
    return tile


def _sign(kind: int) -> Tile:
    background = ((244, 244, 244), (28, 84, 176), (240, 240, 240), (238, 196, 30))[kind]
    tile = _flat(background, "sign", 0.5)
    centre = (0.5, 0.5)
    if kind == 0:
        _disc(tile, centre, 0.49, 200, 24, 30)
        _disc(tile, centre, 0.35, 246, 246, 246)
        _box(tile, (0.3, 0.36, 0.46, 0.64), 26, 26, 28)
        _box(tile, (0.54, 0.36, 0.7, 0.64), 26, 26, 28)
    elif kind == 1:
        _box(tile, (0.44, 0.2, 0.56, 0.62), 246, 246, 246)
        _box(tile, (0.3, 0.58, 0.7, 0.7), 246, 246, 246)
    elif kind == 2:
        _box(tile, (0.0, 0.0, 1.0, 1.0), 204, 26, 32)
        _box(tile, (0.2, 0.42, 0.8, 0.58), 246, 246, 246)
    else:
        _box(tile, (0.14, 0.14, 0.86, 0.86), 250, 250, 246)
        _box(tile, (0.22, 0.22, 0.78, 0.78), 240, 198, 30)
    return tile


def _signal() -> Tile:
    tile = _flat((40, 42, 44), "signal", 1.0)
    for y, rgb in ((0.82, (80, 26, 24)), (0.5, (86, 66, 20)), (0.18, (60, 240, 150))):
        cv2.ellipse(
            tile, ((64, round(y * TILE)), (84, 34), 0), (*map(float, rgb), 0.0), -1, cv2.LINE_AA
        )
    return tile


def _clouds() -> Tile:
    tile = np.ones((TILE, TILE, 4), np.float32)
    cover = np.clip(0.36 * _noise("clouds", 1.75) + 0.22, 0, 1)
    tile[..., :3] = 255 * cover[..., None]
    return tile


PAINTERS: dict[str, Callable[[], Tile]] = {
    "clouds": _clouds,
    "asphalt": _asphalt,
    "slabs": _slabs,
    "grass": _grass,
    "plain": lambda: _flat((250, 250, 250), "plain", 3.0, 1.0),
    "leaves": _leaves,
    "hedge": _hedge,
    "bark": lambda: _flat((98, 80, 62), "bark", 9.0),
    "stone": lambda: _bricks((196, 186, 174), 1.0),
    "planks": _planks,
    **{f"facade{style}": (lambda style=style: _facade(style)) for style in range(6)},
    "shop": _shop,
    "entrance": _entrance,
    "roof": _roof,
    "car_side": _car_side,
    "car_windows": lambda: _glass("car windows", (0.02, 0.5, 0.98)),
    "windscreen": lambda: _glass("windscreen", (0.0, 1.0)),
    "car_front": lambda: _end((246, 242, 226), rear=False),
    "car_rear": lambda: _end((196, 32, 28), rear=True),
    "wheel": _wheel,
    "bus_side": _bus_side,
    "bus_front": lambda: _bus_end(rear=False),
    "bus_rear": lambda: _bus_end(rear=True),
    "cargo_side": lambda: _cargo(rear=False),
    "cargo_rear": lambda: _cargo(rear=True),
    "truck_front": _truck_front,
    "truck_side": _truck_side,
    **{f"sign{kind}": (lambda kind=kind: _sign(kind)) for kind in range(4)},
    "signal": _signal,
}
MATERIALS = {name: index for index, name in enumerate(PAINTERS)}


@cache
def atlas() -> NDArray[np.uint8]:
    """Return all tiles below each other: (len(MATERIALS) * BLOCK, BLOCK, 4) uint8, RGB and mask."""
    picture = np.zeros((len(PAINTERS) * BLOCK, BLOCK, 4), np.uint8)
    for index, paint in enumerate(PAINTERS.values()):
        tile = paint() * np.array([1, 1, 1, 255], np.float32)
        for i, x in enumerate(OFFSETS.astype(int) - PAD):
            for j, y in enumerate(OFFSETS.astype(int) - PAD):
                size = (TILE >> i, TILE >> j)
                copy = cv2.resize(tile, size, interpolation=cv2.INTER_AREA)
                copy = np.pad(copy, ((PAD, PAD), (PAD, PAD), (0, 0)), mode="wrap")
                rows = slice(index * BLOCK + y, index * BLOCK + y + copy.shape[0])
                picture[rows, x : x + copy.shape[1]] = np.clip(copy, 0, 255)
    return picture
