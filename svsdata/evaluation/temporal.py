"""Measures of motion: flow errors, and how well a video follows the motion of its labels."""

import cv2
import numpy as np
from numpy.typing import NDArray

from svsdata.flow import warp
from svsdata.records import Flow, Image, Mask

_OUTLIER_PX, _OUTLIER_SHARE = 3.0, 0.05


def endpoint_error(flow: Flow, true: Flow, valid: Mask | None = None) -> float:
    """Return the mean length of the difference in pixels, over valid ones."""
    return float(np.mean(_difference(flow, true)[_where(true, valid)]))


def outlier_share(flow: Flow, true: Flow, valid: Mask | None = None) -> float:
    """Return KITTI's Fl: the share of pixels off by more than 3 px and 5 % of the true length."""
    error = _difference(flow, true)
    length = np.sqrt(_squared(true))
    bad = (error > _OUTLIER_PX) & (error > _OUTLIER_SHARE * length)
    return float(np.mean(bad[_where(true, valid)]))


def motion_boundary(flow: Flow) -> Mask:
    """Return 1 where the motion changes abruptly (Sundaram et al. 2010).

    The squared forward differences exceed 0.01 |flow|^2 + 0.002.
    """
    across = np.zeros_like(flow)
    across[:, :-1] = flow[:, 1:] - flow[:, :-1]
    down = np.zeros_like(flow)
    down[:-1] = flow[1:] - flow[:-1]
    changes = _squared(across) + _squared(down)
    return (changes > 0.01 * _squared(flow) + 0.002).astype(np.uint8)


def warping_error(previous: Image, current: Image, flow: Flow, visible: Mask) -> float:
    """Return the mean squared difference of a frame to its warped predecessor (Lai et al. 2018).

    Lai's measure with the pair swapped: the flow is the backward one, of the video that gave the
    labels, and gathers the previous output onto the current frame.

    Args:
        previous: (H, W, 3) uint8 output at t - 1.
        current: Output at t.
        flow: Backward flow at t.
        visible: 1 where it counts: not occluded, valid, away from motion boundaries.

    Returns:
        The mean over visible pixels and channels of images in [0, 1]; NaN if nothing is visible.
    """
    counted = cv2.countNonZero(visible)
    if counted == 0:
        return float("nan")
    warped = warp(previous.astype(np.float32), flow)
    levels = cv2.norm(current.astype(np.float32), warped, cv2.NORM_L2SQR, visible)
    return levels / (3 * counted * 255**2)


def visible_pixels(flow: Flow, validity: Mask | None, occlusion: Mask | None) -> Mask:
    """Return 1 where a flow says which pixel of the previous frame is seen again."""
    visible = motion_boundary(flow) == 0
    if validity is not None:
        visible &= validity == 1
    if occlusion is not None:
        visible &= occlusion == 0
    return visible.astype(np.uint8)


def _squared(vectors: Flow) -> NDArray[np.float32]:
    return np.square(vectors[..., 0]) + np.square(vectors[..., 1])


def _difference(flow: Flow, true: Flow) -> NDArray[np.float32]:
    return np.sqrt(_squared(flow - true))


def _where(flow: Flow, valid: Mask | None) -> NDArray[np.bool_]:
    everywhere = np.ones(flow.shape[:2], np.uint8)
    return (everywhere if valid is None else valid) == 1
