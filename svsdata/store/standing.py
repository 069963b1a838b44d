"""What stands in a store already, for whoever is about to write there; looks only."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from svsdata.errors import StoreError, StoreFormatError
from svsdata.labels import LabelSet
from svsdata.store.format import STORE_FILE, StoreInfo, committed_ids, read_info
from svsdata.store.staging import StagedSequence, staged_ids

AWAY_FROM_OTHERS = "write to another folder, or add --overwrite to set this one aside"
"""What to do where a folder holds something else."""


@dataclass(frozen=True)
class Standing:
    """Which of the sequences that are to be written are there."""

    committed: frozenset[str]
    begun_frames: Mapping[str, int]
    """Of those that are not: frames that a stopped writer left behind and the next need not
    write."""


def standing(store: Path, info: StoreInfo, sequence_ids: Iterable[str]) -> Standing:
    """Tell what a writer would find; nothing is made or finished.

    Raises:
        StoreFormatError: If the folder holds something else.
        StoreError: If the store was made with another info, naming the field.
    """
    if is_new(store) or (read_info(store) != info and has_no_frames(store)):
        return Standing(frozenset(), {})
    check_info(store, info)
    wanted = frozenset(sequence_ids)
    committed = wanted.intersection(committed_ids(store))
    begun = wanted.intersection(staged_ids(store)) - committed
    return Standing(committed, {one: _frames_with_state(store, one) for one in begun})


def is_new(store: Path) -> bool:
    """Tell whether a store is still to be made in a folder.

    Raises:
        StoreFormatError: If the folder holds something else.
    """
    if not store.exists():
        return True
    if not store.is_dir():
        raise StoreFormatError(f"'{store}' is a file; write to another folder")
    # In this order: another writer may be making the store, whose file comes first.
    is_empty = all(entry.name[0] == "." for entry in store.iterdir())
    if not is_empty and not (store / STORE_FILE).exists():
        raise StoreFormatError(f"'{store}' is not empty and no store; {AWAY_FROM_OTHERS}")
    return is_empty


def has_no_frames(store: Path) -> bool:
    """Tell whether no frame was ever written whole."""
    begun = (StagedSequence(store, one) for one in staged_ids(store))
    return not committed_ids(store) and not any(staged.receipts() for staged in begun)


def check_info(store: Path, info: StoreInfo) -> None:
    """Refuse a store that was made with another info.

    Raises:
        StoreError: Naming the first field that differs.
    """
    existing = read_info(store)
    for name in StoreInfo.__dataclass_fields__:
        was, asked = (_in_words(getattr(it, name)) for it in (existing, info))
        if getattr(existing, name) != getattr(info, name):
            raise StoreError(
                f"store '{store}' was made with {name} {was}, got {asked}; {AWAY_FROM_OTHERS}"
            )


def _frames_with_state(store: Path, sequence_id: str) -> int:
    """Count the frames of closed parts that the next writer can go on behind."""
    count = total = 0
    for receipt in StagedSequence(store, sequence_id).receipts():
        total += receipt.part.num_frames
        count = total if receipt.has_state else count
    return count


def _in_words(value: object) -> str:
    if isinstance(value, LabelSet):
        return value.name
    return ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)
