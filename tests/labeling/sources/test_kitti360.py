from pathlib import Path

import numpy as np
import pytest

from svsdata.errors import SourceError
from svsdata.geometry.camera import camera_centre, horizon_row
from svsdata.geometry.kitti360 import CAMERA_HEIGHT_M
from svsdata.images import encode_png
from svsdata.labeling.sources.kitti360 import is_kitti360, kitti360_recordings

DRIVE = "2013_05_28_drive_0007_sync"

# A camera 1.5 m ahead of and 0.6 m above the unit that looks straight ahead: its axes right, down,
# forward are the unit's y, z, x.
CAM_TO_POSE = "image_00: 0 0 1 1.5 1 0 0 0 0 1 0 -0.6\n"
PERSPECTIVE = (
    "S_rect_00: 1408 376\n"
    "R_rect_00: 1 0 0 0 1 0 0 0 1\n"
    "P_rect_00: 552.5 0 682.0 0 0 552.5 238.8 0 0 0 1 0\n"
)


def put_frames(root: Path, numbers: range | list[int]) -> None:
    folder = root / "data_2d_raw" / DRIVE / "image_00" / "data_rect"
    folder.mkdir(parents=True)
    for number in numbers:
        data = encode_png(np.zeros((4, 8, 3), np.uint8))
        (folder / f"{number:010d}.png").write_bytes(data)


def put_calibration(root: Path) -> None:
    (root / "calibration").mkdir()
    (root / "calibration" / "perspective.txt").write_text(PERSPECTIVE)
    (root / "calibration" / "calib_cam_to_pose.txt").write_text(CAM_TO_POSE)


def put_poses(root: Path, poses: dict[int, tuple[float, float]]) -> None:
    """Write poses of a car at (metre east, yaw), z down as KITTI-360's unit has it."""
    lines = []
    for frame, (east, yaw) in poses.items():
        cosine, sine = np.cos(yaw), np.sin(yaw)
        world_T_imu = [cosine, sine, 0, east, sine, -cosine, 0, 5.0, 0, 0, -1, 0.95]
        lines.append(" ".join(map(str, (frame, *world_T_imu))))
    folder = root / "data_poses" / DRIVE
    folder.mkdir(parents=True)
    (folder / "poses.txt").write_text("\n".join(lines))


def test_a_drive_is_a_sequence_whose_gaps_show(tmp_path):
    put_frames(tmp_path, [3, 4, 9])
    assert is_kitti360(tmp_path)
    (recording,) = kitti360_recordings(tmp_path)
    frames = list(recording.frames(0))
    assert (recording.sequence_id, recording.folders) == (DRIVE, (DRIVE, "image_00"))
    assert [frame.source_frame for frame in frames] == [3, 4, 9]
    assert [frame.timestamp_us for frame in frames] == [0, 100_000, 600_000]
    assert (frames[0].camera, frames[0].ego) == (None, None)


def test_calibration_places_the_camera_ahead_above_the_road_and_level(tmp_path):
    put_frames(tmp_path, range(1))
    put_calibration(tmp_path)
    (recording,) = kitti360_recordings(tmp_path)
    camera = recording.camera
    assert (camera.size_hw, camera.flag) == ((376, 1408), "assumed")
    np.testing.assert_allclose(camera_centre(camera), [1.5, 0.0, CAMERA_HEIGHT_M], atol=1e-12)
    assert horizon_row(camera) == pytest.approx(238.8)
    assert camera.intrinsics[0, 0] == 552.5


def test_poses_give_world_z_up_speed_and_yaw_rate_positive_to_the_left(tmp_path):
    put_frames(tmp_path, range(3))
    put_calibration(tmp_path)
    put_poses(tmp_path, {0: (0.0, 0.0), 1: (1.0, 0.0), 2: (2.0, 0.02)})
    (recording,) = kitti360_recordings(tmp_path)
    motions = [frame.ego for frame in recording.frames(0)]
    assert [motion.flag for motion in motions] == ["given"] * 3
    assert [motion.speed_mps for motion in motions] == pytest.approx([10.0, 10.0, 10.0], rel=1e-3)
    assert [motion.yaw_rate_rps for motion in motions] == pytest.approx([0.0, 0.0, 0.2])
    pose = motions[1].world_T_vehicle
    np.testing.assert_allclose(pose[:3, :3], np.eye(3), atol=1e-12)
    # The unit is CAMERA_HEIGHT_M - 0.6 = 0.95 m up, so the vehicle's origin is on the ground.
    np.testing.assert_allclose(pose[:3, 3], [1.0, 5.0, 0.0], atol=1e-12)


def test_short_gaps_between_poses_are_bridged_and_marked_and_long_ones_are_not(tmp_path):
    put_frames(tmp_path, range(40))
    put_poses(tmp_path, {0: (0.0, 0.0), 4: (4.0, 0.0), 30: (30.0, 0.0), 31: (31.0, 0.0)})
    (recording,) = kitti360_recordings(tmp_path)
    flags = {frame.source_frame: frame.ego.flag for frame in recording.frames(0) if frame.ego}
    assert flags == {
        0: "given", 1: "interpolated", 2: "interpolated", 3: "interpolated", 4: "given",
        30: "given", 31: "given",
    }  # fmt: skip
    speeds = [frame.ego.speed_mps for frame in recording.frames(0) if frame.ego]
    assert speeds == pytest.approx([10.0] * 7)


def test_recorded_times_are_used(tmp_path):
    put_frames(tmp_path, [1, 2])
    path = tmp_path / "data_2d_raw" / DRIVE / "image_00" / "timestamps.txt"
    stamps = ["2013-05-28 08:46:02.000000000", "2013-05-28 08:46:02.900000000"]
    path.write_text("\n".join([*stamps, "2013-05-28 08:46:03.004626000", ""]))
    (recording,) = kitti360_recordings(tmp_path)
    assert [frame.timestamp_us for frame in recording.frames(0)] == [0, 104_626]
    path.write_text(stamps[0])
    with pytest.raises(SourceError, match="1 times, but frames go up to 2"):
        kitti360_recordings(tmp_path)
    path.write_text("half past nine")
    with pytest.raises(SourceError, match="not a list of times"):
        kitti360_recordings(tmp_path)


def test_broken_files_and_no_frames_are_one_line(tmp_path):
    (tmp_path / "data_2d_raw").mkdir()
    with pytest.raises(SourceError, match="no frames; expected <drive>"):
        kitti360_recordings(tmp_path)
    put_frames(tmp_path, range(2))
    put_calibration(tmp_path)
    (tmp_path / "calibration" / "perspective.txt").write_text(PERSPECTIVE.replace("552.5 0", "x 0"))
    with pytest.raises(SourceError, match=r"perspective\.txt: 'P_rect_00' holds no 3x4 numbers"):
        kitti360_recordings(tmp_path)
    (tmp_path / "calibration" / "perspective.txt").write_text("")
    with pytest.raises(SourceError, match="no line 'P_rect_00:'"):
        kitti360_recordings(tmp_path)
    (tmp_path / "calibration" / "perspective.txt").write_text(PERSPECTIVE)
    put_poses(tmp_path, {0: (0.0, 0.0)})
    (tmp_path / "data_poses" / DRIVE / "poses.txt").write_text("1 2 three")
    with pytest.raises(SourceError, match=r"poses\.txt: not a list of poses"):
        kitti360_recordings(tmp_path)


def test_frames_are_in_the_order_of_their_numbers_and_none_exists_twice(tmp_path):
    put_frames(tmp_path, [2, 9, 11])
    folder = tmp_path / "data_2d_raw" / DRIVE / "image_00" / "data_rect"
    (folder / "0000000010.png").write_bytes((folder / "0000000011.png").read_bytes())
    for number in (2, 9, 10, 11):
        (folder / f"{number:010d}.png").rename(folder / f"{number}.png")
    (tmp_path / "data_2d_raw" / "a drive without frames" / "image_00" / "data_rect").mkdir(
        parents=True
    )
    (recording,) = kitti360_recordings(tmp_path)
    assert recording.source_frames == (2, 9, 10, 11)
    assert recording.timestamps_us == (0, 700_000, 800_000, 900_000)
    (folder / "0000000009.jpg").write_bytes(b"")
    with pytest.raises(SourceError, match=r"9\.png: frame 9 exists twice, also as 0000000009\.jpg"):
        kitti360_recordings(tmp_path)
    (folder / "0000000009.jpg").rename(folder / "9².jpg")
    with pytest.raises(SourceError, match=r"9².jpg: expected a frame number"):
        kitti360_recordings(tmp_path)


def test_frames_of_one_time_tell_no_speed(tmp_path):
    put_frames(tmp_path, range(3))
    put_poses(tmp_path, {0: (0.0, 0.0), 1: (1.0, 0.0), 2: (2.0, 0.0)})
    times = ["2013-05-28 08:46:02.0", "2013-05-28 08:46:02.1", "2013-05-28 08:46:02.1"]
    path = tmp_path / "data_2d_raw" / DRIVE / "image_00" / "timestamps.txt"
    path.write_text("\n".join(times) + "\n")
    (recording,) = kitti360_recordings(tmp_path)
    motions = [frame.ego for frame in recording.frames(0)]
    assert [motion.speed_mps for motion in motions[:2]] == pytest.approx([10.0, 10.0])
    assert motions[2] is None
