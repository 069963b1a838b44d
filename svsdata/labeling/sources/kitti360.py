"""The layout of KITTI-360: ``data_2d_raw/<drive>/image_00/data_rect``, calibration and poses.

KITTI-360's vehicle axes are x forward, y right, z down at the GPS/IMU unit; its world has z up.
Its files do not say how high the unit stands above the road, so the camera is flagged ``assumed``.
"""

from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation, Slerp

from svsdata.errors import SourceError
from svsdata.geometry.kitti360 import CAMERA_HEIGHT_M, ground_below_imu
from svsdata.labeling.sources.exported import exported_sequences
from svsdata.labeling.sources.folder import PICTURE_SUFFIXES, PictureRecording, files_of_kind
from svsdata.records import Camera, EgoMotion, Flag, Transform

FPS = 10.0
"""Nominal rate of the cameras."""

# Poses are missing where the car stood still or the trajectory was not solved; over a second
# of missing poses is not bridged.
LONGEST_POSE_GAP = 10


def is_kitti360(root: Path) -> bool:
    """Tell whether the folder has KITTI-360's layout."""
    return (root / "data_2d_raw").is_dir()


def kitti360_recordings(root: Path, *, fps: float | None = None) -> tuple[PictureRecording, ...]:
    """Find the drives, as the left perspective camera saw them.

    Args:
        root: The folder.
        fps: Frame numbers a second, where that is neither ``FPS`` nor what an export tells; the
            times of a drive with ``timestamps.txt`` do not follow from it.

    Raises:
        SourceError: If there are no frames, or calibration, poses or exported records are broken.
    """
    recordings = []
    camera, imu_height_m = _camera(root)
    exported = exported_sequences(root, "drive")
    for drive in sorted(path for path in (root / "data_2d_raw").iterdir() if path.is_dir()):
        folder = drive / "image_00" / "data_rect"
        if not folder.is_dir():
            continue
        paths = files_of_kind(folder, PICTURE_SUFFIXES)
        if not paths:
            continue
        paths, frames = _numbered(paths)
        told = exported.get((drive.name,))
        rate = fps or (told.fps if told else FPS)
        times_us = _timestamps_us(drive / "image_00" / "timestamps.txt", frames, rate)
        recordings.append(
            PictureRecording(
                sequence_id=drive.name,
                source=str(root),
                fps=rate,
                root=root,
                paths=tuple(paths),
                folders=(drive.name, "image_00"),
                source_frames=frames,
                timestamps_us=times_us,
                camera=camera,
                ego=_ego(
                    root / "data_poses" / drive.name / "poses.txt", frames, times_us, imu_height_m
                ),
            )
        )
    if not recordings:
        raise SourceError(
            f"{root / 'data_2d_raw'}: no frames; expected <drive>/image_00/data_rect/<number>.png"
        )
    return tuple(recordings)


def _numbered(paths: list[Path]) -> tuple[list[Path], tuple[int, ...]]:
    """Return pictures in the order of the numbers that they are named by, and those."""
    strange = next((path for path in paths if not path.stem.isdecimal()), None)
    if strange is not None:
        raise SourceError(f"{strange}: expected a frame number of ten digits as its name")
    paths = sorted(paths, key=lambda path: int(path.stem))
    for one, other in pairwise(paths):
        if int(one.stem) == int(other.stem):
            raise SourceError(
                f"{other}: frame {int(other.stem)} exists twice, also as {one.name}; keep one of "
                "them"
            )
    return paths, tuple(int(path.stem) for path in paths)


def _camera(root: Path) -> tuple[Camera | None, float]:
    """Return the rectified left camera and the height of the GPS/IMU unit in metres."""
    perspective = root / "calibration" / "perspective.txt"
    mounting = root / "calibration" / "calib_cam_to_pose.txt"
    if not perspective.is_file() or not mounting.is_file():
        return None, 0.0
    projection = _matrix(perspective, "P_rect_00", (3, 4))
    width, height = _matrix(perspective, "S_rect_00", (2,))
    rect_T_cam = np.eye(4)
    rect_T_cam[:3, :3] = _matrix(perspective, "R_rect_00", (3, 3))
    imu_T_cam = np.eye(4)
    imu_T_cam[:3] = _matrix(mounting, "image_00", (3, 4))
    imu_height_m = CAMERA_HEIGHT_M + float(imu_T_cam[2, 3])
    cam_T_vehicle = rect_T_cam @ np.linalg.inv(imu_T_cam) @ ground_below_imu(imu_height_m)
    camera = Camera(projection[:, :3], cam_T_vehicle, (int(height), int(width)), "assumed")
    return camera, imu_height_m


def _matrix(path: Path, name: str, shape: tuple[int, ...]) -> NDArray[np.float64]:
    for line in _text(path).splitlines():
        key, _, numbers = line.partition(":")
        if key.strip() == name:
            try:
                return np.array([float(number) for number in numbers.split()]).reshape(shape)
            except ValueError as error:
                raise SourceError(
                    f"{path}: '{name}' holds no {'x'.join(map(str, shape))} numbers ({error})"
                ) from error
    raise SourceError(f"{path}: no line '{name}:'; is this KITTI-360's calibration?")


def _timestamps_us(path: Path, frames: tuple[int, ...], fps: float) -> tuple[int, ...]:
    """Return the time of each frame since the first one."""
    if not path.is_file():
        return tuple(round((frame - frames[0]) * 1e6 / fps) for frame in frames)
    try:
        times = np.array(_text(path).split("\n"), dtype="datetime64[ns]")
    except ValueError as error:
        raise SourceError(f"{path}: not a list of times ({error})") from error
    times = times[~np.isnat(times)]
    if len(times) <= frames[-1]:
        raise SourceError(f"{path}: {len(times)} times, but frames go up to {frames[-1]}")
    since_first = (times[list(frames)] - times[frames[0]]) / np.timedelta64(1, "us")
    return tuple(round(float(time)) for time in since_first)


def _ego(
    path: Path, frames: tuple[int, ...], times_us: tuple[int, ...], imu_height_m: float
) -> Mapping[int, EgoMotion]:
    """Return pose, speed and yaw rate by position where the pose is known or bridged."""
    if not path.is_file():
        return {}
    poses = _poses(path, frames, imu_height_m)
    motions = {}
    for position, (pose, flag) in poses.items():
        other = position - 1 if position - 1 in poses else position + 1
        if other not in poses or times_us[other] == times_us[position]:
            continue
        seconds = (times_us[position] - times_us[other]) * 1e-6
        step = np.linalg.inv(poses[other][0]) @ pose
        speed = float(step[0, 3]) / seconds
        yaw_rate = float(np.arctan2(step[1, 0], step[0, 0])) / seconds
        motions[position] = EgoMotion(speed, yaw_rate, flag, pose)
    return motions


def _poses(
    path: Path, frames: tuple[int, ...], imu_height_m: float
) -> dict[int, tuple[Transform, Flag]]:
    try:
        rows = np.loadtxt(path, ndmin=2)
        known, matrices = rows[:, 0].astype(int), rows[:, 1:].reshape(-1, 3, 4)
    except (ValueError, OSError) as error:
        raise SourceError(
            f"{path}: not a list of poses ({error}); expected a frame number and 12 numbers a line"
        ) from error
    if len(known) < 2:
        return {}
    turn = Slerp(known, Rotation.from_matrix(matrices[:, :, :3]))
    poses: dict[int, tuple[Transform, Flag]] = {}
    for position, frame in enumerate(frames):
        after = int(np.searchsorted(known, frame))
        exact = after < len(known) and known[after] == frame
        bridged = 0 < after < len(known) and known[after] - known[after - 1] <= LONGEST_POSE_GAP
        if not exact and not bridged:
            continue
        world_T_imu = np.eye(4)
        world_T_imu[:3, :3] = turn(frame).as_matrix()
        world_T_imu[:3, 3] = [np.interp(frame, known, matrices[:, axis, 3]) for axis in range(3)]
        flag: Flag = "given" if exact else "interpolated"
        poses[position] = (world_T_imu @ ground_below_imu(imu_height_m), flag)
    return poses


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SourceError(f"{path}: cannot be read ({error})") from error
