"""A sequence that is not committed yet: its folder, its closed parts, and how it becomes visible.

``staging/<sequence_id>/`` holds ``begun.json``, closed parts each with a receipt written after it,
the state of the last one, and, from the moment of commit on, the record. Nothing here is seen by
foreign readers; each step is durable before the next begins.
"""

import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter

from svsdata.errors import CorruptShardError, StoreError
from svsdata.store.card import CardEntry, write_card
from svsdata.store.files import (
    TEMPORARY,
    put_if_absent,
    remove_folder,
    sha256_of,
    sync_folder,
    write_durably,
)
from svsdata.store.format import (
    FRAMES,
    STAGING,
    Part,
    StoreInfo,
    check_sequence_id,
    parse_json,
    part_name,
    read_record,
    record_path,
    to_json,
)

State = Mapping[str, NDArray[np.generic]]


@dataclass(frozen=True)
class Begun:
    """What a sequence was begun as; only the same goes on with it."""

    source: str
    fps: float
    stateful: bool
    recipe: str


@dataclass(frozen=True)
class Receipt:
    """A closed part; written after it, so a part without receipt is no part."""

    part: Part
    has_state: bool


_BEGUN, _RECEIPT = TypeAdapter(Begun), TypeAdapter(Receipt)


class StagedSequence:
    """The folder of one sequence in staging; its lock is held by whoever writes."""

    def __init__(
        self, store: Path, sequence_id: str, card_entries: dict[str, CardEntry] | None = None
    ) -> None:
        self._store = store
        self._card_entries = card_entries
        self.sequence_id = check_sequence_id(sequence_id, str(store))
        self.folder = store / STAGING / sequence_id

    @property
    def record_path(self) -> Path:
        """Where the record lies once the commit has begun."""
        return self.folder / "record.json"

    def begin(self, begun: Begun) -> None:
        """Begin the sequence, or make sure that it was begun as the same.

        What was stopped before its first part was closed holds nothing, and is begun anew.

        Raises:
            StoreError: If an unfinished sequence of this id was begun as something else.
        """
        earlier = self.begun()
        if earlier is None or not self.receipts():
            write_durably(self.folder / "begun.json", to_json(_BEGUN, begun))
            return
        for name in ("source", "fps", "recipe", "stateful"):
            was, asked = getattr(earlier, name), getattr(begun, name)
            if was != asked:
                raise StoreError(
                    f"{self.folder}: an unfinished sequence was begun with {name} '{was}', got "
                    f"'{asked}'; go on with the same command as before, or set it aside with "
                    f"'svsdata store repair {self._store} --abandon {self.sequence_id}'"
                )

    def begun(self) -> Begun | None:
        """Return what the sequence was begun as; None where it is not begun."""
        path = self.folder / "begun.json"
        return parse_json(_BEGUN, path, missing="is no staged sequence") if path.exists() else None

    def receipts(self) -> list[Receipt]:
        """Return the receipts of the closed parts, in order."""
        receipts: list[Receipt] = []
        while (path := self._receipt_path(len(receipts))).exists():
            receipts.append(parse_json(_RECEIPT, path, missing="is no staged sequence"))
        return receipts

    def resume(self, begun: Begun) -> list[Receipt]:
        """Return the closed parts to go on from, and drop what a stopped writer left half done.

        Raises:
            CorruptShardError: If a closed part is missing or not what its receipt says.
        """
        receipts = self.receipts()
        while begun.stateful and receipts and not receipts[-1].has_state:
            receipts.pop()
            self._receipt_path(len(receipts)).unlink()
        self.check_parts(receipts)
        for leftover in self.folder.glob(f"*{TEMPORARY}"):
            leftover.unlink()
        return receipts

    def check_parts(self, receipts: list[Receipt]) -> None:
        """Compare closed parts with their receipts.

        Raises:
            CorruptShardError: Naming the first that differs.
        """
        for receipt in receipts:
            path = self.folder / receipt.part.name
            if not path.exists() or sha256_of(path) != receipt.part.sha256:
                raise CorruptShardError(
                    f"{path}: missing or not what was written; set the unfinished sequence aside "
                    f"with 'svsdata store repair {self._store}' and run the same command again"
                )

    def add_receipt(self, index: int, part: Part, state: State | None) -> None:
        """Make a closed part count, with the state that goes on after it."""
        if state is not None:
            write_durably(self._state_path(index), _pack(state))
        write_durably(
            self._receipt_path(index), to_json(_RECEIPT, Receipt(part, state is not None))
        )
        if state is not None and index > 0:
            self._state_path(index - 1).unlink(missing_ok=True)

    def state(self, receipts: list[Receipt]) -> dict[str, NDArray[np.generic]] | None:
        """Return the state saved with the last part."""
        if not receipts or not receipts[-1].has_state:
            return None
        with np.load(self._state_path(len(receipts) - 1), allow_pickle=False) as arrays:
            return dict(arrays)

    def finish_commit(self, info: StoreInfo) -> None:
        """Move the parts of a staged record into place, then the record; safe to repeat.

        The folder goes last, so a kill anywhere before leaves a commit that the next run finishes.

        Raises:
            CorruptShardError: If a part is neither here nor there.
            StoreError: If another writer has committed another sequence under this id.
        """
        record = read_record(self.record_path, self.sequence_id)
        target = self._store / FRAMES / self.sequence_id
        target.mkdir(parents=True, exist_ok=True)
        for part in record.parts:
            staged, placed = self.folder / part.name, target / part.name
            if staged.exists():
                staged.replace(placed)
            elif not placed.exists():
                raise CorruptShardError(
                    f"{staged}: missing, its record says it was written; set the sequence aside "
                    f"with 'svsdata store repair {self._store}'"
                )
        sync_folder(target)
        sync_folder(target.parent)
        data, path = self.record_path.read_bytes(), record_path(self._store, self.sequence_id)
        if not put_if_absent(path, data) and path.read_bytes() != data:
            raise StoreError(f"{path}: another writer has committed a sequence of this id")
        write_card(self._store, info, self._card_entries)
        remove_folder(self.folder)

    def part_path(self, index: int) -> Path:
        """Return where a part is written."""
        return self.folder / part_name(index)

    def _receipt_path(self, index: int) -> Path:
        return self.folder / f"receipt-{index:05d}.json"

    def _state_path(self, index: int) -> Path:
        return self.folder / f"state-{index:05d}.npz"


def staged_ids(store: Path) -> list[str]:
    """Return the ids of sequences that were begun and not committed, sorted."""
    return sorted(
        check_sequence_id(path.name, str(path.parent)) for path in (store / STAGING).glob("[!.]*")
    )


def _pack(state: State) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **state)
    return buffer.getvalue()
