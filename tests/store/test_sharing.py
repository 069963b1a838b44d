"""Processes that divide the sequences of one store; here they are threads."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from svsdata.errors import StoreError
from svsdata.progress import Silent
from svsdata.store import sharing
from svsdata.store.sharing import SharedWork
from svsdata.store.verify import verify_store
from svsdata.store.writer import StoreWriter

IDS = [f"s{number}" for number in range(6)]


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    monkeypatch.setattr(sharing, "_SECONDS_BETWEEN_LOOKS", 0.01)


@pytest.fixture
def writer(tmp_path, info):
    return StoreWriter(tmp_path / "store", info)


class Told(Silent):
    """Calls ``at_note`` with each note, and counts skipped frames."""

    def __init__(self, at_note=None):
        self.at_note, self.frames = at_note, 0

    def skip(self, count):
        self.frames += count

    def note(self, message):
        if self.at_note is not None:
            self.at_note(message)


def share(writer, sequence_ids, write, progress):
    """Write each sequence that comes to this process; return what writing it returned."""
    work, done = SharedWork(writer, sequence_ids, progress), {}
    for free in work.rounds():
        for sequence_id in free:
            with work.unless_taken(sequence_id):
                done[sequence_id] = write(sequence_id)
    assert sorted([*done, *work.elsewhere]) == sorted(sequence_ids)
    return done


def begin(writer, sequence_id):
    return writer.sequence(sequence_id, source="recording", fps=10.0)


def write_with(writer, frame, num_frames=2):
    def write(sequence_id):
        with begin(writer, sequence_id) as rows:
            for index in range(num_frames):
                rows.append(frame(index))
            rows.commit()
        return sequence_id

    return write


def test_each_sequence_is_written_once_and_nobody_returns_before_all_are(writer, frame, info):
    both_began = threading.Barrier(2)
    written = []

    def one_process(_):
        own, tries = StoreWriter(writer.path, info), []

        def write(sequence_id):
            tries.append(sequence_id)
            if len(tries) == 1:
                both_began.wait(timeout=20)
            write_with(own, frame)(sequence_id)
            written.append(sequence_id)

        done = share(own, IDS, write, progress := Told())
        return list(done), own.committed, progress.frames

    with ThreadPoolExecutor(2) as threads:
        (first, seen_by_first, frames), (second, seen_by_second, others) = threads.map(
            one_process, range(2)
        )
    assert sorted(written) == IDS
    assert sorted(first + second) == IDS
    assert first
    assert second
    assert seen_by_first == seen_by_second == set(IDS)
    assert (frames, others) == (2 * len(second), 2 * len(first))  # each is told of the other's
    assert verify_store(writer.path).faults == ()


def test_a_sequence_whose_writer_gave_up_is_taken_over(writer, frame, info):
    other = StoreWriter(writer.path, info)
    held = begin(other, "s0")
    rows = held.__enter__()
    rows.append(frame(0))
    rows.close_part()
    notes = []

    def give_up(message):
        notes.append(message)
        held.__exit__(None, None, None)

    order = []

    def write(sequence_id):
        order.append(sequence_id)
        with begin(writer, sequence_id) as rows:
            before = rows.next_frame_index
            for index in range(before, 3):
                rows.append(frame(index))
            rows.commit()
        return before

    assert share(writer, ["s0", "s1"], write, Told(give_up)) == {"s1": 0, "s0": 1}
    assert order == ["s1", "s0"]
    assert notes == ["waiting for 1 sequence that others write"]


def test_a_sequence_taken_between_look_and_lock_comes_again(writer, frame, info):
    other = StoreWriter(writer.path, info)
    tries = []

    def write(sequence_id):
        tries.append(sequence_id)
        if len(tries) == 1:
            with begin(other, sequence_id):
                return write_with(writer, frame)(sequence_id)
        return write_with(writer, frame)(sequence_id)

    assert list(share(writer, ["s0"], write, Silent())) == ["s0"]
    assert tries == ["s0", "s0"]


def test_what_a_writer_decides_not_to_write_is_done_with(writer):
    asked = []
    assert share(writer, IDS, asked.append, Silent()) == dict.fromkeys(IDS)
    assert asked == IDS
    assert writer.committed == set()


def test_what_is_on_its_way_here_is_not_waited_for(writer, frame):
    work = SharedWork(writer, IDS[:3], Told(pytest.fail))
    rounds = work.rounds()
    free = next(rounds)
    write = write_with(writer, frame)
    with begin(writer, next(free)) as rows:
        assert list(map(write, free)) == IDS[1:3]
        rows.append(frame(0))
        rows.commit()
    assert list(rounds) == []
    assert work.elsewhere == []


def test_any_other_error_stops(writer):
    def write(sequence_id):
        raise StoreError(f"{sequence_id}: no space")

    with pytest.raises(StoreError, match="s0: no space"):
        share(writer, IDS, write, Silent())
    assert share(writer, [], write, Silent()) == {}
