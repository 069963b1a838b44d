import json
import os
import re
import shutil
from pathlib import Path

import numpy as np
import pytest

from svsdata.errors import ConfigError, LabelSetError, SourceError, StoreError
from svsdata.geometry.camera import camera_centre, horizon_row
from svsdata.images import decode_image, decode_map, encode_jpeg, encode_png
from svsdata.pipelines.configs.label import LabelConfig
from svsdata.pipelines.label import run_label
from svsdata.pipelines.label_plan import plan_label
from svsdata.progress import Silent
from svsdata.store.reader import StoreReader
from svsdata.street_world.scene import StreetWorld
from svsdata.video_codec import VideoWriter
from tests.pipelines.interfering import Beside

CAR, TRUCK = 26, 27
STREET = "street:seed=3,frames=10,size=64x32"


class Interrupting(Silent):
    """Stops the run as Ctrl-C does, after so many frames."""

    def __init__(self, after: int) -> None:
        self._left = after

    def advance(self, count: int = 1, **_: float) -> None:
        self.skip(count)

    def skip(self, count: int) -> None:
        self._left -= count
        if self._left <= 0:
            raise KeyboardInterrupt


class Noting(Silent):
    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, message: str) -> None:
        self.notes.append(message)


@pytest.fixture(scope="module")
def recorded(tmp_path_factory) -> Path:
    """Two short recordings of the street with maps, in Cityscapes' layout."""
    root = tmp_path_factory.mktemp("cityscapes")
    for sequence in (0, 1):
        world = StreetWorld(sequence, size_hw=(32, 64))
        for number in range(7):
            frame = world.render(number)
            name = f"train/ulm/ulm_{sequence:06d}_{number:06d}"
            indices = (np.unique(frame.instance, return_inverse=True)[1] % 255).astype(np.uint8)
            for path, data in (
                (f"leftImg8bit_sequence/{name}_leftImg8bit.jpg", encode_jpeg(frame.image, 95)),
                (f"semantic/{name}_labelIds.png", encode_png(frame.semantic)),
                (f"instance/{name}_instance.png", encode_png(indices)),
            ):
                (root / path).parent.mkdir(parents=True, exist_ok=True)
                (root / path).write_bytes(data)
    return root


def config(source: Path | str, store: Path, **fields) -> LabelConfig:
    return LabelConfig(source=str(source), store=str(store), **fields)


def precomputed(source: Path, store: Path, **fields) -> LabelConfig:
    maps = {"semantic": str(source / "semantic"), "instance": str(source / "instance")}
    return config(source, store, **(maps | fields))


def contents(store: Path) -> dict[str, bytes]:
    files = [path for path in store.rglob("*") if path.is_file() and path.name != "README.md"]
    return {path.relative_to(store).as_posix(): path.read_bytes() for path in files}


def frames(store: Path, sequence_id: str):
    reader = StoreReader(store)
    layers = (*reader.info.modalities, "encoded_image")
    return list(reader.read(sequence_id, 0, reader.sequence(sequence_id).num_frames, layers=layers))


def test_a_street_world_is_stored_with_all_it_knows(tmp_path):
    result = run_label(config(STREET, tmp_path / "store"), Silent())
    assert (result.frames, result.sequences, result.skipped) == (10, 1, {})
    sequence = StoreReader(tmp_path / "store").sequence("street-3")
    assert sequence.source == "street:seed=3,frames=10,fps=10,size=64x32"
    assert sequence.instance_scope == "sequence"
    world = StreetWorld(3, size_hw=(32, 64))
    stored = frames(tmp_path / "store", "street-3")
    for index, frame in enumerate(stored):
        truth = world.render(index)
        np.testing.assert_array_equal(frame.image, truth.image)
        np.testing.assert_array_equal(frame.instance, truth.instance)
        assert (frame.camera.flag, frame.ego.flag) == ("given", "given")
        if index:
            np.testing.assert_allclose(frame.flow, truth.flow, atol=1 / 64)
    spans = {track.instance_id: (track.first_frame, track.last_frame) for track in sequence.tracks}
    seen = [set(np.unique(frame.instance[frame.instance >= 1000])) for frame in stored]
    assert set(spans) == set.union(*seen)
    for instance_id, (first, last) in spans.items():
        present = [index for index, ids in enumerate(seen) if instance_id in ids]
        assert (first, last) == (present[0], present[-1])


@pytest.mark.parametrize("after", [1, 4, 5, 8])
def test_a_run_stopped_anywhere_and_gone_on_with_writes_the_same_bytes(tmp_path, after):
    run_label(config(STREET, tmp_path / "whole", part_frames=4, flow="dis"), Silent())
    stopped = config(STREET, tmp_path / "stopped", part_frames=4, flow="dis")
    with pytest.raises(KeyboardInterrupt):
        run_label(stopped, Interrupting(after))
    assert StoreReader(tmp_path / "stopped").sequence_ids == []
    result = run_label(stopped, Silent())
    assert result.frames == 10 - after // 4 * 4
    assert contents(tmp_path / "stopped") == contents(tmp_path / "whole")


def test_precomputed_maps_jpeg_bytes_and_flow_go_into_the_store(tmp_path, recorded):
    progress = Noting()
    result = run_label(precomputed(recorded, tmp_path / "store"), progress)
    assert (result.sequences, result.frames) == (2, 14)
    assert any("whole cars seen, an estimate needs 20" in note for note in progress.notes)
    reader = StoreReader(tmp_path / "store")
    assert reader.info.modalities == ("image", "semantic", "instance", "flow", "occlusion")
    assert (reader.info.fps, reader.info.size_hw) == (17.0, (32, 64))
    assert reader.sequence("ulm_000001").instance_scope == "sequence"
    for number, frame in enumerate(frames(tmp_path / "store", "ulm_000001")):
        source = recorded / frame.source
        assert source.name == f"ulm_000001_{number:06d}_leftImg8bit.jpg"
        assert frame.encoded_image.data == source.read_bytes()
        truth = StreetWorld(1, size_hw=(32, 64)).render(number)
        np.testing.assert_array_equal(frame.semantic, truth.semantic)
        label_of = np.where(frame.instance >= 1000, frame.instance // 1000, frame.instance)
        np.testing.assert_array_equal(label_of, frame.semantic)
        assert frame.models["semantic"] == "precomputed label_ids"
        assert frame.camera.flag == "assumed"


def test_the_camera_of_a_source_without_calibration_is_estimated_from_its_cars(tmp_path):
    world = StreetWorld(4, size_hw=(128, 256))
    for number in range(0, 300, 10):
        frame = world.render(number)
        for folder, data in (
            ("frames", encode_jpeg(frame.image, 90)),
            ("semantic", encode_png(frame.semantic)),
            ("instance", encode_png(frame.instance)),
        ):
            path = tmp_path / folder / f"{number:04d}.{'jpg' if folder == 'frames' else 'png'}"
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(data)
    maps = {name: str(tmp_path / name) for name in ("semantic", "instance")}
    asked = config(tmp_path / "frames", tmp_path / "store", flow="none", part_frames=8, **maps)
    with pytest.raises(KeyboardInterrupt):
        run_label(asked, Interrupting(10))
    progress = Noting()
    assert run_label(asked, progress).frames == 22
    assert any("camera not given: estimated from" in note for note in progress.notes)
    stored = frames(tmp_path / "store", "frames")
    assert {frame.camera.flag for frame in stored} == {"estimated"}
    assert len({frame.camera.cam_T_vehicle.tobytes() for frame in stored}) == 1
    camera = stored[0].camera
    assert horizon_row(camera) == pytest.approx(horizon_row(world.camera), abs=2.0)
    assert camera_centre(camera)[2] == pytest.approx(1.22, rel=0.1)
    sequence = StoreReader(tmp_path / "store").sequence("frames")
    assert sequence.details["camera"].startswith("estimated from")

    trusting = config(tmp_path / "frames", tmp_path / "other", flow="none", **maps)
    run_label(trusting.model_copy(update={"camera": "assumed"}), Silent())
    assert frames(tmp_path / "other", "frames")[0].camera.flag == "assumed"


def test_the_same_command_again_labels_only_what_is_missing(tmp_path, recorded):
    one = precomputed(recorded, tmp_path / "store", flow="none", sequences=("ulm_000001",))
    assert run_label(one, Silent()).sequences == 1
    both = precomputed(recorded, tmp_path / "store", flow="none")
    again = run_label(both, Silent())
    assert (again.sequences, again.sequences_before, again.frames) == (1, 1, 7)
    assert run_label(both, Silent()).frames == 0
    with pytest.raises(StoreError, match="was made with modalities"):
        run_label(precomputed(recorded, tmp_path / "store"), Silent())
    assert (
        run_label(precomputed(recorded, tmp_path / "store"), Silent(), overwrite=True).frames == 14
    )
    assert StoreReader(tmp_path / "store.old-1").sequence_ids == ["ulm_000000", "ulm_000001"]


def test_a_run_beside_another_leaves_it_its_sequence(tmp_path, recorded):
    both = precomputed(recorded, tmp_path / "store", flow="none")
    other = both.model_copy(update={"sequences": ("ulm_000001",)})

    there = []
    here = run_label(both, Beside(lambda: there.append(run_label(other, Silent()))))
    assert [result.sequences for result in there] == [1]
    assert (here.sequences, here.sequences_before, here.sequences_elsewhere) == (1, 0, 1)
    assert here.frames == 7
    assert StoreReader(tmp_path / "store").sequence_ids == ["ulm_000000", "ulm_000001"]


def test_what_another_run_labelled_otherwise_meanwhile_is_refused(tmp_path, recorded):
    both = precomputed(recorded, tmp_path / "store", flow="none")
    other = both.model_copy(update={"sequences": ("ulm_000001",), "part_frames": 5})

    with pytest.raises(StoreError, match=r"'ulm_000001' labelled with recipe .*parts of 5"):
        run_label(both, Beside(lambda: run_label(other, Silent())))


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"source": "street:seed=3,frames=12,size=64x32"}, "source 'street:seed=3,frames=10"),
        ({"source": "street:seed=3,frames=10,fps=10,size=64x32"}, None),
        ({"flow": "dis"}, "recipe 'exact; exact; .*', got 'exact; dis"),
    ],
)
def test_a_sequence_labelled_otherwise_is_refused_or_set_aside(tmp_path, change, told):
    store = tmp_path / "store"
    run_label(config(STREET, store), Silent())
    other = config(**{"source": STREET, "store": store} | change)
    if told is None:
        assert run_label(other, Silent()).sequences_before == 1
        return
    with pytest.raises(StoreError, match=f"holds a sequence 'street-3' labelled with {told}") as it:
        run_label(other, Silent())
    assert "was moved" not in str(it.value)
    assert run_label(other, Silent(), overwrite=True).sequences == 1
    assert (tmp_path / "store.old-1").is_dir()


def test_a_folder_given_by_another_path_is_the_same_recording(tmp_path, recorded, monkeypatch):
    store = tmp_path / "store"
    first = run_label(precomputed(recorded, store), Silent())
    monkeypatch.chdir(tmp_path)
    absolute = precomputed(recorded, store)
    relative = absolute.model_copy(update={"source": os.path.relpath(absolute.source)})
    assert run_label(relative, Silent()).sequences_before == first.sequences


def test_a_moved_recording_is_gone_on_with_through_a_link(tmp_path, recorded):
    old, new = tmp_path / "old", tmp_path / "new"
    shutil.copytree(recorded, old)
    first = precomputed(old, tmp_path / "store", flow="none", part_frames=2)
    with pytest.raises(KeyboardInterrupt):
        run_label(first, Interrupting(10))
    old.rename(new)
    moved = precomputed(new, tmp_path / "store", flow="none", part_frames=2)
    with pytest.raises(
        StoreError, match=r"source '.*old.*', got '.*new.*'; if the rec.*link its old"
    ):
        run_label(moved, Silent())
    old.symlink_to(new)
    again = run_label(first, Silent())
    assert (again.sequences, again.sequences_before, again.frames) == (1, 1, 5)
    with pytest.raises(StoreError) as told:
        run_label(precomputed(recorded, tmp_path / "store", flow="none", part_frames=2), Silent())
    assert "was moved" not in str(told.value)


def test_other_maps_of_a_labelled_sequence_are_refused(tmp_path, recorded):
    run_label(precomputed(recorded, tmp_path / "store"), Silent())
    shutil.copytree(recorded / "semantic", tmp_path / "better")
    better = precomputed(recorded, tmp_path / "store", semantic=str(tmp_path / "better"))
    with pytest.raises(StoreError, match=r"maps of .*semantic, .*got .*better"):
        run_label(better, Silent())


@pytest.mark.parametrize("choice", [{"segmenter": "exact"}, {"flow": "exact"}])
def test_exact_labels_of_a_recording_are_refused_before_a_store_is_made(tmp_path, recorded, choice):
    with pytest.raises(ConfigError, match="only the street world knows exact"):
        run_label(precomputed(recorded, tmp_path / "store", **choice), Silent())
    assert not (tmp_path / "store").exists()


def test_a_device_that_is_not_here_is_told_before_weights_are_looked_for(tmp_path):
    asked = config(STREET, tmp_path / "store", segmenter="nobody/nothing", device="gpu")
    with pytest.raises(ConfigError, match="device 'gpu' cannot be used"):
        run_label(asked, Silent())


def test_resized_frames_are_stored_as_pictures_of_the_new_size(tmp_path, recorded):
    small = precomputed(recorded, tmp_path / "store", size=(32, 16), sequences=("ulm_000000",))
    run_label(small, Silent())
    for frame in frames(tmp_path / "store", "ulm_000000"):
        assert frame.image.shape == (16, 32, 3)
        assert frame.encoded_image.data.startswith(b"\x89PNG")
        assert frame.camera.size_hw == (16, 32)


@pytest.mark.parametrize(
    ("size_hw", "fields", "advice"),
    [
        ((36, 64), {}, "64x36 fit no .*train', which are 2:1 or 4:1; --set crop_rows=32 .* 2:1$"),
        ((36, 64), {"size": (32, 18)}, "32x18 fit no .* crop_rows=32 .* 2:1, at --size 32x16$"),
        ((20, 64), {}, "64x20 fit no .*; --set crop_rows=16 keeps the lower 16 rows, 4:1$"),
        ((19, 63), {}, "63x19 fit no .*; crop the recording first$"),
        ((36, 64), {"crop_rows": 20}, "64x20 fit no .*; --set crop_rows=32 .* 2:1$"),
        ((36, 64), {"crop_rows": 32}, None),
        ((32, 64), {}, None),
        ((16, 64), {}, None),
    ],
)
def test_frames_that_fit_no_preset_of_training_are_noted_with_the_crop(
    tmp_path, size_hw, fields, advice
):
    for folder, data in (
        ("frames", encode_png(np.zeros((*size_hw, 3), np.uint8))),
        ("maps", encode_png(np.zeros(size_hw, np.uint8))),
    ):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "0.png").write_bytes(data)
    progress = Noting()
    asked = config(tmp_path / "frames", tmp_path / "store", flow="none", **fields)
    run_label(asked.model_copy(update={"semantic": str(tmp_path / "maps")}), progress)
    noted = [note for note in progress.notes if "fit no preset" in note]
    assert len(noted) == (advice is not None)
    assert all(re.search(advice, note) for note in noted)


def test_cropped_frames_and_maps_are_the_lower_rows_of_the_recording(tmp_path, recorded):
    cropped = precomputed(
        recorded, tmp_path / "store", crop_rows=16, sequences=("ulm_000001",), flow="none"
    )
    run_label(cropped, Silent())
    assert StoreReader(tmp_path / "store").info.size_hw == (16, 64)
    sequence = StoreReader(tmp_path / "store").sequence("ulm_000001")
    assert sequence.details["crop"] == "lower 16 rows of the source's frames"
    for number, frame in enumerate(frames(tmp_path / "store", "ulm_000001")):
        jpeg = (recorded / frame.source).read_bytes()
        np.testing.assert_array_equal(frame.image, decode_image(jpeg, "jpeg")[16:])
        truth = StreetWorld(1, size_hw=(32, 64)).render(number)
        np.testing.assert_array_equal(frame.semantic, truth.semantic[16:])
    with pytest.raises(SourceError, match="no 33 rows to keep"):
        run_label(precomputed(recorded, tmp_path / "s", crop_rows=33), Silent())


def test_ids_of_single_frames_become_tracks_unless_told_otherwise(tmp_path, recorded):
    one = {"sequences": ("ulm_000001",), "flow": "dis"}
    run_label(precomputed(recorded, tmp_path / "tracked", **one), Silent())
    tracked = StoreReader(tmp_path / "tracked").sequence("ulm_000001")
    seen = {
        int(it)
        for frame in frames(tmp_path / "tracked", "ulm_000001")
        for it in np.unique(frame.instance[frame.instance >= 1000])
    }
    assert {track.instance_id for track in tracked.tracks} == seen
    assert any(track.last_frame > track.first_frame for track in tracked.tracks)
    for name, choice in (("single", {"tracking": False}), ("still", {"flow": "none"})):
        run_label(precomputed(recorded, tmp_path / name, **(one | choice)), Silent())
        sequence = StoreReader(tmp_path / name).sequence("ulm_000001")
        assert (sequence.instance_scope, sequence.tracks) == ("frame", ())


def spoiled(recorded: Path, copy: Path) -> Path:
    import shutil

    shutil.copytree(recorded, copy)
    broken = copy / "leftImg8bit_sequence/train/ulm/ulm_000000_000003_leftImg8bit.jpg"
    broken.write_bytes(broken.read_bytes()[:300])
    (copy / "semantic/train/ulm/ulm_000000_000005_labelIds.png").unlink()
    return copy


def test_bad_frames_stop_a_strict_run_and_are_recorded_by_a_lenient_one(tmp_path, recorded):
    source = spoiled(recorded, tmp_path / "source")
    strict = precomputed(source, tmp_path / "store", part_frames=2)
    with pytest.raises(SourceError, match=r"ulm_000000_000003_leftImg8bit\.jpg: .*cut short"):
        run_label(strict, Silent())
    assert StoreReader(tmp_path / "store").sequence_ids == []
    lenient = strict.model_copy(update={"skip_bad": True})
    result = run_label(lenient, Silent())
    assert list(result.skipped["ulm_000000"]) == [3, 5]
    stored = frames(tmp_path / "store", "ulm_000000")
    assert [frame.frame_index for frame in stored] == [0, 1, 2, 3, 4]
    assert [frame.source_frame for frame in stored] == [0, 1, 2, 4, 6]
    details = StoreReader(tmp_path / "store").sequence("ulm_000000").details
    assert list(json.loads(details["skipped"])) == ["3", "5"]
    whole = precomputed(source, tmp_path / "at_once", part_frames=2, skip_bad=True)
    run_label(whole, Silent())
    assert contents(tmp_path / "store") == contents(tmp_path / "at_once")


def test_a_lenient_run_without_any_map_that_can_be_read_tells_why_and_blocks_no_other(tmp_path):
    for folder, picture in (
        ("frames", np.zeros((32, 64, 3), np.uint8)),
        ("colours", np.zeros((32, 64, 3), np.uint8)),
        ("ids", np.full((32, 64), CAR, np.uint8)),
    ):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "1.png").write_bytes(encode_png(picture))
    frames_of, store = tmp_path / "frames", tmp_path / "store"
    wrong = config(frames_of, store, semantic=str(tmp_path / "colours"), skip_bad=True)
    with pytest.raises(SourceError, match=r"no readable frame in frames; .*1\.png: a map must be"):
        run_label(wrong, Silent())
    right = config(frames_of, store, semantic=str(tmp_path / "ids"), skip_bad=True)
    assert run_label(right, Silent()).frames == 1


def test_ids_outside_the_label_set_stop_with_the_name_of_the_map(tmp_path, recorded):
    maps = tmp_path / "maps"
    for path in (recorded / "semantic").rglob("*.png"):
        maps.mkdir(exist_ok=True)
        (maps / path.name).write_bytes(encode_png(np.full((32, 64), 99, np.uint8)))
    wrong = precomputed(recorded, tmp_path / "store", semantic=str(maps), skip_bad=True)
    with pytest.raises(LabelSetError, match=r"ulm_000000_000000_labelIds\.png: ids \[99\] are out"):
        run_label(wrong, Silent())


def test_a_video_is_labelled_by_maps_of_its_frame_numbers(tmp_path):
    with VideoWriter(tmp_path / "drive.mp4", (32, 64), 8.0) as video:
        for number in range(4):
            video.append(np.full((32, 64, 3), 40 * number, np.uint8))
    (tmp_path / "maps").mkdir()
    for number in range(4):
        data = encode_png(np.full((32, 64), number, np.uint8))
        (tmp_path / "maps" / f"{number:04d}.png").write_bytes(data)
    source, maps = tmp_path / "drive.mp4", str(tmp_path / "maps")
    run_label(config(source, tmp_path / "store", semantic=maps), Silent())
    stored = frames(tmp_path / "store", "drive")
    assert [int(frame.semantic[0, 0]) for frame in stored] == [0, 1, 2, 3]
    assert [frame.timestamp_us for frame in stored] == [0, 125_000, 250_000, 375_000]
    assert StoreReader(tmp_path / "store").sequence("drive").instance_scope == "none"
    counted = config(source, tmp_path / "later", semantic=maps, first_map=1, skip_bad=True)
    run_label(counted, Silent())
    assert [int(it.semantic[0, 0]) for it in frames(tmp_path / "later", "drive")] == [1, 2, 3]
    with pytest.raises(StoreError, match="maps from 1 on"):
        run_label(counted.model_copy(update={"first_map": 0}), Silent())


def test_maps_in_train_ids_stop_until_it_is_said_which_ids_they_are(tmp_path):
    (tmp_path / "frames").mkdir()
    (tmp_path / "maps").mkdir()
    road_and_sky = np.repeat([[10], [0]], 16, 0).repeat(64, 1).astype(np.uint8)
    (tmp_path / "maps" / "1.png").write_bytes(encode_png(road_and_sky))
    (tmp_path / "frames" / "1.png").write_bytes(encode_png(np.zeros((32, 64, 3), np.uint8)))
    asked = {"semantic": str(tmp_path / "maps"), "flow": "none"}
    with pytest.raises(LabelSetError, match="add --set encoding=train_ids"):
        run_label(config(tmp_path / "frames", tmp_path / "store", **asked), Silent())
    for encoding, road in (("train_ids", 7), ("label_ids", 0), ("label_set", 0)):
        said = {"encoding": encoding} if encoding != "label_set" else {encoding: "cityscapes_train"}
        store = tmp_path / encoding
        run_label(config(tmp_path / "frames", store, **asked, **said), Silent())
        assert frames(store, "frames")[0].semantic[-1, 0] == road


def test_a_plan_tells_frames_disk_and_time_and_writes_nothing(tmp_path, recorded):
    plan = plan_label(precomputed(recorded, tmp_path / "store"), Silent())
    assert (plan.sequences, plan.frames, plan.probed_frames) == (2, 14, 7)
    assert plan.disk_bytes == pytest.approx(14 * plan.bytes_per_frame, abs=14)
    assert plan.seconds == pytest.approx(14 / plan.frames_per_s, rel=0.1, abs=0.2)
    assert not (tmp_path / "store").exists()
    run_label(precomputed(recorded, tmp_path / "store"), Silent())
    parts = sum(path.stat().st_size for path in (tmp_path / "store").rglob("*.parquet"))
    assert plan.disk_bytes < parts < plan.disk_bytes + 40_000  # columns and footers


def looks(folder: Path) -> dict[str, tuple[int, bytes]]:
    """Everything under a folder with the time it was last touched."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {str(path): (path.stat().st_mtime_ns, path.read_bytes()) for path in files}


def test_a_plan_tells_what_is_left_and_writes_nothing(tmp_path, recorded):
    store = tmp_path / "store"
    asked = precomputed(recorded, store, part_frames=4)
    run_label(asked.model_copy(update={"sequences": ("ulm_000000",)}), Silent())
    with pytest.raises(KeyboardInterrupt):
        run_label(asked, Interrupting(6))
    before = looks(store)
    plan = plan_label(asked, Silent())
    assert looks(store) == before
    assert (plan.sequences, plan.sequences_before, plan.frames) == (1, 1, 3)
    assert plan.disk_bytes == 3 * plan.bytes_per_frame > 0
    result = run_label(asked, Silent())
    assert (result.sequences, result.sequences_before, result.frames) == (1, 1, 3)
    before = looks(store)
    done = plan_label(asked, Silent())
    assert looks(store) == before
    assert (done.sequences, done.sequences_before, done.frames) == (0, 2, 0)
    assert (done.probed_frames, done.disk_bytes, done.seconds) == (0, 0, 0)


def test_a_plan_stops_where_the_run_would(tmp_path, recorded):
    store = tmp_path / "store"
    run_label(precomputed(recorded, store), Silent())
    before = looks(tmp_path)
    for other in (precomputed(recorded, store, flow="none"), precomputed(recorded, store, fps=5)):
        for call in (plan_label, run_label):
            with pytest.raises(StoreError, match="add --overwrite to set this one aside"):
                call(other, Silent())
        plan = plan_label(other, Silent(), overwrite=True)
        assert (plan.sequences, plan.sequences_before, plan.frames) == (2, 0, 14)
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="is a file"):
        plan_label(precomputed(recorded, tmp_path / "file"), Silent(), overwrite=True)
    (tmp_path / "file").unlink()
    assert looks(tmp_path) == before


def test_choices_that_contradict_each_other_are_one_line(tmp_path, recorded):
    with pytest.raises(ConfigError, match="name the folder of its maps, --semantic"):
        run_label(config(recorded, tmp_path / "s", segmenter="precomputed"), Silent())
    with pytest.raises(ConfigError, match="no sequence ulm_9 in the source; it has: ulm_000000"):
        run_label(precomputed(recorded, tmp_path / "s", sequences=("ulm_9",)), Silent())
    with pytest.raises(ConfigError, match="the street world's labels are in cityscapes"):
        run_label(config(STREET, tmp_path / "s", label_set="kitti360"), Silent())
    with pytest.raises(SourceError, match="another aspect ratio; choose a size such as 40x20"):
        run_label(precomputed(recorded, tmp_path / "s", size=(40, 40)), Silent())
    with pytest.raises(ConfigError, match="crop_rows: a street world is rendered at any size"):
        run_label(config(STREET, tmp_path / "s", crop_rows=16), Silent())
    assert not list((tmp_path / "s" / "sequences").glob("*.json"))


@pytest.fixture(scope="module")
def network(tmp_path_factory) -> Path:
    """A random SegFormer of Cityscapes' classes."""
    import torch
    import transformers

    from svsdata.labels import CITYSCAPES_TRAIN

    transformers.utils.logging.disable_progress_bar()
    folder = tmp_path_factory.mktemp("segformer")
    names = dict(enumerate(label.name for label in CITYSCAPES_TRAIN.labels))
    torch.manual_seed(0)
    transformers.SegformerForSemanticSegmentation(
        transformers.SegformerConfig(
            hidden_sizes=[8] * 4,
            depths=[1] * 4,
            num_attention_heads=[1] * 4,
            decoder_hidden_size=8,
            id2label=names,
            label2id={name: index for index, name in names.items()},
        )
    ).save_pretrained(folder)
    settings = {"image_mean": [0.5] * 3, "image_std": [0.25] * 3}
    (folder / "preprocessor_config.json").write_text(json.dumps(settings))
    return folder


def test_maps_that_exist_stay_as_they_are_though_objects_flicker(tmp_path, recorded):
    source = tmp_path / "source"
    shutil.copytree(recorded, source)
    flickering = sorted((source / "semantic").rglob("ulm_000000_*.png"))[3]
    semantic = decode_map(flickering.read_bytes(), str(flickering))
    semantic = np.where(semantic == CAR, TRUCK, semantic).astype(np.uint8)
    assert (semantic == TRUCK).any()
    flickering.write_bytes(encode_png(semantic))
    kept = run_frames(precomputed(source, tmp_path / "kept"))
    voted = run_frames(precomputed(source, tmp_path / "voted", vote_classes=True))
    for frame, path in zip(kept, sorted((source / "semantic").rglob("*0_*.png")), strict=False):
        np.testing.assert_array_equal(frame.semantic, decode_map(path.read_bytes(), str(path)))
        is_object = frame.instance >= 1000
        assert (frame.instance[is_object] // 1000 == frame.semantic[is_object]).all()
    assert (kept[3].instance // 1000 == TRUCK).any()
    assert (voted[3].semantic != semantic).any()


def run_frames(wanted: LabelConfig):
    run_label(wanted.model_copy(update={"sequences": ("ulm_000000",)}), Silent())
    return frames(Path(wanted.store), "ulm_000000")


def test_ids_that_last_already_are_kept_and_get_a_table_of_tracks(tmp_path, recorded):
    ids = tmp_path / "ids"
    world = StreetWorld(0, size_hw=(32, 64))
    exact = [world.render(number).instance for number in range(7)]
    for number, instance in enumerate(exact):
        path = ids / f"ulm_000000_{number:06d}_instanceIds.png"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(encode_png(instance))
    wanted = precomputed(recorded, tmp_path / "store", instance=str(ids), instance_scope="sequence")
    for frame, instance in zip(run_frames(wanted), exact, strict=True):
        np.testing.assert_array_equal(frame.instance, instance)
    sequence = StoreReader(tmp_path / "store").sequence("ulm_000000")
    assert sequence.instance_scope == "sequence"
    assert {it.instance_id for it in sequence.tracks} == {
        int(it) for instance in exact for it in np.unique(instance[instance >= 1000])
    }


def test_a_rate_that_is_known_better_sets_times(tmp_path, recorded):
    wanted = precomputed(recorded, tmp_path / "store", fps=8.0, sequences=("ulm_000000",))
    run_label(wanted, Silent())
    assert StoreReader(tmp_path / "store").info.fps == 8
    assert [it.timestamp_us for it in frames(tmp_path / "store", "ulm_000000")][:3] == [
        0, 125_000, 250_000,
    ]  # fmt: skip


def test_a_network_labels_with_confidence_and_a_stopped_run_sees_the_same_batches(
    tmp_path, recorded, network
):
    fields = {
        "segmenter": str(network), "batch_size": 3, "part_frames": 2,
        "sequences": ("ulm_000000",), "device": "cpu",
    }  # fmt: skip
    run_label(config(recorded, tmp_path / "whole", **fields), Silent())
    with pytest.raises(KeyboardInterrupt):
        run_label(config(recorded, tmp_path / "stopped", **fields), Interrupting(4))
    assert run_label(config(recorded, tmp_path / "stopped", **fields), Silent()).frames == 4
    assert contents(tmp_path / "stopped") == contents(tmp_path / "whole")
    stored = frames(tmp_path / "whole", "ulm_000000")
    assert all(frame.confidence is not None and frame.instance is None for frame in stored)
    assert f"{network} sha256=" in stored[0].models["semantic"]


def test_rows_tell_whether_the_ground_was_aligned_and_one_store_holds_one_kind(tmp_path, recorded):
    aligned = precomputed(recorded, tmp_path / "store")
    run_label(aligned, Silent())
    for frame in StoreReader(tmp_path / "store").read("ulm_000000"):
        assert frame.models["flow"].endswith(", ground aligned")
    plain = aligned.model_copy(update={"flow_ground": False})
    with pytest.raises(StoreError, match=r"labelled with recipe .*, ground aligned; .*, got "):
        run_label(plain, Silent())
    run_label(plain, Silent(), overwrite=True)
    for frame in StoreReader(tmp_path / "store").read("ulm_000000"):
        assert "ground" not in frame.models["flow"]


def test_exact_flow_is_not_touched(tmp_path):
    run_label(config(STREET, tmp_path / "store"), Silent())
    (frame,) = StoreReader(tmp_path / "store").read("street-3", 1, 2)
    assert frame.models["flow"] == "exact"
