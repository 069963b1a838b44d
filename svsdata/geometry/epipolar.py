"""The camera's rotation between two frames from flow alone, whatever the depth of what is seen.

A vehicle that drives ahead makes everything that stands still move along lines through one point,
the epipole; only rotation moves anything across them. The epipole's row is fitted too: on average
it is the horizon, but a body that heaves, or a horizon that is a little off, moves it, and would
otherwise be taken for a pitch step in every frame.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from svsdata.geometry.camera import pixel_rays
from svsdata.records import Camera, Flow, Mask

_NUM_POINTS, _MIN_POINTS = 1200, 50
# The lowest rows show the bonnet in many recordings.
_LOWEST_SHARE = 0.85
_ITERATIONS = 10
_TUKEY_PX = 1.0
# How far the epipole is from the horizon, and how well flow is known: a vehicle that hardly moves
# has no epipole to be found.
_USUAL_RISE_RAD, _FLOW_NOISE_PX = 0.02, 0.3
_MOST_RISE_RAD = 0.1


@dataclass(frozen=True)
class Rotation:
    """How the camera turned since the previous frame."""

    turn_rad: float
    """Positive to the left."""
    pitch_step_rad: float
    """Positive downwards."""
    rise_rad: float
    """How far the epipole is above the camera's horizon: the vehicle moves upwards, or the camera
    looks lower than it is said to."""
    inlier_share: float
    """Share of the points that agree within a pixel or so."""


def fit_rotation(flow: Flow, camera: Camera, validity: Mask | None = None) -> Rotation:
    """Fit turn, pitch step and epipole to a flow field, robust against what moves and what is bare.

    Args:
        flow: (H, W, 2) backward flow.
        camera: Of frames of that size.
        validity: (H, W), 1 where the flow is known; None: everywhere.

    Returns:
        The fit; all zeros, inlier share too, where fewer than 50 points have flow.
    """
    height, width = camera.size_hw
    stride = max(1, int(np.sqrt(height * width / _NUM_POINTS)))
    rows, columns = np.mgrid[
        stride // 2 : max(1, int(_LOWEST_SHARE * height)) : stride, stride // 2 : width : stride
    ]
    rows, columns = rows.ravel(), columns.ravel()
    if validity is not None:
        is_known = validity[rows, columns] > 0
        rows, columns = rows[is_known], columns[is_known]
    if len(rows) < _MIN_POINTS:
        return Rotation(0.0, 0.0, 0.0, 0.0)
    pixels = np.stack([columns, rows], axis=1).astype(np.float64)
    measured = pixels + flow[rows, columns]
    rays = pixel_rays(camera, pixels)
    parameters, cutoff_px = np.zeros(3), 20.0
    prior = np.array([1e-6, 1e-6, (_FLOW_NOISE_PX / _USUAL_RISE_RAD) ** 2])
    agreeing = np.zeros(len(pixels), bool)
    for _ in range(_ITERATIONS):
        error = _across(camera, rays, measured, parameters)
        cutoff_px = max(_TUKEY_PX, min(0.7 * cutoff_px, 4.7 * float(np.median(np.abs(error)))))
        weights = np.square(np.clip(1 - np.square(error / cutoff_px), 0, None))
        agreeing = weights > 0
        jacobian = np.stack(
            [
                (_across(camera, rays, measured, parameters + step) - error) / step.sum()
                for step in 1e-6 * np.eye(3)
            ],
            axis=1,
        )
        weighted = jacobian * weights[:, None]
        normal = weighted.T @ jacobian + np.diag(prior)
        gradient = weighted.T @ error + prior * parameters
        parameters = parameters - np.linalg.solve(normal, gradient)
        parameters[2] = np.clip(parameters[2], -_MOST_RISE_RAD, _MOST_RISE_RAD)
    turn, pitch_step, rise = (float(value) for value in parameters)
    return Rotation(turn, pitch_step, rise, float(agreeing.mean()))


def _across(
    camera: Camera,
    rays: NDArray[np.float64],
    measured: NDArray[np.float64],
    parameters: NDArray[np.float64],
) -> NDArray[np.float64]:
    """(N,) pixels between each measured place and its epipolar line."""
    turn, pitch_step, rise = parameters
    # On an arc the chord points halfway between the headings at its ends.
    chord = np.array([[np.cos(turn / 2), -np.sin(turn / 2), rise]])
    endless, epipole = (
        _seen(camera, _rotated(directions, turn, pitch_step)) for directions in (rays, chord)
    )
    along = endless - epipole
    length = np.maximum(np.linalg.norm(along, axis=1), 1e-6)
    off = measured - endless
    return np.asarray((along[:, 0] * off[:, 1] - along[:, 1] * off[:, 0]) / length)


def _rotated(
    directions: NDArray[np.float64], turn: float, pitch_step: float
) -> NDArray[np.float64]:
    """Turn (N, 3) directions of the vehicle frame to those of the frame before."""
    cosine, sine = np.cos(turn), np.sin(turn)
    x = cosine * directions[:, 0] - sine * directions[:, 1]
    y = sine * directions[:, 0] + cosine * directions[:, 1]
    cosine, sine = np.cos(pitch_step), np.sin(pitch_step)
    z = directions[:, 2]
    return np.stack([cosine * x + sine * z, y, -sine * x + cosine * z], axis=1)


def _seen(camera: Camera, directions: NDArray[np.float64]) -> NDArray[np.float64]:
    """(N, 2) pixels at which (N, 3) directions of the vehicle frame are seen."""
    in_camera = directions @ camera.cam_T_vehicle[:3, :3].T @ camera.intrinsics.T
    return in_camera[:, :2] / in_camera[:, 2:]
