import json
import os
import re
import shutil

import numpy as np
import pyarrow.parquet as pq
import pytest

from svsdata.errors import StoreFormatError
from svsdata.images import encode_png
from svsdata.store.columns import SCHEMA
from svsdata.store.files import sha256_of
from svsdata.store.reader import StoreReader
from svsdata.store.repair import repair_store
from svsdata.store.verify import verify_store
from svsdata.store.writer import StoreWriter


def messages(store, **options):
    return [fault.message for fault in verify_store(store, **options).faults]


def part(store, index=0):
    return store / "frames" / "a" / f"part-0000{index}.parquet"


def test_a_whole_store_has_no_fault(store):
    report = verify_store(store)
    assert (report.num_sequences, report.num_frames, report.faults) == (2, 22, ())
    assert report.num_bytes == sum(it.stat().st_size for it in store.rglob("*.parquet"))
    assert verify_store(store, quick=True) == report


def test_every_flipped_bit_of_a_part_is_found_wherever_it_is(store):
    original = part(store).read_bytes()
    rng = np.random.default_rng(2)
    for position in [0, len(original) - 1, *rng.integers(0, len(original), 38)]:
        damaged = bytearray(original)
        damaged[position] ^= 1 << rng.integers(8)
        part(store).write_bytes(damaged)
        faults = messages(store)
        assert faults[0] == f"{part(store)}: its SHA-256 is not the record's"
        assert all(it.startswith(str(part(store))) for it in faults)


def test_quick_finds_sizes_but_reads_no_hash(store):
    original = part(store).read_bytes()
    damaged = bytearray(original)
    damaged[len(original) // 3] ^= 1
    part(store).write_bytes(damaged)
    assert messages(store, quick=True) == []
    part(store).write_bytes(original + b"x")
    found = messages(store, quick=True)
    assert found[0].endswith(f"expected {len(original)} bytes, got {len(original) + 1}")


def test_a_missing_part_is_one_fault(store):
    part(store, 1).unlink()
    (fault,) = verify_store(store).faults
    assert re.search(r"part-00001\.parquet: expected \d+ bytes, got no file$", fault.message)
    assert (fault.sequence_id, fault.path) == ("a", part(store, 1))


def rewrite(store, change):
    """Change rows, and bytes and hash in the record with them."""
    table = pq.read_table(part(store))
    rows = table.to_pylist()
    change(rows)
    pq.write_table(type(table).from_pylist(rows, schema=SCHEMA), part(store))
    record = store / "sequences" / "a.json"
    content = json.loads(record.read_text())
    content["parts"][0] |= {
        "num_bytes": part(store).stat().st_size,
        "sha256": sha256_of(part(store)),
    }
    record.write_text(json.dumps(content))


def put(rows, layer, picture):
    rows[3][layer]["bytes"] = encode_png(picture)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda rows: rows[4].update(frame_index=5), "expected frame ('a', 4), got ('a', 5)"),
        (lambda rows: rows.pop(), "expected 12 frames, got 11"),
        (lambda rows: rows[3].update(image=None), "frame 3: image is missing"),
        (lambda rows: rows[3]["image"].update(bytes=b"x"), "frame 3: image: expected a PNG"),
        (lambda rows: put(rows, "image", np.zeros((4, 4, 3), np.uint8)), "image: is (4, 4)"),
        (
            lambda rows: put(rows, "semantic", np.full((20, 36), 99, np.uint8)),
            "frame 3: semantic: ids [99] are outside label set 'cityscapes'",
        ),
        (
            lambda rows: put(rows, "instance", np.full((20, 36), 7001, np.uint16)),
            "frame 3: instance: ids 7001 are neither",
        ),
        (lambda rows: put(rows, "flow", np.zeros((20, 36), np.uint8)), "flow: must be a 16-bit"),
    ],
)
def test_a_wrong_frame_under_a_right_hash_is_named(store, change, told):
    rewrite(store, change)
    (message,) = messages(store)
    assert message.startswith(f"{part(store)}: ")
    assert told in message


def test_quick_still_checks_order_and_counts(store):
    rewrite(store, lambda rows: rows[4].update(frame_index=5))
    assert len(messages(store, quick=True)) == 1


def test_every_fault_is_named_not_only_the_first(store):
    def spoil(rows):
        for row in rows[:3]:
            row["semantic"]["bytes"] = b""

    rewrite(store, spoil)
    part(store, 1).unlink()
    assert len(messages(store)) == 4


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda it: it["sequence"].update(num_frames=3), "counts 3 frames"),
        (lambda it: it["sequence"].update(size_hw=[9, 9]), "frames of (9, 9)"),
        (
            lambda it: it["sequence"]["tracks"][0].update(label_id=77),
            "class 77 is not in",
        ),
    ],
)
def test_a_record_that_does_not_fit_is_a_fault(store, change, told):
    record = store / "sequences" / "a.json"
    content = json.loads(record.read_text())
    change(content)
    record.write_text(json.dumps(content))
    found = messages(store)
    assert len(found) == 1
    assert told in found[0]


def test_a_layer_that_the_store_does_not_declare_is_a_fault(store):
    info = json.loads((store / "store.json").read_text())
    info["modalities"].remove("confidence")
    (store / "store.json").write_text(json.dumps(info))
    assert len(messages(store)) == 22
    assert "has confidence, which is none of the store's modalities" in messages(store)[0]


def test_what_belongs_to_nothing_is_named(store):
    shutil.copytree(store / "frames" / "a", store / "frames" / "orphan")
    (store / "frames" / "a" / "part-00007.parquet").write_bytes(b"")
    found = verify_store(store).faults
    assert {fault.path.name for fault in found} == {"orphan", "part-00007.parquet"}
    assert all("belongs to no committed sequence" in fault.message for fault in found)


def test_empty_folders_may_be_lost_as_in_a_copy_through_git(tmp_path, store, info):
    (store / "staging").rmdir()
    assert messages(store) == []
    for folder in ("frames", "sequences", "staging"):
        StoreWriter(tmp_path / folder, info)
        (tmp_path / folder / folder).rmdir()
        assert messages(tmp_path / folder) == []
        assert repair_store(tmp_path / folder).quarantined == ()
    shutil.rmtree(store / "frames")
    assert len(messages(store)) == 3
    assert all(it.endswith("got no file") for it in messages(store))


def test_a_record_that_is_a_folder_is_a_fault_and_put_right(store):
    (store / "sequences" / "x.json").mkdir()
    (fault,) = verify_store(store).faults
    assert fault.message == f"{store / 'sequences' / 'x.json'}: cannot be read: Is a directory"
    with pytest.raises(StoreFormatError, match=r"x\.json: cannot be read: Is a directory"):
        StoreReader(store).sequence("x")
    repair_store(store)
    assert messages(store) == []


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_what_may_not_be_read_is_a_fault_each(store):
    record = store / "sequences" / "b-1.c_2.json"
    for path in (record, part(store)):
        path.chmod(0)
    assert sorted(messages(store)) == [
        f"{path}: cannot be read: Permission denied" for path in (part(store), record)
    ]


def test_an_unfinished_sequence_is_listed_and_is_no_fault(store, info, frame):
    with StoreWriter(store, info).sequence("later", source="x", fps=1.0) as sequence:
        sequence.append(frame(0))
        sequence.close_part()
        report = verify_store(store)
    assert (report.unfinished, report.faults) == (("later",), ())


def test_an_empty_store_is_whole(tmp_path, info):
    StoreWriter(tmp_path, info)
    assert verify_store(tmp_path).num_frames == 0
