"""Where things are on the road: the ego's path, objects moving along it, what of them is in view.

Everything lies in the plane of the ground. The plan frame is the vehicle frame of frame 0.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from svsdata.geometry.camera import ego_step, project
from svsdata.records import Camera, EgoMotion, Transform

Poses = NDArray[np.float64]
"""(N, 3): x and y in metres, heading in radians."""


def ego_poses(motions: Sequence[EgoMotion], fps: float) -> Poses:
    """Return the vehicle's pose at every frame, in the vehicle frame of the first one.

    World poses are used where all frames have one, else speeds and yaw rates are added up.
    """
    worlds = [motion.world_T_vehicle for motion in motions if motion.world_T_vehicle is not None]
    if len(worlds) == len(motions):
        chain = np.linalg.inv(worlds[0]) @ np.stack(worlds)
    else:
        chain = np.empty((len(motions), 4, 4))
        chain[0] = np.eye(4)
        for index, motion in enumerate(motions[1:], start=1):
            step = ego_step(motion.speed_mps, motion.yaw_rate_rps, 1 / fps)
            chain[index] = chain[index - 1] @ step
    heading = np.unwrap(np.arctan2(chain[:, 1, 0], chain[:, 0, 0]))
    return np.stack([chain[:, 0, 3], chain[:, 1, 3], heading], axis=1)


def turned(points: NDArray[np.float64], angles: NDArray[np.float64]) -> NDArray[np.float64]:
    """Turn (n, 2) points by (n,) radians to the left."""
    cosine, sine = np.cos(angles), np.sin(angles)
    x, y = points[:, 0], points[:, 1]
    return np.stack([cosine * x - sine * y, sine * x + cosine * y], axis=1)


def seen_from(poses: Poses, ego: Poses) -> Poses:
    """Move poses of the plan frame into the vehicle frames of the same frames."""
    places = turned(poses[:, :2] - ego[:, :2], -ego[:, 2])
    return np.column_stack([places, poses[:, 2] - ego[:, 2]])


def pose_matrix(pose: NDArray[np.float64]) -> Transform:
    """Return the matrix that takes places of a frame to those that its pose (3,) is in."""
    x, y, cosine, sine = pose[0], pose[1], np.cos(pose[2]), np.sin(pose[2])
    turn = [[cosine, -sine, 0.0, x], [sine, cosine, 0.0, y]]
    return np.array([*turn, [0.0, 0.0, 1.0, 0.0], [0.0, 0.0, 0.0, 1.0]])


def pose_step(pose: NDArray[np.float64], other: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the (3, 3) matrix that takes (x, y, 1) of one vehicle frame to another's."""
    on_ground = np.ix_([0, 1, 3], [0, 1, 3])
    return np.linalg.inv(pose_matrix(other)[on_ground]) @ pose_matrix(pose)[on_ground]


@dataclass(frozen=True)
class RoadPath:
    """The ego's own way as a curve by arc length; straight on beyond both ends."""

    distance_m: NDArray[np.float64]
    """(M,) strictly increasing arc lengths."""
    points: NDArray[np.float64]
    """(M, 2) plan frame."""
    at_frame_m: NDArray[np.float64]
    """(N,) arc length of the ego at each frame."""

    @classmethod
    def of(cls, ego: Poses, smoothing_m: float = 6.0) -> "RoadPath":
        """Build the path of an ego that drove along ``ego``; a vehicle that stands looks ahead."""
        steps = np.linalg.norm(np.diff(ego[:, :2], axis=0), axis=1)
        forward = np.diff(ego[:, 0]) * np.cos(ego[:-1, 2]) + np.diff(ego[:, 1]) * np.sin(
            ego[:-1, 2]
        )
        at_frame = np.concatenate([[0.0], np.cumsum(steps * np.sign(forward))])
        # Knots a metre apart: a standing or creeping ego leaves no heaps of points.
        furthest = np.maximum.accumulate(at_frame)
        is_new = np.concatenate([[True], np.diff(furthest) > 1e-6])
        length = max(1.0, float(furthest[-1]))
        knots = np.linspace(0.0, length, int(np.ceil(length)) + 1)
        if is_new.sum() > 1:
            known = furthest[is_new]
            points = np.stack([np.interp(knots, known, ego[is_new, k]) for k in (0, 1)], axis=1)
        else:
            direction = np.array([np.cos(ego[0, 2]), np.sin(ego[0, 2])])
            points = ego[0, :2] + knots[:, None] * direction
        reach = np.arange(1.0, 31.0)
        lead_in = points[0] - reach[::-1, None] * np.array([np.cos(ego[0, 2]), np.sin(ego[0, 2])])
        last = ego[np.flatnonzero(is_new)[-1], 2]
        lead_out = points[-1] + reach[:, None] * np.array([np.cos(last), np.sin(last)])
        points = np.concatenate([lead_in, points, lead_out])
        distance = np.concatenate([-reach[::-1], knots, knots[-1] + reach])
        return cls(distance, _smoothed(points, smoothing_m), at_frame)

    def poses(self, along_m: NDArray[np.float64], left_m: NDArray[np.float64]) -> Poses:
        """Return (N, 3) poses at arc lengths and offsets to the left, heading along the road."""
        places = self._centre(np.concatenate([along_m, along_m + 0.5, along_m - 0.5]))
        x, y = places.reshape(2, 3, -1)
        heading = np.arctan2(y[1] - y[2], x[1] - x[2])
        left_x, left_y = x[0] - left_m * np.sin(heading), y[0] + left_m * np.cos(heading)
        return np.stack([left_x, left_y, heading], axis=1)

    def _centre(self, along_m: NDArray[np.float64]) -> NDArray[np.float64]:
        """(2, N) x and y in rows, which is several times as fast."""
        inside = np.minimum(np.maximum(along_m, self.distance_m[0]), self.distance_m[-1])
        beyond = along_m - inside
        start = (self.points[1] - self.points[0]) / (self.distance_m[1] - self.distance_m[0])
        end = (self.points[-1] - self.points[-2]) / (self.distance_m[-1] - self.distance_m[-2])
        places = np.where(beyond < 0, beyond * start[:, None], beyond * end[:, None])
        for axis in (0, 1):
            places[axis] += np.interp(inside, self.distance_m, self.points[:, axis])
        return places


def _smoothed(points: NDArray[np.float64], window_m: float) -> NDArray[np.float64]:
    """Running mean over knots a metre apart, ends kept straight by reflecting about them."""
    half = int(window_m // 2)
    before = 2 * points[0] - points[half:0:-1]
    after = 2 * points[-1] - points[-2 : -half - 2 : -1]
    padded = np.concatenate([before, points, after])
    kernel = np.ones(2 * half + 1) / (2 * half + 1)
    return np.stack([np.convolve(padded[:, k], kernel, mode="valid") for k in (0, 1)], axis=1)


@dataclass(frozen=True)
class View:
    """What of an upright box is in view, frame by frame."""

    height_px: NDArray[np.float64]
    """(N,) height on the screen at its middle; 0 behind the camera."""
    is_visible: NDArray[np.bool_]
    """(N,) some of it lies inside the frame, occlusion aside."""
    share_inside: NDArray[np.float64]
    """(N,) share of its screen box that lies inside the frame."""
    box: NDArray[np.float64]
    """(N, 4) columns and rows around it inside the frame: x0, y0, x1, y1; zeros if not visible."""


def view_of(camera: Camera, poses: Poses, size_m: tuple[float, float, float]) -> View:
    """Project the box of an object along its way.

    Args:
        camera: The camera of all frames.
        poses: (N, 3) vehicle frame.
        size_m: Length, width, height.
    """
    length, width, height = size_m
    frame_height, frame_width = camera.size_hw
    corners = np.array([(x, y) for x in (-0.5, 0.5) for y in (-0.5, 0.5)]) * (length, width)
    cosine, sine = np.cos(poses[:, 2, None]), np.sin(poses[:, 2, None])
    x = poses[:, 0, None] + cosine * corners[:, 0] - sine * corners[:, 1]
    y = poses[:, 1, None] + sine * corners[:, 0] + cosine * corners[:, 1]
    ground = np.stack([x, y, np.zeros_like(x)], axis=-1)
    low = project(camera, ground)
    high = project(camera, ground + np.array([0.0, 0.0, height]))
    is_ahead = low[..., 2] > 0.5
    u = np.where(is_ahead, low[..., 0], np.nan)
    v = np.where(is_ahead[..., None], np.stack([low[..., 1], high[..., 1]], axis=-1), np.nan)
    any_ahead, all_ahead = (np.asarray(f(is_ahead, axis=1)) for f in (np.any, np.all))
    left, right = _spread(u, any_ahead)
    # A box that crosses the camera plane reaches at least to the border on the side it lies.
    crossing = any_ahead & ~all_ahead
    left = np.where(crossing & (poses[:, 1] > 0), np.minimum(left, -1e4), left)
    right = np.where(crossing & (poses[:, 1] < 0), np.maximum(right, 1e4), right)
    top, bottom = _spread(v.reshape(len(v), -1), any_ahead)
    inside = np.clip(np.minimum(right, frame_width) - np.maximum(left, 0), 0, None) * np.clip(
        np.minimum(bottom, frame_height) - np.maximum(top, 0), 0, None
    )
    area = np.maximum((right - left) * (bottom - top), 1e-9)
    height_px = np.where(any_ahead, np.nan_to_num(bottom - top), 0.0)
    is_visible = any_ahead & (inside > 0)
    limits = (frame_width, frame_height, frame_width, frame_height)
    box = np.clip(np.stack([left, top, right, bottom], axis=1), 0, limits)
    return View(
        height_px,
        is_visible,
        np.where(any_ahead, inside / area, 0.0),
        np.where(is_visible[:, None], box, 0.0),
    )


def _spread(
    values: NDArray[np.float64], is_known: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Smallest and largest along the last axis; zeros where nothing is known."""
    low = np.where(np.isnan(values), np.inf, values).min(axis=1)
    high = np.where(np.isnan(values), -np.inf, values).max(axis=1)
    return np.where(is_known, low, 0.0), np.where(is_known, high, 0.0)
