"""Ego motion where no vehicle file tells it: from the flow of the road, and cleaning over time.

Each road pixel's place on the ground is known, so its flow votes for the vehicle's step between
two frames. What stands still anywhere in the frame tells the turn and the pitch step without any
depth (``geometry.epipolar``); with those known, the road's votes for a speed are counted, and a
robust fit around the winner keeps what agrees. Counting first is needed on real roads: bare
asphalt, reflections and the bonnet seem to stand still, and often are the majority.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from svsdata.geometry.camera import camera_centre, ground_points, turned_projection
from svsdata.geometry.epipolar import fit_rotation
from svsdata.records import Camera, EgoMotion, Flow, Mask

_MAX_VOTES = 2000
_MIN_VOTES = 50
# Nearer lie the bonnet and its reflections; beyond, one pixel of flow is worth metres of ground.
_BANDS_M = np.array([8.0, 11.0, 15.0, 21.0, 30.0, 45.0])
# Steps a frame that are tried, metres: 30 m/s at 10 frames a second.
_TRIED_STEPS_M = np.arange(-0.5, 3.01, 0.25)
_COUNTING_PX = 4.0
_ITERATIONS = 10
# Residuals of flow estimators on roads are below a pixel.
_TUKEY_PX = 1.5
_MIN_INLIER_SHARE = 0.18
# Two frames of a recording with gaps may lie three steps apart, and the next two steps.
_SPIKE_RATIO, _SPIKE_MPS = 1.8, 2.0


@dataclass(frozen=True)
class GroundMotion:
    """What the flow of the ground tells about the step from the previous frame."""

    speed_mps: float
    yaw_rate_rps: float
    """Positive to the left."""
    pitch_step_rad: float
    """How far the camera turned downwards since the previous frame."""
    inlier_share: float
    """Share of the road, every band of distance counting alike, that agrees, 0 to 1."""


def fit_ground_motion(flow: Flow, road_mask: Mask, camera: Camera, fps: float) -> GroundMotion:
    """Fit speed, yaw rate and pitch step to a flow field.

    Args:
        flow: (H, W, 2) backward flow.
        road_mask: (H, W), 1 where the flat ground is seen; a thousand pixels of it are enough.
        camera: Of frames of that size; its pitch is that of the current frame.
        fps: Frames per second.

    Returns:
        The fit; all zeros, inlier share too, when fewer than 50 road pixels lie 8 to 45 m away.
    """
    votes = _votes(flow, road_mask, camera)
    if len(votes.weights) < _MIN_VOTES:
        return GroundMotion(0.0, 0.0, 0.0, 0.0)
    rotation = fit_rotation(flow, camera)
    starts = [(rotation.turn_rad, rotation.pitch_step_rad)]
    if rotation.inlier_share < 0.5:
        starts.append((0.0, 0.0))
    candidates = np.array([(step, *start) for start in starts for step in _TRIED_STEPS_M])
    agreement = np.clip(1 - np.square(votes.errors_px(candidates) / _COUNTING_PX), 0, None)
    parameters = candidates[int(np.argmax(agreement @ votes.weights))]
    cutoff_px, agreeing = _COUNTING_PX, np.zeros(len(votes.weights), bool)
    for _ in range(_ITERATIONS):
        residual, slopes = votes.linearised(parameters)
        error = np.hypot(*residual)
        agreeing = error < cutoff_px
        weights = votes.weights * np.square(np.clip(1 - np.square(error / cutoff_px), 0, None))
        weighted = (slopes * weights).reshape(3, -1)
        normal, gradient = weighted @ slopes.reshape(3, -1).T, weighted @ residual.ravel()
        parameters = parameters + np.linalg.solve(normal + 1e-9 * np.eye(3), gradient)
        cutoff_px = max(_TUKEY_PX, 0.8 * cutoff_px)
    advance, turn, pitch_step = parameters
    share = float(votes.weights[agreeing].sum())
    return GroundMotion(float(advance * fps), float(turn * fps), float(pitch_step), share)


def estimate_ego_motion(flow: Flow, road_mask: Mask, camera: Camera, fps: float) -> EgoMotion:
    """Return the ego motion that a flow field tells.

    Args:
        flow: (H, W, 2) backward flow.
        road_mask: (H, W), 1 where the flat ground is seen; a thousand pixels of it are enough.
        camera: Of frames of that size.
        fps: Frames per second.

    Returns:
        Flagged ``estimated``; a standing vehicle flagged ``assumed`` where too little road is seen
        or too little of it agrees.
    """
    motion = fit_ground_motion(flow, road_mask, camera, fps)
    if motion.inlier_share < _MIN_INLIER_SHARE:
        return EgoMotion(0.0, 0.0, "assumed")
    return EgoMotion(motion.speed_mps, motion.yaw_rate_rps, "estimated")


def clean_ego_motions(motions: Sequence[EgoMotion], window: int = 5) -> list[EgoMotion]:
    """Fill gaps and replace spikes of single-frame estimates; all else stays as measured.

    Nothing is smoothed: frames of a thinned recording lie unequally far apart, and an object must
    move by the step that each frame really made.

    Args:
        motions: One a frame. What is flagged ``given`` stays as it is. Gaps (``assumed``) and
            speeds 1.8 times off the running median are interpolated from their neighbours and
            flagged so, unless nothing is known.
        window: Odd number of frames of the median.
    """
    known = np.array([motion.flag != "assumed" for motion in motions], bool)
    if not known.any():
        return list(motions)
    times = np.arange(len(motions))
    values = np.array([(motion.speed_mps, motion.yaw_rate_rps) for motion in motions])
    filled = np.interp(times, times[known], values[known, 0])
    half = window // 2
    usual = np.median(
        np.lib.stride_tricks.sliding_window_view(np.pad(filled, half, mode="edge"), window), axis=1
    )
    low, high = np.sort([usual / _SPIKE_RATIO, usual * _SPIKE_RATIO], axis=0)
    is_given = np.array([motion.flag == "given" for motion in motions], bool)
    is_usual = (values[:, 0] >= low - _SPIKE_MPS) & (values[:, 0] <= high + _SPIKE_MPS)
    kept = is_given | (known & is_usual)
    if not kept.any():
        return list(motions)
    speeds, yaw_rates = (np.interp(times, times[kept], column[kept]) for column in values.T)
    return [
        motion
        if keeps
        else replace(motion, speed_mps=float(v), yaw_rate_rps=float(w), flag="interpolated")
        for motion, keeps, v, w in zip(motions, kept, speeds, yaw_rates, strict=True)
    ]


@dataclass(frozen=True)
class _Votes:
    """Road pixels at 8 to 45 m."""

    camera: Camera
    pixels: NDArray[np.float64]
    """(2, N) u, v."""
    measured: NDArray[np.float64]
    """(2, N) their flow."""
    ground: NDArray[np.float64]
    """(2, N) their places."""
    weights: NDArray[np.float64]
    """(N,) with the sum 1: every band of distance counts alike."""

    def errors_px(self, parameters: NDArray[np.float64]) -> NDArray[np.float64]:
        """How far the flow of (K, 3) motions is from that of each vote, (K, N)."""
        residual = self._residual(parameters)
        return np.asarray(np.hypot(residual[:, 0], residual[:, 1]))

    def linearised(
        self, parameters: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the residual (2, N) at (3,) parameters and how the prediction changes with each.

        The slopes, (3, 2, N), are central differences.
        """
        steps = np.diag([1e-3, 1e-5, 1e-5])
        tried = parameters + np.concatenate([np.zeros((1, 3)), steps, -steps])
        residuals = self._residual(tried)
        slopes = (residuals[4:] - residuals[1:4]) / (2 * steps.diagonal()[:, None, None])
        return residuals[0], slopes

    def _residual(self, parameters: NDArray[np.float64]) -> NDArray[np.float64]:
        """Measured less predicted flow, (K, 2, N), for (K, 3): advance m, turn, pitch step rad."""
        seen = step_homographies(self.camera, parameters) @ np.concatenate(
            [self.ground, np.ones((1, self.ground.shape[1]))]
        )
        return np.asarray(self.measured + self.pixels - seen[:, :2] / seen[:, 2:])


def _votes(flow: Flow, road_mask: Mask, camera: Camera) -> _Votes:
    first, stop = _rows_within_reach(camera, road_mask.shape)
    rows, columns = np.nonzero(road_mask[first:stop])
    rows += first
    pixels = np.stack([columns, rows], axis=1).astype(np.float64)
    ground = ground_points(camera, pixels)[:, :2]
    with np.errstate(invalid="ignore"):
        near = (ground[:, 0] > _BANDS_M[0]) & (ground[:, 0] < _BANDS_M[-1])
    thinned = np.flatnonzero(near)[:: max(1, int(near.sum()) // _MAX_VOTES)]
    rows, columns, ground = rows[thinned], columns[thinned], ground[thinned]
    band = np.digitize(ground[:, 0], _BANDS_M)
    counts = np.bincount(band, minlength=len(_BANDS_M) + 1)
    # A band of a handful of pixels must not weigh as much as one of hundreds.
    weights = 1 / np.maximum(counts[band], 0.03 * len(band))
    measured = flow[rows, columns].T.astype(np.float64)
    return _Votes(camera, pixels[thinned].T, measured, ground.T, weights / weights.sum())


def _rows_within_reach(camera: Camera, size_hw: tuple[int, ...]) -> tuple[int, int]:
    """First row, and the row after the last, that may see ground where votes are taken."""
    height, width = size_hw
    ends = np.stack(np.meshgrid([0.0, width - 1.0], np.arange(height)), axis=-1)
    # along a row the distance ahead only grows or only shrinks; NaN is above the horizon
    ahead = ground_points(camera, ends)[..., 0]
    with np.errstate(invalid="ignore"):
        is_beyond = (ahead >= _BANDS_M[-1]).all(axis=1) | np.isnan(ahead).all(axis=1)
        is_short = (ahead <= _BANDS_M[0]).all(axis=1)
    within = np.flatnonzero(~is_beyond & ~is_short)
    return (int(within[0]), int(within[-1]) + 1) if within.size else (0, 0)


def step_homographies(camera: Camera, parameters: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return where the previous frame saw today's ground.

    Args:
        camera: Of the current frame.
        parameters: (K, 3) motions since then: metres ahead, and radians that the vehicle turned to
            the left and the camera downwards.

    Returns:
        (K, 3, 3) from (x, y, 1) on the ground to z-depth times (u, v, 1) in the previous frame.
    """
    advance, turn, pitch_step = parameters.T
    # On an arc the chord points halfway between the headings at its ends.
    ahead = advance * np.sinc(turn / np.pi)
    left = advance * np.sin(turn / 2) * np.sinc(turn / 2 / np.pi)
    chord = np.stack([ahead, left, np.zeros_like(turn)], axis=-1)
    turned = turned_projection(camera, turn, pitch_step)
    straight = turned_projection(camera, np.zeros_like(turn), pitch_step)
    origin = straight @ (chord - camera_centre(camera))[..., None]
    return np.concatenate([turned[..., :2], origin], axis=-1)
