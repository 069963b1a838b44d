import shutil

import pytest

from svsdata.errors import SequenceNotFoundError, StoreError
from svsdata.store.reader import StoreReader
from svsdata.store.repair import abandon, repair_store
from svsdata.store.verify import verify_store
from svsdata.store.writer import StoreWriter


def test_a_whole_store_is_left_alone(store):
    before = {path: path.read_bytes() for path in store.rglob("*") if path.is_file()}
    report = repair_store(store)
    assert (report.finished, report.quarantined) == ((), ())
    assert {path: path.read_bytes() for path in store.rglob("*") if path.is_file()} == before


def test_a_damaged_sequence_is_set_aside_whole_and_nothing_is_deleted(store):
    part = store / "frames" / "a" / "part-00000.parquet"
    part.write_bytes(part.read_bytes()[:-9])
    num_files = len(list(store.rglob("*.*")))
    (reason,) = repair_store(store).quarantined
    assert "part-00000.parquet: expected" in reason
    assert StoreReader(store).sequence_ids == ["b-1.c_2"]
    assert verify_store(store).faults == ()
    assert len([it for it in store.rglob("*.*") if it.is_file()]) == num_files - 1  # b-1.c_2/
    aside = store / "quarantine" / "a"
    assert sorted(it.name for it in aside.rglob("*")) == [
        "a",
        "a.json",
        "part-00000.parquet",
        "part-00001.parquet",
    ]
    assert "frames/a/" not in (store / "README.md").read_text()


def test_a_sequence_set_aside_can_be_made_again_and_set_aside_again(store, info, frame):
    for expected in ("a", "a.1"):
        (store / "frames" / "a" / "part-00000.parquet").write_bytes(b"")
        repair_store(store)
        assert (store / "quarantine" / expected / "a.json").exists()
        with StoreWriter(store, info).sequence("a", source="x", fps=1.0) as sequence:
            sequence.append(frame(0))
            sequence.commit()
    assert verify_store(store).faults == ()


def test_strays_are_set_aside(store):
    shutil.copytree(store / "frames" / "a", store / "frames" / "orphan")
    (store / "frames" / "a" / "part-00007.parquet").write_bytes(b"stray")
    assert len(repair_store(store).quarantined) == 2
    assert verify_store(store).faults == ()
    assert (store / "quarantine" / "orphan" / "orphan" / "part-00001.parquet").exists()
    assert len(list(StoreReader(store).read("a"))) == 21


def begin_and_stop(store, info, frame):
    with StoreWriter(store, info).sequence("later", source="x", fps=1.0) as sequence:
        sequence.append(frame(0))
        sequence.close_part()
    return store / "staging" / "later"


def test_an_unfinished_sequence_is_kept_unless_its_parts_are_damaged(store, info, frame):
    staged = begin_and_stop(store, info, frame)
    repair_store(store)
    assert staged.exists()
    (staged / "part-00000.parquet").write_bytes(b"damaged")
    (reason,) = repair_store(store).quarantined
    assert "not what was written" in reason
    assert not staged.exists()
    assert (store / "quarantine" / "later" / "later" / "begun.json").exists()


def test_an_interrupted_commit_is_finished(store, info, frame):
    staged = begin_and_stop(store, info, frame)
    with StoreWriter(store, info).sequence("later", source="x", fps=1.0) as sequence:
        aside = shutil.copytree(staged, store / "aside")
        sequence.commit()
    record = store / "sequences" / "later.json"
    record.replace(aside / "record.json")
    aside.replace(staged)
    shutil.rmtree(store / "frames" / "later")
    report = repair_store(store)
    assert (report.finished, report.quarantined) == (("later",), ())
    assert len(list(StoreReader(store).read("later"))) == 1


def test_a_commit_whose_parts_are_gone_is_set_aside(store, info, frame):
    staged = begin_and_stop(store, info, frame)
    with StoreWriter(store, info).sequence("later", source="x", fps=1.0) as sequence:
        sequence.commit()
    staged.mkdir()
    (store / "sequences" / "later.json").replace(staged / "record.json")
    shutil.rmtree(store / "frames" / "later")
    report = repair_store(store)
    assert report.finished == ()
    assert "its record says it was written" in report.quarantined[0]
    assert verify_store(store).faults == ()


def test_what_is_being_written_is_left_alone(store, info, frame):
    with StoreWriter(store, info).sequence("later", source="x", fps=1.0) as sequence:
        sequence.append(frame(0))
        sequence.close_part()
        (store / "staging" / "later" / "part-00000.parquet").write_bytes(b"damaged")
        assert repair_store(store).quarantined == ()
        with pytest.raises(StoreError, match="another process is writing"):
            abandon(store, "later")


def test_abandoning_what_is_not_unfinished_is_an_error(store):
    with pytest.raises(SequenceNotFoundError, match="no unfinished sequence 'a'"):
        abandon(store, "a")
