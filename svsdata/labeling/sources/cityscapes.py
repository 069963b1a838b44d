"""The layout of Cityscapes' downloads: ``<type>/<split>/<city>/<city>_<seq>_<frame>_<type>.png``.

Next to the frames, where they are: ``camera/`` (calibration), ``vehicle_sequence/`` or
``vehicle/`` (speed and yaw rate), and in our own exports what is told of each sequence.
"""

import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import numpy as np

from svsdata.errors import SourceError
from svsdata.geometry.camera import mounted_camera
from svsdata.labeling.sources.exported import Exported, exported_sequences
from svsdata.labeling.sources.folder import PICTURE_SUFFIXES, PictureRecording
from svsdata.labeling.sources.recording import read_json
from svsdata.records import Camera, EgoMotion, Flag

FPS = 17.0
"""Of Cityscapes recordings, unless somebody thinned them."""

FULL_SIZE_HW = (1024, 2048)
"""What the calibration files refer to."""

_RECORDED = Exported(FPS, FULL_SIZE_HW)

# Snippets of one drive share the sequence number in some cities and lie minutes apart.
LONGEST_GAP = 17

_NAME = re.compile(r"(?P<city>[^_]+)_(?P<seq>\d+)_(?P<frame>\d+)_leftImg8bit")
_IMAGE_FOLDERS = ("leftImg8bit_sequence", "leftImg8bit")


@dataclass(frozen=True)
class _Picture:
    split: str
    city: str
    sequence: str
    frame: int
    path: Path


def is_cityscapes(root: Path) -> bool:
    """Tell whether the folder has Cityscapes' layout."""
    return any((root / name).is_dir() for name in _IMAGE_FOLDERS)


def cityscapes_recordings(root: Path, *, fps: float | None = None) -> tuple[PictureRecording, ...]:
    """Find the sequences: frames of one city and sequence number without a gap of over a second.

    Shorter gaps stay in the sequence and show in ``source_frame``. A number with several runs
    gives one sequence a run, named ``<city>_<seq>_<first frame>``.

    Args:
        root: The folder.
        fps: Frame numbers a second, where that is neither ``FPS`` nor what an export tells.

    Raises:
        SourceError: If there are no frames, or a calibration, vehicle or exported file is broken.
    """
    image_folder = next(root / name for name in _IMAGE_FOLDERS if (root / name).is_dir())
    drives: dict[tuple[str, str, str], list[_Picture]] = defaultdict(list)
    for path in sorted(image_folder.glob("*/*/*")):
        match = _NAME.fullmatch(path.stem)
        if match and path.suffix.lower() in PICTURE_SUFFIXES:
            split, city, sequence = path.parts[-3], match["city"], match["seq"]
            drives[split, city, sequence].append(
                _Picture(split, city, sequence, int(match["frame"]), path)
            )
    if not drives:
        raise SourceError(
            f"{image_folder}: no frames; expected <split>/<city>/<city>_<seq>_<frame>_leftImg8bit"
            ".png (or .jpg)"
        )
    exported = exported_sequences(root, "split", "city", "sequence")
    return tuple(
        _recording(root, run, name, exported.get(drive, _RECORDED), fps=fps)
        for drive, pictures in drives.items()
        for name, run in _runs("_".join(drive[1:]), pictures)
    )


def _runs(name: str, pictures: list[_Picture]) -> list[tuple[str, list[_Picture]]]:
    runs: list[list[_Picture]] = []
    for picture in sorted(pictures, key=lambda picture: picture.frame):
        if runs and runs[-1][-1].frame == picture.frame:
            raise SourceError(
                f"{picture.path}: frame {picture.frame} exists twice, also as "
                f"{runs[-1][-1].path.name}; keep one of them"
            )
        if not runs or picture.frame - runs[-1][-1].frame > LONGEST_GAP:
            runs.append([])
        runs[-1].append(picture)
    if len(runs) == 1:
        return [(name, runs[0])]
    return [(f"{name}_{run[0].frame:06d}", run) for run in runs]


def _recording(
    root: Path, run: list[_Picture], name: str, told: Exported, *, fps: float | None
) -> PictureRecording:
    first, fps = run[0], fps or told.fps
    return PictureRecording(
        sequence_id=name,
        source=str(root),
        fps=fps,
        root=root,
        paths=tuple(picture.path for picture in run),
        source_frames=tuple(picture.frame for picture in run),
        timestamps_us=tuple(round((picture.frame - first.frame) * 1e6 / fps) for picture in run),
        camera=_camera(root, run, told.size_hw),
        ego=_ego(root, run),
    )


def _camera(root: Path, run: list[_Picture], size_hw: tuple[int, int]) -> Camera | None:
    """Return the calibration of any frame of the run: the camera is fixed to the car."""
    for picture in run:
        path = _beside(root, picture, "camera")
        if path.is_file():
            return read_camera(path, size_hw)
    return None


def read_camera(path: Path, size_hw: tuple[int, int] = FULL_SIZE_HW) -> Camera:
    """Read a ``_camera.json`` of Cityscapes; without our ``flag`` its numbers are ``given``.

    Args:
        path: The file.
        size_hw: Of the frames that it is for.

    Raises:
        SourceError: If it is no such file.
    """
    content = read_json(path)
    try:
        inside, outside = content["intrinsic"], content["extrinsic"]
        intrinsics = np.array(
            [[inside["fx"], 0.0, inside["u0"]], [0.0, inside["fy"], inside["v0"]], [0.0, 0.0, 1.0]]
        )
        return mounted_camera(
            intrinsics,
            size_hw,
            position_m=(outside["x"], outside["y"], outside["z"]),
            yaw_pitch_roll_rad=(outside["yaw"], outside["pitch"], outside.get("roll", 0.0)),
            flag=_flag(content),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise SourceError(
            f"{path}: not a Cityscapes camera file ({error}); expected 'intrinsic' with fx, fy, "
            "u0, v0 and 'extrinsic' with x, y, z, yaw, pitch, roll"
        ) from error


def _ego(root: Path, run: list[_Picture]) -> Mapping[int, EgoMotion]:
    """Return speed and yaw rate by position; between files they are interpolated."""
    measured: dict[int, EgoMotion] = {}
    for position, picture in enumerate(run):
        path = next(
            (
                path
                for kind in ("vehicle_sequence", "vehicle")
                if (path := _beside(root, picture, kind, suffix="vehicle")).is_file()
            ),
            None,
        )
        if path is not None:
            measured[position] = _vehicle(path)
    if not measured:
        return {}
    known = sorted(measured)
    frames = [picture.frame for picture in run]
    at_known = [run[position].frame for position in known]
    speeds = np.interp(frames, at_known, [measured[position].speed_mps for position in known])
    yaw_rates = np.interp(frames, at_known, [measured[position].yaw_rate_rps for position in known])
    return {
        position: measured.get(position)
        or EgoMotion(float(speeds[position]), float(yaw_rates[position]), "interpolated")
        for position in range(len(run))
    }


def _vehicle(path: Path) -> EgoMotion:
    content = read_json(path)
    try:
        return EgoMotion(float(content["speed"]), float(content["yawRate"]), _flag(content))
    except (KeyError, TypeError, ValueError) as error:
        raise SourceError(
            f"{path}: not a Cityscapes vehicle file ({error}); expected 'speed' and 'yawRate'"
        ) from error


def _beside(root: Path, picture: _Picture, kind: str, *, suffix: str | None = None) -> Path:
    core = picture.path.stem.removesuffix("_leftImg8bit")
    return root / kind / picture.split / picture.city / f"{core}_{suffix or kind}.json"


def _flag(content: Mapping[str, Any]) -> Flag:
    """Return how numbers came to be known, which only our own exports tell."""
    flag: Flag = content.get("flag", "given")
    if flag not in get_args(Flag):
        raise ValueError(f"unknown flag {flag!r}")
    return flag
