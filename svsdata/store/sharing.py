"""Several processes, one store: each sequence is written by whichever comes to it first."""

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from svsdata.errors import SequenceTakenError
from svsdata.progress import Progress, counted
from svsdata.store.files import only_writer
from svsdata.store.format import read_record, record_path
from svsdata.store.staging import StagedSequence
from svsdata.store.writer import StoreWriter

_SECONDS_BETWEEN_LOOKS = 1.0


class SharedWork:
    """Sequences to write, of which others may be writing some.

    What another process writes is passed over, and looked at again at the end: where that process
    stopped without a commit, this one goes on with it. So the same command, started any number of
    times on a store that all can lock, divides its sequences, and each returns when all are done.
    """

    def __init__(self, store: StoreWriter, sequence_ids: Iterable[str], progress: Progress) -> None:
        """Take what is to be written, in order; ``progress`` hears of frames that others add."""
        self._store, self._left, self._progress = store, list(sequence_ids), progress
        self.elsewhere: list[str] = []
        """What others have committed meanwhile."""

    def rounds(self) -> Iterator[Iterator[str]]:
        """Yield, until nothing is left, an iterator over the ids that nobody writes now.

        Whoever takes an id from it writes it or leaves it, as far as this process is concerned;
        between rounds none may be half written, since others may be waiting for it.
        """
        is_told = False
        while self._left:
            before = len(self._left)
            yield self._free()
            if len(self._left) == before:
                if not is_told:
                    left = counted(before, "sequences")
                    self._progress.note(f"waiting for {left} that others write")
                    is_told = True
                time.sleep(_SECONDS_BETWEEN_LOOKS)

    @contextmanager
    def unless_taken(self, sequence_id: str) -> Iterator[None]:
        """Leave the block, and the sequence for a later round, where another was faster."""
        try:
            yield
        except SequenceTakenError:
            self._left.append(sequence_id)

    def _free(self) -> Iterator[str]:
        for sequence_id in tuple(self._left):
            record = record_path(self._store.path, sequence_id)
            if record.exists():
                self._left.remove(sequence_id)
                self.elsewhere.append(sequence_id)
                self._progress.skip(read_record(record, sequence_id).sequence.num_frames)
            elif not self._is_taken(sequence_id):
                self._left.remove(sequence_id)
                yield sequence_id

    def _is_taken(self, sequence_id: str) -> bool:
        folder = StagedSequence(self._store.path, sequence_id).folder
        if not folder.exists():
            return False
        with only_writer(folder) as alone:
            return not alone
