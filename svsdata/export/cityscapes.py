"""Folders in Cityscapes' layout and names, as cityscapesScripts and its users read them.

    leftImg8bit_sequence/<split>/<city>/<city>_<sequence>_<frame>_leftImg8bit.png
    gtFine/<split>/<city>/..._gtFine_labelIds.png       8 bit, label ids 0..33
    gtFine/<split>/<city>/..._gtFine_instanceIds.png    16 bit, id * 1000 + index, stuff below 1000
    gtFine/<split>/<city>/..._gtFine_provenance.png     8 bit, ours: what edits and gate did
    camera/ vehicle_sequence/ timestamp_sequence/       where the store knows them

Source: cityscapesScripts' README, csHelpers.py and csCalibration.pdf.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from svsdata.errors import ExportError
from svsdata.export.exporter import MAP_LEVEL, marked_picture, numbered, written
from svsdata.export.label_conversion import LabelConversion
from svsdata.geometry.camera import camera_centre, yaw_pitch_roll
from svsdata.images import encode_png
from svsdata.labels import CITYSCAPES, LabelSet
from svsdata.records import Camera, EgoMotion, Frame, Sequence

_OFFICIAL_ID = re.compile(r"([A-Za-z-]+)_(\d{6})(?:_(\d{6}))?(.*)")


@dataclass(frozen=True)
class CityscapesName:
    """What the file names of one sequence begin with."""

    city: str
    """Letters, digits and ``-``: cityscapesScripts splits names at underscores."""
    sequence_number: int
    first_frame: int = 0
    """Added to frame indices where frames carry no number of their source."""

    @classmethod
    def of(cls, sequence_id: str) -> "CityscapesName":
        """Name a sequence.

        Ids in Cityscapes' own form keep their city and numbers; what follows such an id (an
        edit, a variant) joins the city. Any other id becomes a city of its own.
        """
        official = _OFFICIAL_ID.fullmatch(sequence_id)
        if official is None:
            return cls(_city(sequence_id), 0)
        city, number, first_frame, rest = official.groups()
        return cls(_city(city + rest), int(number), int(first_frame or 0))

    def frame_number(self, frame: Frame) -> int:
        """Return the frame's number in its source, or count from the sequence's first."""
        if frame.source_frame is not None:
            return frame.source_frame
        return self.first_frame + frame.frame_index

    def stem(self, frame: Frame) -> str:
        """Return the file name of one frame up to what says its kind."""
        return f"{self.city}_{self.sequence_number:06d}_{self.frame_number(frame):06d}"


def _city(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9]+", "-", text).strip("-")


@dataclass(frozen=True)
class CityscapesExporter:
    """Writes sequences of any label set as Cityscapes folders."""

    folder: Path
    label_set: LabelSet
    """The store's; maps are converted to Cityscapes' ids by class name."""
    split: str = "train"
    image_folder: str = "leftImg8bit_sequence"
    layers: tuple[str, ...] = ("encoded_image", "semantic", "instance", "provenance")
    is_complete = True

    def check(self, sequences: list[Sequence]) -> None:
        """Refuse sequences whose files would have the same names."""
        owner_of: dict[CityscapesName, str] = {}
        for sequence in sequences:
            name = CityscapesName.of(sequence.sequence_id)
            if name in owner_of:
                raise ExportError(
                    f"sequences '{owner_of[name]}' and '{sequence.sequence_id}' would both be "
                    f"city '{name.city}', sequence {name.sequence_number:06d}; "
                    "export them to two folders"
                )
            owner_of[name] = sequence.sequence_id

    def write(self, sequence: Sequence, frames: Iterator[Frame]) -> dict[str, str]:
        """Write the frames, their maps and what is known of camera and vehicle."""
        name = CityscapesName.of(sequence.sequence_id)
        for _ in written(lambda frame: self._write_frame(name, frame), numbered(sequence, frames)):
            pass
        return {"city": name.city, "sequence": f"{name.sequence_number:06d}", "split": self.split}

    def complete(self) -> None:
        """Nothing: every file stands for itself."""

    def _write_frame(self, name: CityscapesName, frame: Frame) -> None:
        city, stem = name.city, name.stem(frame)
        semantic, instance = self._conversion.maps(frame, f"'{stem}'")
        image = marked_picture(frame, f"'{stem}'")
        self._put(self.image_folder, city, f"{stem}_leftImg8bit.png", image)
        label_ids = encode_png(semantic, MAP_LEVEL)
        self._put("gtFine", city, f"{stem}_gtFine_labelIds.png", label_ids)
        if instance is not None:
            instance_ids = encode_png(instance, MAP_LEVEL)
            self._put("gtFine", city, f"{stem}_gtFine_instanceIds.png", instance_ids)
        if frame.provenance is not None:
            provenance = encode_png(frame.provenance, MAP_LEVEL)
            self._put("gtFine", city, f"{stem}_gtFine_provenance.png", provenance)
        if frame.camera is not None:
            self._put("camera", city, f"{stem}_camera.json", camera_json(frame.camera))
        if frame.ego is not None:
            self._put("vehicle_sequence", city, f"{stem}_vehicle.json", vehicle_json(frame.ego))
        nanoseconds = str(frame.timestamp_us * 1000).encode()
        self._put("timestamp_sequence", city, f"{stem}_timestamp.txt", nanoseconds)

    def _put(self, kind: str, city: str, file_name: str, data: bytes) -> None:
        folder = self.folder / kind / self.split / city
        folder.mkdir(parents=True, exist_ok=True)
        (folder / file_name).write_bytes(data)

    @cached_property
    def _conversion(self) -> LabelConversion:
        return LabelConversion(self.label_set, CITYSCAPES)


def camera_json(camera: Camera) -> bytes:
    """Return the camera as Cityscapes' camera file; ``flag`` is ours: how the numbers are known."""
    yaw, pitch, roll = yaw_pitch_roll(camera)
    x, y, z = camera_centre(camera)
    intrinsics = camera.intrinsics
    return _json(
        {
            "extrinsic": {"x": x, "y": y, "z": z, "yaw": yaw, "pitch": pitch, "roll": roll},
            "intrinsic": {
                "fx": intrinsics[0, 0],
                "fy": intrinsics[1, 1],
                "u0": intrinsics[0, 2],
                "v0": intrinsics[1, 2],
            },
            "flag": camera.flag,
        }
    )


def vehicle_json(ego: EgoMotion) -> bytes:
    """Return the motion as Cityscapes' vehicle file: m/s, rad/s positive to the left."""
    return _json({"speed": ego.speed_mps, "yawRate": ego.yaw_rate_rps, "flag": ego.flag})


def _json(content: dict[str, object]) -> bytes:
    return json.dumps(content, indent=4, default=float).encode()
