"""What planning knows of a sequence: the vehicle's way, the ids in use, where objects were seen."""

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from svsdata.editing.occlusion import feet_of_things
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
    sightings: tuple[Sighting, ...]
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
    """Read a sequence once, in flat memory.

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
        EditPlanError: If there is no frame, or none with a semantic map.
    """
    camera: Camera | None = None
    motions: list[EgoMotion] = []
    used_ids: set[int] = set()
    sightings: list[Sighting] = []
    steps: list[float] = []
    num_maps = 0
    for frame in frames:
        if frame.semantic is not None and camera is None:
            camera = frame.camera or assumed_camera(_size_hw(frame))
        motions.append(_motion_of(frame, camera, label_set, fps))
        if camera is not None and frame.flow is not None:
            steps += [0.0] * (len(motions) - 1 - len(steps))
            steps.append(pitch_step(frame.flow, frame.flow_validity, camera))
        if camera is not None and frame.instance is not None:
            num_maps += 1
            ids = np.flatnonzero(np.bincount(frame.instance.ravel()))
            used_ids.update(int(i) for i in ids)
            sightings += _sightings(frame, camera)
    if camera is None:
        raise EditPlanError(f"sequence '{sequence_id}' has no semantic map to edit; label it first")
    return Scene(
        sequence_id=sequence_id,
        label_set=label_set,
        fps=fps,
        num_frames=len(motions),
        camera=camera,
        motions=tuple(clean_ego_motions(motions)),
        used_ids=frozenset(used_ids),
        knows_all_ids=num_maps == len(motions),
        sightings=tuple(sightings),
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


def _sightings(frame: Frame, camera: Camera) -> list[Sighting]:
    """Ground places of all things near enough to place them by their foot."""
    assert frame.instance is not None
    feet = feet_of_things(frame.instance)
    if not feet:
        return []
    places = ground_points(camera, np.array([(column, row + 0.5) for column, row in feet.values()]))
    return [
        Sighting(frame.frame_index, instance_id, float(x), float(y))
        for instance_id, (x, y, depth) in zip(feet, places, strict=True)
        if depth < _SIGHTED_WITHIN_M  # NaN, a foot above the horizon, is not
    ]
