"""Pinhole cameras on a vehicle: build, project, back-project, ground plane and horizon.

The ground is the plane z = 0 of the vehicle frame.
"""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from svsdata.records import Camera, Flag, Transform

# Axes of a camera that looks straight ahead: x right = -y, y down = -z, z forward = x.
_CAMERA_AXES = np.array([[0.0, -1.0, 0.0], [0.0, 0.0, -1.0], [1.0, 0.0, 0.0]])


def mounted_camera(
    intrinsics: NDArray[np.float64],
    size_hw: tuple[int, int],
    *,
    position_m: tuple[float, float, float],
    yaw_pitch_roll_rad: tuple[float, float, float],
    flag: Flag = "given",
) -> Camera:
    """Build a camera from Cityscapes' extrinsic parameters.

    Args:
        intrinsics: (3, 3) in pixels of ``size_hw``.
        size_hw: Height and width of the frames.
        position_m: Camera centre in the vehicle frame.
        yaw_pitch_roll_rad: Rotations about z (positive left), y (positive down) and x
            (csCalibration.pdf of cityscapesScripts).
        flag: How these numbers are known.
    """
    yaw, pitch, roll = yaw_pitch_roll_rad
    cy, sy, cp, sp, cr, sr = (f(a) for a in (yaw, pitch, roll) for f in (np.cos, np.sin))
    vehicle_R_mount = (
        np.array([[cy, -sy, 0.0], [sy, cy, 0.0], [0.0, 0.0, 1.0]])
        @ np.array([[cp, 0.0, sp], [0.0, 1.0, 0.0], [-sp, 0.0, cp]])
        @ np.array([[1.0, 0.0, 0.0], [0.0, cr, -sr], [0.0, sr, cr]])
    )
    cam_T_vehicle = np.eye(4)
    cam_T_vehicle[:3, :3] = _CAMERA_AXES @ vehicle_R_mount.T
    cam_T_vehicle[:3, 3] = -cam_T_vehicle[:3, :3] @ np.array(position_m)
    return Camera(np.asarray(intrinsics, np.float64), cam_T_vehicle, size_hw, flag)


def yaw_pitch_roll(camera: Camera) -> tuple[float, float, float]:
    """Return the rotations in radians that ``mounted_camera`` would build this camera from."""
    vehicle_R_mount = camera.cam_T_vehicle[:3, :3].T @ _CAMERA_AXES
    yaw = np.arctan2(vehicle_R_mount[1, 0], vehicle_R_mount[0, 0])
    pitch = -np.arcsin(np.clip(vehicle_R_mount[2, 0], -1.0, 1.0))
    roll = np.arctan2(vehicle_R_mount[2, 1], vehicle_R_mount[2, 2])
    return float(yaw), float(pitch), float(roll)


def assumed_camera(size_hw: tuple[int, int]) -> Camera:
    """Return the published Cityscapes camera for frames of that size, flagged ``assumed``.

    The focal length follows the frame's width; the principal point keeps its place in a 2:1
    frame and is centred vertically in any other.
    """
    height, width = size_hw
    scale = width / 2048
    intrinsics = np.array(
        [
            [2262.52 * scale, 0.0, (1096.98 + 0.5) * scale - 0.5],
            [0.0, 2265.30 * scale, (513.137 - 512 + 0.5) * scale - 0.5 + height / 2],
            [0.0, 0.0, 1.0],
        ]
    )
    return mounted_camera(
        intrinsics,
        size_hw,
        position_m=(1.7, 0.1, 1.22),
        yaw_pitch_roll_rad=(-0.0195, 0.038, 0.0),
        flag="assumed",
    )


def camera_centre(camera: Camera) -> NDArray[np.float64]:
    """Return the camera's centre in the vehicle frame, (3,) metres."""
    rotation, translation = camera.cam_T_vehicle[:3, :3], camera.cam_T_vehicle[:3, 3]
    return -rotation.T @ translation


def project(camera: Camera, points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Project points of the vehicle frame.

    Args:
        camera: Where to.
        points: (..., 3) metres, vehicle frame.

    Returns:
        (..., 3): u, v in pixels and z-depth in metres; u and v mean nothing where depth <= 0.
    """
    # One product of all points: stacks of a few each would be multiplied one by one.
    in_camera = points.reshape(-1, 3) @ camera.cam_T_vehicle[:3, :3].T
    in_camera += camera.cam_T_vehicle[:3, 3]
    depth = in_camera[:, 2:]
    pixels = (in_camera / np.where(depth == 0, np.inf, depth)) @ camera.intrinsics.T
    pixels[:, 2:] = depth
    return pixels.reshape(points.shape)


def ray_matrix(camera: Camera) -> NDArray[np.float64]:
    """Return the (3, 3) matrix that takes (u, v, 1) to the viewing ray of z-depth 1."""
    return np.asarray(camera.cam_T_vehicle[:3, :3].T @ _inverse(camera.intrinsics.tobytes()))


def pixel_rays(camera: Camera, pixels: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the viewing ray of each pixel in the vehicle frame, scaled to z-depth 1.

    Args:
        camera: Where from.
        pixels: (..., 2) u, v.

    Returns:
        (..., 3) so that ``camera_centre + depth * ray`` is the point seen at that z-depth.
    """
    homogeneous = np.ones((*pixels.shape[:-1], 3))
    homogeneous[..., :2] = pixels
    inverse = _inverse(camera.intrinsics.tobytes())
    return homogeneous @ inverse.T @ camera.cam_T_vehicle[:3, :3]


def back_project(
    camera: Camera, pixels: NDArray[np.float64], depth: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the (..., 3) vehicle-frame points seen at (..., 2) pixels and (...) z-depths."""
    return camera_centre(camera) + depth[..., None] * pixel_rays(camera, pixels)


def ground_points(camera: Camera, pixels: NDArray[np.float64]) -> NDArray[np.float64]:
    """Intersect pixels' rays with the ground.

    Args:
        camera: Where from.
        pixels: (..., 2) u, v.

    Returns:
        (..., 3): x ahead and y left in metres, and the z-depth; NaN at and above the horizon.
    """
    centre, rays = camera_centre(camera), pixel_rays(camera, pixels)
    x, y, downwards = np.moveaxis(rays, -1, 0)
    depth = -centre[2] / np.where(downwards < 0, downwards, np.nan)
    return np.stack([centre[0] + depth * x, centre[1] + depth * y, depth], axis=-1)


def ground_homography(camera: Camera) -> NDArray[np.float64]:
    """Return the (3, 3) matrix that takes (x, y, 1) of the ground to z-depth times (u, v, 1)."""
    return camera.intrinsics @ camera.cam_T_vehicle[:3, [0, 1, 3]]


def turned_projection(
    camera: Camera, turn_rad: NDArray[np.float64], pitch_step_rad: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return how the camera saw the directions of today's vehicle frame a step ago.

    Args:
        camera: Of the current frame.
        turn_rad: (...) by which the vehicle turned to the left since then.
        pitch_step_rad: (...) by which the camera turned downwards.

    Returns:
        (..., 3, 3): takes a direction, or a point less the camera's centre, to z-depth times
        (u, v, 1) in the previous frame.
    """
    turns = np.zeros((*turn_rad.shape, 3, 3))
    pitches = np.zeros_like(turns)
    turns[..., 0, 0] = turns[..., 1, 1] = np.cos(turn_rad)
    turns[..., 1, 0] = np.sin(turn_rad)
    turns[..., 0, 1] = -turns[..., 1, 0]
    pitches[..., 0, 0] = pitches[..., 2, 2] = np.cos(pitch_step_rad)
    pitches[..., 0, 2] = np.sin(pitch_step_rad)
    pitches[..., 2, 0] = -pitches[..., 0, 2]
    turns[..., 2, 2] = pitches[..., 1, 1] = 1.0
    sees = camera.intrinsics @ camera.cam_T_vehicle[:3, :3]
    return np.asarray(sees @ pitches @ turns)


def horizon_row(camera: Camera) -> float:
    """Return the image row of the horizon at the principal column."""
    normal = camera.cam_T_vehicle[:3, 2]
    line = _inverse(camera.intrinsics.tobytes()).T @ normal
    return float(-(line[0] * camera.intrinsics[0, 2] + line[2]) / line[1])


def ego_step(speed_mps: float, yaw_rate_rps: float, seconds: float) -> Transform:
    """Return ``previous_T_current``: the pose after driving an arc, in the pose before."""
    turn = yaw_rate_rps * seconds
    ahead = speed_mps * seconds * np.sinc(turn / np.pi)
    left = speed_mps * seconds * np.sin(turn / 2) * np.sinc(turn / 2 / np.pi)
    cosine, sine = np.cos(turn), np.sin(turn)
    return np.array(
        [
            [cosine, -sine, 0.0, ahead],
            [sine, cosine, 0.0, left],
            [0.0, 0.0, 1.0, 0.0],
            [0.0, 0.0, 0.0, 1.0],
        ]
    )


@lru_cache(maxsize=64)
def _inverse(intrinsics: bytes) -> NDArray[np.float64]:
    """(3, 3) takes (u, v, 1) to the ray of z-depth 1, camera axes; every frame asks for it anew."""
    inverse = np.asarray(np.linalg.inv(np.frombuffer(intrinsics).reshape(3, 3)), np.float64)
    inverse.flags.writeable = False
    return inverse
