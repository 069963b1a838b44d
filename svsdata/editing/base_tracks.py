"""The ways of the base's own objects on the ground, from where their feet are seen.

A single foot is off by metres far away and jumps when something hides it. So an object is taken to
stand still wherever its feet agree with one place, and its way is smoothed elsewhere by what a
vehicle can accelerate.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solveh_banded

from svsdata.editing.placement import Poses, RoadPath, turned
from svsdata.editing.scene import Scene
from svsdata.editing.shapes import OBJECT_KINDS
from svsdata.geometry.camera import camera_centre, ground_points
from svsdata.records import INSTANCE_BASE

_MIN_SIGHTINGS = 3
# Accuracy of a foot: of the camera's pose, of its row on the screen, of the vehicle's own motion.
_SIGMA_M, _SIGMA_PX, _SIGMA_SHARE = 0.15, 1.5, 0.02
_ACCELERATION_MPS2 = 1.5
_STANDS_SHARE, _STANDS_WITHIN_M = 0.85, 3.0
_SLOW_MPS = 1.0
# A vehicle parked this far to the left faces the traffic there.
_ONCOMING_LEFT_M = 2.5
_ITERATIONS = 4


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
    camera, centre = scene.camera, camera_centre(scene.camera)[:2]
    middle = np.stack([seen.box[:, [0, 2]].mean(axis=1) - 0.5, seen.box[:, 3] - 0.5], axis=1)
    x, y, depth = ground_points(camera, middle).T
    known = np.isfinite(depth) & (depth > 0)
    if known.sum() < _MIN_SIGHTINGS:
        return None
    seen, x, y, depth = seen.at(known), x[known], y[known], depth[known]
    sigma = _sigma(depth, scene)
    height_px = seen.box[:, 3] - seen.box[:, 1]
    is_cut = _is_cut(seen.box, camera.size_hw)
    sigma = np.where(is_cut, 20.0, 1.0) * sigma
    height = _weighted_median(height_px * depth / camera.intrinsics[1, 1], 1 / sigma)
    size = (
        float(np.mean(kind.length_m)),
        float(np.mean(kind.width_m)),
        float(np.clip(height, *kind.height_m)),
    )
    pose = ego[seen.frame]
    along = path.at_frame_m[seen.frame] + x
    heading = path.poses(along, np.zeros(len(along)))[:, 2] - pose[:, 2]
    cosine, sine = np.abs(np.cos(heading)), np.abs(np.sin(heading))
    # The foot is the nearest corner of the footprint; its middle lies behind, in the same column.
    ray = np.stack([x, y], axis=1) - centre
    behind = size[0] / 2 * cosine + size[1] / 2 * sine
    ray *= 1 + (behind / np.maximum(ray[:, 0], 1.0))[:, None]
    places = turned(ray + centre, pose[:, 2]) + pose[:, :2]
    return _fitted(seen.frame, places, sigma, heading + pose[:, 2], size, scene.fps, y)


def _fitted(  # noqa: PLR0913
    frame: NDArray[np.int64],
    places: NDArray[np.float64],
    sigma: NDArray[np.float64],
    road: NDArray[np.float64],
    size: tuple[float, float, float],
    fps: float,
    left_m: NDArray[np.float64],
) -> BaseTrack:
    """Decide whether an object stands, and smooth its way if not."""
    first, count = int(frame[0]), int(frame[-1] - frame[0]) + 1
    still = np.array([_weighted_median(places[:, k], 1 / sigma) for k in (0, 1)])
    off = np.linalg.norm(places - still, axis=1)
    stands = bool((off < _STANDS_WITHIN_M * sigma + 0.3).mean() >= _STANDS_SHARE)
    if stands:
        heading = float(np.median(road)) + (np.pi if np.median(left_m) > _ONCOMING_LEFT_M else 0.0)
        world = np.tile([*still, heading], (count, 1))
        return BaseTrack(first, world, size, stands)
    smooth = _smoothed(frame - first, places, sigma, count, fps)
    velocity = np.gradient(smooth, axis=0) * fps
    speed = np.linalg.norm(velocity, axis=1)
    along = np.interp(np.arange(count) + first, frame, np.unwrap(road))
    is_oncoming = np.median(velocity[:, 0] * np.cos(along) + velocity[:, 1] * np.sin(along)) < 0
    along = along + (np.pi if is_oncoming else 0.0)
    moving = np.arctan2(velocity[:, 1], velocity[:, 0])
    turn = (moving - along + np.pi) % (2 * np.pi) - np.pi
    heading = along + turn * np.clip(speed / _SLOW_MPS - 1, 0.0, 1.0)
    return BaseTrack(first, np.column_stack([smooth, heading]), size, stands)


def _smoothed(
    frame: NDArray[np.int64],
    places: NDArray[np.float64],
    sigma: NDArray[np.float64],
    count: int,
    fps: float,
) -> NDArray[np.float64]:
    """(count, 2) most likely places of something that accelerates little; robust to outliers.

    Minimises sum(((z - place) / sigma)^2) + sum((second difference of z / (a dt^2))^2).
    """
    if count < 3:
        return places[np.searchsorted(frame, np.arange(count))]
    stiffness = (fps**2 / _ACCELERATION_MPS2) ** 2
    bands = np.zeros((3, count))
    for offset, band in enumerate(_second_differences(count)):
        bands[offset, : len(band)] = stiffness * band
    weights = 1 / np.square(sigma)
    smooth = np.zeros((count, 2))
    for _ in range(_ITERATIONS):
        matrix = bands.copy()
        np.add.at(matrix[0], frame, weights)
        target = np.zeros((count, 2))
        np.add.at(target, frame, weights[:, None] * places)
        smooth = np.asarray(solveh_banded(matrix, target, lower=True))
        off = np.linalg.norm(smooth[frame] - places, axis=1) / sigma
        weights = 1 / np.square(sigma) / np.maximum(off / 1.5, 1.0)
    return smooth


def _second_differences(count: int) -> tuple[NDArray[np.float64], ...]:
    """Diagonal and the two below it of D'D, D taking (count,) to its second differences."""
    rows = np.arange(count - 2)
    diagonal = np.zeros(count)
    for place, factor in enumerate((1.0, 4.0, 1.0)):
        np.add.at(diagonal, rows + place, factor)
    below = np.zeros(count - 1)
    for place in (0, 1):
        np.add.at(below, rows + place, -2.0)
    return diagonal, below, np.ones(count - 2)


def _sigma(depth: NDArray[np.float64], scene: Scene) -> NDArray[np.float64]:
    """(M,) metres by which feet at z-depths are off."""
    focal, height = scene.camera.intrinsics[1, 1], camera_centre(scene.camera)[2]
    return _SIGMA_M + _SIGMA_SHARE * depth + _SIGMA_PX * np.square(depth) / (focal * height)


def _is_cut(box: NDArray[np.int64], size_hw: tuple[int, int]) -> NDArray[np.bool_]:
    """(M,) whether the frame's border cuts a box off."""
    height, width = size_hw
    return (box[:, 0] <= 1) | (box[:, 2] >= width - 1) | (box[:, 3] >= height - 1)


def _weighted_median(values: NDArray[np.float64], weights: NDArray[np.float64]) -> float:
    order = np.argsort(values)
    share = np.cumsum(weights[order])
    return float(values[order[np.searchsorted(share, share[-1] / 2)]])
