import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from cityscapesscripts.preparation.createPanopticImgs import convert2panoptic

from svsdata.errors import ExportError
from svsdata.export.cityscapes import CityscapesExporter
from svsdata.export.coco_panoptic import CocoPanopticExporter
from svsdata.images import encode_jpeg, encode_png
from svsdata.labels import CITYSCAPES, CITYSCAPES_TRAIN
from svsdata.records import EncodedImage, Frame, Sequence

SIZE_HW = (24, 40)


def frame(index: int) -> Frame:
    """Road, building, a car that drives, persons nobody told apart, something unlabeled."""
    semantic = np.full(SIZE_HW, 7, np.uint8)
    semantic[:10], semantic[20:, 30:] = 11, 0
    semantic[8:16, 3 + index : 15 + index], semantic[12:20, 25:28] = 26, 24
    instance = semantic.astype(np.uint16)
    instance[8:16, 3 + index : 15 + index] = 26_001
    return Frame(
        index,
        index * 100_000,
        encoded_image=EncodedImage(encode_png(CITYSCAPES.colorize(semantic)), "frame.png"),
        semantic=semantic,
        instance=instance,
    )


def sequence(sequence_id: str, num_frames: int = 2) -> Sequence:
    return Sequence(sequence_id, num_frames, 10.0, SIZE_HW, "made in this test")


def document(folder: Path, split: str = "train") -> dict:
    return json.loads((folder / f"annotations/panoptic_{split}.json").read_text())


def test_segments_are_those_of_cityscapes_own_conversion(tmp_path: Path) -> None:
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    exporter = CocoPanopticExporter(ours, CITYSCAPES, split="val")
    exporter.write(sequence("aachen_000003"), iter([frame(0), frame(1)]))
    exporter.complete()
    CityscapesExporter(theirs, CITYSCAPES, split="val").write(
        sequence("aachen_000003"), iter([frame(0), frame(1)])
    )
    convert2panoptic(str(theirs / "gtFine"), str(theirs), False, ["val"])
    found, expected = (
        document(ours, "val"),
        json.loads((theirs / "cityscapes_panoptic_val.json").read_text()),
    )
    for one, other in zip(found["annotations"], expected["annotations"], strict=True):
        assert one["segments_info"] == other["segments_info"]
        pictures = (
            cv2.imread(str(folder / name))
            for folder, name in (
                (ours / "panoptic_val", one["file_name"]),
                (theirs / "cityscapes_panoptic_val", other["file_name"]),
            )
        )
        np.testing.assert_array_equal(*pictures)
    assert found["categories"] == [
        {**category, "color": list(category["color"])} for category in expected["categories"]
    ]


def test_images_are_numbered_over_all_sequences_in_the_folder(tmp_path: Path) -> None:
    exporter = CocoPanopticExporter(tmp_path, CITYSCAPES)
    exporter.write(sequence("b"), iter([frame(0), frame(1)]))
    exporter.complete()
    exporter.write(sequence("a", 1), iter([frame(0)]))
    exporter.complete()
    index = document(tmp_path)
    assert [(one["id"], one["file_name"]) for one in index["images"]] == [
        (1, "a_000000.png"),
        (2, "b_000000.png"),
        (3, "b_000001.png"),
    ]
    assert [one["image_id"] for one in index["annotations"]] == [1, 2, 3]
    assert all((tmp_path / "train" / one["file_name"]).is_file() for one in index["images"])


def test_an_object_keeps_its_segment_id(tmp_path: Path) -> None:
    exporter = CocoPanopticExporter(tmp_path, CITYSCAPES)
    exporter.write(sequence("a"), iter([frame(0), frame(1)]))
    exporter.complete()
    cars = [
        one
        for annotation in document(tmp_path)["annotations"]
        for one in annotation["segments_info"]
        if one["category_id"] == 26
    ]
    assert [(one["id"], one["bbox"], one["iscrowd"]) for one in cars] == [
        (26_001, [3, 8, 12, 8], 0),
        (26_001, [4, 8, 12, 8], 0),
    ]


def test_train_ids_become_label_ids_since_id_0_is_void(tmp_path: Path) -> None:
    semantic = np.array([[0, 13], [255, 18]], np.uint8)
    instance = np.array([[0, 13_002], [255, 18]], np.uint16)
    exporter = CocoPanopticExporter(tmp_path, CITYSCAPES_TRAIN)
    exporter.write(
        sequence("a", 1), iter([replace(frame(0), semantic=semantic, instance=instance)])
    )
    picture = cv2.imread(str(tmp_path / "panoptic_train/a_000000.png"))
    ids = picture[..., 2] + 256 * picture[..., 1].astype(int)
    assert ids.tolist() == [[7, 26_002], [0, 33]]


def test_without_instances_things_are_crowds(tmp_path: Path) -> None:
    exporter = CocoPanopticExporter(tmp_path, CITYSCAPES)
    exporter.write(sequence("a", 1), iter([replace(frame(0), instance=None)]))
    exporter.complete()
    (annotation,) = document(tmp_path)["annotations"]
    crowds = {one["category_id"]: one["iscrowd"] for one in annotation["segments_info"]}
    assert crowds == {7: 0, 11: 0, 24: 1, 26: 1}


def test_recorded_jpegs_keep_their_bytes_and_drawn_frames_their_mark(tmp_path: Path) -> None:
    jpeg = encode_jpeg(np.full((*SIZE_HW, 3), 90, np.uint8))
    recorded = replace(frame(0), encoded_image=EncodedImage(jpeg, "frame.jpg"))
    drawn = replace(frame(1), is_synthetic=True, models={"image": "svsgan"})
    exporter = CocoPanopticExporter(tmp_path, CITYSCAPES)
    exporter.write(sequence("a"), iter([recorded, drawn]))
    assert (tmp_path / "train/a_000000.jpg").read_bytes() == jpeg
    assert b"trainedAlgorithmicMedia" in (tmp_path / "train/a_000001.png").read_bytes()


def test_frames_without_labels_or_image_are_refused_and_leave_no_part(tmp_path: Path) -> None:
    exporter = CocoPanopticExporter(tmp_path, CITYSCAPES)
    with pytest.raises(ExportError, match="'a_000001': has no semantic map"):
        exporter.write(sequence("a"), iter([frame(0), replace(frame(1), semantic=None)]))
    with pytest.raises(ExportError, match="'a_000000': has no image"):
        exporter.write(sequence("a"), iter([replace(frame(0), encoded_image=None)]))
    exporter.complete()
    assert document(tmp_path)["images"] == []
