from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from svsdata.errors import ExportError
from svsdata.export.kitti360 import Kitti360Exporter
from svsdata.geometry.camera import mounted_camera
from svsdata.geometry.kitti360 import CAMERA_HEIGHT_M
from svsdata.images import encode_png
from svsdata.labeling.sources.kitti360 import kitti360_recordings
from svsdata.labels import CITYSCAPES, KITTI360
from svsdata.records import Camera, EgoMotion, EncodedImage, Frame, Sequence

SIZE_HW = (24, 40)
ROAD, CAR, PERSON, PLATE = (
    CITYSCAPES.label(name).id for name in ("road", "car", "person", "license plate")
)


def camera(focal: float = 300.0, *, height_m: float = CAMERA_HEIGHT_M) -> Camera:
    return mounted_camera(
        np.array([[focal, 0, 19.5], [0, focal + 1, 11.5], [0, 0, 1]]),
        SIZE_HW,
        position_m=(1.7, 0.1, height_m),
        yaw_pitch_roll_rad=(-0.02, 0.04, 0.01),
    )


def frame(index: int) -> Frame:
    """A road, a car with index 1 and a plate, a car with index 0, persons nobody told apart."""
    semantic = np.full(SIZE_HW, ROAD, np.uint8)
    semantic[2:10, 3:15], semantic[2:10, 20:30], semantic[12:20, 5:9] = CAR, CAR, PERSON
    instance = semantic.astype(np.uint16)
    instance[2:10, 3:15], instance[2:10, 20:30] = CAR * 1000 + 1, CAR * 1000
    semantic[6:8, 6:9] = instance[6:8, 6:9] = PLATE
    pose = np.eye(4)
    pose[:3, 3] = index, 0.5, 0.0
    return Frame(
        index,
        index * 100_000,
        encoded_image=EncodedImage(encode_png(CITYSCAPES.colorize(semantic)), "frame.png"),
        semantic=semantic,
        instance=instance,
        confidence=np.full(SIZE_HW, 255, np.uint8),
        camera=camera(),
        ego=EgoMotion(10.0, 0.0, "given", pose),
    )


def sequence(sequence_id: str = "drive", num_frames: int = 3) -> Sequence:
    return Sequence(sequence_id, num_frames, 10.0, SIZE_HW, "made in this test")


def frames(*numbers: int) -> Iterator[Frame]:
    return (
        replace(frame(index), source_frame=number, timestamp_us=(number - numbers[0]) * 100_000)
        for index, number in enumerate(numbers)
    )


def read(path: Path) -> np.ndarray:
    picture = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    assert picture is not None, path
    return picture


def test_what_is_written_is_a_drive_that_labelling_reads_back(tmp_path: Path) -> None:
    Kitti360Exporter(tmp_path, CITYSCAPES).write(sequence(), frames(2, 3, 5))
    (recording,) = kitti360_recordings(tmp_path)
    found = list(recording.frames(0))
    assert [one.source_frame for one in found] == [2, 3, 5]
    assert [one.timestamp_us for one in found] == [0, 100_000, 300_000]
    for one, expected in zip(found, frames(2, 3, 5), strict=True):
        assert one.camera is not None
        np.testing.assert_allclose(one.camera.intrinsics, camera().intrinsics)
        np.testing.assert_allclose(one.camera.cam_T_vehicle, camera().cam_T_vehicle, atol=1e-9)
        assert one.ego is not None
        assert expected.ego is not None
        np.testing.assert_allclose(one.ego.world_T_vehicle, expected.ego.world_T_vehicle, atol=1e-9)
        assert one.ego.flag == "given"


def test_maps_hold_kitti_ids_and_instances_that_count_from_one(tmp_path: Path) -> None:
    Kitti360Exporter(tmp_path, CITYSCAPES, split="val").write(sequence(), iter([frame(0)]))
    folder = tmp_path / "data_2d_semantics/val/drive/image_00"
    semantic = read(folder / "semantic/0000000000.png")
    instance = read(folder / "instance/0000000000.png")
    assert (semantic.dtype, instance.dtype) == (np.uint8, np.uint16)
    expected = np.where(frame(0).semantic == PLATE, CAR, frame(0).semantic)
    np.testing.assert_array_equal(KITTI360.colorize(semantic), CITYSCAPES.colorize(expected))
    np.testing.assert_array_equal(instance // 1000, semantic)
    assert [instance[3, 4], instance[7, 7], instance[3, 25]] == [26_002, 26_002, 26_001]
    assert [instance[0, 0], instance[15, 6]] == [7_000, 24_000]  # nobody's
    assert read(folder / "confidence/0000000000.png").max() == 65_535
    assert not (folder / "provenance").exists()


def test_what_is_not_known_is_not_written(tmp_path: Path) -> None:
    bare = replace(frame(0), camera=None, ego=None, instance=None, confidence=None)
    Kitti360Exporter(tmp_path, CITYSCAPES).write(sequence(), iter([bare]))
    assert not (tmp_path / "calibration").exists()
    assert not (tmp_path / "data_poses").exists()
    assert not list(tmp_path.rglob("instance"))


def test_the_last_index_of_a_class_has_no_number_there(tmp_path: Path) -> None:
    semantic = np.full(SIZE_HW, CAR, np.uint8)
    full = replace(frame(0), semantic=semantic, instance=np.full(SIZE_HW, 26_999, np.uint16))
    with pytest.raises(ExportError, match=r"'drive' frame 0: index 999"):
        Kitti360Exporter(tmp_path, CITYSCAPES).write(sequence(), iter([full]))


def test_a_folder_has_one_camera(tmp_path: Path) -> None:
    exporter = Kitti360Exporter(tmp_path, CITYSCAPES)
    changing = iter([frame(0), replace(frame(1), camera=camera(310.0))])
    with pytest.raises(ExportError, match="'drive': its camera changes"):
        exporter.write(sequence(), changing)
    exporter.write(sequence("a", 1), iter([frame(0)]))
    exporter.write(sequence("b", 1), iter([frame(0)]))
    other = iter([replace(frame(0), camera=camera(310.0))])
    with pytest.raises(ExportError, match="'c' has another camera"):
        exporter.write(sequence("c", 1), other)


def test_numbers_that_repeat_and_frames_without_labels_are_refused(tmp_path: Path) -> None:
    exporter = Kitti360Exporter(tmp_path, CITYSCAPES)
    with pytest.raises(ExportError, match="3 follows 3"):
        exporter.write(sequence(), frames(3, 3))
    with pytest.raises(ExportError, match="has no semantic map; label the store first"):
        exporter.write(sequence(), iter([replace(frame(0), semantic=None)]))
    with pytest.raises(ExportError, match="has no image"):
        exporter.write(sequence(), iter([replace(frame(0), encoded_image=None)]))
