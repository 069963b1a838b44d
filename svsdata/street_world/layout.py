"""What stands still along the road, chunk by chunk: houses, gardens, trees, poles, signs."""

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from svsdata.labels import CITYSCAPES
from svsdata.randomness import generator
from svsdata.street_world.mesh import Color, Face, Mesh, frustum, mesh_of
from svsdata.street_world.road import (
    CHUNK_M,
    CITY,
    KERB_M,
    RESIDENTIAL,
    SIDE_STREET_M,
    WALK_EDGE_M,
    Road,
    is_crossing,
    zone_at,
)

BUILDING, WALL, FENCE, POLE, SIGNAL, SIGN, VEGETATION = (
    CITYSCAPES.by_name[name].id
    for name in (
        "building", "wall", "fence", "pole", "traffic light", "traffic sign", "vegetation"
    )
)  # fmt: skip
WALL_COLORS: tuple[Color, ...] = (
    (0.93, 0.86, 0.7), (0.86, 0.68, 0.54), (0.78, 0.8, 0.83), (0.97, 0.94, 0.88),
    (0.72, 0.5, 0.42), (0.82, 0.84, 0.72), (0.94, 0.78, 0.62), (0.68, 0.72, 0.78),
)  # fmt: skip
SHOP_COLORS: tuple[Color, ...] = (
    (0.7, 0.2, 0.18), (0.2, 0.36, 0.58), (0.2, 0.45, 0.32), (0.85, 0.66, 0.24), (0.4, 0.36, 0.36)
)  # fmt: skip
ROOF_COLORS: tuple[Color, ...] = ((0.8, 0.42, 0.34), (0.55, 0.5, 0.5), (0.66, 0.36, 0.3))
GREY: Color = (0.5, 0.52, 0.54)


class Chunk:
    """Collects the faces of one chunk of road, one side at a time."""

    def __init__(self, road: Road, number: int) -> None:
        self.road = road
        self.start = number * CHUNK_M
        self.faces: list[Face] = []
        self.ranks: list[float] = []

    def add(self, faces: list[Face], rank: float) -> None:
        """Add faces at a place in the painting order."""
        self.faces += faces
        self.ranks += [rank] * len(faces)

    def wall(
        self, ends: NDArray[np.float64], z: tuple[float, float], rank: float, **look: object
    ) -> None:
        """Add an upright face; ``ends`` (2, 2) are the viewer's left and right road coordinates."""
        left, right = self.road.points(ends[:, 0], ends[:, 1])
        corners = np.array([[*left, z[0]], [*right, z[0]], [*right, z[1]], [*left, z[1]]])
        self.add([Face(corners, **look)], rank)  # type: ignore[arg-type]

    def block(
        self,
        along: tuple[float, float],
        across: tuple[float, float],
        z: tuple[float, float],
        **look: object,
    ) -> None:
        """Add a block's street side and both ends; ``across`` runs away from the road."""
        (u0, u1), (near, far) = along, across
        street = [(u0, near), (u1, near)] if near > 0 else [(u1, near), (u0, near)]
        left, right = max(near, far), min(near, far)
        rank = u1 + 0.01 * abs(near)
        for ends in (street, [(u0, left), (u0, right)], [(u1, right), (u1, left)]):
            self.wall(np.array(ends), z, rank, **look)

    def upright(self, u: float, n: float, faces: list[Face]) -> None:
        """Add an object's faces, given in coordinates that look along the road."""
        pose = self.road.pose(u, n)
        for f in faces:
            corners = f.corners @ pose[:3, :3].T + pose[:3, 3]
            moved = Face(corners, f.material, f.label, f.tint, f.tile_m, f.mirrored, f.two_sided)
            self.add([moved], u)


def chunk_mesh(road: Road, number: int) -> Mesh:
    """Build everything that stands in a chunk; a pure function of the road's seed and number."""
    chunk = Chunk(road, number)
    for side in (-1, 1):
        rng = generator(road.seed, "chunk", number, side)
        zone = zone_at(road.seed, number, side)
        spans = [(0.0, CHUNK_M)]
        if is_crossing(number):
            spans = [(0.0, SIDE_STREET_M[0] - 2.0), (SIDE_STREET_M[1] + 2.0, CHUNK_M)]
            _crossing(chunk, side)
        for start, end in spans:
            along = (chunk.start + start, chunk.start + end)
            if zone == CITY:
                _houses(chunk, side, along, rng)
            elif zone == RESIDENTIAL:
                _garden(chunk, side, along, rng)
            else:
                _park(chunk, side, along, rng)
        if zone != CITY or is_crossing(number):
            _backdrop(chunk, side, rng)
        if not is_crossing(number):
            _verge(chunk, side, zone, rng)
    return mesh_of(chunk.faces, chunk.ranks)


def _pick(rng: Generator, colors: tuple[Color, ...]) -> Color:
    return colors[int(rng.integers(len(colors)))]


def _houses(chunk: Chunk, side: int, along: tuple[float, float], rng: Generator) -> None:
    """A closed row of town houses at the sidewalk's edge."""
    middle = (along[0] + along[1]) / 2 + rng.uniform(-1.5, 1.5)
    parts = [(along[0], middle), (middle, along[1])] if along[1] - along[0] > 8 else [along]
    for u0, u1 in parts:
        bays = max(round((u1 - u0) / 2.9), 1)
        top = 3.9 + 3.05 * int(rng.integers(2, 6))
        color, tile = _pick(rng, WALL_COLORS), ((u1 - u0) / bays, 3.05)
        ground = "shop" if rng.random() < 0.45 else "entrance"
        ground_color = _pick(rng, SHOP_COLORS) if ground == "shop" else color
        across = (side * WALK_EDGE_M, side * (WALK_EDGE_M + 10))
        bay = (u1 - u0) / max(round((u1 - u0) / 4.2), 1)
        chunk.block(along=(u0, u1), across=across, z=(0.0, 3.9), material=ground, label=BUILDING,
                    tint=ground_color, tile_m=(bay, 3.9))  # fmt: skip
        chunk.block(along=(u0, u1), across=across, z=(3.9, top), material=f"facade{rng.integers(6)}",
                    label=BUILDING, tint=color, tile_m=tile)  # fmt: skip
        _roof(chunk, (u0, u1), (across[0], across[0] + side * 5), (top, top + 2.6), rng)


def _roof(
    chunk: Chunk,
    along: tuple[float, float],
    across: tuple[float, float],
    z: tuple[float, float],
    rng: Generator,
) -> None:
    """The slope towards the street and the gables."""
    (u0, u1), (eaves, ridge) = along, across
    order = (u0, u1) if eaves > 0 else (u1, u0)
    low, high = chunk.road.points(np.array(order), eaves), chunk.road.points(np.array(order), ridge)
    color = _pick(rng, ROOF_COLORS)
    corners = [[*low[0], z[0]], [*low[1], z[0]], [*high[1], z[1]], [*high[0], z[1]]]
    faces = [Face(np.array(corners), "roof", BUILDING, color, (2.0, 2.0))]
    for u in along:
        base = chunk.road.points(u, np.array([eaves, 2 * ridge - eaves, ridge]))
        gable = [[*base[0], z[0]], [*base[1], z[0]], [*base[2], z[1]]]
        faces.append(Face(np.array(gable), "plain", BUILDING, color, two_sided=True))
    chunk.add(faces, u1 + 0.01 * abs(eaves))


def _garden(chunk: Chunk, side: int, along: tuple[float, float], rng: Generator) -> None:
    """A hedge, fence or wall at the sidewalk, and a house with a pitched roof behind it."""
    (u0, u1), near = along, side * (WALK_EDGE_M + 0.4)
    border = int(rng.integers(4))
    height = (1.3, 1.15, 1.0, 1.8)[border]
    material, label, tint, tile = (
        ("hedge", VEGETATION, (1.0, 1.0, 1.0), (2.0, 2.0)),
        ("planks", FENCE, (0.78, 0.62, 0.46), (1.6, height)),
        ("stone", WALL, (0.85, 0.8, 0.74), (2.4, 2.0)),
        ("hedge", VEGETATION, (0.9, 1.05, 0.85), (2.4, 2.4)),
    )[border]
    chunk.block(along=along, across=(near, near + side * 0.5), z=(0.0, height), material=material,
                label=label, tint=tint, tile_m=tile)  # fmt: skip
    if u1 - u0 < 8:
        return
    house = (u0 + rng.uniform(1, 2.5), u1 - rng.uniform(1, 2.5))
    across = (side * (WALK_EDGE_M + 5), side * (WALK_EDGE_M + 15))
    eaves = 3.05 * int(rng.integers(1, 3)) + 1.2
    color = _pick(rng, WALL_COLORS)
    chunk.block(along=house, across=across, z=(0.0, eaves), material=f"facade{rng.integers(5)}",
                label=BUILDING, tint=color, tile_m=((house[1] - house[0]) / 4, eaves / max(1, round(eaves / 3))))  # fmt: skip
    _roof(chunk, house, (across[0], across[0] + side * 5), (eaves, eaves + 3.6), rng)
    _tree(chunk, u0 + rng.uniform(0.5, 1.5), side * (WALK_EDGE_M + 3), rng)


def _park(chunk: Chunk, side: int, along: tuple[float, float], rng: Generator) -> None:
    """Grass with trees, sometimes behind a low wall."""
    if rng.random() < 0.35:
        near = side * (WALK_EDGE_M + 0.3)
        chunk.block(along=along, across=(near, near + side * 0.4), z=(0.0, 0.9), material="stone",
                    label=WALL, tint=(0.8, 0.78, 0.74), tile_m=(2.4, 2.0))  # fmt: skip
    for u in np.arange(along[0] + 1, along[1] - 1, 5.5):
        _tree(chunk, u + rng.uniform(0, 3), side * rng.uniform(WALK_EDGE_M + 3, 19), rng)


def _backdrop(chunk: Chunk, side: int, rng: Generator) -> None:
    """Trees and houses of the next street, which close the view."""
    along = (chunk.start, chunk.start + CHUNK_M)
    chunk.block(along=along, across=(side * 27.0, side * 30.0), z=(0.0, rng.uniform(5, 8)),
                material="leaves", label=VEGETATION, tint=(0.8, 0.86, 0.8), tile_m=(5.0, 5.0))  # fmt: skip
    if rng.random() < 0.6:
        chunk.block(along=along, across=(side * 31.0, side * 33.0), z=(0.0, rng.uniform(9, 15)),
                    material="facade0", label=BUILDING, tint=_pick(rng, WALL_COLORS), tile_m=(2.67, 3.0))  # fmt: skip


def _verge(chunk: Chunk, side: int, zone: int, rng: Generator) -> None:
    """Street trees, lamp posts and signs between kerb and sidewalk."""
    inner = side * (KERB_M + 0.75)
    if zone != CITY or rng.random() < 0.4:
        _tree(chunk, chunk.start + rng.uniform(3, 7), inner, rng)
    if round(chunk.start / CHUNK_M) % 2 == (side > 0):
        u = chunk.start + 11.0
        chunk.upright(u, inner, _pole(7.2, 0.08))
        arm = frustum((-0.05, 0.05, 0.9, 7.1), (-0.05, 0.05, 0.9, 7.22), POLE, tint=GREY)
        chunk.upright(u, inner - side * 0.9, arm)
    if rng.random() < 0.4:
        u, kind = chunk.start + rng.uniform(8, 10), int(rng.integers(4))
        chunk.upright(u, inner, _pole(2.9, 0.035))
        chunk.upright(u, inner, _sign(kind, side))


def _pole(height: float, half: float) -> list[Face]:
    return frustum(
        (-half, half, half, 0.0), (-half * 0.7, half * 0.7, half * 0.7, height), POLE, tint=GREY
    )


def _sign(kind: int, side: int) -> list[Face]:
    """A traffic sign that looks at the traffic of its side."""
    corners = (24, 4, 8, 4)[kind]
    turned = np.pi / corners if kind != 3 else 0.0
    angles = -np.pi / 2 - turned + np.linspace(0, 2 * np.pi, corners, endpoint=False)
    radius = 0.42 if corners > 4 else 0.5
    looks = 1 if side < 0 else -1
    points = np.stack(
        [
            np.full(corners, -0.06 * looks),
            -looks * radius * np.cos(angles),
            2.6 + radius * np.sin(angles),
        ],
        axis=1,
    )
    front = Face(points, f"sign{kind}", SIGN)
    back = Face(points[::-1] + np.array([0.02 * looks, 0, 0]), "plain", SIGN, GREY)
    return [front, back]


def _crossing(chunk: Chunk, side: int) -> None:
    """The traffic light of one side: the right one faces the ego car."""
    u = chunk.start + (0.4 if side < 0 else SIDE_STREET_M[1] + 2.4)
    n = side * (KERB_M + 0.5)
    chunk.upright(u, n, _pole(3.5, 0.06))
    looks = {"rear": "signal"} if side < 0 else {"front": "signal"}
    shift = -0.14 if side < 0 else 0.14
    box = frustum(
        (shift - 0.12, shift + 0.12, 0.18, 2.5), (shift - 0.12, shift + 0.12, 0.18, 3.5), SIGNAL,
        materials=looks, tint=(0.16, 0.17, 0.18),
    )  # fmt: skip
    chunk.upright(u, n, box)


def _tree(chunk: Chunk, u: float, n: float, rng: Generator) -> None:
    """A trunk and a crown of four ragged slices of a ball, which show parallax."""
    radius, trunk = rng.uniform(1.5, 2.3), rng.uniform(2.2, 2.9)
    stem = frustum((-0.14, 0.14, 0.14, 0.0), (-0.1, 0.1, 0.1, trunk + 1), VEGETATION,
                   materials=dict.fromkeys(("rear", "front", "left", "right"), "bark"))  # fmt: skip
    faces = [Face(f.corners, f.material, f.label, (1, 1, 1), (0.6, 0.6)) for f in stem]
    hue = rng.uniform(0.85, 1.15)
    middle = trunk + 0.8 * radius
    for depth in (0.75, 0.3, -0.25, -0.7):
        size = radius * np.sqrt(1 - depth**2)
        angles = np.linspace(0, 2 * np.pi, 26, endpoint=False) - np.pi / 2
        rim = size * (1 + 0.16 * rng.standard_normal(26).clip(-1.2, 1.2))
        rim[:2] = rim[:2].mean()
        points = np.stack(
            [
                np.full(26, depth * radius),
                -rim * np.cos(angles),
                middle + 1.1 * rim * np.sin(angles),
            ],
            axis=1,
        )
        light = 0.92 - 0.22 * depth
        tint = (hue * light, light, 0.85 * light)
        faces.append(Face(points, "leaves", VEGETATION, tint, (2.6, 2.6), two_sided=True))
    chunk.upright(u, n, faces)
