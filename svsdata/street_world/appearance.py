"""Surfaces of the street world: a texture atlas with prefiltered copies, drawn once per process.

Every tile is periodic and has a paint mask as fourth channel: where it is 1, the face's own colour
multiplies the tile. Each tile is stored at seven widths times seven heights, so that a surface
seen from afar or at a flat angle is averaged along the right axis and does not sparkle.
"""

from collections.abc import Callable
from functools import cache, partial

import cv2
import numpy as np
from numpy.typing import NDArray

from svsdata.street_world import tiles, vehicle_tiles
from svsdata.street_world.tiles import TILE, Tile

LEVELS = 7
PAD = 2
# Where a copy of each width (or height) starts inside its tile's block, past its wrapped border.
OFFSETS = np.array(
    [sum((TILE >> k) + 2 * PAD for k in range(level)) + PAD for level in range(LEVELS)], np.float32
)
BLOCK = int(OFFSETS[-1]) + (TILE >> (LEVELS - 1)) + PAD

PAINTERS: dict[str, Callable[[], Tile]] = {
    "clouds": tiles.clouds,
    "asphalt": tiles.asphalt,
    "slabs": tiles.slabs,
    "grass": tiles.grass,
    "plain": partial(tiles.flat, (250, 250, 250), "plain", 3.0, 1.0),
    "leaves": tiles.leaves,
    "hedge": tiles.hedge,
    "bark": partial(tiles.flat, (98, 80, 62), "bark", 9.0),
    "stone": partial(tiles.bricks, (196, 186, 174), 1.0),
    "planks": tiles.planks,
    **{f"facade{style}": partial(tiles.facade, style) for style in range(6)},
    "shop": tiles.shop,
    "entrance": tiles.entrance,
    "roof": tiles.roof,
    "car_side": vehicle_tiles.car_side,
    "car_windows": partial(vehicle_tiles.glass, "car windows", (0.02, 0.5, 0.98)),
    "windscreen": partial(vehicle_tiles.glass, "windscreen", (0.0, 1.0)),
    "car_front": partial(vehicle_tiles.end, (246, 242, 226), rear=False),
    "car_rear": partial(vehicle_tiles.end, (196, 32, 28), rear=True),
    "wheel": vehicle_tiles.wheel,
    "bus_side": vehicle_tiles.bus_side,
    "bus_front": partial(vehicle_tiles.bus_end, rear=False),
    "bus_rear": partial(vehicle_tiles.bus_end, rear=True),
    "cargo_side": partial(vehicle_tiles.cargo, rear=False),
    "cargo_rear": partial(vehicle_tiles.cargo, rear=True),
    "truck_front": vehicle_tiles.truck_front,
    "truck_side": vehicle_tiles.truck_side,
    **{f"sign{kind}": partial(tiles.sign, kind) for kind in range(4)},
    "signal": tiles.signal,
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
