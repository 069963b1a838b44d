"""How an object of an edit moves: its numbers drawn, its pose computed at every frame."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import PchipInterpolator

from svsdata.editing.base_tracks import BaseTrack
from svsdata.editing.language import Edit
from svsdata.editing.placement import Poses, turned
from svsdata.editing.setting import Setting
from svsdata.editing.shapes import ObjectKind
from svsdata.editing.values import Span

# Slower than this an object keeps its heading.
_STANDING_MPS = 0.3


def drawn(span: Span, rng: np.random.Generator) -> float:
    """Draw a number of a span; always takes one draw, so that others do not move."""
    return float(rng.uniform(span[0], span[1]) if span[0] < span[1] else (rng.random(), span[0])[1])


def drawn_size(
    edit: Edit, kind: ObjectKind, rng: np.random.Generator
) -> tuple[float, float, float]:
    """Draw length, width and height, where the edit says none those usual for the class."""
    return (
        drawn(edit.size_m.get("length", kind.length_m), rng),
        drawn(edit.size_m.get("width", kind.width_m), rng),
        drawn(edit.size_m.get("height", kind.height_m), rng),
    )


@dataclass(frozen=True)
class Trajectory:
    """The way of one object."""

    poses: Poses
    """(n, 3) plan frame, one a frame."""
    travelled_m: NDArray[np.float64]
    """(n,) way from its first moment."""
    exists: NDArray[np.bool_]
    """(n,)."""


@dataclass(frozen=True)
class Moment:
    """When an object is at its first place, and the frames that its way is wanted for."""

    start: int
    frames: NDArray[np.int64]
    """(n,) consecutive."""

    def seconds(self, fps: float) -> NDArray[np.float64]:
        """(n,) since the start."""
        return np.asarray((self.frames - self.start) / fps, np.float64)


def trajectory(
    edit: Edit,
    moment: Moment,
    setting: Setting,
    *,
    first_ahead_m: float,
    like: BaseTrack | None,
    rng: np.random.Generator,
) -> Trajectory:
    """Draw an edit's numbers and compute its way.

    Args:
        edit: Which adds something.
        moment: Its first moment and its frames.
        setting: The road.
        first_ahead_m: Where it is at first if its place does not say how far ahead.
        like: Whom it follows, where its motion says so.
        rng: Draws the spans, always in the same order.
    """
    model = edit.motion.model
    if model == "beside_ego":
        return _beside_ego(edit, moment, setting, rng)
    if model == "file":
        return _on_ground(edit, moment, setting, rng)
    ahead_m = first_ahead_m if model != "like" else 0.0
    left_m = 0.0
    if edit.at is not None:
        ahead_m = ahead_m if edit.at.ahead_m is None else drawn(edit.at.ahead_m, rng)
        left_m = drawn(edit.at.across_m, rng)
    if like is not None:
        return _like(like, moment, setting, ahead_m, left_m)
    speed, turn = drawn(edit.motion.speed_mps, rng), np.deg2rad(drawn(edit.motion.heading_deg, rng))
    return _along_road(model, moment, setting, (ahead_m, left_m), (speed, float(turn)))


def _along_road(
    model: str,
    moment: Moment,
    setting: Setting,
    place: tuple[float, float],
    motion: tuple[float, float],
) -> Trajectory:
    """Stand, go along, straight on from, or straight over the road."""
    path, seconds = setting.path, moment.seconds(setting.scene.fps)
    along = path.at_frame_m[moment.start] + place[0]
    speed, turn = motion
    still, exists = np.zeros_like(seconds), np.ones(len(seconds), bool)
    travelled = np.abs(speed) * seconds
    if model == "cross":
        poses = path.poses(along + still, place[1] + speed * seconds)
        poses[:, 2] += np.copysign(np.pi / 2, speed)
    elif model == "constant":
        poses = path.poses(along + still, place[1] + still)
        poses[:, 2] += turn
        way = np.stack([speed * seconds, still], axis=1)
        poses[:, :2] += turned(way, poses[:, 2])
        poses[:, 2] += np.pi if speed < 0 else 0.0
    else:
        poses = path.poses(along + speed * seconds, place[1] + still)
        poses[:, 2] += turn + (np.pi if speed < 0 else 0.0)
    return Trajectory(poses, travelled, exists)


def _beside_ego(
    edit: Edit, moment: Moment, setting: Setting, rng: np.random.Generator
) -> Trajectory:
    seconds, path = moment.seconds(setting.scene.fps), setting.path
    times, ahead_m, left_m = _waypoints(edit, rng)
    at = np.clip(seconds, times[0], times[-1])
    ahead, offset = PchipInterpolator(times, np.stack([ahead_m, left_m], axis=1))(at).T
    along = path.at_frame_m[moment.frames] + ahead
    poses = path.poses(along, offset)
    # The body turns towards where it goes when it changes lanes.
    forward = np.gradient(along) if len(along) > 1 else np.ones(1)
    sideways = np.gradient(offset) if len(along) > 1 else np.zeros(1)
    poses[:, 2] += np.arctan2(sideways, np.maximum(np.abs(forward), 0.3))
    return Trajectory(poses, along - along[0], seconds >= times[0])


def _on_ground(
    edit: Edit, moment: Moment, setting: Setting, rng: np.random.Generator
) -> Trajectory:
    """Follow waypoints given from the vehicle's place at the first moment."""
    seconds = moment.seconds(setting.scene.fps)
    times, ahead_m, left_m = _waypoints(edit, rng)
    at = np.clip(seconds, times[0], times[-1])
    ways = [PchipInterpolator(times, values) for values in (ahead_m, left_m)]
    pose = setting.ego[moment.start]
    places = np.stack([way(at) for way in ways], axis=1)
    velocity = np.stack([way.derivative()(at) for way in ways], axis=1)
    speed = np.linalg.norm(velocity, axis=1)
    moves = np.flatnonzero(speed > _STANDING_MPS)
    heading = np.zeros(len(at))
    if moves.size:
        known = np.unwrap(np.arctan2(velocity[moves, 1], velocity[moves, 0]))
        heading = np.interp(np.arange(len(at)), moves, known)
    turn = np.full(len(at), pose[2])
    poses = np.column_stack([turned(places, turn) + pose[:2], heading + turn])
    steps = np.linalg.norm(np.diff(places, axis=0, prepend=places[:1]), axis=1)
    exists = (seconds >= times[0]) & (seconds <= times[-1])
    return Trajectory(poses, np.cumsum(steps), exists)


def _waypoints(
    edit: Edit, rng: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    points = [
        (point.s, drawn(point.ahead_m, rng), drawn(point.left_m, rng))
        for point in edit.motion.waypoints
    ]
    times, ahead_m, left_m = np.array(points).T
    return times, ahead_m, left_m


def _like(
    like: BaseTrack, moment: Moment, setting: Setting, ahead_m: float, left_m: float
) -> Trajectory:
    """Go where another object goes, moved along the road and across it."""
    poses = moved(like.at(moment.frames.astype(np.float64), setting.scene.fps), ahead_m, left_m)
    steps = np.linalg.norm(np.diff(poses[:, :2], axis=0, prepend=poses[:1, :2]), axis=1)
    last = like.first_frame + len(like.world) - 1
    exists = like.stands | ((moment.frames >= like.first_frame) & (moment.frames <= last))
    return Trajectory(
        poses, np.cumsum(steps), np.asarray(exists, bool) | np.zeros(len(poses), bool)
    )


def moved(poses: Poses, ahead_m: float, left_m: float) -> Poses:
    """Move (n, 3) poses by metres along and left of their own heading."""
    offset = np.tile([ahead_m, left_m], (len(poses), 1))
    return np.column_stack([poses[:, :2] + turned(offset, poses[:, 2]), poses[:, 2]])
