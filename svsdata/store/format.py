"""What a store looks like on disk: names, records, columns. ``docs/store-format.md`` is normative.

Everything read here is untrusted: ids and file names are checked before they become paths.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from svsdata.errors import LabelSetError, StoreError, StoreFormatError
from svsdata.images import MAX_PIXELS
from svsdata.labels import LABEL_SETS, LabelSet
from svsdata.records import FRAME_LAYERS, INSTANCE_BASE, Flag, Sequence

FORMAT_VERSION = 1
"""Version written; readers of this code read no other."""

ROWS_PER_GROUP = 8
"""Frames per Parquet row group: what one random read costs."""

PART_BYTES = 192 * 2**20
"""A part is closed at the first row group that reaches this size (128 to 256 MB are aimed at)."""

STORE_FILE = "store.json"
CARD_FILE = "README.md"
FRAMES, SEQUENCES, STAGING, QUARANTINE = "frames", "sequences", "staging", "quarantine"

VERIFY_ADVICE = "; run 'svsdata store verify'"
"""What a reader of damaged bytes is told to do."""

_ID = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,127}")


@dataclass(frozen=True)
class StoreInfo:
    """What all sequences of a store share; written once, in ``store.json``."""

    label_set: LabelSet
    size_hw: tuple[int, int]
    fps: float
    modalities: tuple[str, ...]
    """The layers of a frame that this store holds, in the order of ``FRAME_LAYERS``. ``image``
    and ``semantic`` are then in every frame, the others may be missing in some."""
    licences: Mapping[str, str] = field(default_factory=dict)
    """Where frames or labels come from → the terms they carry."""

    def __post_init__(self) -> None:
        height, width = self.size_hw
        if height < 1 or width < 1 or height * width > MAX_PIXELS:
            raise StoreError(f"frames of {width}x{height} pixels: 1 to {MAX_PIXELS} are possible")
        if not (math.isfinite(self.fps) and self.fps > 0):
            raise StoreError(f"fps must be a positive number, got {self.fps}")
        known = tuple(layer for layer in FRAME_LAYERS if layer in self.modalities)
        if known != tuple(self.modalities) or not known:
            raise StoreError(
                f"modalities must be some of {', '.join(FRAME_LAYERS)}, in this order and once "
                f"each, got {', '.join(self.modalities) or 'none'}"
            )


@dataclass(frozen=True)
class Part:
    """One Parquet file of a sequence."""

    name: str
    num_frames: int
    num_bytes: int
    sha256: str


@dataclass(frozen=True)
class SequenceRecord:
    """The commit record of a sequence, ``sequences/<sequence_id>.json``."""

    sequence: Sequence
    parts: tuple[Part, ...]
    intrinsics: tuple[float, ...] | None = None
    """Of frame 0, row by row, where the camera is known."""
    cam_T_vehicle: tuple[float, ...] | None = None
    calib_flag: Flag | None = None
    pose_flag: Flag | None = None
    """Where the ego motion of frame 0 comes from."""
    is_synthetic: bool = False
    """Of frame 0, which in a synthesized video is the recording's own."""
    synthetic_frames: int = 0
    """How many frames are synthetic."""


Record = TypeVar("Record")
_VERSION: TypeAdapter[dict[str, Any]] = TypeAdapter(dict[str, Any])
_INFO, _RECORD = TypeAdapter(StoreInfo), TypeAdapter(SequenceRecord)


def check_sequence_id(sequence_id: str, where: str) -> str:
    """Return the id, which becomes a folder's name.

    Raises:
        StoreError: If it is not 1 to 128 of letters, digits, ``._-``, or starts with a dot.
    """
    if not _ID.fullmatch(sequence_id):
        raise StoreError(
            f"{where}: {sequence_id!r} cannot name a sequence; use 1 to 128 of A-Z a-z 0-9 . _ - "
            "and no leading dot"
        )
    return sequence_id


def part_name(index: int) -> str:
    """Return the name of a sequence's part."""
    return f"part-{index:05d}.parquet"


def record_path(store: Path, sequence_id: str) -> Path:
    """Return the place of the commit record."""
    return store / SEQUENCES / f"{check_sequence_id(sequence_id, str(store))}.json"


def committed_ids(store: Path) -> list[str]:
    """Return the ids of all committed sequences, sorted."""
    names = sorted(path.stem for path in (store / SEQUENCES).glob("[!.]*.json"))
    return [check_sequence_id(name, str(store / SEQUENCES)) for name in names]


def info_to_json(info: StoreInfo) -> bytes:
    """Return the bytes of ``store.json``."""
    return to_json(_INFO, info)


def read_info(store: Path) -> StoreInfo:
    """Read ``store.json``.

    Raises:
        StoreFormatError: If there is none, or it is damaged or of another format version.
        LabelSetError: If its label set is not a proper table, or bears a built-in name with
            other labels.
    """
    path = store / STORE_FILE
    info = parse_json(
        _INFO, path, missing="is no store; 'svsdata label' or 'svsdata synthesize' makes one"
    )
    label_set = info.label_set
    if [label.id for label in label_set.labels] != list(range(label_set.num_classes)):
        raise LabelSetError(f"{path}: ids of label set '{label_set.name}' are not 0, 1, 2, ...")
    if label_set != LABEL_SETS.get(label_set.name, label_set):
        raise LabelSetError(f"{path}: label set '{label_set.name}' differs from the built-in one")
    return info


def record_to_json(record: SequenceRecord) -> bytes:
    """Return the bytes of a commit record."""
    return to_json(_RECORD, record)


def read_record(path: Path, sequence_id: str) -> SequenceRecord:
    """Read the commit record of a sequence.

    Raises:
        StoreFormatError: If it is missing or damaged, of another format version or sequence, or
            names parts that no writer would.
    """
    record = parse_json(_RECORD, path, missing="has no such record")
    sequence, counted = record.sequence, sum(part.num_frames for part in record.parts)
    if sequence.sequence_id != sequence_id:
        problem = f"is the record of {sequence.sequence_id!r}"
    elif not 0 < sequence.num_frames == counted:
        problem = f"counts {sequence.num_frames} frames, its parts hold {counted}"
    elif [part.name for part in record.parts] != [part_name(i) for i in range(len(record.parts))]:
        problem = "does not name its parts part-00000.parquet, part-00001.parquet, ..."
    elif not (math.isfinite(sequence.fps) and sequence.fps > 0):
        problem = f"has fps {sequence.fps}"
    else:
        return record
    raise StoreFormatError(f"{path}: {problem}; run 'svsdata store repair'")


def check_tracks(sequence: Sequence, info: StoreInfo) -> None:
    """Refuse tracks that do not fit their sequence or label set.

    Raises:
        StoreError: If frames or instance ids of a track cannot be.
        LabelSetError: If its class is not in the label set.
    """
    for track in sequence.tracks:
        where = f"sequence '{sequence.sequence_id}', track {track.track_id}"
        if not 0 <= track.label_id < info.label_set.num_classes:
            raise LabelSetError(
                f"{where}: class {track.label_id} is not in label set '{info.label_set.name}'"
            )
        if track.instance_id // INSTANCE_BASE != track.label_id:
            raise StoreError(
                f"{where}: instance id {track.instance_id} is not one of class {track.label_id}"
            )
        if not 0 <= track.first_frame <= track.last_frame < sequence.num_frames:
            raise StoreError(
                f"{where}: frames {track.first_frame}..{track.last_frame} of {sequence.num_frames}"
            )


def to_json(adapter: TypeAdapter[Record], value: Record) -> bytes:
    """Return the bytes of a record's file: JSON with the format version first."""
    text = adapter.dump_json(value, indent=1, warnings="error")
    return b'{"format_version": %d,' % FORMAT_VERSION + text[1:] + b"\n"


def parse_json(adapter: TypeAdapter[Record], path: Path, *, missing: str) -> Record:
    """Read a record's file.

    Raises:
        StoreFormatError: If it is missing (told as ``missing``), unreadable, damaged or of another
            version.
    """
    try:
        data = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError) as error:
        raise StoreFormatError(f"{path.parent}: {missing} ({path.name} is missing)") from error
    except OSError as error:
        raise StoreFormatError(f"{path}: cannot be read: {error.strerror}") from error
    try:
        version = _VERSION.validate_json(data).get("format_version")
        if version != FORMAT_VERSION:
            raise StoreFormatError(
                f"{path}: format version {version}, this version of svsdata reads {FORMAT_VERSION}"
            )
        return adapter.validate_json(data)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(step) for step in first["loc"]) or "the file"
        raise StoreFormatError(f"{path}: damaged: {place}: {first['msg']}") from error
