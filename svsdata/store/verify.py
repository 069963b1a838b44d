"""Checking every byte of a store; ``repair`` acts on what is found here."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from svsdata.errors import SourceError, StoreError, SvsDataError
from svsdata.images import check_picture
from svsdata.progress import Progress, Silent
from svsdata.records import FRAME_LAYERS
from svsdata.store.columns import REQUIRED_LAYERS, SCALAR_COLUMNS, check_instances, decode_row
from svsdata.store.files import local_folder, sha256_of
from svsdata.store.format import (
    FRAMES,
    VERIFY_ADVICE,
    SequenceRecord,
    StoreInfo,
    check_tracks,
    committed_ids,
    read_info,
    read_record,
    record_path,
)
from svsdata.store.parts import open_part, read_rows
from svsdata.store.sidecars import EDITS, sidecar_faults, sidecar_folder
from svsdata.store.staging import staged_ids

_MAPS = tuple(layer for layer in FRAME_LAYERS if layer not in ("image", "flow"))


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong."""

    path: Path
    sequence_id: str | None
    """None for what belongs to no committed sequence."""
    message: str
    """The whole line."""


@dataclass(frozen=True)
class VerifyReport:
    """What a look at the whole store found."""

    num_sequences: int
    num_frames: int
    num_bytes: int
    """Of all parts, as their records say."""
    unfinished: tuple[str, ...]
    """Sequences in staging: a stopped writer's, or one that is being written now."""
    faults: tuple[Fault, ...]


def verify_store(
    path: Path | str, *, quick: bool = False, progress: Progress | None = None
) -> VerifyReport:
    """Compare a store with its records, and its frames with its info.

    Args:
        path: The store.
        quick: Look at records, file sizes, footers and frame order only: no hashes, no pictures.
        progress: Told of the verified frames.

    Raises:
        StoreFormatError: If the folder is no store of this format version.
    """
    store, progress = local_folder(path), progress or Silent()
    info = read_info(store)
    faults: list[Fault] = []
    records: list[SequenceRecord] = []
    for sequence_id in committed_ids(store):
        place = record_path(store, sequence_id)
        try:
            records.append(read_record(place, sequence_id))
            check_tracks(records[-1].sequence, info)
        except SvsDataError as error:
            faults.append(Fault(place, sequence_id, str(error)))
    num_frames = sum(record.sequence.num_frames for record in records)
    progress.start("verify", num_frames)
    for record in records:
        for place, message in _sequence_faults(store, record, info, quick, progress):
            faults.append(Fault(place, record.sequence.sequence_id, f"{place}: {message}"))
        for place, message in _edit_faults(store, record):
            faults.append(Fault(place, record.sequence.sequence_id, message))
    faults += [
        Fault(stray, None, f"{stray}: belongs to no committed sequence")
        for stray in _strays(store, records)
    ]
    num_bytes = sum(part.num_bytes for record in records for part in record.parts)
    return VerifyReport(
        len(records), num_frames, num_bytes, tuple(staged_ids(store)), tuple(faults)
    )


def _sequence_faults(
    store: Path, record: SequenceRecord, info: StoreInfo, quick: bool, progress: Progress
) -> Iterator[tuple[Path, str]]:
    sequence = record.sequence
    if sequence.size_hw != info.size_hw:
        place = record_path(store, sequence.sequence_id)
        yield place, f"frames of {sequence.size_hw}, the store holds {info.size_hw}"
    first = 0
    for part in record.parts:
        place = store / FRAMES / sequence.sequence_id / part.name
        frames = range(first, first + part.num_frames)
        first = frames.stop
        try:
            size = place.stat().st_size if place.is_file() else None
            is_other = not quick and size == part.num_bytes and sha256_of(place) != part.sha256
        except OSError as error:
            yield place, f"cannot be read: {error.strerror}"
            continue
        if size != part.num_bytes:
            yield place, f"expected {part.num_bytes} bytes, got {size or 'no file'}"
        if is_other:
            yield place, "its SHA-256 is not the record's"
        if size is not None:
            for message in _row_faults(place, sequence.sequence_id, frames, info, quick):
                yield place, message
        progress.advance(part.num_frames)


def _row_faults(
    place: Path, sequence_id: str, frames: range, info: StoreInfo, quick: bool
) -> Iterator[str]:
    columns = [*SCALAR_COLUMNS] if quick else [*SCALAR_COLUMNS, *FRAME_LAYERS]
    try:
        with open_part(place) as part:
            num_rows = part.metadata.num_rows
            if num_rows != len(frames):
                yield f"expected {len(frames)} frames, got {num_rows}"
            for offset, row in enumerate(read_rows(part, range(num_rows), columns)):
                expected, got = frames.start + offset, (row["sequence_id"], row["frame_index"])
                if got != (sequence_id, expected):
                    yield f"expected frame {(sequence_id, expected)}, got {got}"
                if not quick:
                    yield from _picture_faults(row, info)
    except StoreError as error:
        yield str(error).removeprefix(f"{place}: ").removesuffix(VERIFY_ADVICE)


def _picture_faults(row: dict[str, Any], info: StoreInfo) -> Iterator[str]:
    where = f"frame {row['frame_index']}"
    for layer in FRAME_LAYERS:
        if row[layer] is None:
            if layer in info.modalities and layer in REQUIRED_LAYERS:
                yield f"{where}: {layer} is missing"
            continue
        if layer not in info.modalities:
            yield f"{where}: has {layer}, which is none of the store's modalities"
        try:
            if layer in _MAPS:
                frame = decode_row(row, (layer,), info)
                if frame.instance is not None:
                    check_instances(frame.instance, info.label_set, f"{where}: {layer}")
            else:
                _check_size(layer, row[layer]["bytes"] or b"", info, f"{where}: {layer}")
        except SvsDataError as error:
            yield str(error).removeprefix(f"{row['sequence_id']} ").removesuffix(VERIFY_ADVICE)


def _check_size(layer: str, data: bytes, info: StoreInfo, where: str) -> None:
    header = check_picture(data, where)
    if header.size_hw != info.size_hw:
        raise SourceError(f"{where}: is {header.size_hw}, the store holds {info.size_hw}")
    if layer == "flow" and (header.format, header.channels, header.bits) != ("PNG", 3, 16):
        raise SourceError(f"{where}: must be a 16-bit RGB PNG")


def _edit_faults(store: Path, record: SequenceRecord) -> Iterator[tuple[Path, str]]:
    """Tell what is wrong with the tables of an edited sequence."""
    sequence = record.sequence
    place = sidecar_folder(store, EDITS, sequence.sequence_id)
    if sequence.details.get("plan_hash") or place.exists():
        for message in sidecar_faults(store, EDITS, sequence.sequence_id):
            yield place, message


def _strays(store: Path, records: list[SequenceRecord]) -> Iterator[Path]:
    """Yield what lies in ``frames/`` or ``edits/`` and no record or unfinished commit knows."""
    known = {
        record.sequence.sequence_id: {part.name for part in record.parts} for record in records
    }
    broken = set(committed_ids(store)) - set(known)
    for folder in sorted((store / FRAMES).glob("*")):  # empty folders do not survive every copy
        if folder.name in known and folder.is_dir():
            yield from (it for it in sorted(folder.iterdir()) if it.name not in known[folder.name])
        elif folder.name not in broken and folder.name not in staged_ids(store):
            yield folder
    edited = sorted((store / EDITS).glob("*"))
    expected = {*known, *broken, *staged_ids(store)}
    yield from (folder for folder in edited if folder.name not in expected)
