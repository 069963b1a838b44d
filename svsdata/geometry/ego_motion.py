"""Ego motion where no vehicle file tells it: from the flow of the road, and smoothing over time.

Each road pixel's place on the ground is known, so its flow votes for the vehicle's step between
two frames; a robust fit of speed, yaw rate and the camera's pitch step keeps what they agree on.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from svsdata.geometry.camera import camera_centre, ground_points, project
from svsdata.records import Camera, EgoMotion, Flow, Mask

_MAX_VOTES = 3000
_MIN_VOTES = 50
# Nearer than 60 m: beyond, one pixel of flow is worth metres of ground.
_MAX_DEPTH_M = 60.0
_ITERATIONS = 12
# Residuals of flow estimators on roads are below a pixel; three pixels no longer count at all.
_TUKEY_PX = 3.0


@dataclass(frozen=True)
class GroundMotion:
    """What the flow of the ground tells about the step from the previous frame."""

    speed_mps: float
    yaw_rate_rps: float
    """Positive to the left."""
    pitch_step_rad: float
    """How far the camera turned downwards since the previous frame."""
    inlier_share: float
    """Share of the road pixels that agree with the fit, 0 to 1."""


def fit_ground_motion(flow: Flow, road_mask: Mask, camera: Camera, fps: float) -> GroundMotion:
    """Fit speed, yaw rate and pitch step to the flow of road pixels.

    Args:
        flow: (H, W, 2) backward flow.
        road_mask: (H, W), 1 where the flat ground is seen.
        camera: Of frames of that size; its pitch is that of the current frame.
        fps: Frames per second.

    Returns:
        The fit; all zeros, inlier share too, when fewer than 50 road pixels lie within 60 m.
    """
    pixels, measured = _votes(flow, road_mask, camera)
    if len(pixels) < _MIN_VOTES:
        return GroundMotion(0.0, 0.0, 0.0, 0.0)
    ground = ground_points(camera, pixels)[:, :2]
    parameters = np.array([_initial_advance(ground, pixels + measured, camera), 0.0, 0.0])
    weights = np.ones(len(pixels))
    scale_px = 20.0
    for _ in range(_ITERATIONS):
        residual = measured - _ground_flow(camera, ground, pixels, parameters)
        error = np.linalg.norm(residual, axis=1)
        # The cut-off shrinks with the residuals, so that a poor start is not thrown away.
        scale_px = max(_TUKEY_PX, min(scale_px, 4.7 * float(np.median(error))))
        weights = np.square(np.clip(1 - np.square(error / scale_px), 0, None))
        jacobian = _jacobian(camera, ground, pixels, parameters)
        weighted = jacobian * weights[:, None, None]
        normal = np.einsum("nij,nik->jk", weighted, jacobian)
        gradient = np.einsum("nij,ni->j", weighted, residual)
        parameters = parameters + np.linalg.solve(normal + 1e-6 * np.eye(3), gradient)
    advance, turn, pitch_step = parameters
    return GroundMotion(
        float(advance * fps), float(turn * fps), float(pitch_step), float(np.mean(weights > 0))
    )


def estimate_ego_motion(flow: Flow, road_mask: Mask, camera: Camera, fps: float) -> EgoMotion:
    """Return the ego motion that the flow of the road tells.

    Args:
        flow: (H, W, 2) backward flow.
        road_mask: (H, W), 1 where the flat ground is seen.
        camera: Of frames of that size.
        fps: Frames per second.

    Returns:
        Flagged ``estimated``; a standing vehicle flagged ``assumed`` where too little road is seen
        or less than a third of it agrees.
    """
    motion = fit_ground_motion(flow, road_mask, camera, fps)
    if motion.inlier_share < 1 / 3:
        return EgoMotion(0.0, 0.0, "assumed")
    return EgoMotion(motion.speed_mps, motion.yaw_rate_rps, "estimated")


def smooth_ego_motions(motions: Sequence[EgoMotion], window: int = 5) -> list[EgoMotion]:
    """Clean single-frame estimates: a running median, then a running mean.

    Args:
        motions: One a frame. What is flagged ``given`` stays as it is; gaps (``assumed``) are
            filled from their neighbours and flagged ``interpolated``, unless nothing is known.
        window: Odd number of frames of both filters.
    """
    known = [index for index, motion in enumerate(motions) if motion.flag != "assumed"]
    if not known:
        return list(motions)
    values = np.array([(motion.speed_mps, motion.yaw_rate_rps) for motion in motions])
    for column in values.T:
        column[:] = np.interp(np.arange(len(motions)), known, column[known])
    half = window // 2
    for reduce in (np.median, np.mean):
        padded = np.pad(values, ((half, half), (0, 0)), mode="edge")
        windows = np.lib.stride_tricks.sliding_window_view(padded, window, axis=0)
        values = reduce(windows, axis=-1)
    return [
        motion
        if motion.flag == "given"
        else replace(
            motion,
            speed_mps=float(speed),
            yaw_rate_rps=float(yaw_rate),
            flag="interpolated" if motion.flag == "assumed" else motion.flag,
        )
        for motion, (speed, yaw_rate) in zip(motions, values, strict=True)
    ]


def _votes(
    flow: Flow, road_mask: Mask, camera: Camera
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Pixels (N, 2) of near road, thinned evenly, and their flow (N, 2)."""
    rows, columns = np.nonzero(road_mask)
    thinned = slice(None, None, max(1, len(rows) // (2 * _MAX_VOTES)))
    pixels = np.stack([columns[thinned], rows[thinned]], axis=1).astype(np.float64)
    measured = flow[rows[thinned], columns[thinned]].astype(np.float64)
    with np.errstate(invalid="ignore"):
        is_near = ground_points(camera, pixels)[:, 2] < _MAX_DEPTH_M
        is_near &= ground_points(camera, pixels + measured)[:, 2] < 2 * _MAX_DEPTH_M
    return pixels[is_near], measured[is_near]


def _initial_advance(
    ground: NDArray[np.float64], previous_pixels: NDArray[np.float64], camera: Camera
) -> float:
    """Median forward step of the nearest half of the votes, in metres."""
    steps = ground_points(camera, previous_pixels)[:, 0] - ground[:, 0]
    return float(np.median(steps[ground[:, 0] <= np.median(ground[:, 0])]))


def _ground_flow(
    camera: Camera,
    ground: NDArray[np.float64],
    pixels: NDArray[np.float64],
    parameters: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Backward flow (N, 2) of ground points for (advance m, turn rad, pitch step rad)."""
    advance, turn, pitch_step = parameters
    ahead = advance * np.sinc(turn / np.pi)
    left = advance * np.sin(turn / 2) * np.sinc(turn / 2 / np.pi)
    cosine, sine = np.cos(turn), np.sin(turn)
    x = cosine * ground[:, 0] - sine * ground[:, 1] + ahead
    y = sine * ground[:, 0] + cosine * ground[:, 1] + left
    # The previous camera looked higher by the pitch step: turn the points about its axis.
    centre = camera_centre(camera)
    cosine, sine = np.cos(pitch_step), np.sin(pitch_step)
    dx, dz = x - centre[0], -centre[2]
    points = np.stack([cosine * dx + sine * dz, y - centre[1], -sine * dx + cosine * dz], axis=1)
    return project(camera, points + centre)[:, :2] - pixels


def _jacobian(
    camera: Camera,
    ground: NDArray[np.float64],
    pixels: NDArray[np.float64],
    parameters: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Derivatives (N, 2, 3) of the ground flow by central differences."""
    columns = []
    for index, delta in enumerate((1e-3, 1e-5, 1e-5)):
        step = np.zeros(3)
        step[index] = delta
        ahead = _ground_flow(camera, ground, pixels, parameters + step)
        behind = _ground_flow(camera, ground, pixels, parameters - step)
        columns.append((ahead - behind) / (2 * delta))
    return np.stack(columns, axis=2)
