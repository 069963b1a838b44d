"""Geometry of flow fields as numpy arrays; ``tensors`` does the same in torch, as an oracle.

Flow is backward: at frame t it points to t - 1, (H, W, 2) float32 pixels, dx then dy.
"""

from typing import TypeVar, cast

import cv2
import numpy as np
from numpy.typing import NDArray

from svsdata.records import Flow, Mask

Pixel = TypeVar("Pixel", np.uint8, np.uint16, np.float32)


def warp(previous: NDArray[Pixel], flow: Flow, *, nearest: bool = False) -> NDArray[Pixel]:
    """Gather the previous frame onto the current grid: result(x) = previous(x + flow(x)).

    Args:
        previous: (H, W) or (H, W, C), uint8, uint16 or float32.
        flow: (H, W, 2) backward flow.
        nearest: Take the nearest sample, as maps of ids need; else bilinear.

    Returns:
        Same shape and dtype; samples beyond the border repeat it.
    """
    x, y = _sample_points(flow)
    warped = cv2.remap(
        previous,
        x,
        y,
        cv2.INTER_NEAREST if nearest else cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REPLICATE,
    )
    return cast("NDArray[Pixel]", warped)


def resize_flow(flow: Flow, size_hw: tuple[int, int]) -> Flow:
    """Resample a flow field and rescale its vectors to the new pixel grid.

    dx scales with the width's ratio, dy with the height's; a shrinking field is averaged.
    """
    old_hw = flow.shape[:2]
    shrinks = size_hw[0] < old_hw[0]
    resized = cv2.resize(
        flow, size_hw[::-1], interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    )
    return cast(Flow, resized) * np.array(
        [size_hw[1] / old_hw[1], size_hw[0] / old_hw[0]], np.float32
    )


def leaves_frame(flow: Flow) -> Mask:
    """Return 1 where the flow points outside the previous frame."""
    height, width = flow.shape[:2]
    x, y = _sample_points(flow)
    return ((x < 0) | (x > width - 1) | (y < 0) | (y > height - 1)).astype(np.uint8)


def occlusion_by_consistency(backward: Flow, forward: Flow) -> Mask:
    """Compare a backward flow with the forward flow of the same pair.

    Occluded where |b + f(x + b)|^2 > 0.01 (|b|^2 + |f|^2) + 0.5 (Sundaram et al. 2010), and where
    the flow leaves the frame.

    Args:
        backward: (H, W, 2) at t, pointing to t - 1.
        forward: (H, W, 2) at t - 1, pointing to t.

    Returns:
        (H, W) uint8, 1 = occluded.
    """
    returned = warp(forward, backward)
    error = _squared_length(backward + returned)
    magnitude = _squared_length(backward) + _squared_length(returned)
    inconsistent = error > 0.01 * magnitude + 0.5
    return (inconsistent | (leaves_frame(backward) == 1)).astype(np.uint8)


def _sample_points(flow: Flow) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return x and y, (H, W) each, of the points in the previous frame."""
    height, width = flow.shape[:2]
    columns = np.arange(width, dtype=np.float32)
    rows = np.arange(height, dtype=np.float32)[:, None]
    return columns + flow[..., 0], rows + flow[..., 1]


def _squared_length(vectors: Flow) -> NDArray[np.float32]:
    # Summing the last axis, of two, is three times slower in NumPy.
    return np.square(vectors[..., 0]) + np.square(vectors[..., 1])
