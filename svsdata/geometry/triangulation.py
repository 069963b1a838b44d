"""Depth from flow: where a pixel was seen before is linear in its inverse depth.

A pixel that shows something at z-depth 1 / w was seen in the frame before at a + w b, in
homogeneous pixels. So for the place that flow tells, ``slope * w = offset`` holds in both
coordinates.
"""

import numpy as np
from numpy.typing import NDArray

from svsdata.records import Camera, Transform

Floats32 = NDArray[np.float32]


def lines_before(camera: Camera, to_before: Transform) -> tuple[Floats32, Floats32]:
    """Return a, (H, W, 3), and b, (3,), of all pixels.

    Args:
        camera: Of both frames.
        to_before: Takes places of the frame's vehicle frame to that of the frame before.
    """
    before = camera.cam_T_vehicle @ to_before @ np.linalg.inv(camera.cam_T_vehicle)
    turned = camera.intrinsics @ before[:3, :3] @ np.linalg.inv(camera.intrinsics)
    rows, columns = np.mgrid[: camera.size_hw[0], : camera.size_hw[1]].astype(np.float32)
    endless = np.stack([columns, rows, np.ones_like(rows)], axis=-1) @ turned.T.astype(np.float32)
    return endless, (camera.intrinsics @ before[:3, 3]).astype(np.float32)


def depth_equations(
    endless: Floats32, nearing: Floats32, seen: Floats32
) -> tuple[Floats32, Floats32]:
    """Return slope and offset, (..., 2) each, in pixels.

    Args:
        endless: (..., 3) a.
        nearing: (3,) b.
        seen: (..., 2) u and v in the frame before.
    """
    slope = seen * nearing[2] - nearing[:2]
    return slope, endless[..., :2] - seen * endless[..., 2:]
