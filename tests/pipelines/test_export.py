import json
from dataclasses import replace
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from pydantic import ValidationError

from svsdata.errors import ConfigError, ExportError, SequenceNotFoundError, SourceError
from svsdata.geometry.camera import assumed_camera
from svsdata.labeling.sources.recognise import open_source
from svsdata.labels import CITYSCAPES
from svsdata.pipelines.configs.export import FORMATS, ExportConfig
from svsdata.pipelines.configs.label import LabelConfig
from svsdata.pipelines.export import estimate_export, run_export
from svsdata.progress import Silent
from svsdata.records import Frame
from svsdata.store.files import only_writer
from svsdata.store.format import StoreInfo
from svsdata.store.writer import StoreWriter
from tests.pipelines.interfering import Beside, StopAfter, StoppedError

SIZE_HW = (16, 24)


def frame(index: int) -> Frame:
    semantic = np.full(SIZE_HW, 7, np.uint8)
    semantic[4:9, index : index + 6] = 26
    instance = np.where(semantic == 26, 26_000, 7).astype(np.uint16)
    image = CITYSCAPES.colorize(semantic)
    return Frame(index, index * 100_000, image=image, semantic=semantic, instance=instance)


def make_store(path: Path, *, sequences: dict[str, int]) -> Path:
    info = StoreInfo(
        CITYSCAPES, SIZE_HW, 10.0, ("image", "semantic", "instance"), {"test": "CC0-1.0"}
    )
    writer = StoreWriter(path, info)
    for sequence_id, num_frames in sequences.items():
        with writer.sequence(sequence_id, source="made in this test", fps=10.0) as rows:
            for index in range(num_frames):
                rows.append(frame(index))
            rows.commit(details={"base": "none"})
    return path


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return make_store(tmp_path / "store", sequences={"aachen_000001": 3, "street-7": 2})


def export(store: Path, out: Path, **settings: object) -> tuple[ExportConfig, list[Path]]:
    config = ExportConfig.model_validate({"store": store, "out": out} | settings)
    run_export(config, Silent())
    return config, sorted(path for path in out.rglob("*") if path.is_file())


def test_cityscapes_folders_hold_what_the_store_holds(store: Path, tmp_path: Path) -> None:
    export(store, tmp_path / "out", format="cityscapes", split="val")
    folder = tmp_path / "out/gtFine/val/aachen"
    label_ids = cv2.imread(str(folder / "aachen_000001_000002_gtFine_labelIds.png"), -1)
    np.testing.assert_array_equal(label_ids, frame(2).semantic)
    assert len(list((tmp_path / "out/leftImg8bit_sequence/val").rglob("*.png"))) == 5
    about = json.loads((tmp_path / "out/export.json").read_text())
    assert about["licences"] == {"test": "CC0-1.0"}
    record = json.loads((tmp_path / "out/sequences/street-7.json").read_text())
    assert record["exported"]["city"] == "street-7"
    assert (record["source"], record["num_frames"]) == ("made in this test", 2)


@pytest.mark.parametrize("kind", ["cityscapes", "kitti360"])
def test_an_export_is_read_back_with_its_rates_and_its_camera(tmp_path: Path, kind: str) -> None:
    rates = {"aachen_000001": 12.5, "street-7": 30.0}
    writer = StoreWriter(
        tmp_path / "store", StoreInfo(CITYSCAPES, SIZE_HW, 12.5, ("image", "semantic", "instance"))
    )
    camera = assumed_camera(SIZE_HW)
    for sequence_id, fps in rates.items():
        with writer.sequence(sequence_id, source="", fps=fps) as rows:
            rows.append(replace(frame(0), camera=camera))
            rows.append(replace(frame(1), camera=camera, timestamp_us=round(1e6 / fps)))
            rows.commit()
    export(tmp_path / "store", tmp_path / "out", format=kind)
    recordings = open_source(str(tmp_path / "out")).recordings
    assert [one.fps for one in recordings] == list(rates.values())
    for one in recordings:
        *_, last = one.frames(0)
        assert isinstance(last, Frame)
        assert last.timestamp_us == round(1e6 / one.fps)
        assert last.camera is not None
        assert (last.camera.size_hw, last.camera.flag) == (SIZE_HW, "assumed")
        np.testing.assert_allclose(last.camera.intrinsics, camera.intrinsics, atol=1e-9)
    as_told = open_source(str(tmp_path / "out"), fps=5.0).recordings
    assert {one.fps for one in as_told} == {5.0}


@pytest.mark.parametrize("kind", ["cityscapes", "kitti360"])
def test_an_export_without_a_readable_record_of_a_sequence_is_told(
    store: Path, tmp_path: Path, kind: str
) -> None:
    export(store, tmp_path / "out", format=kind)
    record = tmp_path / "out/sequences/street-7.json"
    record.write_text('{"fps": 10.0}')
    with pytest.raises(SourceError, match=r"street-7\.json: not the record .*size_hw"):
        open_source(str(tmp_path / "out"))
    record.unlink()  # as of recorded sequences that somebody put beside the exported ones
    rates = [one.fps for one in open_source(str(tmp_path / "out")).recordings]
    assert rates == [10.0, {"cityscapes": 17.0, "kitti360": 10.0}[kind]]
    (tmp_path / "out/export.json").unlink()
    record.write_text("somebody else's")
    assert len(open_source(str(tmp_path / "out")).recordings) == 2


def test_videos_have_every_frame_of_every_sequence(store: Path, tmp_path: Path) -> None:
    export(store, tmp_path / "out", format="video")
    for name, num_frames in (("aachen_000001", 3), ("street-7", 2)):
        with av.open(str(tmp_path / f"out/{name}.mp4")) as container:
            assert sum(1 for _ in container.decode(video=0)) == num_frames


def test_the_manifest_counts_frames_by_how_their_pictures_came_to_be(tmp_path: Path) -> None:
    info = StoreInfo(CITYSCAPES, SIZE_HW, 10.0, ("image", "semantic", "instance", "provenance"))
    with StoreWriter(tmp_path / "store", info).sequence("a", source="", fps=10.0) as rows:
        for index, drawn in enumerate((252, 1, 0)):
            made = {"is_synthetic": True, "models": {"image": "svsgan"}} if drawn else {}
            provenance = np.full(SIZE_HW, drawn, np.uint8)
            rows.append(replace(frame(index), provenance=provenance, **made))
        rows.commit()
    for kind in ("cityscapes", "video"):
        export(tmp_path / "store", tmp_path / kind, format=kind)
        record = json.loads((tmp_path / kind / "sequences/a.json").read_text())
        terms = {key.rpartition("/")[2]: n for key, n in record["digital_source_types"].items()}
        assert terms == {"trainedAlgorithmicMedia": 1, "compositeWithTrainedAlgorithmicMedia": 1}
    assert b"/trainedAlgorithmicMedia<" in (tmp_path / "video/a.mp4").read_bytes()


def test_a_sequence_named_twice_is_refused(store: Path, tmp_path: Path) -> None:
    twice = ("street-7", "street-7")
    with pytest.raises(ValidationError, match="'street-7' is named twice; name it once"):
        ExportConfig(store=store, out=tmp_path / "out", format="video", sequences=twice)
    with pytest.raises(ValidationError, match="'street-7' is named twice; name it once"):
        LabelConfig(source="street", store=str(tmp_path / "store"), sequences=twice)


def test_one_sequence_can_be_named(store: Path, tmp_path: Path) -> None:
    export(store, tmp_path / "out", format="video", sequences=("street-7",))
    assert [path.name for path in (tmp_path / "out").glob("*.mp4")] == ["street-7.mp4"]
    with pytest.raises(SequenceNotFoundError, match="street-8"):
        export(store, tmp_path / "out", format="video", sequences=("street-8",))


@pytest.mark.parametrize(
    ("kind", "damaged"),
    [
        ("cityscapes", "street-7_000000_000001_gtFine_labelIds.png"),
        ("kitti360", "data_2d_semantics/train/street-7/image_00/semantic/0000000001.png"),
        ("coco-panoptic", "panoptic_train/street-7_000001.png"),
        ("webdataset", "street-7-000000.tar"),
    ],
)
def test_an_export_goes_on_where_it_stopped(
    store: Path, tmp_path: Path, kind: str, damaged: str
) -> None:
    config, whole = export(store, tmp_path / "out", format=kind)
    expected = {path: path.read_bytes() for path in whole}
    assert run_export(config, Silent()).sequences == ()
    (tmp_path / "out/sequences/street-7.json").unlink()
    (half,) = (tmp_path / "out").rglob(damaged)
    half.write_bytes(b"cut short")
    result = run_export(config, Silent())
    assert (result.sequences, result.already_done) == (("street-7",), ("aachen_000001",))
    assert {path: path.read_bytes() for path in whole} == expected


def test_a_folder_with_something_else_is_refused(store: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out/notes.txt").write_text("mine")
    with pytest.raises(ExportError, match="is not empty and no export"):
        export(store, tmp_path / "out", format="video")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["notes.txt"]


def test_another_export_in_the_folder_is_refused(store: Path, tmp_path: Path) -> None:
    export(store, tmp_path / "out", format="cityscapes")
    told = "holds another export: its settings.split is train, got val; .*--overwrite"
    with pytest.raises(ExportError, match=told):
        export(store, tmp_path / "out", format="cityscapes", split="val")


def test_an_export_never_takes_the_place_of_its_store(store: Path) -> None:
    config = ExportConfig(store=store, format="video", out=store)
    with pytest.raises(ConfigError, match=r"cannot write to .*, which is read"):
        run_export(config, Silent(), overwrite=True)
    assert (store / "store.json").exists()


def test_a_sequence_of_the_same_name_with_other_content_is_refused(
    store: Path, tmp_path: Path
) -> None:
    export(store, tmp_path / "out", format="video", sequences=("street-7",))
    other = make_store(tmp_path / "other", sequences={"street-7": 4})
    with pytest.raises(ExportError, match="exported from other content"):
        export(other, tmp_path / "out", format="video")


def test_an_empty_store_is_an_error(tmp_path: Path) -> None:
    empty = make_store(tmp_path / "empty", sequences={})
    with pytest.raises(ExportError, match="has no sequences"):
        export(empty, tmp_path / "out", format="video")


def test_a_place_that_cannot_be_written_is_told_in_one_line(store: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ExportError, match="cannot write"):
        export(store, tmp_path / "file/out", format="video")


def test_a_store_without_labels_cannot_be_exported(tmp_path: Path) -> None:
    info = StoreInfo(CITYSCAPES, SIZE_HW, 10.0, ("image",))
    with StoreWriter(tmp_path / "store", info).sequence("a", source="", fps=10.0) as rows:
        rows.append(Frame(0, 0, image=np.zeros((*SIZE_HW, 3), np.uint8)))
        rows.commit()
    with pytest.raises(ExportError, match="label the store first"):
        export(tmp_path / "store", tmp_path / "out", format="cityscapes")
    assert not (tmp_path / "out").exists()


def test_a_store_of_labels_alone_is_told_how_to_get_pictures(tmp_path: Path) -> None:
    info = StoreInfo(CITYSCAPES, SIZE_HW, 10.0, ("semantic",))
    with StoreWriter(tmp_path / "store", info).sequence("a", source="", fps=10.0) as rows:
        rows.append(Frame(0, 0, semantic=np.zeros(SIZE_HW, np.uint8)))
        rows.commit()
    for name in ("cityscapes", "kitti360", "coco-panoptic", "webdataset", "video"):
        with pytest.raises(ExportError, match="has labels alone; 'svsdata synthesize'"):
            export(tmp_path / "store", tmp_path / "out", format=name)
    assert not (tmp_path / "out").exists()


def test_a_folder_with_something_else_is_set_aside_when_told_to(
    store: Path, tmp_path: Path
) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out/notes.txt").write_text("mine")
    config = ExportConfig(store=store, format="video", out=tmp_path / "out")
    assert len(run_export(config, Silent(), overwrite=True).sequences) == 2
    assert (tmp_path / "out.old-1/notes.txt").read_text() == "mine"


def test_an_estimate_counts_and_writes_nothing(store: Path, tmp_path: Path) -> None:
    config = ExportConfig(store=store, format="cityscapes", out=tmp_path / "out")
    estimate = estimate_export(config)
    assert (estimate.num_frames, len(estimate.sequences)) == (5, 2)
    parts = store.rglob("*.parquet")
    assert estimate.disk_bytes == sum(path.stat().st_size for path in parts)
    assert not config.out.exists()


def test_an_estimate_tells_what_is_left_and_stops_where_the_run_would(
    store: Path, tmp_path: Path
) -> None:
    config, _ = export(store, tmp_path / "out", format="cityscapes")
    assert (estimate_export(config).num_frames, estimate_export(config).disk_bytes) == (0, 0)
    (tmp_path / "out/sequences/street-7.json").unlink()
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    left = estimate_export(config)
    assert (left.sequences, left.already_done) == (("street-7",), ("aachen_000001",))
    assert left.num_frames == 2
    other = config.model_copy(update={"split": "val"})
    with pytest.raises(ExportError, match="holds another export"):
        estimate_export(other)
    assert estimate_export(other, overwrite=True).num_frames == 5
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before


@pytest.mark.parametrize("form", ["video", "coco-panoptic"])
def test_a_second_export_beside_a_running_one_is_refused(
    store: Path, tmp_path: Path, form: str
) -> None:
    refused = []

    def begin_another() -> None:
        with pytest.raises(ExportError, match="another process exports there") as error:
            export(store, tmp_path / "out", format=form)
        refused.append(error)

    config = ExportConfig(store=store, out=tmp_path / "out", format=form)
    run_export(config, Beside(begin_another))
    assert len(refused) == 1
    _, alone = export(store, tmp_path / "alone", format=form)
    beside = sorted(path for path in (tmp_path / "out").rglob("*") if path.is_file())
    assert [path.relative_to(tmp_path / "out") for path in beside] == [
        path.relative_to(tmp_path / "alone") for path in alone
    ]
    assert [path.read_bytes() for path in beside] == [path.read_bytes() for path in alone]


@pytest.mark.parametrize("form", FORMATS)
def test_what_is_exported_whole_is_not_written_to(store: Path, tmp_path: Path, form: str) -> None:
    config, _ = export(store, tmp_path / "out", format=form)
    before = {path: path.stat().st_mtime_ns for path in (config.out, *config.out.rglob("*"))}
    assert len(run_export(config, Silent()).already_done) == 2
    after = {path: path.stat().st_mtime_ns for path in (config.out, *config.out.rglob("*"))}
    assert after == before


def test_annotations_are_there_exactly_when_they_tell_of_every_sequence(
    store: Path, tmp_path: Path
) -> None:
    config, files = export(store, tmp_path / "out", format="coco-panoptic")
    document = tmp_path / "out/annotations/panoptic_train.json"
    expected = document.read_bytes()
    document.unlink()  # as a process leaves it that is killed behind its last sequence
    assert run_export(config, Silent()).sequences == ()
    assert document.read_bytes() == expected
    (tmp_path / "out/sequences/street-7.json").unlink()
    with pytest.raises(StoppedError):
        run_export(config, StopAfter(1))
    assert not document.exists()
    run_export(config, Silent())
    assert {path: path.read_bytes() for path in files}[document] == expected


def test_of_two_exports_begun_together_one_is_refused(store: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    config = ExportConfig(store=store, out=tmp_path / "out", format="video")
    with only_writer(config.out) as alone:  # the other has not come to its first file
        assert alone
        with pytest.raises(ExportError, match="another process exports there"):
            run_export(config, Silent())
    assert [path.name for path in config.out.iterdir()] == ["lock"]
    (config.out / ".export.json.partial").write_text("{")  # where it was killed there
    assert len(run_export(config, Silent()).sequences) == 2


def test_an_export_that_died_leaves_its_folder_to_the_next(store: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    config = ExportConfig(store=store, out=tmp_path / "out", format="video")
    with pytest.raises(StoppedError):
        run_export(config, StopAfter(1))
    (tmp_path / "out" / "lock").write_bytes(b"")  # as a killed process leaves it
    assert len(run_export(config, Silent()).sequences) == 2
    assert not (tmp_path / "out" / "lock").exists()
