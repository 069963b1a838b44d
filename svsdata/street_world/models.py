"""Models of actors: solids in object coordinates (x ahead, y left, z up, metres)."""

from functools import cache

import numpy as np

from svsdata.labels import CITYSCAPES
from svsdata.street_world.mesh import Color, Face, Mesh, disc, frustum, mesh_of

PERSON, RIDER, CAR, TRUCK, BUS, MOTORCYCLE, BICYCLE = (
    CITYSCAPES.by_name[name].id
    for name in ("person", "rider", "car", "truck", "bus", "motorcycle", "bicycle")
)
DARK: Color = (0.14, 0.14, 0.15)
STEEL: Color = (0.45, 0.46, 0.48)

CAR_SHAPES = {  # length, width, waist, roof, cabin's lower and upper back and front
    "hatch": (4.1, 1.78, 0.92, 1.46, (-1.95, 0.95), (-1.6, 0.25)),
    "sedan": (4.6, 1.82, 0.92, 1.42, (-1.75, 1.0), (-1.1, 0.3)),
    "suv": (4.6, 1.9, 1.05, 1.72, (-2.2, 1.05), (-2.0, 0.45)),
    "van": (5.2, 1.98, 1.15, 2.1, (-2.55, 1.7), (-2.5, 0.95)),
}
KIND_LENGTH_M = {
    **{kind: shape[0] for kind, shape in CAR_SHAPES.items()},
    "truck": 8.6,
    "bus": 11.8,
    "motorcycle": 2.1,
    "bicycle": 1.8,
    "person": 0.5,
}


def _wheels(places: tuple[float, ...], half_width: float, radius: float, label: int) -> list[Face]:
    return [
        disc((x, side * (half_width + 0.01), radius), radius, side, label, "wheel")
        for x in places
        for side in (-1, 1)
    ]


def _car(kind: str) -> list[Face]:
    length, width, waist, roof, low, high = CAR_SHAPES[kind]
    half, end = width / 2, length / 2
    sides = {"left": "car_side", "right": "car_side"}
    windows = {"left": "car_windows", "right": "car_windows"}
    glass = {"front": "windscreen", "rear": "windscreen"}
    body = frustum(
        (-end, end, half, 0.24),
        (-end + 0.08, end - 0.14, half - 0.03, waist),
        CAR,
        materials={**sides, "front": "car_front", "rear": "car_rear"},
    )
    cabin = frustum(
        (*low, half - 0.06, waist), (*high, half - 0.24, roof), CAR, materials={**windows, **glass}
    )
    return body + cabin + _wheels((-0.31 * length, 0.31 * length), half, 0.33, CAR)


def _truck() -> list[Face]:
    cargo = {"left": "cargo_side", "right": "cargo_side", "rear": "cargo_rear"}
    cab = {"left": "truck_side", "right": "truck_side", "front": "truck_front"}
    return (
        frustum((-4.2, 4.0, 1.0, 0.55), (-4.2, 4.0, 1.0, 0.95), TRUCK, tint=DARK)
        + frustum((-4.3, 2.1, 1.25, 0.95), (-4.3, 2.1, 1.25, 3.5), TRUCK, materials=cargo)
        + frustum((2.3, 4.3, 1.2, 0.5), (2.3, 4.15, 1.15, 2.9), TRUCK, materials=cab)
        + _wheels((-2.9, -1.8, 3.2), 1.2, 0.5, TRUCK)
    )


def _bus() -> list[Face]:
    materials = {
        "left": "bus_side", "right": "bus_side", "front": "bus_front", "rear": "bus_rear"
    }  # fmt: skip
    body = frustum((-5.9, 5.9, 1.27, 0.3), (-5.85, 5.8, 1.22, 3.1), BUS, materials=materials)
    return body + _wheels((-3.4, 3.3), 1.27, 0.48, BUS)


def _two_wheeler(label: int) -> list[Face]:
    is_motorcycle = label == MOTORCYCLE
    radius, base, thick = (0.31, 0.7, 0.07) if is_motorcycle else (0.34, 0.54, 0.02)
    faces: list[Face] = []
    for x in (-base, base):
        faces += frustum(
            (x - radius, x + radius, thick, radius - 0.12),
            (x - radius, x + radius, thick, radius + 0.12),
            label,
            tint=DARK,
        )
        faces += frustum((x - 0.15, x + 0.15, thick, 0.0), (x - 0.15, x + 0.15, thick, 2 * radius),
                         label, tint=DARK)  # fmt: skip
        faces += [disc((x, s * (thick + 0.01), radius), radius, s, label, "wheel") for s in (-1, 1)]
    if is_motorcycle:
        faces += frustum((-0.6, 0.65, 0.16, 0.4), (-0.85, 0.5, 0.2, 0.82), label)
        faces += frustum((0.45, 0.6, 0.34, 0.85), (0.4, 0.55, 0.34, 1.1), label, tint=STEEL)
        faces += frustum(
            (-0.9, -0.8, 0.1, 0.6), (-0.9, -0.8, 0.1, 0.72), label, tint=(0.8, 0.1, 0.1)
        )
    else:
        faces += frustum((-0.5, 0.45, 0.025, 0.52), (-0.35, 0.42, 0.025, 0.74), label)
        faces += frustum((0.4, 0.46, 0.28, 0.92), (0.4, 0.46, 0.28, 0.99), label, tint=DARK)
        faces += frustum((-0.36, -0.12, 0.09, 0.82), (-0.36, -0.12, 0.09, 0.9), label, tint=DARK)
    return faces


SKIN: Color = (0.82, 0.62, 0.5)


def _head(x: float, z: float, label: int, hair: Color) -> list[Face]:
    return (
        frustum((x - 0.06, x + 0.07, 0.055, z - 0.06), (x - 0.09, x + 0.1, 0.075, z + 0.04), label,
                tint=SKIN)
        + frustum((x - 0.09, x + 0.1, 0.075, z + 0.04), (x - 0.1, x + 0.1, 0.085, z + 0.12), label,
                  tint=SKIN)
        + frustum((x - 0.11, x + 0.1, 0.09, z + 0.11), (x - 0.07, x + 0.06, 0.06, z + 0.22), label,
                  tint=hair)
    )  # fmt: skip


def _rider() -> list[Face]:
    faces = frustum((-0.32, -0.02, 0.16, 0.88), (-0.08, 0.16, 0.22, 1.42), RIDER)
    for y in (-0.14, 0.14):
        leg = frustum(
            (-0.02, 0.14, 0.07, 0.3), (-0.2, 0.0, 0.09, 0.92), RIDER, tint=(0.2, 0.22, 0.3)
        )
        arm = frustum((0.32, 0.42, 0.05, 0.98), (0.02, 0.14, 0.06, 1.36), RIDER)
        faces += _shifted(leg, y) + _shifted(arm, 1.6 * y)
    return faces + _head(0.08, 1.52, RIDER, (0.85, 0.85, 0.82))


def _shifted(faces: list[Face], y: float) -> list[Face]:
    return [
        Face(f.corners + np.array([0, y, 0]), f.material, f.label, f.tint, f.tile_m, f.mirrored)
        for f in faces
    ]


def _torso() -> list[Face]:
    faces = frustum((-0.11, 0.11, 0.17, 0.8), (-0.11, 0.12, 0.22, 1.42), PERSON)
    faces += frustum((-0.11, 0.12, 0.22, 1.42), (-0.06, 0.06, 0.08, 1.5), PERSON)
    return faces + _head(0.02, 1.56, PERSON, (0.2, 0.14, 0.1))


def _limb(label: int, *, arm: bool) -> list[Face]:
    """A leg or an arm that hangs from the origin."""
    if arm:
        return frustum((-0.04, 0.05, 0.04, -0.6), (-0.06, 0.06, 0.055, 0.02), label)
    shoe = frustum((-0.08, 0.18, 0.055, -0.86), (-0.08, 0.1, 0.055, -0.76), label, tint=DARK)
    return shoe + frustum((-0.06, 0.07, 0.06, -0.78), (-0.09, 0.09, 0.085, 0.0), label)


@cache
def model(kind: str) -> Mesh:
    """Return the mesh of a kind of actor or of a part of one."""
    builders = {
        **{shape: (lambda shape=shape: _car(shape)) for shape in CAR_SHAPES},
        "truck": _truck,
        "bus": _bus,
        "motorcycle": lambda: _two_wheeler(MOTORCYCLE),
        "bicycle": lambda: _two_wheeler(BICYCLE),
        "rider": _rider,
        "torso": _torso,
        "leg": lambda: _limb(PERSON, arm=False),
        "arm": lambda: _limb(PERSON, arm=True),
    }
    return mesh_of(builders[kind]())
