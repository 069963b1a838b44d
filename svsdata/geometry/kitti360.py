"""Axes of KITTI-360: x forward, y right, z down at the GPS/IMU unit; its world has z up.

Source: KITTI-360's documentation and kitti360scripts' ``helpers/project.py``.
"""

import numpy as np

from svsdata.records import Transform

CAMERA_HEIGHT_M = 1.55
"""Of image_00 above the road, by users' measurements; not in the calibration files."""

IMU_HEIGHT_M = 0.93
"""Of the GPS/IMU unit above the road: its camera's height less what its calibration adds."""


def ground_below_imu(imu_height_m: float) -> Transform:
    """Return ``imu_T_vehicle``: y and z turned around, the origin on the road below the unit."""
    transform = np.diag([1.0, -1.0, -1.0, 1.0])
    transform[2, 3] = imu_height_m
    return transform
