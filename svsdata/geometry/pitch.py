"""How the camera nods: its pitch at every frame, from the flow of what stands still.

A vehicle that brakes, or rolls over a bump, turns its camera by a few tenths of a degree; at 20 m
that moves the ground by metres, so whatever is put there would breathe.
"""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from svsdata.geometry.epipolar import fit_rotation
from svsdata.records import Camera, Flow, Mask

KEPT = 0.995
"""Share of the pitch so far that a frame takes over: errors of steps die out in some two hundred
frames; braking and bumps are quicker."""

_MIN_INLIER_SHARE = 0.3


def pitch_step(flow: Flow, validity: Mask | None, camera: Camera) -> float:
    """Measure how far the camera turned downwards since the frame before.

    Args:
        flow: (H, W, 2) backward flow.
        validity: (H, W), 1 where the flow is known; None: everywhere.
        camera: Of all frames, at rest.

    Returns:
        Radians; 0 where too little of the flow agrees.
    """
    rotation = fit_rotation(flow, camera, validity)
    return rotation.pitch_step_rad if rotation.inlier_share >= _MIN_INLIER_SHARE else 0.0


def pitch_of_steps(steps: NDArray[np.float64], kept: float = KEPT) -> NDArray[np.float64]:
    """Add steps up to the pitch at every frame, against the camera at rest.

    The sum leaks, forwards in time and backwards, and the mean of both is taken: noise of a step
    dies out, and what all steps have in common, as from a horizon that is off by some pixels,
    cancels.

    Args:
        steps: (N,) radians downwards since the frame before.
        kept: Share of the sum that the next frame takes over, 0 to 1.

    Returns:
        (N,) radians, positive where the camera looks lower than at rest; their mean is 0.
    """
    forwards, backwards = np.zeros(len(steps)), np.zeros(len(steps))
    for index in range(1, len(steps)):
        forwards[index] = kept * forwards[index - 1] + steps[index]
        backwards[-1 - index] = kept * backwards[-index] - steps[-index]
    pitch = (forwards + backwards) / 2
    return pitch - pitch.mean() if len(pitch) else pitch


def pitched(camera: Camera, down_rad: float) -> Camera:
    """Return the camera turned downwards about its own centre."""
    turn = np.eye(4)
    cosine, sine = np.cos(down_rad), np.sin(down_rad)
    turn[1:3, 1:3] = [[cosine, -sine], [sine, cosine]]
    return replace(camera, cam_T_vehicle=turn @ camera.cam_T_vehicle)


def camera_at(camera: Camera, pitch_rad: NDArray[np.float64], frame_index: int) -> Camera:
    """Return the camera of a frame.

    Args:
        camera: At rest.
        pitch_rad: (N,) how much lower it looks at every frame; empty: it never nods.
        frame_index: Of the frame.
    """
    if not pitch_rad.size:
        return camera
    return pitched(camera, float(pitch_rad[frame_index]))
