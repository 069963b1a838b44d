"""The camera's rotation between two frames from flow alone, whatever the depth of what is seen.

A vehicle that drives ahead makes everything that stands still move along lines through one point,
the epipole; only rotation moves anything across them. The epipole's row is fitted too: on average
it is the horizon, but a body that heaves, or a horizon that is a little off, moves it, and would
otherwise be taken for a pitch step in every frame.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from svsdata.geometry.camera import pixel_rays, turned_projection
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
    prior = np.diag([1e-6, 1e-6, (_FLOW_NOISE_PX / _USUAL_RISE_RAD) ** 2])
    agreeing = np.zeros(len(pixels), bool)
    tried = 1e-6 * np.eye(4, 3, -1)
    for _ in range(_ITERATIONS):
        error, *stepped = _across(camera, rays, measured, parameters + tried)
        cutoff_px = max(_TUKEY_PX, min(0.7 * cutoff_px, 4.7 * float(np.median(np.abs(error)))))
        weights = np.square(np.clip(1 - np.square(error / cutoff_px), 0, None))
        agreeing = weights > 0
        jacobian = (np.stack(stepped, axis=1) - error[:, None]) / 1e-6
        weighted = jacobian * weights[:, None]
        normal = weighted.T @ jacobian + prior
        gradient = weighted.T @ error + prior @ parameters
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
    """(K, N) pixels between each measured place and its epipolar line, for (K, 3) parameters."""
    turn, pitch_step, rise = parameters.T
    # On an arc the chord points halfway between the headings at its ends.
    chord = np.stack([np.cos(turn / 2), -np.sin(turn / 2), rise], axis=-1)
    projection = turned_projection(camera, turn, pitch_step)
    endless = np.moveaxis(projection @ rays.T, 1, 0)
    epipole = np.moveaxis(projection @ chord[..., None], 1, 0)
    u, v = endless[:2] / endless[2]
    along_u, along_v = (u, v) - epipole[:2] / epipole[2]
    off_u, off_v = measured.T[:, None] - (u, v)
    return np.asarray(
        (along_u * off_v - along_v * off_u) / np.maximum(np.hypot(along_u, along_v), 1e-6)
    )
