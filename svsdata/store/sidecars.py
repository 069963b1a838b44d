"""Tables beside a sequence: ``KIND/<sequence_id>/`` with files and a record of their hashes.

The frames' parts are never rewritten; whatever is known of a sequence beyond them lies here. A
folder counts once its record, written last, is there.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter

from svsdata.errors import CorruptShardError, StoreError, StoreFormatError
from svsdata.store.files import sha256_of, sync_file, sync_folder, write_durably, writing
from svsdata.store.format import VERIFY_ADVICE, check_sequence_id, parse_json, to_json

RECORD_FILE = "record.json"
EDITS = "edits"
"""Kind of the tables that tell what edits did to a sequence."""


@dataclass(frozen=True)
class SidecarFile:
    """One file of a sidecar folder."""

    name: str
    num_bytes: int
    sha256: str


@dataclass(frozen=True)
class SidecarRecord:
    """``record.json`` of a sidecar folder."""

    sequence_id: str
    files: tuple[SidecarFile, ...]


_RECORD = TypeAdapter(SidecarRecord)


def sidecar_folder(store: Path, kind: str, sequence_id: str) -> Path:
    """Return where the tables of a sequence lie.

    Raises:
        StoreError: If the id cannot name a folder.
    """
    return store / kind / check_sequence_id(sequence_id, str(store))


def seal_sidecar(store: Path, kind: str, sequence_id: str, names: Collection[str]) -> None:
    """Record the tables that lie in a sequence's folder, durably; the same tables, the same bytes.

    Raises:
        StoreError: If they cannot be written.
    """
    folder = sidecar_folder(store, kind, sequence_id)
    with writing(folder):
        for name in names:
            sync_file(folder / name)
        sync_folder(folder)
        files = tuple(
            SidecarFile(name, (folder / name).stat().st_size, sha256_of(folder / name))
            for name in sorted(names)
        )
        write_durably(folder / RECORD_FILE, to_json(_RECORD, SidecarRecord(sequence_id, files)))


def sidecar_path(store: Path, kind: str, sequence_id: str, name: str) -> Path:
    """Return the place of a table after comparing its bytes with the record.

    Raises:
        StoreError: If the sequence has no such table.
        CorruptShardError: If its bytes are not those that were written.
    """
    folder = sidecar_folder(store, kind, sequence_id)
    if not (folder / RECORD_FILE).exists():
        raise StoreError(f"sequence '{sequence_id}' of store '{store}' has no {kind}")
    for message in _faults(folder, sequence_id, only=name):
        raise CorruptShardError(f"{message}{VERIFY_ADVICE}")
    return folder / name


def require_sidecar(store: Path, kind: str, sequence_id: str) -> None:
    """Compare all tables of a sequence with their record.

    Raises:
        CorruptShardError: If the bytes of one are not those that were written.
    """
    for message in sidecar_faults(store, kind, sequence_id):
        raise CorruptShardError(f"{message}{VERIFY_ADVICE}")


def sidecar_ids(store: Path, kind: str) -> list[str]:
    """Return the ids of the sequences with whole tables of a kind, sorted."""
    return sorted(path.parent.name for path in (store / kind).glob(f"[!.]*/{RECORD_FILE}"))


def sidecar_faults(store: Path, kind: str, sequence_id: str) -> Iterator[str]:
    """Yield what is wrong with the tables of a sequence, a line each."""
    yield from _faults(sidecar_folder(store, kind, sequence_id), sequence_id)


def _faults(folder: Path, sequence_id: str, *, only: str = "") -> Iterator[str]:
    try:
        record = parse_json(_RECORD, folder / RECORD_FILE, missing="has no tables")
    except StoreFormatError as error:
        yield str(error)
        return
    listed = {file.name: file for file in record.files}
    if record.sequence_id != sequence_id:
        yield f"{folder / RECORD_FILE}: is the record of {record.sequence_id!r}"
    if only and only not in listed:
        yield f"{folder / RECORD_FILE}: names no {only}"
    for name, file in listed.items():
        place = folder / Path(name).name
        if only not in ("", name):
            continue
        if not place.is_file() or place.stat().st_size != file.num_bytes:
            yield f"{place}: expected {file.num_bytes} bytes, got another size or no file"
        elif sha256_of(place) != file.sha256:
            yield f"{place}: its SHA-256 is not the record's"
