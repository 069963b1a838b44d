"""The ways of the base's own objects on the ground, from where their feet are seen.

A single foot is off by metres far away and jumps when something hides it. So an object is taken to
stand still wherever its feet agree with one place and do not tell a motion, and its way is smoothed
elsewhere by what a vehicle can accelerate.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from svsdata.editing.placement import Poses, RoadPath, turned
from svsdata.editing.scene import Scene, Sightings
from svsdata.editing.shapes import OBJECT_KINDS
from svsdata.editing.smooth_ways import (
    CUT_OFF,
    foot_precision,
    foot_sigma_m,
    smoothed_way,
    steady_velocity,
)
from svsdata.geometry.camera import camera_centre, ground_points
from svsdata.records import INSTANCE_BASE, Camera

_MIN_SIGHTINGS = 3
_STANDS_SHARE, _STANDS_WITHIN_M = 0.85, 3.0
# All feet of a vehicle that drives may lie around one place: then its motion has to be plain.
_DRIVES_MPS, _DRIVES_SIGMAS = 3.0, 2.5
_SLOW_MPS = 1.0
# A vehicle parked this far to the left faces the traffic there.
_ONCOMING_LEFT_M = 2.5
# From the middle of a vehicle to its wheels, as a share of its length.
_WHEEL_SHARE = 0.3


@dataclass(frozen=True)
class BaseTrack:
    """One object of the base over the frames from its first sighting to its last."""

    first_frame: int
    world: Poses
    """(n, 3) plan frame, the middle of its footprint, one a frame."""
    size_m: tuple[float, float, float]
    """Length and width of its class, its height as seen."""
    stands: bool

    def at(self, frames: NDArray[np.floating[Any]], fps: float) -> Poses:
        """Return (m, 3) poses at any frames, also between; beyond its ends it goes on as it was."""
        if self.stands:
            return np.repeat(self.world[:1], len(frames), axis=0)
        step = np.clip(frames - self.first_frame, 0, len(self.world) - 1)
        known = np.arange(len(self.world))
        poses = np.stack([np.interp(step, known, self.world[:, k]) for k in range(3)], axis=1)
        reach = max(1, min(len(self.world) - 1, round(fps)))
        if len(self.world) == 1:
            return poses
        beyond = frames - self.first_frame - step
        start = (self.world[reach, :2] - self.world[0, :2]) / reach
        end = (self.world[-1, :2] - self.world[-1 - reach, :2]) / reach
        poses[:, :2] += beyond[:, None] * np.where(beyond[:, None] < 0, start, end)
        return poses


def base_track(instance_id: int, scene: Scene, ego: Poses, path: RoadPath) -> BaseTrack | None:
    """Estimate the way of an object of the base.

    Returns:
        None where its foot was seen in fewer than three frames.
    """
    seen = scene.sightings.at(scene.sightings.instance_id == instance_id)
    if len(seen) < _MIN_SIGHTINGS:
        return None
    name = scene.label_set.labels[instance_id // INSTANCE_BASE].name
    kind = OBJECT_KINDS.get(name) or OBJECT_KINDS["car"]
    camera = scene.camera
    feet = np.stack([seen.box[:, [0, 2]].mean(axis=1) - 0.5, seen.box[:, 3] - 0.5], axis=1)
    depth = ground_points(camera, feet)[:, 2]
    known = np.isfinite(depth) & (depth > 0)
    if known.sum() < _MIN_SIGHTINGS:
        return None
    seen, depth = seen.at(known), depth[known]
    sigma = foot_sigma_m(depth, camera)
    is_clear = (scene.feet.instance_id == instance_id) & scene.feet.is_seen
    clear = scene.feet.frame[is_clear]
    sigma *= np.where(np.isin(seen.frame, clear), 1.0, CUT_OFF)
    height_px = seen.box[:, 3] - seen.box[:, 1]
    height = _weighted_median(height_px * depth / camera.intrinsics[1, 1], 1 / sigma)
    size = (
        float(np.mean(kind.length_m)),
        float(np.mean(kind.width_m)),
        float(np.clip(height, *kind.height_m)),
    )
    pose = ego[seen.frame]
    along = path.at_frame_m[seen.frame] + depth
    heading = path.poses(along, np.zeros(len(along)))[:, 2]
    middle = _middles(seen.box, heading - pose[:, 2], size, camera)
    places = turned(middle, pose[:, 2]) + pose[:, :2]
    away = places - pose[:, :2]
    row_m = depth**2 / (camera.intrinsics[1, 1] * camera_centre(camera)[2])
    row_m = away * (row_m / np.linalg.norm(away, axis=1))[:, None]
    accuracy = (sigma, foot_precision(away, sigma, depth), row_m)
    return _fitted(seen, places, accuracy, heading, (size, scene.fps))


def _middles(
    box: NDArray[np.int64],
    heading: NDArray[np.float64],
    size: tuple[float, float, float],
    camera: Camera,
) -> NDArray[np.float64]:
    """(M, 2) middles of footprints in vehicle frames, from boxes on the screen.

    The lowest row is where a wheel touches the ground, some way behind the nearest corner. Of an
    object beside the road the column nearer to the road's end tells its far corner; the other
    column is often hidden by what stands before it.
    """
    bottom = box[:, 3] - 0.5
    left, right, centre = (
        ground_points(camera, np.stack([column, bottom], axis=1))
        for column in (box[:, 0] - 0.5, box[:, 2] - 0.5, box[:, [0, 2]].mean(axis=1) - 0.5)
    )
    cosine, sine = np.abs(np.cos(heading)), np.abs(np.sin(heading))
    behind = _WHEEL_SHARE * size[0] * cosine + size[1] / 2 * sine
    ahead = centre[:, 0] + behind
    camera_x = camera_centre(camera)[0]
    reach = np.maximum(centre[:, 0] - camera_x, 1.0)

    def left_m(edge: NDArray[np.float64], depth: NDArray[np.float64]) -> NDArray[np.float64]:
        return edge[:, 1] * (depth - camera_x) / reach

    far = ahead + size[0] / 2 * cosine
    half = size[1] / 2 * cosine
    beside_right, beside_left = left_m(left, far) - half, left_m(right, far) + half
    middle = np.where(left[:, 1] < 0, beside_right, np.where(right[:, 1] > 0, beside_left, np.nan))
    straight = left_m(centre, ahead)
    return np.stack([ahead, np.where(np.isnan(middle), straight, middle)], axis=1)


def _fitted(
    seen: Sightings,
    places: NDArray[np.float64],
    accuracy: tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]],
    road: NDArray[np.float64],
    facts: tuple[tuple[float, float, float], float],
) -> BaseTrack:
    """Decide whether an object stands, and smooth its way if not.

    Args:
        seen: M sightings.
        places: (M, 2) plan frame.
        accuracy: (M,) metres by which they are off at most; their (M, 2, 2) inverse covariances;
            (M, 2) metres that one row on the screen is worth.
        road: (M,) its direction there.
        facts: Size in metres, frames per second.
    """
    frame, (size, fps), (sigma, precision, row_m) = seen.frame, facts, accuracy
    first, count = int(frame[0]), int(frame[-1] - frame[0]) + 1
    still = np.array([_weighted_median(places[:, k], 1 / np.square(sigma)) for k in (0, 1)])
    off = np.linalg.norm(places - still, axis=1)
    stands = bool((off < _STANDS_WITHIN_M * sigma + 0.3).mean() >= _STANDS_SHARE)
    velocity, sigmas = steady_velocity(frame / fps, places, precision, row_m)
    drives = np.linalg.norm(velocity) > _DRIVES_MPS and sigmas > _DRIVES_SIGMAS
    if stands and not drives:
        heading = float(np.median(road)) + (
            np.pi if np.median(seen.y_m) > _ONCOMING_LEFT_M else 0.0
        )
        world = np.tile([*still, heading], (count, 1))
        return BaseTrack(first, world, size, stands=True)
    smooth = smoothed_way(frame - first, places, precision, count, fps)
    velocity = np.gradient(smooth, axis=0) * fps
    speed = np.linalg.norm(velocity, axis=1)
    along = np.interp(np.arange(count) + first, frame, np.unwrap(road))
    is_oncoming = np.median(velocity[:, 0] * np.cos(along) + velocity[:, 1] * np.sin(along)) < 0
    along = along + (np.pi if is_oncoming else 0.0)
    moving = np.arctan2(velocity[:, 1], velocity[:, 0])
    turn = (moving - along + np.pi) % (2 * np.pi) - np.pi
    heading = along + turn * np.clip(speed / _SLOW_MPS - 1, 0.0, 1.0)
    return BaseTrack(first, np.column_stack([smooth, heading]), size, stands=False)


def _weighted_median(values: NDArray[np.float64], weights: NDArray[np.float64]) -> float:
    order = np.argsort(values)
    share = np.cumsum(weights[order])
    return float(values[order[np.searchsorted(share, share[-1] / 2)]])
