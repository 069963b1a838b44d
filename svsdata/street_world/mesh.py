"""Solids as flat faces: corners, texture frame, class and owner of each, in arrays."""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
from numpy.typing import NDArray

from svsdata.records import INSTANCE_BASE
from svsdata.street_world.appearance import MATERIALS

Color = tuple[float, float, float]


@dataclass(frozen=True)
class Face:
    """One flat polygon before it joins a mesh."""

    corners: NDArray[np.float64]
    """(n, 3) metres, counter-clockwise seen from outside; the texture's s runs along the first
    edge, t upwards in the plane."""
    material: str
    label: int
    tint: Color | None = (1.0, 1.0, 1.0)
    """Colour of the material's painted parts; None takes the colour of the object."""
    tile_m: tuple[float, float] | None = None
    """Metres per tile along s and t; None stretches one tile over the face."""
    mirrored: bool = False
    two_sided: bool = False


@dataclass(frozen=True)
class Mesh:
    """Faces in arrays; F faces with V corners in all."""

    corners: NDArray[np.float64]
    """(V, 3)"""
    counts: NDArray[np.int64]
    """(F,) corners of each face."""
    origin: NDArray[np.float64]
    """(F, 3) where the texture coordinates are 0."""
    s_axis: NDArray[np.float64]
    """(F, 3) gradient of s, in tiles per metre."""
    t_axis: NDArray[np.float64]
    normal: NDArray[np.float64]
    """(F, 3) outward unit normals."""
    material: NDArray[np.int64]
    tint: NDArray[np.float32]
    """(F, 3), NaN where the object's colour goes."""
    two_sided: NDArray[np.bool_]
    label: NDArray[np.uint8]
    instance: NDArray[np.uint16]
    body: NDArray[np.int64]
    """(F,) row of the frame's rigid motions; 0 stands still."""
    rank: NDArray[np.float64]
    """(F,) place along the road: greater is painted earlier."""


def mesh_of(faces: Sequence[Face], ranks: Sequence[float] | None = None) -> Mesh:
    """Gather faces; ``ranks`` default to 0."""
    origin, s_axis, t_axis, normal = _texture_frames(faces)
    labels = np.array([face.label for face in faces], np.uint8)
    count = len(faces)
    blank = (np.nan, np.nan, np.nan)
    return Mesh(
        corners=np.concatenate([face.corners for face in faces]),
        counts=np.array([len(face.corners) for face in faces]),
        origin=origin,
        s_axis=s_axis,
        t_axis=t_axis,
        normal=normal,
        material=np.array([MATERIALS[face.material] for face in faces]),
        tint=np.array([face.tint or blank for face in faces], np.float32),
        two_sided=np.array([face.two_sided for face in faces]),
        label=labels,
        instance=labels.astype(np.uint16),
        body=np.zeros(count, np.int64),
        rank=np.zeros(count) if ranks is None else np.array(ranks),
    )


def _texture_frames(faces: Sequence[Face]) -> tuple[NDArray[np.float64], ...]:
    """Return origins, s and t axes and normals, (F, 3) each; faces of as many corners at once."""
    counts = np.array([len(face.corners) for face in faces])
    frames = np.empty((4, len(faces), 3))
    for count in np.unique(counts):
        alike = np.flatnonzero(counts == count)
        frames[:, alike] = _frames_of([faces[index] for index in alike.tolist()])
    return tuple(frames)


def _frames_of(faces: Sequence[Face]) -> NDArray[np.float64]:
    """(4, N, 3) of faces of as many corners."""
    corners = np.stack([face.corners for face in faces])
    first = corners[:, 0]
    along = _unit(corners[:, 1] - first)
    normal = _unit(np.cross(along, corners[:, -1] - first))
    upward = np.cross(normal, along)
    along[[face.mirrored for face in faces]] *= -1
    places = (corners - first[:, None]) @ np.stack([along, upward], axis=2)
    low, high = places.min(axis=1), places.max(axis=1)
    # The outermost hundredth stays out, so that the tile does not wrap at the face's border.
    extent = (high - low) / 0.98
    stretched = np.array([face.tile_m is None for face in faces])
    low[stretched] -= 0.01 * extent[stretched]
    extent[~stretched] = np.reshape([face.tile_m for face in faces if face.tile_m], (-1, 2))
    origin = first + low[:, :1] * along + low[:, 1:] * upward
    return np.stack([origin, along / extent[:, :1], upward / extent[:, 1:], normal])


def _unit(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True))


def joined(meshes: Sequence[Mesh]) -> Mesh:
    """Concatenate meshes."""
    return Mesh(
        **{f.name: np.concatenate([getattr(mesh, f.name) for mesh in meshes]) for f in fields(Mesh)}
    )


def placed(
    meshes: Sequence[Mesh],
    poses: NDArray[np.float64],
    *,
    colors: NDArray[np.float32],
    indices: NDArray[np.uint16],
    bodies: NDArray[np.int64],
    ranks: NDArray[np.float64],
) -> Mesh:
    """Put objects into the world as one mesh.

    Args:
        meshes: N, in object coordinates.
        poses: (N, 4, 4) world_T_object.
        colors: (N, 3) RGB of the painted parts, 1 = white.
        indices: (N,) of their instance ids, within their classes.
        bodies: (N,) rows of their motions.
        ranks: (N,) places along the road.
    """
    mesh = joined(meshes)
    of_face = np.repeat(np.arange(len(meshes)), [len(m.label) for m in meshes])
    of_corner = np.repeat(of_face, mesh.counts)
    turn, shift = poses[of_face, :3, :3], poses[of_face, :3, 3]

    def turned(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
        return (turn @ vectors[:, :, None])[..., 0]

    return replace(
        mesh,
        corners=(poses[of_corner, :3, :3] @ mesh.corners[:, :, None])[..., 0]
        + poses[of_corner, :3, 3],
        origin=turned(mesh.origin) + shift,
        s_axis=turned(mesh.s_axis),
        t_axis=turned(mesh.t_axis),
        normal=turned(mesh.normal),
        tint=np.where(np.isnan(mesh.tint), colors[of_face], mesh.tint),
        instance=mesh.label.astype(np.uint16) * np.uint16(INSTANCE_BASE) + indices[of_face],
        body=bodies[of_face],
        rank=ranks[of_face],
    )


def frustum(
    bottom: tuple[float, float, float, float],
    top: tuple[float, float, float, float],
    label: int,
    *,
    materials: dict[str, str] | None = None,
    tint: Color | None = None,
) -> list[Face]:
    """Return the five visible faces of a box whose upper rectangle may differ.

    Args:
        bottom: Back x, front x, half width and z of the lower rectangle.
        top: The same of the upper one.
        label: Class of the faces.
        materials: Material by face (rear, front, left, right, top); "plain" where none is named.
        tint: Colour of the painted parts.
    """
    (x0, x1, w0, z0), (a0, a1, w1, z1) = bottom, top
    named = {"left": "plain", "right": "plain", **(materials or {})}
    corners = {
        "rear": [(x0, w0, z0), (x0, -w0, z0), (a0, -w1, z1), (a0, w1, z1)],
        "front": [(x1, -w0, z0), (x1, w0, z0), (a1, w1, z1), (a1, -w1, z1)],
        "left": [(x1, w0, z0), (x0, w0, z0), (a0, w1, z1), (a1, w1, z1)],
        "right": [(x0, -w0, z0), (x1, -w0, z0), (a1, -w1, z1), (a0, -w1, z1)],
        "top": [(a0, w1, z1), (a0, -w1, z1), (a1, -w1, z1), (a1, w1, z1)],
    }
    return [
        Face(
            np.array(points, np.float64),
            named.get(side, "plain"),
            label,
            tint,
            mirrored=side == "left",
        )
        for side, points in corners.items()
    ]


def disc(
    centre: tuple[float, float, float], radius: float, side: int, label: int, material: str
) -> Face:
    """Return a wheel's face in the plane y = const; ``side`` +1 looks to the left, -1 right."""
    angles = -side * np.linspace(0, 2 * np.pi, 12, endpoint=False) - np.pi / 2 - side * np.pi / 12
    points = np.array(centre) + radius * np.stack(
        [np.cos(angles), np.zeros(12), np.sin(angles)], axis=1
    )
    return Face(points, material, label, (1.0, 1.0, 1.0))
