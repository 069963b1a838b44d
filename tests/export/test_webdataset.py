import io
import json
import tarfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PillowImage

from svsdata.errors import ExportError
from svsdata.export import webdataset
from svsdata.export.webdataset import WebDatasetExporter
from svsdata.flow_codec import decode_flow
from svsdata.geometry.camera import assumed_camera
from svsdata.images import encode_jpeg, encode_png
from svsdata.labels import CITYSCAPES
from svsdata.records import EgoMotion, EncodedImage, Frame, Sequence

SIZE_HW = (16, 32)


def frame(index: int) -> Frame:
    semantic = np.full(SIZE_HW, 7 + index, np.uint8)
    return Frame(
        index,
        index * 100_000,
        encoded_image=EncodedImage(encode_png(CITYSCAPES.colorize(semantic)), "frame.png"),
        semantic=semantic,
        instance=semantic.astype(np.uint16),
        flow=np.full((*SIZE_HW, 2), index, np.float32),
        camera=assumed_camera(SIZE_HW),
        ego=EgoMotion(9.5, -0.25, "estimated"),
    )


def sequence(sequence_id: str = "street.add_truck", num_frames: int = 5) -> Sequence:
    return Sequence(sequence_id, num_frames, 10.0, SIZE_HW, "made in this test")


def samples(path: Path) -> dict[str, dict[str, bytes]]:
    """Group the files of a shard as loaders do: by name up to the first dot."""
    found: dict[str, dict[str, bytes]] = {}
    with tarfile.open(path) as tar:
        for member in tar:
            key, _, extension = member.name.partition(".")
            file = tar.extractfile(member)
            assert file is not None
            found.setdefault(key, {})[extension] = file.read()
    return found


def test_samples_hold_all_layers_and_say_where_they_come_from(tmp_path: Path) -> None:
    WebDatasetExporter(tmp_path, CITYSCAPES, split="val").write(
        sequence(num_frames=2), iter([frame(0), frame(1)])
    )
    (path,) = tmp_path.glob("val/*.tar")
    assert path.name == "street-add_truck-000000.tar"
    found = samples(path)
    assert list(found) == ["street-add_truck_000000", "street-add_truck_000001"]
    sample = found["street-add_truck_000001"]
    assert set(sample) == {"png", "semantic.png", "instance.png", "flow.png", "json"}
    semantic = np.asarray(PillowImage.open(io.BytesIO(sample["semantic.png"])))
    np.testing.assert_array_equal(semantic, frame(1).semantic)
    flow, _ = decode_flow(sample["flow.png"], "it")
    np.testing.assert_array_equal(flow, frame(1).flow)
    facts = json.loads(sample["json"])
    assert (facts["sequence_id"], facts["label_set"]) == ("street.add_truck", "cityscapes")
    assert facts["camera"]["intrinsics"] == assumed_camera(SIZE_HW).intrinsics.tolist()
    assert (facts["ego"]["speed_mps"], facts["ego"]["flag"]) == (9.5, "estimated")
    assert facts["digital_source_type"] is None


def test_shards_end_after_so_many_frames(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webdataset, "FRAMES_PER_SHARD", 2)
    facts = WebDatasetExporter(tmp_path, CITYSCAPES).write(
        sequence(), (frame(index) for index in range(5))
    )
    paths = sorted(tmp_path.glob("train/*"))
    assert [len(samples(path)) for path in paths] == [2, 2, 1]
    assert facts["shards"] == "3"


def test_a_stopped_shard_has_no_name_of_a_whole_one(tmp_path: Path) -> None:
    def broken() -> Iterator[Frame]:
        yield frame(0)
        raise ExportError("the store is damaged")

    with pytest.raises(ExportError, match="damaged"):
        WebDatasetExporter(tmp_path, CITYSCAPES).write(sequence(), broken())
    assert not list(tmp_path.glob("train/*.tar"))


def test_drawn_frames_tell_so_and_recorded_jpegs_stay(tmp_path: Path) -> None:
    jpeg = encode_jpeg(np.full((*SIZE_HW, 3), 90, np.uint8))
    recorded = replace(frame(0), encoded_image=EncodedImage(jpeg, "frame.jpg"))
    drawn = replace(frame(1), is_synthetic=True, models={"image": "svsgan"})
    WebDatasetExporter(tmp_path, CITYSCAPES).write(sequence("a", 2), iter([recorded, drawn]))
    first, second = samples(next(tmp_path.glob("train/*.tar"))).values()
    assert first["jpg"] == jpeg
    assert b"trainedAlgorithmicMedia" in second["png"]
    assert json.loads(second["json"])["digital_source_type"].endswith("trainedAlgorithmicMedia")


def test_sequences_with_one_key_are_refused(tmp_path: Path) -> None:
    exporter = WebDatasetExporter(tmp_path, CITYSCAPES)
    with pytest.raises(ExportError, match=r"'a\.b' and 'a-b' would both be 'a-b'"):
        exporter.check([sequence("a.b"), sequence("a-b")])
    exporter.check([sequence("a.b"), sequence("a.c")])


def test_hugging_face_datasets_streams_the_shards(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HOME", str(tmp_path / "cache"))
    from datasets import load_dataset

    WebDatasetExporter(tmp_path, CITYSCAPES).write(sequence(), (frame(index) for index in range(5)))
    rows = list(
        load_dataset(
            "webdataset",
            data_files={"train": str(tmp_path / "train/*.tar")},
            split="train",
            streaming=True,
        )
    )
    assert [row["json"]["frame_index"] for row in rows] == [0, 1, 2, 3, 4]
    np.testing.assert_array_equal(np.asarray(rows[3]["semantic.png"]), frame(3).semantic)
