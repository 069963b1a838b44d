"""What planning knows of a sequence: the vehicle's way, the ids in use, objects and ground seen."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields

import numpy as np
from numpy.typing import NDArray

from svsdata.editing.feet import Feet, feet_in
from svsdata.editing.ground_labels import GroundLabels, GroundScan
from svsdata.editing.occlusion import Layer, layers_of
from svsdata.editing.things import Things, things_in
from svsdata.errors import EditPlanError
from svsdata.geometry.camera import assumed_camera, ground_points
from svsdata.geometry.ego_motion import clean_ego_motions, estimate_ego_motion
from svsdata.geometry.pitch import pitch_of_steps, pitch_step
from svsdata.labels import LabelSet
from svsdata.records import Camera, EgoMotion, Frame

_SIGHTED_WITHIN_M = 60.0


@dataclass(frozen=True)
class Sighting:
    """Where an object of the base stood on the ground at one frame."""

    frame_index: int
    instance_id: int
    x_m: float
    y_m: float
    """Its foot's place in the vehicle frame, on the side that is seen."""
    box: tuple[int, int, int, int] = (0, 0, 0, 0)
    """Columns and rows around it: x0, y0, x1, y1, ends excluded."""


@dataclass(frozen=True)
class Sightings:
    """All sightings of a sequence in order of time, as columns; all arrays are (M,) or (M, 4)."""

    frame: NDArray[np.int64]
    instance_id: NDArray[np.int64]
    x_m: NDArray[np.float64]
    y_m: NDArray[np.float64]
    box: NDArray[np.int64]

    @classmethod
    def of(cls, sightings: Sequence[Sighting]) -> "Sightings":
        """Turn records into columns."""
        return cls(
            np.array([s.frame_index for s in sightings], np.int64),
            np.array([s.instance_id for s in sightings], np.int64),
            np.array([s.x_m for s in sightings], np.float64),
            np.array([s.y_m for s in sightings], np.float64),
            np.array([s.box for s in sightings], np.int64).reshape(-1, 4),
        )

    @classmethod
    def joined(cls, parts: Sequence["Sightings"]) -> "Sightings":
        """Put the sightings of several frames behind one another."""
        if not parts:
            return cls.of(())
        return cls(*(np.concatenate([getattr(p, f.name) for p in parts]) for f in fields(cls)))

    def at(self, chosen: NDArray[np.bool_]) -> "Sightings":
        """Return those that are chosen."""
        return Sightings(*(getattr(self, f.name)[chosen] for f in fields(self)))

    def __len__(self) -> int:
        return len(self.frame)


@dataclass(frozen=True)
class Scene:
    """A sequence as the planner sees it."""

    sequence_id: str
    label_set: LabelSet
    fps: float
    num_frames: int
    camera: Camera
    motions: tuple[EgoMotion, ...]
    """One a frame."""
    used_ids: frozenset[int]
    """Instance ids that were seen."""
    knows_all_ids: bool
    """Every frame's ids are among ``used_ids``."""
    sightings: Sightings
    lifetimes: Mapping[int, tuple[int, int]] = field(default_factory=dict)
    """First and last frame in which each of ``used_ids`` was seen."""
    ground: GroundLabels = field(default_factory=GroundLabels.unknown)
    feet: Feet = field(default_factory=Feet.none)
    """Of all things, also of those too far away to be sighted."""
    pitch_rad: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))
    """(N,) how much lower than at rest the camera looks at every frame; empty: it never nods."""
    base_hash: str = ""
    """Of what the plan is made on; checked by whoever can compute it again."""


def scan_scene(
    frames: Iterable[Frame],
    *,
    sequence_id: str,
    label_set: LabelSet,
    fps: float,
    base_hash: str = "",
) -> Scene:
    """Read a sequence once, in memory that grows by some kilobytes a frame.

    Args:
        frames: In order from frame 0. Maps may be left out of most of them (ids that were not
            seen are then avoided by a reserved range), ego motion of none. Where a frame has
            none it is estimated from its flow, and assumed standing without. Flow also tells how
            the camera nods.
        sequence_id: Of the sequence.
        label_set: Of its maps.
        fps: Frames per second.
        base_hash: Of the sequence's content.

    Raises:
        EditPlanError: If there is no frame, or none with a semantic or an instance map.
    """
    camera: Camera | None = None
    motions: list[EgoMotion] = []
    lifetimes: dict[int, tuple[int, int]] = {}
    sightings: list[Sightings] = []
    feet: list[Feet] = []
    is_flat = layers_of(label_set) == Layer.FLAT
    ground: GroundScan | None = None
    steps: list[float] = []
    num_maps = 0
    for frame in frames:
        if frame.semantic is not None and camera is None:
            camera = frame.camera or assumed_camera(_size_hw(frame))
            ground = GroundScan(camera, label_set)
        motions.append(_motion_of(frame, camera, label_set, fps))
        if ground is not None:
            ground.add(frame, motions[-1].speed_mps / fps)
        if camera is not None and frame.flow is not None:
            steps += [0.0] * (len(motions) - 1 - len(steps))
            steps.append(pitch_step(frame.flow, frame.flow_validity, camera))
        if camera is not None and frame.instance is not None:
            num_maps += 1
            things = things_in(frame.instance)
            for one in things.present.tolist():
                lifetimes[one] = (lifetimes.get(one, (frame.frame_index,))[0], frame.frame_index)
            sightings.append(_sightings(frame.frame_index, things, camera))
            if frame.semantic is not None:
                feet.append(feet_in(frame, things, is_flat))
    if camera is None or ground is None:
        raise EditPlanError(f"sequence '{sequence_id}' has no semantic map to edit; label it first")
    if not num_maps:
        raise EditPlanError(
            f"sequence '{sequence_id}' has no instance maps, which edits need; label it with both, "
            "as with --semantic maps/ --instance objects/"
        )
    return Scene(
        sequence_id=sequence_id,
        label_set=label_set,
        fps=fps,
        num_frames=len(motions),
        camera=camera,
        motions=tuple(clean_ego_motions(motions)),
        used_ids=frozenset(lifetimes),
        lifetimes=lifetimes,
        knows_all_ids=num_maps == len(motions),
        sightings=Sightings.joined(sightings),
        ground=ground.labels(),
        feet=Feet.joined(feet),
        pitch_rad=_pitch(steps, len(motions)),
        base_hash=base_hash,
    )


def _pitch(steps: list[float], num_frames: int) -> NDArray[np.float64]:
    """(N,) pitch at every frame, to a microradian; empty where no frame has flow."""
    if not steps:
        return np.zeros(0)
    padded = np.array(steps + [0.0] * (num_frames - len(steps)))
    return np.round(pitch_of_steps(padded), 6)


def _size_hw(frame: Frame) -> tuple[int, int]:
    assert frame.semantic is not None
    height, width = frame.semantic.shape
    return height, width


def _motion_of(frame: Frame, camera: Camera | None, label_set: LabelSet, fps: float) -> EgoMotion:
    if frame.ego is not None:
        return frame.ego
    if frame.flow is None or frame.semantic is None or camera is None:
        return EgoMotion(0.0, 0.0, "assumed")
    road = (frame.semantic == label_set.label("road").id).astype(np.uint8)
    return estimate_ego_motion(frame.flow, road, camera, fps)


def _sightings(frame_index: int, things: Things, camera: Camera) -> Sightings:
    """Ground places of all things near enough to place them by their foot."""
    x, y, depth = ground_points(camera, things.foot + np.array([0.0, 0.5])).T
    frames = np.full(len(things.instance_id), frame_index)
    found = Sightings(frames, things.instance_id, x, y, things.box)
    return found.at(depth < _SIGHTED_WITHIN_M)  # NaN, a foot above the horizon, is not
