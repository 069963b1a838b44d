"""The road: a curve in closed form, what lies beside it, and the class of the ground.

Places are road coordinates: u runs along, n to the left of the centre line, both in metres.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from svsdata.labels import CITYSCAPES
from svsdata.randomness import generator
from svsdata.records import Transform
from svsdata.street_world.appearance import MATERIALS

CHUNK_M = 16.0
CROSSING_EVERY = 8
LANE_EDGE_M, KERB_M, WALK_EDGE_M = 3.4, 5.6, 8.6
SIDE_STREET_M = (4.0, 12.0)
"""Where a side street lies within its chunk."""
CITY, RESIDENTIAL, PARK = 0, 1, 2
ROAD_ID, SIDEWALK_ID, TERRAIN_ID = (
    CITYSCAPES.by_name[name].id for name in ("road", "sidewalk", "terrain")
)


@dataclass(frozen=True)
class Road:
    """Centre line y = sum(a sin(k x + p)) and the zones on both sides."""

    seed: int
    amplitude_m: NDArray[np.float64]
    wavenumber: NDArray[np.float64]
    phase: NDArray[np.float64]

    def heading(self, u: NDArray[np.float64] | float) -> NDArray[np.float64]:
        """Return the direction of the road in the world, radians."""
        angle = np.multiply.outer(u, self.wavenumber) + self.phase
        return np.arctan((self.amplitude_m * self.wavenumber * np.cos(angle)).sum(axis=-1))

    def points(
        self, u: NDArray[np.float64] | float, n: NDArray[np.float64] | float
    ) -> NDArray[np.float64]:
        """Return (..., 2) world places of road coordinates."""
        angle = np.multiply.outer(u, self.wavenumber) + self.phase
        heading = self.heading(u)
        y = (self.amplitude_m * np.sin(angle)).sum(axis=-1)
        return np.stack([u - n * np.sin(heading), y + n * np.cos(heading)], axis=-1)

    def poses(
        self, u: NDArray[np.float64], n: NDArray[np.float64], turned: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Return (N, 4, 4) world_T_object on the ground, turned from the road's direction."""
        angle = self.heading(u) + turned
        poses = np.tile(np.eye(4), (len(angle), 1, 1))
        poses[:, 0, 0] = poses[:, 1, 1] = np.cos(angle)
        poses[:, 1, 0], poses[:, 0, 1] = np.sin(angle), -np.sin(angle)
        poses[:, :2, 3] = self.points(u, n)
        return poses

    def pose(self, u: float, n: float) -> Transform:
        """Return world_T_object of something on the ground that looks along the road."""
        return self.poses(np.array([u]), np.array([n]), np.zeros(1))[0]

    def curvature(self, u: float) -> float:
        """Return the curvature of the centre line, positive to the left."""
        angle = self.wavenumber * u + self.phase
        bend = -(self.amplitude_m * self.wavenumber**2 * np.sin(angle)).sum()
        return float(bend * np.cos(self.heading(u)) ** 3)

    def coordinates(
        self, x: NDArray[np.float32], y: NDArray[np.float32], near_u: float
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Invert ``points``; ``x`` and the returned u are relative to ``near_u``."""
        phase = np.mod(self.wavenumber * near_u + self.phase, 2 * np.pi)
        waves = [
            (np.float32(a), np.float32(k), np.float32(p))
            for a, k, p in zip(self.amplitude_m, self.wavenumber, phase, strict=True)
        ]
        u = x
        n = np.zeros_like(x)
        for _ in range(3):
            angles = [k * u + p for _, k, p in waves]
            centre = sum(a * np.sin(angle) for (a, _, _), angle in zip(waves, angles, strict=True))
            slope = sum(
                a * k * np.cos(angle) for (a, k, _), angle in zip(waves, angles, strict=True)
            )
            cosine = 1 / np.sqrt(1 + slope * slope)
            # One Newton step towards the foot of the perpendicular.
            ahead = ((x - u) + slope * (y - centre)) * cosine * cosine
            n = ((y - centre) - slope * (x - u)) * cosine
            u = u + ahead
        return u, n


def zone_at(seed: int, chunk: int, side: int) -> int:
    """Return CITY, RESIDENTIAL or PARK; it changes every fourth chunk."""
    draw = generator(seed, "zone", chunk // 4, side).random()
    return CITY if draw < 0.5 else RESIDENTIAL if draw < 0.8 else PARK


def road_of(seed: int) -> Road:
    """Draw the road of a world."""
    rng = generator(seed, "road")
    length = np.array([rng.uniform(250, 340), rng.uniform(105, 150)])
    amplitude = np.array([rng.uniform(11, 18), rng.uniform(1.2, 2.2)])
    return Road(seed, amplitude, 2 * np.pi / length, rng.uniform(0, 2 * np.pi, 2))


def is_crossing(chunk: int) -> bool:
    """Say whether a side street crosses the road in a chunk."""
    return chunk % CROSSING_EVERY == CROSSING_EVERY // 2


@lru_cache(maxsize=16)
def _chunk_tables(seed: int, first: int) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Say of 40 chunks whether a street crosses, and whether their sides (40, 2) are green."""
    numbers = range(first, first + 40)
    green = [[zone_at(seed, number, side) != CITY for side in (-1, 1)] for number in numbers]
    return np.array([is_crossing(number) for number in numbers]), np.array(green)


@dataclass(frozen=True)
class Ground:
    """What lies at places on the ground, all (P,)."""

    u: NDArray[np.float32]
    """Relative to the start of ``first_chunk``."""
    n: NDArray[np.float32]
    label: NDArray[np.uint8]
    crossing: NDArray[np.bool_]
    """In the chunk of a side street."""
    local_u: NDArray[np.float32]
    """From the start of the place's chunk."""


def ground_at(road: Road, u: NDArray[np.float32], n: NDArray[np.float32], near_u: float) -> Ground:
    """Classify the ground.

    Args:
        road: Whose ground.
        u: (P,) relative to ``near_u``.
        n: (P,)
        near_u: Origin of u.
    """
    first_chunk = int(near_u // CHUNK_M) - 4
    u = u + np.float32(near_u - first_chunk * CHUNK_M)
    number = np.floor(u * np.float32(1 / CHUNK_M))
    chunk = np.clip(number, 0, 39).astype(np.int64)
    local_u = u - number * np.float32(CHUNK_M)
    is_crossed, green = _chunk_tables(road.seed, first_chunk)
    crossing = is_crossed[chunk]
    width = np.abs(n)
    planted = green[chunk, (n > 0).astype(np.int64)]
    label = np.full(n.shape, ROAD_ID, np.uint8)
    label[width > KERB_M] = SIDEWALK_ID
    verge = (width > KERB_M + 0.3) & (width < KERB_M + 1.2)
    label[planted & ~crossing & (verge | (width > WALK_EDGE_M))] = TERRAIN_ID
    start, end = SIDE_STREET_M
    label[crossing & (local_u > start) & (local_u < end)] = ROAD_ID
    return Ground(u, n, label, crossing, local_u)


GROUND_TILE_M = 4.0
GROUND_MATERIAL = np.zeros(256, np.int64)
GROUND_MATERIAL[[ROAD_ID, SIDEWALK_ID, TERRAIN_ID]] = [
    MATERIALS[name] for name in ("asphalt", "slabs", "grass")
]


def paint_coverage(
    ground: Ground, footprint_u: NDArray[np.float32], footprint_n: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Return the share of each place that is white paint, prefiltered over its footprint in m."""
    n, local_u, crossing = ground.n, ground.local_u, ground.crossing

    def band(
        offset: NDArray[np.float32], half: float, footprint: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        edge = np.clip((half - np.abs(offset)) / footprint + 0.5, 0, 1)
        return edge * np.minimum(1, 2 * half / footprint)

    centre = band(n, 0.07, footprint_n) * band((local_u % 8) - 4, 1.6, footprint_u)
    edge = band(np.abs(n) - LANE_EDGE_M, 0.06, footprint_n)
    stripes = band((n % 1.1) - 0.55, 0.28, footprint_n) * (np.abs(n) < KERB_M - 0.2)
    zebra = stripes * band(local_u - 2.0, 1.3, footprint_u)
    stop = band(local_u - 0.2, 0.2, footprint_u) * (n < 0) * (n > -LANE_EDGE_M)
    return np.where(crossing, np.maximum(zebra, stop), np.maximum(centre, edge))
