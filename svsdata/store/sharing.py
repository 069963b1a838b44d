"""Several processes, one store: each sequence is written by whichever comes to it first."""

import time
from collections.abc import Callable, Iterable
from typing import TypeVar

from svsdata.errors import SequenceTakenError
from svsdata.progress import Progress, counted
from svsdata.store.files import only_writer
from svsdata.store.format import read_record, record_path
from svsdata.store.staging import StagedSequence
from svsdata.store.writer import StoreWriter

Written = TypeVar("Written")

_SECONDS_BETWEEN_LOOKS = 1.0


def share(
    store: StoreWriter,
    sequence_ids: Iterable[str],
    write: Callable[[str], Written],
    progress: Progress,
) -> dict[str, Written]:
    """Write sequences, leaving to other processes what these write; returns when all are done.

    A sequence that another process is writing is passed over, and waited for at the end: where
    that process stops without a commit, this one goes on with it. So the same command, started any
    number of times on a store that all can lock, divides its sequences.

    Args:
        store: That all write to.
        sequence_ids: What is to be written, in order.
        write: Called for each; may decide not to write it.
        progress: Advanced by the frames of what others commit meanwhile.

    Returns:
        What ``write`` returned for each sequence that this process wrote or decided upon.

    Raises:
        What ``write`` raises, except ``SequenceTakenError``.
    """
    left, done, told = list(sequence_ids), dict[str, Written](), False
    while left:
        before = len(done)
        for sequence_id in tuple(left):
            if record_path(store.path, sequence_id).exists():
                left.remove(sequence_id)
                record = read_record(record_path(store.path, sequence_id), sequence_id)
                progress.advance(record.sequence.num_frames)
            elif not _is_taken(store, sequence_id):
                try:
                    done[sequence_id] = write(sequence_id)
                except SequenceTakenError:
                    continue
                left.remove(sequence_id)
        if left and len(done) == before:
            if not told:
                progress.note(f"waiting for {counted(len(left), 'sequences')} that others write")
                told = True
            time.sleep(_SECONDS_BETWEEN_LOOKS)
    return done


def _is_taken(store: StoreWriter, sequence_id: str) -> bool:
    folder = StagedSequence(store.path, sequence_id).folder
    if not folder.exists():
        return False
    with only_writer(folder) as alone:
        return not alone
