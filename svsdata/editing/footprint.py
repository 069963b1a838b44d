"""How far away a camera sees the footprint of an object, column by column."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from svsdata.editing.occlusion import GroundDepth
from svsdata.geometry.camera import camera_centre, horizon_row, pixel_rays
from svsdata.records import Camera


@dataclass(frozen=True)
class CameraView:
    """A camera and what follows from it alone."""

    camera: Camera
    ground: GroundDepth
    centre: NDArray[np.float64]
    """(3,) vehicle frame."""
    rays: NDArray[np.float64]
    """(W, 2) x and y, vehicle frame, of the way that each column looks, at z-depth 1."""
    horizon_row: float

    @classmethod
    def of(cls, camera: Camera) -> "CameraView":
        """Compute it."""
        columns = np.arange(camera.size_hw[1], dtype=np.float64)
        pixels = np.stack([columns, np.full_like(columns, camera.intrinsics[1, 2])], axis=1)
        return cls(
            camera,
            GroundDepth(camera),
            camera_centre(camera),
            pixel_rays(camera, pixels)[:, :2],
            horizon_row(camera),
        )


def footprint_depth(
    view: CameraView,
    pose: NDArray[np.float64],
    size_m: tuple[float, float, float],
    columns: slice,
    middle_m: float,
) -> NDArray[np.float64]:
    """Return the z-depth at which each image column first meets an object's footprint.

    Args:
        view: Where from.
        pose: (3,) x, y, heading in the vehicle frame.
        size_m: Length, width, height.
        columns: n columns of the frame.
        middle_m: z-depth of the middle of the footprint.

    Returns:
        (n,) metres; columns that pass beside the footprint get the depth of its middle.
    """
    cosine, sine = np.cos(pose[2]), np.sin(pose[2])
    to_object = np.array([[cosine, sine], [-sine, cosine]])
    origin = to_object @ (view.centre[:2] - pose[:2])
    directions = view.rays[columns] @ to_object.T
    directions = np.where(np.abs(directions) < 1e-9, 1e-9, directions)
    half = np.array(size_m[:2]) / 2
    one, other = (-half - origin) / directions, (half - origin) / directions
    enter = np.minimum(one, other).max(axis=1)
    leave = np.maximum(one, other).min(axis=1)
    depth = np.where((enter <= leave) & (leave > 0), enter, middle_m)
    return np.maximum(depth, 0.0)
