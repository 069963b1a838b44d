"""Putting a store right: interrupted commits finished, damage set aside. Nothing is deleted."""

from dataclasses import dataclass
from pathlib import Path

from svsdata.errors import SequenceNotFoundError, StoreError
from svsdata.progress import Progress
from svsdata.store.card import write_card
from svsdata.store.files import local_folder, only_writer, writing
from svsdata.store.format import FRAMES, QUARANTINE, StoreInfo, read_info, record_path
from svsdata.store.sidecars import EDITS, sidecar_folder
from svsdata.store.staging import StagedSequence, staged_ids
from svsdata.store.verify import verify_store


@dataclass(frozen=True)
class RepairReport:
    """What a repair did."""

    finished: tuple[str, ...]
    """Sequences whose interrupted commit was finished."""
    quarantined: tuple[str, ...]
    """What was set aside, and why, one line each."""


def repair_store(path: Path | str, *, progress: Progress | None = None) -> RepairReport:
    """Finish interrupted commits and move damaged sequences to ``quarantine/``.

    A sequence that is set aside is no longer in the store; the command that made it makes it anew.

    Raises:
        StoreFormatError: If the folder is no store of this format version.
    """
    store = local_folder(path)
    info = read_info(store)
    with writing(store):
        finished, quarantined = _repair_staging(store, info)
        damaged: dict[str, str] = {}
        for fault in verify_store(store, progress=progress).faults:
            if fault.sequence_id is not None:
                damaged.setdefault(fault.sequence_id, fault.message)
            else:
                _set_aside(fault.path, _quarantine_folder(store, fault.path.name))
                quarantined.append(fault.message)
        for sequence_id, message in damaged.items():
            target = _quarantine_folder(store, sequence_id)
            # The record goes first: from then on no reader looks for the frames.
            _set_aside(record_path(store, sequence_id), target)
            _set_aside(store / FRAMES / sequence_id, target)
            if (tables := sidecar_folder(store, EDITS, sequence_id)).exists():
                tables.replace(target / EDITS)
            quarantined.append(message)
        write_card(store, info)
    return RepairReport(tuple(finished), tuple(quarantined))


def abandon(path: Path | str, sequence_id: str) -> Path:
    """Set an unfinished sequence aside, so that it may be begun as something else.

    Returns:
        Where it lies now.

    Raises:
        SequenceNotFoundError: If nothing of that id is unfinished.
        StoreError: If a process is writing it.
    """
    store = local_folder(path)
    if sequence_id not in staged_ids(store):
        raise SequenceNotFoundError(f"store '{store}' has no unfinished sequence '{sequence_id}'")
    folder = StagedSequence(store, sequence_id).folder
    with writing(folder), only_writer(folder) as alone:
        if not alone:
            raise StoreError(f"{folder}: another process is writing this sequence")
        target = _quarantine_folder(store, sequence_id)
        _set_aside(folder, target)
    return target


def _repair_staging(store: Path, info: StoreInfo) -> tuple[list[str], list[str]]:
    finished, quarantined = [], []
    for sequence_id in staged_ids(store):
        staged = StagedSequence(store, sequence_id)
        with only_writer(staged.folder) as alone:
            if not alone:
                continue
            try:
                if staged.record_path.exists():
                    staged.finish_commit(info)
                    finished.append(sequence_id)
                else:
                    staged.check_parts(staged.receipts())
            except StoreError as error:
                _set_aside(staged.folder, _quarantine_folder(store, sequence_id))
                quarantined.append(str(error))
    return finished, quarantined


def _quarantine_folder(store: Path, name: str) -> Path:
    """Make a new folder of that name, numbered if there was one before."""
    number = 0
    while True:
        folder = store / QUARANTINE / (f"{name}.{number}" if number else name)
        try:
            folder.mkdir(parents=True)
        except FileExistsError:
            number += 1
        else:
            return folder


def _set_aside(source: Path, target: Path) -> None:
    if source.exists():
        source.replace(target / source.name)
