"""How an object of an edit moves: its numbers drawn, its pose computed at every frame."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import PchipInterpolator

from svsdata.editing.language import Edit, Span
from svsdata.editing.placement import Poses, RoadPath


@dataclass(frozen=True)
class Trajectory:
    """The way of one object over all frames."""

    poses: Poses
    """(N, 3) plan frame."""
    travelled_m: NDArray[np.float64]
    """(N,) signed way from its first moment."""
    exists: NDArray[np.bool_]
    """(N,)."""


def drawn(span: Span, rng: np.random.Generator) -> float:
    """Draw a number of a span; always takes one draw, so that others do not move."""
    return float(rng.uniform(span[0], span[1]) if span[0] < span[1] else (rng.random(), span[0])[1])


def trajectory(
    edit: Edit,
    start_frame: int,
    path: RoadPath,
    *,
    fps: float,
    come_into_view_m: float,
    rng: np.random.Generator,
) -> Trajectory:
    """Draw an edit's numbers and compute its way.

    Args:
        edit: Which adds something.
        start_frame: Its first moment.
        path: The road.
        fps: Frames per second.
        come_into_view_m: Distance ahead for places that say none.
        rng: Draws the spans, always in the same order.
    """
    seconds = (np.arange(len(path.at_frame_m)) - start_frame) / fps
    if edit.motion.model == "beside_ego":
        return _beside_ego(edit, seconds, path, rng)
    assert edit.at is not None
    ahead_m = come_into_view_m if edit.at.ahead_m is None else drawn(edit.at.ahead_m, rng)
    left_m, speed = drawn(edit.at.left_m, rng), drawn(edit.motion.speed_mps, rng)
    along = path.at_frame_m[start_frame] + ahead_m
    still = np.zeros_like(seconds)
    if edit.motion.model == "cross":
        poses = path.poses(along + still, left_m + speed * seconds)
        poses[:, 2] += np.copysign(np.pi / 2, speed)
        return Trajectory(poses, np.abs(speed) * seconds, np.ones(len(seconds), bool))
    speed = 0.0 if edit.motion.model == "static" else speed
    poses = path.poses(along + speed * seconds, left_m + still)
    poses[:, 2] += np.pi if speed < 0 else 0.0
    return Trajectory(poses, np.abs(speed) * seconds, np.ones(len(seconds), bool))


def _beside_ego(
    edit: Edit, seconds: NDArray[np.float64], path: RoadPath, rng: np.random.Generator
) -> Trajectory:
    points = [
        (point.s, drawn(point.ahead_m, rng), drawn(point.left_m, rng))
        for point in edit.motion.waypoints
    ]
    times, ahead, left = np.array(points).T
    at = np.clip(seconds, times[0], times[-1])
    along = path.at_frame_m + PchipInterpolator(times, ahead)(at)
    offset = PchipInterpolator(times, left)(at)
    poses = path.poses(along, offset)
    # The body turns towards where it goes when it changes lanes.
    forward = np.gradient(along) if len(along) > 1 else np.ones(1)
    sideways = np.gradient(offset) if len(along) > 1 else np.zeros(1)
    poses[:, 2] += np.arctan2(sideways, np.maximum(np.abs(forward), 0.3))
    return Trajectory(poses, along - along[0], seconds >= times[0])
