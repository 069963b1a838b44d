"""Geometry of flow fields as numpy arrays; ``tensors`` does the same in torch, as an oracle.

Flow is backward: at frame t it points to t - 1, (H, W, 2) float32 pixels, dx then dy.
"""

from functools import lru_cache
from typing import TypeVar, cast

import cv2
import numpy as np
from numpy.typing import NDArray

from svsdata.records import Flow, Mask

Pixel = TypeVar("Pixel", np.uint8, np.uint16, np.float32)


def warp(
    previous: NDArray[Pixel],
    flow: Flow,
    *,
    nearest: bool = False,
    window: tuple[slice, slice] = (slice(None), slice(None)),
) -> NDArray[Pixel]:
    """Gather the previous frame onto the current grid: result(x) = previous(x + flow(x)).

    Args:
        previous: (H, W) or (H, W, C), uint8, uint16 or float32.
        flow: (H, W, 2) backward flow.
        nearest: Take the nearest sample, as maps of ids need; else bilinear.
        window: Rows and columns of the result that are wanted.

    Returns:
        Same dtype and, but for the window, shape; samples beyond the border repeat it.
    """
    points = flow[window] + _pixel_places(*flow.shape[:2])[window]
    return _sampled(previous, points, nearest=nearest)


def warp_piece(previous: Mask, flow: Flow) -> Mask:
    """Gather a rectangle of the previous frame onto the same rectangle of this one.

    Args:
        previous: (h, w) of the rectangle.
        flow: (h, w, 2) of it.

    Returns:
        (h, w) the nearest samples; 0 comes from beyond the rectangle.
    """
    moved = cv2.remap(  # type: ignore[call-overload]  # None: x and y come in one map
        previous,
        flow,
        None,
        cv2.INTER_NEAREST | cv2.WARP_RELATIVE_MAP,
        borderMode=cv2.BORDER_CONSTANT,
    )
    return cast(Mask, moved)


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
    return _is_outside(_sample_points(flow), (height, width)).astype(np.uint8)


def occlusion_by_consistency(backward: Flow, forward: Flow, stride: int = 1) -> Mask:
    """Compare a backward flow with the forward flow of the same pair.

    Occluded where |b + f(x + b)|^2 > 0.01 (|b|^2 + |f|^2) + 0.5 (Sundaram et al. 2010), and where
    the flow leaves the frame.

    Args:
        backward: (H, W, 2) at t, pointing to t - 1.
        forward: (H, W, 2) at t - 1, pointing to t.
        stride: Compare every so many rows and columns; the pixels after each are taken to be alike.

    Returns:
        (H, W) uint8, 1 = occluded.
    """
    height, width = backward.shape[:2]
    compared = backward[::stride, ::stride]
    points = _sample_points(backward, stride)
    returned = _sampled(forward, points)
    error = _squared_length(compared + returned)
    magnitude = _squared_length(compared) + _squared_length(returned)
    occluded = (error > 0.01 * magnitude + 0.5) | _is_outside(points, (height, width))
    every = occluded.astype(np.uint8).repeat(stride, axis=0).repeat(stride, axis=1)
    return every[:height, :width]


def _sample_points(flow: Flow, stride: int = 1) -> Flow:
    """(h, w, 2) x and y in the previous frame, of every so many rows and columns."""
    return flow[::stride, ::stride] + _pixel_places(*flow.shape[:2])[::stride, ::stride]


@lru_cache(maxsize=1)
def _pixel_places(height: int, width: int) -> Flow:
    """(H, W, 2) column and row of every pixel."""
    rows, columns = np.indices((height, width), np.float32)
    places = np.stack([columns, rows], axis=-1)
    places.flags.writeable = False
    return places


def _sampled(values: NDArray[Pixel], points: Flow, *, nearest: bool = False) -> NDArray[Pixel]:
    """Read (H, W, ...) values at (h, w, 2) points; the border repeats."""
    sampled = cv2.remap(  # type: ignore[call-overload]  # None: x and y come in one map
        values,
        points,
        None,
        cv2.INTER_NEAREST if nearest else cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REPLICATE,
    )
    return cast("NDArray[Pixel]", sampled)


def _is_outside(points: Flow, size_hw: tuple[int, int]) -> NDArray[np.bool_]:
    x, y = points[..., 0], points[..., 1]
    return (x < 0) | (x > size_hw[1] - 1) | (y < 0) | (y > size_hw[0] - 1)


def _squared_length(vectors: Flow) -> NDArray[np.float32]:
    # Summing the last axis, of two, is three times slower in NumPy.
    return np.square(vectors[..., 0]) + np.square(vectors[..., 1])
