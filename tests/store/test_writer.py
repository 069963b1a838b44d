import json
import os
import shutil
import threading
import tracemalloc
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from svsdata.errors import (
    CorruptShardError,
    LabelSetError,
    SequenceTakenError,
    SourceError,
    StoreError,
    StoreFormatError,
)
from svsdata.images import encode_jpeg, encode_png
from svsdata.labels import CITYSCAPES, CITYSCAPES_TRAIN
from svsdata.records import EncodedImage, Track
from svsdata.store import parts
from svsdata.store import writer as writing
from svsdata.store.format import StoreInfo, read_info
from svsdata.store.reader import StoreReader
from svsdata.store.repair import abandon
from svsdata.store.staging import StagedSequence
from svsdata.store.verify import verify_store
from svsdata.store.writer import StoreWriter


@pytest.fixture
def writer(tmp_path, info):
    return StoreWriter(tmp_path / "store", info)


def begin(writer, sequence_id="s", **options):
    return writer.sequence(sequence_id, source="recording", fps=10.0, **options)


def write_one(writer, it):
    with begin(writer) as sequence:
        sequence.append(it)
        sequence.commit()


def test_commit_returns_what_the_reader_says(writer, frame):
    track = Track(26003, 26, 0, 0, 7)
    with begin(writer) as sequence:
        sequence.append(frame(0))
        committed = sequence.commit([track], {"plan": "x"}, "sequence")
    assert StoreReader(writer.path).sequence("s") == committed
    assert committed.tracks == (track,)
    assert writer.committed == {"s"}
    assert not list((writer.path / "staging").iterdir())


def test_synthetic_frames_behind_a_real_first_one_are_counted_over_all_parts(writer, frame):
    with begin(writer) as sequence:
        for index in range(5):
            sequence.append(replace(frame(index), is_synthetic=index not in (0, 3)))
            if index == 2:
                sequence.close_part()
        sequence.commit()
    record = StoreReader(writer.path).record("s")
    assert (record.is_synthetic, record.synthetic_frames) == (False, 3)
    assert "; 3 frames are synthetic" in (writer.path / "README.md").read_text()


def test_a_sequence_is_invisible_until_its_commit(writer, frame):
    with begin(writer) as sequence:
        sequence.append(frame(0))
        sequence.close_part()
        assert StoreReader(writer.path).sequence_ids == []
        assert not list((writer.path / "frames").iterdir())
        sequence.commit()
        assert StoreReader(writer.path).sequence_ids == ["s"]


def test_leaving_without_commit_keeps_closed_parts_for_the_next_run(writer, frame, info):
    def stop_after_five() -> None:
        with begin(writer) as sequence:
            for index in range(5):
                sequence.append(frame(index))
            sequence.close_part()
            sequence.append(frame(5))
            raise KeyError

    with pytest.raises(KeyError):
        stop_after_five()
    with begin(StoreWriter(writer.path, info)) as sequence:
        assert sequence.next_frame_index == 5
        assert sequence.state is None
        sequence.append(frame(5))
        sequence.commit()
    frames = list(StoreReader(writer.path).read("s"))
    assert [it.frame_index for it in frames] == list(range(6))
    assert not verify_store(writer.path).faults


def test_the_state_of_the_last_part_comes_back_as_it_was(writer, frame):
    states = [{"image": np.float32([[index, np.nan]]), "n": np.array(index)} for index in range(3)]
    with begin(writer, stateful=True) as sequence:
        assert sequence.state is None
        for index, state in enumerate(states):
            sequence.append(frame(index))
            sequence.close_part(state)
    with begin(writer, stateful=True) as sequence:
        assert sequence.next_frame_index == 3
        assert sequence.state.keys() == {"image", "n"}
        np.testing.assert_array_equal(sequence.state["image"], states[2]["image"])
        assert sequence.state["image"].dtype == np.float32
        assert sequence.state["n"] == 2
    assert len(list(writer.path.rglob("state-*"))) == 1


def test_a_stateful_sequence_goes_back_to_the_last_part_with_a_state(writer, frame):
    """A kill between the last part and the record leaves a part without state."""
    with begin(writer, stateful=True) as sequence:
        sequence.append(frame(0))
        sequence.close_part({"x": np.zeros(1)})
        sequence.append(frame(1))
        with pytest.raises(StoreError, match="track 5"):
            sequence.commit([Track(26000, 26, 0, 9, 5)])
    with begin(writer, stateful=True) as sequence:
        assert sequence.next_frame_index == 1
        assert sequence.state is not None
        sequence.append(frame(1))
        assert sequence.commit().num_frames == 2
    assert not verify_store(writer.path).faults


@pytest.mark.parametrize(("stateful", "state"), [(True, None), (False, {"x": np.zeros(1)})])
def test_a_state_is_given_exactly_when_the_sequence_is_stateful(writer, frame, stateful, state):
    with begin(writer, stateful=stateful) as sequence:
        sequence.append(frame(0))
        with pytest.raises(ValueError, match="stateful=True"):
            sequence.close_part(state)


def test_parts_end_by_themselves_when_they_are_large(writer, frame, monkeypatch):
    monkeypatch.setattr(writing, "PART_BYTES", 60_000)
    with begin(writer) as sequence:
        for index in range(50):
            sequence.append(frame(index))
        sequence.commit()
    sizes = [part.num_frames for part in StoreReader(writer.path).record("s").parts]
    assert len(sizes) > 2
    assert all(size % parts.ROWS_PER_GROUP == 0 for size in sizes[:-1])
    assert [it.frame_index for it in StoreReader(writer.path).read("s")] == list(range(50))


def test_an_empty_sequence_is_refused(writer):
    with begin(writer) as sequence, pytest.raises(StoreError, match="'s' has no frames"):
        sequence.commit()
    assert writer.committed == set()


def test_frames_come_in_order(writer, frame):
    with begin(writer) as sequence:
        sequence.append(frame(0))
        with pytest.raises(ValueError, match="expected frame 1, got 2"):
            sequence.append(frame(2))


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"image": None}, "the image is missing"),
        ({"semantic": None}, "the semantic is missing"),
        ({"image": np.zeros((36, 20, 3), np.uint8)}, r"image must be \(20, 36, 3\) uint8"),
        ({"instance": np.zeros((20, 36), np.uint8)}, "instance must be .* uint16, got .* uint8"),
        ({"flow": np.zeros((20, 36, 2))}, "flow must be .* float32"),
    ],
)
def test_a_frame_that_does_not_fit_the_store_is_refused(writer, frame, change, told):
    with begin(writer) as sequence, pytest.raises(StoreError, match=f"s frame 0: {told}"):
        sequence.append(replace(frame(0), **change))


def test_a_layer_that_the_store_was_not_made_for_is_refused(tmp_path, frame):
    info = StoreInfo(CITYSCAPES, (20, 36), 10.0, ("image",))
    told = "has semantic, but the store was made for: image"
    with (
        begin(StoreWriter(tmp_path / "s", info)) as sequence,
        pytest.raises(StoreError, match=told),
    ):
        sequence.append(frame(0))


def test_a_camera_of_another_frame_size_is_refused(writer, frame):
    camera = frame(0).camera.resized((40, 72))
    with begin(writer) as sequence, pytest.raises(StoreError, match=r"Camera\.resized"):
        sequence.append(replace(frame(0), camera=camera))


@pytest.mark.parametrize(
    ("layer", "value", "told"),
    [
        ("semantic", 35, r"semantic map: ids \[35\] are outside label set 'cityscapes'"),
        ("instance", 35, "instance map: ids 35 are neither"),
        ("instance", 7001, "instance map: ids 7001 are neither"),
        ("instance", 65535, "instance map: ids 65535 are neither"),
    ],
)
def test_ids_outside_the_label_set_are_refused(writer, frame, layer, value, told):
    changed = getattr(frame(0), layer).copy()
    changed[3, 4] = value
    with pytest.raises(LabelSetError, match=f"s frame 0: {told}"):
        write_one(writer, replace(frame(0), **{layer: changed}))


def test_a_picture_files_own_bytes_are_kept(writer, frame):
    kept = EncodedImage(encode_jpeg(frame(0).image), "street_000.jpg")
    with begin(writer) as sequence:
        sequence.append(replace(frame(0), image=None, encoded_image=kept))
        sequence.append(replace(frame(1), encoded_image=kept))
        sequence.commit()
    reader = StoreReader(writer.path)
    for read in reader.read("s", layers=("encoded_image",)):
        assert read.encoded_image == kept
        assert read.image is None


@pytest.mark.parametrize(
    ("kept", "told"),
    [
        (EncodedImage(encode_png(np.zeros((4, 4, 3), np.uint8)), "x.png"), r"x.png is \(4, 4\)"),
        (EncodedImage(encode_png(np.zeros((20, 36, 3), np.uint8)), "../x.png"), "plain file name"),
    ],
)
def test_kept_bytes_of_another_size_or_with_a_path_are_refused(writer, frame, kept, told):
    with pytest.raises(StoreError, match=told):
        write_one(writer, replace(frame(0), encoded_image=kept))


def test_kept_bytes_that_are_no_picture_are_refused(writer, frame):
    with pytest.raises(SourceError, match=r"x\.png: expected a PNG"):
        write_one(writer, replace(frame(0), encoded_image=EncodedImage(b"no", "x.png")))


@pytest.mark.parametrize(
    ("track", "error", "told"),
    [
        (Track(26003, 26, 0, 1, 9), StoreError, r"frames 0\.\.1 of 1"),
        (Track(26003, 26, -1, 0, 9), StoreError, r"frames -1\.\.0"),
        (Track(26003, 24, 0, 0, 9), StoreError, "26003 is not one of class 24"),
        (Track(99003, 99, 0, 0, 9), LabelSetError, "class 99 is not in label set"),
    ],
)
def test_tracks_that_do_not_fit_are_refused(writer, frame, track, error, told):
    with begin(writer) as sequence:
        sequence.append(frame(0))
        with pytest.raises(error, match=f"track 9: .*{told}"):
            sequence.commit([track])


@pytest.mark.parametrize("sequence_id", ["", ".", "..", "../x", "a/b", "a b", ".a", "ä", "x" * 129])
def test_ids_that_are_no_plain_names_are_refused(writer, sequence_id):
    with pytest.raises(StoreError, match="cannot name a sequence"), begin(writer, sequence_id):
        pass
    assert list((writer.path / "staging").iterdir()) == []


def test_a_committed_sequence_is_not_written_again(writer, frame):
    with begin(writer) as sequence:
        sequence.append(frame(0))
        sequence.commit()
    with pytest.raises(SequenceTakenError, match="already holds sequence 's'"), begin(writer):
        pass
    assert list((writer.path / "staging").iterdir()) == []


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("size_hw", (20, 38)),
        ("fps", 5.0),
        ("label_set", CITYSCAPES_TRAIN),
        ("modalities", ("image",)),
        ("licences", {}),
    ],
)
def test_a_store_made_with_another_info_is_not_written_to(writer, frame, info, field, value):
    with begin(writer) as sequence:
        sequence.append(frame(0))
        sequence.close_part()
    with pytest.raises(StoreError, match=f"was made with {field} .*, got .*--overwrite"):
        StoreWriter(writer.path, replace(info, **{field: value}))


def test_a_store_without_any_frame_becomes_what_the_next_writer_asks_for(writer, frame, info):
    other = replace(info, fps=5.0)
    with begin(writer) as sequence:
        with pytest.raises(StoreError, match="was made with fps"):
            StoreWriter(writer.path, other)
        sequence.append(frame(0))
    StoreWriter(writer.path, other)
    assert read_info(writer.path) == other
    assert list((writer.path / "staging").iterdir()) == []
    with pytest.raises(StoreError, match="was made with fps"), begin(writer):
        pass


@pytest.mark.parametrize(
    "change",
    [
        {"size_hw": (0, 9)},
        {"size_hw": (2**14, 2**13)},
        {"fps": 0.0},
        {"fps": float("nan")},
        {"modalities": ()},
        {"modalities": ("semantic", "image")},
        {"modalities": ("image", "image")},
        {"modalities": ("depth",)},
    ],
)
def test_an_info_that_cannot_be_is_refused(info, change):
    with pytest.raises(StoreError):
        replace(info, **change)


def test_a_folder_of_something_else_is_left_alone(tmp_path, info):
    (tmp_path / "precious.txt").write_text("x")
    with pytest.raises(StoreFormatError, match="not empty and no store; write to another folder"):
        StoreWriter(tmp_path, info)
    assert [it.name for it in tmp_path.iterdir()] == ["precious.txt"]


def test_a_path_that_is_a_file_is_told_in_one_line(tmp_path, info):
    (tmp_path / "file").write_text("x")
    with pytest.raises(StoreError, match="file' is a file; write to another folder"):
        StoreWriter(tmp_path / "file", info)


def test_an_address_is_refused(info):
    with pytest.raises(StoreError, match="only local folders"):
        StoreWriter("s3://bucket/store", info)


def test_a_store_may_lie_in_a_home_folder(info, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert StoreWriter("~/here", info).path == tmp_path / "here"
    assert (tmp_path / "here" / "store.json").is_file()


def test_an_unfinished_sequence_goes_on_only_as_what_it_was_begun(writer, frame):
    with begin(writer, recipe="a") as sequence:
        sequence.append(frame(0))
        sequence.close_part()
    told = r"begun with recipe 'a', got 'b'.*--abandon s"
    with pytest.raises(StoreError, match=told), begin(writer, recipe="b"):
        pass
    abandon(writer.path, "s")
    with begin(writer, recipe="b") as sequence:
        assert sequence.next_frame_index == 0
    assert (writer.path / "quarantine" / "s" / "s" / "part-00000.parquet").exists()


def test_what_was_stopped_before_its_first_part_is_begun_anew_as_anything(writer, frame):
    with begin(writer, recipe="a") as sequence:
        sequence.append(frame(0))
    with begin(writer, recipe="b") as sequence:
        assert sequence.next_frame_index == 0
        sequence.append(frame(0))
        sequence.close_part()
    with (
        pytest.raises(StoreError, match="begun with recipe 'b', got 'a'"),
        begin(writer, recipe="a"),
    ):
        pass


def test_a_staged_part_that_changed_is_found_when_going_on(writer, frame):
    with begin(writer) as sequence:
        sequence.append(frame(0))
        sequence.close_part()
    part = writer.path / "staging" / "s" / "part-00000.parquet"
    part.write_bytes(part.read_bytes()[:-1] + b"?")
    with pytest.raises(CorruptShardError, match="not what was written"), begin(writer):
        pass


class Killed(BaseException):
    """Stands for a kill: nothing may catch it."""


def commit_until(writer, frame, monkeypatch, step):
    """Commit two parts, and die before the ``step``-th change of a name."""
    with begin(writer) as sequence:
        for index in range(12):
            sequence.append(frame(index))
            if index == 8:
                sequence.close_part()
        sequence.close_part()
        done = 0

        def die(*_: object) -> None:
            nonlocal done
            done += 1
            if done > step:
                raise Killed

        with monkeypatch.context() as patch:
            for name in ("replace", "hardlink_to"):
                original = getattr(Path, name)
                patch.setattr(
                    Path, name, lambda a, b, original=original: (die(), original(a, b))[1]
                )
            sequence.commit()
    return done


@pytest.mark.parametrize("step", range(6))
def test_a_commit_interrupted_between_any_two_moves_is_finished_by_the_next_run(
    writer, frame, monkeypatch, info, step
):
    with pytest.raises(Killed):
        commit_until(writer, frame, monkeypatch, step)
    seen = StoreReader(writer.path).sequence_ids
    assert seen == ([] if step < 4 else ["s"])
    again = StoreWriter(writer.path, info)
    if step == 0:  # the record was not staged yet: the frames are there, the commit is not
        assert again.committed == set()
        with begin(again) as sequence:
            assert sequence.next_frame_index == 12
            sequence.commit()
    assert again.committed == {"s"}
    assert not list((writer.path / "staging").iterdir())
    assert "part-00001" in (writer.path / "README.md").read_text()
    report = verify_store(writer.path)
    assert (report.num_frames, report.faults) == (12, ())


def test_the_steps_above_are_all_there_are(writer, frame, monkeypatch):
    assert commit_until(writer, frame, monkeypatch, step=99) == 6


def test_writers_of_different_sequences_never_meet(tmp_path, info, frame):
    failures = []

    def write(name: str) -> None:
        try:
            writer = StoreWriter(tmp_path / "store", info)
            for number in range(4):
                with begin(writer, f"{name}{number}") as sequence:
                    sequence.append(frame(0))
                    sequence.commit()
        except StoreError as error:
            failures.append(error)

    threads = [threading.Thread(target=write, args=(name,)) for name in "abc"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    report = verify_store(tmp_path / "store")
    assert (report.num_sequences, report.faults) == (12, ())
    card = (tmp_path / "store" / "README.md").read_text()
    assert card.count("part-00000.parquet") == 12
    assert not list(tmp_path.rglob("*.tmp"))


def test_a_second_commit_of_the_same_id_from_elsewhere_is_refused(writer, frame, info, tmp_path):
    """Machines whose locks do not meet: the record that is linked first stays."""
    with begin(writer) as sequence:
        sequence.append(frame(0))
        sequence.close_part()
        other = tmp_path / "other"
        shutil.copytree(writer.path, other)
        sequence.commit()
    record = writer.path / "sequences" / "s.json"
    changed = json.loads(record.read_text())
    changed["sequence"]["source"] = "elsewhere"
    with begin(writer, "t") as sequence:
        pass
    staged = StagedSequence(writer.path, "s")
    staged.folder.mkdir()
    staged.record_path.write_text(json.dumps(changed))
    with pytest.raises(StoreError, match="another writer has committed"):
        staged.finish_commit(info)


def test_memory_stays_flat_over_many_frames(tmp_path, frame):
    size_hw = (64, 96)
    info = StoreInfo(CITYSCAPES, size_hw, 10.0, ("image", "semantic"))
    one = replace(frame(0, size_hw), instance=None, confidence=None, provenance=None)
    frame_bytes = one.image.nbytes

    def peak(num_frames: int, store: str) -> int:
        with begin(StoreWriter(tmp_path / store, info)) as sequence:
            tracemalloc.start()
            for index in range(num_frames):
                sequence.append(replace(one, frame_index=index))
            sequence.commit()
            _, highest = tracemalloc.get_traced_memory()
            tracemalloc.stop()
        return highest

    peak(16, "first")
    # How many encoded frames wait at once is the threads' timing: as many frames, as many chances.
    short = max(peak(40, f"short-{k}") for k in range(10))
    long = peak(400, "long")
    assert long - short < 16 * frame_bytes
    assert 400 * frame_bytes > 10 * (long - short)


def test_a_folder_that_may_not_be_written_is_told_in_one_line(tmp_path, info):
    if os.geteuid() == 0:
        pytest.skip("root may write anywhere")
    tmp_path.chmod(0o500)
    with pytest.raises(StoreError, match="Permission denied"):
        StoreWriter(tmp_path / "store", info)


def test_a_full_disk_leaves_no_temporary_files(tmp_path, info, room_for):
    for _ in range(2):
        with room_for(100), pytest.raises(StoreError, match="free space and run the same"):
            StoreWriter(tmp_path / "store", info)
    assert list((tmp_path / "store").iterdir()) == []
