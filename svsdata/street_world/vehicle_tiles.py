"""Texture tiles of vehicles; one tile covers one face."""

import numpy as np

from svsdata.street_world.tiles import TILE, Tile, box, disc, flat


def car_side() -> Tile:
    """Doors, lamps and sill of a car's lower side."""
    tile = flat((250, 250, 250), "paint", 1.0, 1.0)
    box(tile, (0.0, 0.0, 1.0, 0.13), 52, 52, 54)
    tile[round(0.6 * TILE) : round(0.64 * TILE), :, :3] *= 0.84
    for x in (0.3, 0.54, 0.76):
        tile[20:, round(x * TILE) : round(x * TILE) + 2, :3] *= 0.62
    for x in (0.47, 0.7):
        box(tile, (x, 0.72, x + 0.04, 0.78), 60, 60, 62)
    box(tile, (0.0, 0.66, 0.05, 0.88), 178, 34, 30)
    box(tile, (0.95, 0.66, 1.0, 0.86), 238, 236, 220)
    for x in (0.19, 0.81):
        disc(tile, (x, 0.0), 0.1, 30, 30, 32)
    return tile


def glass(name: str, pillars: tuple[float, ...]) -> Tile:
    """A row of windows with pillars at places along it."""
    tile = flat((58, 70, 80), name, 2.0)
    ramp = np.linspace(0.75, 1.5, TILE, dtype=np.float32)
    tile[..., :3] *= ramp[:, None, None]
    for x in pillars:
        box(tile, (max(x - 0.03, 0), 0.0, min(x + 0.03, 1), 1.0), 235, 235, 235, mask=1.0)
    box(tile, (0.0, 0.9, 1.0, 1.0), 240, 240, 240, mask=1.0)
    return tile


def end(lamp: tuple[float, float, float], *, rear: bool) -> Tile:
    """Front or back of a vehicle's body."""
    tile = flat((246, 246, 246), "paint end", 1.0, 1.0)
    box(tile, (0.0, 0.0, 1.0, 0.28), 62, 62, 64)
    height = (0.56, 0.86) if rear else (0.6, 0.84)
    for left, right in ((0.03, 0.2), (0.8, 0.97)):
        box(tile, (left, height[0], right, height[1]), *lamp)
    if rear:
        box(tile, (0.36, 0.4, 0.64, 0.54), 236, 236, 230)
        tile[round(0.88 * TILE) : round(0.91 * TILE), :, :3] *= 0.6
    else:
        box(tile, (0.27, 0.5, 0.73, 0.8), 44, 44, 46)
        box(tile, (0.36, 0.16, 0.64, 0.3), 236, 236, 230)
    return tile


def wheel() -> Tile:
    """Tyre and rim."""
    tile = flat((30, 30, 32), "tyre", 1.5)
    disc(tile, (0.5, 0.5), 0.28, 168, 170, 174)
    disc(tile, (0.5, 0.5), 0.1, 84, 86, 88)
    return tile


def bus_side() -> Tile:
    """Windows and doors of a bus."""
    tile = flat((248, 248, 248), "bus", 1.5, 1.0)
    box(tile, (0.0, 0.0, 1.0, 0.1), 56, 56, 58)
    box(tile, (0.0, 0.44, 1.0, 0.84), 54, 66, 76)
    for x in np.linspace(0.0, 0.94, 8):
        box(tile, (x, 0.44, x + 0.02, 0.84), 36, 40, 44)
    for x in (0.3, 0.68):
        box(tile, (x, 0.08, x + 0.09, 0.84), 72, 86, 94)
        box(tile, (x + 0.042, 0.08, x + 0.05, 0.84), 30, 30, 32)
    return tile


def bus_end(*, rear: bool) -> Tile:
    """Front or back of a bus."""
    tile = end((196, 36, 30) if rear else (244, 240, 222), rear=rear)
    tile[round(0.28 * TILE) :] = (246, 246, 246, 1.0)
    box(tile, (0.06, 0.5 if rear else 0.36, 0.94, 0.82), 56, 70, 80)
    box(tile, (0.2, 0.86, 0.8, 0.95), 38, 36, 30)
    box(tile, (0.3, 0.885, 0.7, 0.925), 226, 160, 50)
    for left, right in ((0.04, 0.16), (0.84, 0.96)):
        box(tile, (left, 0.17, right, 0.28), *((206, 36, 30) if rear else (244, 240, 222)))
    return tile


def cargo(*, rear: bool) -> Tile:
    """Panels of a truck's box."""
    tile = flat((246, 246, 244), "cargo", 1.5, 1.0)
    step = TILE // 2 if rear else TILE // 8
    for x in range(0, TILE, step):
        tile[:, x : x + 2, :3] *= 0.78
    for edge in (slice(0, 4), slice(TILE - 4, TILE)):
        tile[edge, :, :3] *= 0.7
    if rear:
        for left in (0.1, 0.44, 0.54, 0.88):
            box(tile, (left, 0.04, left + 0.02, 0.96), 150, 150, 152)
    else:
        box(tile, (0.25, 0.38, 0.75, 0.64), 250, 250, 250)
    return tile


def truck_front() -> Tile:
    """Front of a truck's cab."""
    tile = end((244, 240, 222), rear=False)
    tile[round(0.3 * TILE) :] = (246, 246, 246, 1.0)
    box(tile, (0.07, 0.5, 0.93, 0.86), 56, 70, 80)
    box(tile, (0.2, 0.3, 0.8, 0.44), 40, 40, 42)
    for left, right in ((0.04, 0.2), (0.8, 0.96)):
        box(tile, (left, 0.16, right, 0.27), 244, 240, 222)
    return tile


def truck_side() -> Tile:
    """Side of a truck's cab."""
    tile = flat((248, 248, 248), "cab", 1.0, 1.0)
    box(tile, (0.0, 0.0, 1.0, 0.16), 54, 54, 56)
    box(tile, (0.36, 0.5, 0.92, 0.85), 58, 72, 82)
    tile[20:110, round(0.3 * TILE) : round(0.3 * TILE) + 3, :3] *= 0.6
    return tile
