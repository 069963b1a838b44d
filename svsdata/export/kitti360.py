"""Folders in KITTI-360's layout, as its users and ``svsdata label`` read them.

    data_2d_raw/<drive>/image_00/data_rect/<frame>.png
    data_2d_raw/<drive>/image_00/timestamps.txt
    data_2d_semantics/<split>/<drive>/image_00/semantic/<frame>.png    8 bit, KITTI-360's ids
    data_2d_semantics/<split>/<drive>/image_00/instance/<frame>.png    16 bit, id * 1000 + number
    data_2d_semantics/<split>/<drive>/image_00/confidence/<frame>.png  16 bit, 65535 is certain
    data_2d_semantics/<split>/<drive>/image_00/provenance/<frame>.png  8 bit, ours
    calibration/perspective.txt, calibration/calib_cam_to_pose.txt     where the camera is known
    data_poses/<drive>/poses.txt                                       where poses are known

Sources: KITTI-360's documentation (2D data format) and kitti360scripts' annotation.py.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from svsdata.errors import ExportError
from svsdata.export.exporter import MAP_LEVEL, marked_picture, numbered, written
from svsdata.export.label_conversion import LabelConversion
from svsdata.geometry.kitti360 import IMU_HEIGHT_M, ground_below_imu
from svsdata.images import encode_png
from svsdata.labels import KITTI360, LabelSet
from svsdata.records import INSTANCE_BASE, Camera, Frame, InstanceMap, Sequence

_EPOCH = np.datetime64(0, "us")


@dataclass(frozen=True)
class Kitti360Exporter:
    """Writes sequences of any label set as drives of KITTI-360."""

    folder: Path
    label_set: LabelSet
    """The store's; maps are converted to KITTI-360's ids by class name."""
    split: str = "train"
    layers: tuple[str, ...] = (
        "encoded_image",
        "semantic",
        "instance",
        "confidence",
        "provenance",
    )
    is_complete = True

    def check(self, sequences: list[Sequence]) -> None:
        """Accept all: a drive has its sequence's id."""

    def write(self, sequence: Sequence, frames: Iterator[Frame]) -> dict[str, str]:
        """Write the frames, their maps, and what is known of times, camera and poses."""
        times: list[str] = []
        poses: list[str] = []
        camera: Camera | None = None
        for number, frame in written(
            lambda frame: self._write_frame(sequence, frame), numbered(sequence, frames)
        ):
            time = f"{_EPOCH + np.timedelta64(frame.timestamp_us, 'us')}000"
            # There is a line for each number up to the last, also for those without a frame.
            times += [time] * (number + 1 - len(times))
            if frame.ego is not None and frame.ego.world_T_vehicle is not None:
                imu = frame.ego.world_T_vehicle @ np.linalg.inv(ground_below_imu(IMU_HEIGHT_M))
                poses.append(f"{number} {_numbers(imu[:3])}")
            camera = self._one_camera(sequence, camera, frame.camera)
        self._put(f"data_2d_raw/{sequence.sequence_id}/image_00/timestamps.txt", _lines(times))
        if poses:
            self._put(f"data_poses/{sequence.sequence_id}/poses.txt", _lines(poses))
        if camera is not None:
            self._write_calibration(sequence, camera)
        return {"drive": sequence.sequence_id, "split": self.split}

    def complete(self) -> None:
        """Nothing: every drive stands for itself."""

    def _write_frame(self, sequence: Sequence, frame: Frame) -> tuple[int, Frame]:
        """Return the frame's number and what is left of it to write."""
        number = frame.frame_index if frame.source_frame is None else frame.source_frame
        drive = sequence.sequence_id
        where = f"'{drive}' frame {number}"
        semantic, instance = self._conversion.maps(frame, where)
        name = f"{number:010d}.png"
        image = marked_picture(frame, where)
        self._put(f"data_2d_raw/{drive}/image_00/data_rect/{name}", image)
        maps: dict[str, NDArray[np.uint8] | NDArray[np.uint16] | None] = {
            "semantic": semantic,
            "instance": None if instance is None else _counted_from_one(instance, where),
            "confidence": None
            if frame.confidence is None
            else frame.confidence.astype(np.uint16) * 257,
            "provenance": frame.provenance,
        }
        for what, values in maps.items():
            if values is not None:
                self._put(
                    f"data_2d_semantics/{self.split}/{drive}/image_00/{what}/{name}",
                    encode_png(values, MAP_LEVEL),
                )
        return number, frame

    def _one_camera(
        self, sequence: Sequence, camera: Camera | None, found: Camera | None
    ) -> Camera | None:
        if camera is None or found is None or _calibration(camera) == _calibration(found):
            return camera or found
        raise ExportError(
            f"sequence '{sequence.sequence_id}': its camera changes, KITTI-360 knows one; "
            "export to cityscapes"
        )

    def _write_calibration(self, sequence: Sequence, camera: Camera) -> None:
        """Write the camera, which all drives of a folder share."""
        for name, text in _calibration(camera).items():
            path = self.folder / "calibration" / name
            if path.is_file() and path.read_text() != text:
                raise ExportError(
                    f"{path}: sequence '{sequence.sequence_id}' has another camera than those "
                    "exported before; export it to another folder"
                )
            self._put(f"calibration/{name}", text.encode())

    def _put(self, name: str, data: bytes) -> None:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)

    @cached_property
    def _conversion(self) -> LabelConversion:
        return LabelConversion(self.label_set, KITTI360)


def _counted_from_one(instance: InstanceMap, where: str) -> InstanceMap:
    """Count indices from 1, for number 0 means "none" in KITTI-360; ids alone get that number."""
    if (instance % INSTANCE_BASE == INSTANCE_BASE - 1).any():
        raise ExportError(
            f"{where}: index {INSTANCE_BASE - 1} of a class has no number in KITTI-360's maps; "
            "export to cityscapes"
        )
    return np.where(instance >= INSTANCE_BASE, instance + 1, instance * INSTANCE_BASE).astype(
        np.uint16
    )


def _calibration(camera: Camera) -> dict[str, str]:
    """Return the texts of the calibration files; the left camera is its own rectified one."""
    height, width = camera.size_hw
    imu_T_cam = ground_below_imu(IMU_HEIGHT_M) @ np.linalg.inv(camera.cam_T_vehicle)
    projection = np.hstack([camera.intrinsics, np.zeros((3, 1))])
    perspective = [
        f"S_rect_00: {width} {height}",
        f"R_rect_00: {_numbers(np.eye(3))}",
        f"P_rect_00: {_numbers(projection)}",
    ]
    return {
        "perspective.txt": _lines(perspective).decode(),
        "calib_cam_to_pose.txt": f"image_00: {_numbers(imu_T_cam[:3])}\n",
    }


def _numbers(matrix: NDArray[np.float64]) -> str:
    return " ".join(f"{value:.12g}" for value in matrix.ravel())


def _lines(lines: list[str]) -> bytes:
    return ("\n".join(lines) + "\n").encode()
