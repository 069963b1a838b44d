import json
import pickle
import threading
import tracemalloc
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from svsdata.errors import (
    CorruptShardError,
    LabelSetError,
    SequenceNotFoundError,
    StoreError,
    StoreFormatError,
)
from svsdata.flow import resize_flow
from svsdata.geometry.camera import assumed_camera
from svsdata.images import encode_png, resize_image, resize_map
from svsdata.labels import CITYSCAPES
from svsdata.records import FRAME_LAYERS, Frame
from svsdata.store.columns import SCHEMA
from svsdata.store.format import StoreInfo
from svsdata.store.reader import StoreReader
from svsdata.store.writer import StoreWriter


def assert_same_array(read, written):
    assert (read is None) == (written is None)
    if written is not None:
        assert read.dtype == written.dtype
        np.testing.assert_array_equal(read, written)


def test_every_layer_and_scalar_comes_back(reader, frame):
    assert reader.sequence_ids == ["a", "b-1.c_2"]
    frames = list(reader.read("a", layers=FRAME_LAYERS))
    assert [it.frame_index for it in frames] == list(range(21))
    for read in frames:
        written = frame(read.frame_index)
        for layer in FRAME_LAYERS:
            if layer != "flow":
                assert_same_array(getattr(read, layer), getattr(written, layer))
        assert_same_array(read.flow_validity, written.flow_validity)
        if written.flow is not None:
            valid = written.flow_validity == 1
            assert np.abs(read.flow - written.flow)[valid].max() <= 1 / 128
        np.testing.assert_array_equal(read.camera.intrinsics, written.camera.intrinsics)
        np.testing.assert_array_equal(read.camera.cam_T_vehicle, written.camera.cam_T_vehicle)
        assert (read.camera.size_hw, read.camera.flag) == ((20, 36), "assumed")
        np.testing.assert_array_equal(read.ego.world_T_vehicle, written.ego.world_T_vehicle)
        scalars = ("timestamp_us", "source", "source_frame", "models", "is_synthetic")
        for name in (*scalars, "plan_hash", "seed", "encoded_image"):
            assert getattr(read, name) == getattr(written, name)
        for name in ("speed_mps", "yaw_rate_rps", "flag"):
            assert getattr(read.ego, name) == getattr(written.ego, name)


def test_what_is_unknown_stays_none(tmp_path, frame):
    info = StoreInfo(CITYSCAPES, (20, 36), 1.0, ("image",))
    with StoreWriter(tmp_path, info).sequence("s", source="x", fps=1.0) as sequence:
        sequence.append(Frame(0, 0, image=frame(0).image))
        sequence.commit()
    (read,) = StoreReader(tmp_path).read("s", layers=("image",))
    assert replace(read, image=None) == Frame(0, 0)
    record = StoreReader(tmp_path).record("s")
    assert (record.intrinsics, record.calib_flag, record.pose_flag) == (None, None, None)


def test_a_sequence_record_comes_back(reader):
    sequence = reader.sequence("a")
    assert (sequence.num_frames, sequence.fps, sequence.size_hw) == (21, 10.0, (20, 36))
    assert (sequence.source, sequence.instance_scope) == ("recording", "sequence")
    assert sequence.tracks[0].track_id == 2**62
    assert sequence.details == {"base": "123"}
    record = reader.record("a")
    assert [part.num_frames for part in record.parts] == [12, 9]
    assert record.intrinsics == tuple(assumed_camera((20, 36)).intrinsics.ravel())
    assert (record.calib_flag, record.pose_flag) == ("assumed", "interpolated")


@pytest.mark.parametrize(
    ("start", "stop"), [(0, 1), (7, 9), (8, 16), (11, 13), (12, 21), (20, 21), (0, 21), (5, 5)]
)
def test_any_clip_is_the_same_frames_as_the_whole(reader, frame, start, stop):
    clip = list(reader.read("a", start, stop))
    assert [it.frame_index for it in clip] == list(range(start, stop))
    for read in clip:
        np.testing.assert_array_equal(read.image, frame(read.frame_index).image)


def test_single_frames_are_those_of_the_whole(reader):
    whole = list(reader.read("a", layers=("semantic",)))
    for wanted in ([], [0], [20], [3, 4, 7, 8, 16, 20], range(2, 19, 5)):
        picked = list(reader.pick("a", wanted, layers=("semantic",)))
        assert [it.frame_index for it in picked] == list(wanted)
        for it in picked:
            assert_same_array(it.semantic, whole[it.frame_index].semantic)
    for wanted in ([-1, 2], [3, 21]):
        with pytest.raises(SequenceNotFoundError, match=r"frames 0\.\.20, got"):
            reader.pick("a", wanted)


def test_only_asked_layers_are_decoded(reader):
    (read,) = reader.read("a", 3, 4, layers=("instance",))
    assert read.instance is not None
    assert all(getattr(read, layer) is None for layer in FRAME_LAYERS if layer != "instance")


@pytest.mark.parametrize("size_hw", [(10, 18), (5, 9), (40, 72), (20, 36)])
def test_frames_are_resampled_with_their_camera(reader, frame, size_hw):
    (read,) = reader.read("a", 4, 5, layers=FRAME_LAYERS, size_hw=size_hw)
    written = frame(4)
    np.testing.assert_array_equal(read.image, resize_image(written.image, size_hw))
    for layer in ("semantic", "instance", "occlusion", "confidence", "provenance"):
        np.testing.assert_array_equal(
            getattr(read, layer), resize_map(getattr(written, layer), size_hw)
        )
    expected = written.camera.resized(size_hw)
    np.testing.assert_allclose(read.camera.intrinsics, expected.intrinsics)
    assert read.camera.size_hw == size_hw
    assert read.flow.shape == (*size_hw, 2)


def flow_store(tmp_path, frame, flow, validity):
    size_hw = flow.shape[:2]
    base = frame(1, size_hw)
    info = StoreInfo(CITYSCAPES, size_hw, 10.0, ("image", "flow"))
    bare = replace(
        base, semantic=None, instance=None, occlusion=None, confidence=None, provenance=None
    )
    with StoreWriter(tmp_path / "flow", info).sequence("s", source="x", fps=1.0) as sequence:
        sequence.append(replace(bare, frame_index=0, flow=flow, flow_validity=validity))
        sequence.commit()
    return StoreReader(tmp_path / "flow")


def test_flow_is_resampled_with_two_factors(tmp_path, frame):
    flow = np.full((6, 12, 2), (8.0, -4.0), np.float32)
    reader = flow_store(tmp_path, frame, flow, None)
    (read,) = reader.read("s", layers=("flow",), size_hw=(3, 6))
    np.testing.assert_array_equal(read.flow, resize_flow(flow, (3, 6)))
    assert read.flow[0, 0].tolist() == [4.0, -2.0]
    assert read.flow_validity.all()


def test_shrinking_flow_averages_its_valid_pixels_only(tmp_path, frame):
    flow = np.full((4, 8, 2), (8.0, -4.0), np.float32)
    validity = np.ones((4, 8), np.uint8)
    validity[0, 0] = 0  # a quarter of the first new pixel
    validity[:2, 2:4] = [[0, 0], [0, 1]]  # three quarters of the second
    reader = flow_store(tmp_path, frame, flow, validity)
    (read,) = reader.read("s", layers=("flow",), size_hw=(2, 4))
    assert read.flow_validity.tolist() == [[1, 0, 1, 1], [1, 1, 1, 1]]
    np.testing.assert_allclose(read.flow[0, 0], [4.0, -2.0])
    assert not read.flow[0, 1].any()


def test_another_aspect_ratio_is_refused_at_once(reader):
    with pytest.raises(StoreError, match="holds frames of 36x20, asked for 36x10"):
        reader.read("a", size_hw=(10, 36))


def test_layers_that_are_not_there_are_refused_at_once(tmp_path, frame, reader):
    with pytest.raises(ValueError, match="no layer 'depth'"):
        reader.read("a", layers=("depth",))
    with pytest.raises(ValueError, match="cannot be resized"):
        reader.read("a", layers=("encoded_image",), size_hw=(10, 18))
    flow = np.zeros((6, 12, 2), np.float32)
    with pytest.raises(StoreError, match="has no semantic; it has image, flow"):
        flow_store(tmp_path, frame, flow, None).read("s")


@pytest.mark.parametrize(("start", "stop"), [(0, 22), (-1, 3), (5, 4), (21, 22)])
def test_frames_that_are_not_there_are_refused_at_once(reader, start, stop):
    with pytest.raises(SequenceNotFoundError, match=r"'a' has frames 0\.\.20"):
        reader.read("a", start, stop)


def test_an_unknown_sequence_names_those_there_are(reader):
    with pytest.raises(SequenceNotFoundError, match=r"no sequence 'x'; it has: a, b-1\.c_2"):
        reader.read("x")


@pytest.mark.parametrize("sequence_id", ["../sequences/a", "..", "a/../a", ""])
def test_an_id_cannot_leave_the_store(reader, sequence_id):
    with pytest.raises(StoreError, match="cannot name a sequence"):
        reader.sequence(sequence_id)
    with pytest.raises(StoreError, match="cannot name a sequence"):
        assert sequence_id in reader


def test_sequences_committed_later_are_seen(reader, info, frame):
    writer = StoreWriter(reader.path, info)
    with writer.sequence("later", source="x", fps=1.0) as sequence:
        sequence.append(frame(0))
        sequence.commit()
    assert "later" in reader.sequence_ids
    assert "later" in reader
    assert "never" not in reader
    assert len(list(reader.read("later"))) == 1


def test_a_reader_goes_to_other_processes_and_threads(reader, frame):
    list(reader.read("a", 0, 2))
    copy = pickle.loads(pickle.dumps(reader))
    np.testing.assert_array_equal(next(copy.read("a", 5, 6)).image, frame(5).image)
    found = []

    def read(start: int) -> None:
        for it in reader.read("a", start, start + 10):
            found.append((it.image == frame(it.frame_index).image).all())

    threads = [threading.Thread(target=read, args=(start,)) for start in (0, 3, 7, 11)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 40
    assert all(found)


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("store.json", None, "is no store"),
        ("store.json", "{", "damaged"),
        ("store.json", "[]", "damaged"),
        (
            "store.json",
            '{"format_version": 2}',
            "format version 2, .* reads 1",
        ),
        ("store.json", '{"format_version": 1}', "damaged: label_set"),
    ],
)
def test_what_is_no_store_of_this_version_is_told(store, name, text, told):
    (store / name).unlink()
    if text is not None:
        (store / name).write_text(text)
    with pytest.raises(StoreFormatError, match=told):
        StoreReader(store)


def edit_json(path: Path, change) -> None:
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


def test_a_built_in_label_set_with_other_labels_is_refused(store):
    edit_json(store / "store.json", lambda it: it["label_set"]["labels"][7].update(name="sea"))
    with pytest.raises(LabelSetError, match="differs from the built-in one"):
        StoreReader(store)


def test_a_label_set_of_ones_own_is_read_from_its_table(store):
    edit_json(store / "store.json", lambda it: it["label_set"].update(name="mine"))
    assert StoreReader(store).info.label_set.label("road").id == 7


def test_a_label_table_with_gaps_is_refused(store):
    edit_json(store / "store.json", lambda it: it["label_set"].update(name="mine", labels=[]))
    edit_json(store / "store.json", lambda it: it["label_set"].update(labels=[LABEL]))
    with pytest.raises(LabelSetError, match="are not 0, 1, 2"):
        StoreReader(store)


LABEL = {"name": "x", "id": 3, "train_id": 255, "category": "void", "color": [0, 0, 0]}


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda it: it["parts"][0].update(name="../../../x.parquet"), "does not name its parts"),
        (lambda it: it["sequence"].update(sequence_id="b"), "is the record of 'b'"),
        (lambda it: it["sequence"].update(num_frames=20), "counts 20 frames"),
        (lambda it: it["sequence"].update(fps=0), "has fps 0"),
        (lambda it: it.update(parts="x"), "damaged: parts"),
        (lambda it: it.update(format_version=9), "format version 9"),
    ],
)
def test_a_record_that_no_writer_would_write_is_refused(store, change, told):
    edit_json(store / "sequences" / "a.json", change)
    with pytest.raises(StoreFormatError, match=rf"a\.json: {told}"):
        StoreReader(store).sequence("a")


def test_every_flipped_bit_in_pages_is_found_by_reading(store):
    """60 single flips inside the pages of pictures; without checksums all came back silently."""
    part = store / "frames" / "a" / "part-00000.parquet"
    original = part.read_bytes()
    footer = pq.ParquetFile(part).metadata
    pages = []
    for group in range(footer.num_row_groups):
        for column in map(footer.row_group(group).column, range(footer.num_columns)):
            if column.path_in_schema.endswith(".bytes"):
                # After the page header, which is not under the checksum.
                end = column.data_page_offset + column.total_compressed_size
                pages.append(range(column.data_page_offset + 200, end))
    rng = np.random.default_rng(5)
    for number in range(60):
        page = pages[number % len(pages)]
        damaged = bytearray(original)
        damaged[page[rng.integers(len(page))]] ^= 1 << rng.integers(8)
        part.write_bytes(damaged)
        with pytest.raises(CorruptShardError, match="part-00000"):
            list(StoreReader(store).read("a", layers=FRAME_LAYERS))


def test_memory_stays_flat_over_many_frames(tmp_path, frame):
    info = StoreInfo(CITYSCAPES, (64, 96), 10.0, ("image",))
    image = frame(0, (64, 96)).image
    with StoreWriter(tmp_path, info).sequence("s", source="x", fps=1.0) as sequence:
        for index in range(240):
            sequence.append(Frame(index, index, image=image))
        sequence.commit()

    def peak(num_frames: int) -> int:
        tracemalloc.start()
        for _ in StoreReader(tmp_path).read("s", 0, num_frames, layers=("image",)):
            pass
        _, highest = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return highest

    peak(16)
    assert peak(240) - peak(24) < 8 * image.nbytes


@pytest.mark.parametrize("keep", [0, 100, -1])
def test_a_truncated_part_is_told(store, keep):
    part = store / "frames" / "a" / "part-00001.parquet"
    part.write_bytes(part.read_bytes()[:keep])
    reader = StoreReader(store)
    assert len(list(reader.read("a", 0, 12))) == 12
    with pytest.raises(CorruptShardError, match=r"part-00001\.parquet: [^\n]*$"):
        list(reader.read("a"))


def test_a_missing_part_is_told(store):
    (store / "frames" / "a" / "part-00001.parquet").unlink()
    with pytest.raises(CorruptShardError, match="part-00001"):
        list(StoreReader(store).read("a"))


def rewrite_part(store: Path, change) -> None:
    """Replace a part by one with changed rows, as a hostile or buggy writer might."""
    part = store / "frames" / "a" / "part-00000.parquet"
    table = pq.read_table(part)
    rows = table.to_pylist()
    change(rows)
    pq.write_table(type(table).from_pylist(rows, schema=SCHEMA), part)


def put_picture(rows, layer, picture):
    rows[2][layer]["bytes"] = encode_png(picture)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda rows: rows.reverse(), "where frame 0 of 'a' should be lies frame 11"),
        (lambda rows: rows[2].update(sequence_id="b"), "lies frame 2 of 'b'"),
        (lambda rows: rows.pop(), "holds 11 frames, its record says 12"),
        (lambda rows: rows[2]["image"].update(bytes=b""), "a frame 2: image: expected a PNG"),
        (lambda rows: rows[2]["image"].update(bytes=None), "a frame 2: image: expected a PNG"),
        (lambda rows: rows[2].update(image=None), "a frame 2: image is missing"),
        (lambda rows: rows[2].update(semantic=None), "a frame 2: semantic is missing"),
        (lambda rows: rows[2].update(camera=[1.0]), "camera must hold 9 numbers"),
        (
            lambda rows: put_picture(rows, "image", np.zeros((9, 9, 3), np.uint8)),
            r"image: is \(9, 9\) .* the store holds \(20, 36\)",
        ),
        (
            lambda rows: put_picture(rows, "semantic", np.full((20, 36), 35, np.uint8)),
            "outside label set",
        ),
        (
            lambda rows: put_picture(rows, "semantic", np.zeros((20, 36), np.uint16)),
            "semantic: must be uint8, got uint16",
        ),
        (
            lambda rows: put_picture(rows, "instance", np.zeros((20, 36), np.uint8)),
            "instance: must be uint16, got uint8",
        ),
        (
            lambda rows: put_picture(rows, "flow", np.zeros((20, 36), np.uint8)),
            "flow must be a 16-bit RGB PNG",
        ),
    ],
)
def test_rows_from_elsewhere_are_checked(store, change, told):
    rewrite_part(store, change)
    with pytest.raises(CorruptShardError, match=told):
        list(StoreReader(store).read("a", layers=FRAME_LAYERS))


def test_other_columns_are_told(store):
    part = store / "frames" / "a" / "part-00000.parquet"
    pq.write_table(pq.read_table(part).drop(["source"]), part)
    with pytest.raises(CorruptShardError, match="not those of this format version"):
        list(StoreReader(store).read("a"))
