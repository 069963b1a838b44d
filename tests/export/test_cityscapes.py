import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from cityscapesscripts.evaluation import (
    evalPanopticSemanticLabeling,
    evalPixelLevelSemanticLabeling,
)
from cityscapesscripts.helpers.csHelpers import getCoreImageFileName, getCsFileInfo
from cityscapesscripts.preparation.createPanopticImgs import convert2panoptic

from svsdata.errors import ExportError
from svsdata.export.cityscapes import CityscapesExporter, CityscapesName
from svsdata.export.exporter import rgb_png
from svsdata.geometry.camera import mounted_camera
from svsdata.images import decode_image, encode_jpeg, encode_png
from svsdata.labels import CITYSCAPES, CITYSCAPES_TRAIN
from svsdata.records import EgoMotion, EncodedImage, Frame, Sequence

SIZE_HW = (24, 40)
CAR = CITYSCAPES.label("car").id
PLATE = CITYSCAPES.label("license plate").id


def frame(index: int, *, is_synthetic: bool = False) -> Frame:
    """A road, a building with a pole, a car with a plate that drives to the right, a person."""
    semantic = np.full(SIZE_HW, CITYSCAPES.label("road").id, np.uint8)
    semantic[:10] = CITYSCAPES.label("building").id
    semantic[2:20, 30] = CITYSCAPES.label("pole").id
    instance = semantic.astype(np.uint16)
    semantic[8:16, 3 + index : 15 + index] = CAR
    instance[8:16, 3 + index : 15 + index] = CAR * 1000 + 1
    semantic[12:14, 6 + index : 10 + index] = PLATE
    instance[12:14, 6 + index : 10 + index] = PLATE
    semantic[8:14, 34:37] = 24
    instance[8:14, 34:37] = 24_000
    return Frame(
        index,
        index * 58_824,
        encoded_image=EncodedImage(encode_png(CITYSCAPES.colorize(semantic)), "frame.png"),
        semantic=semantic,
        instance=instance,
        is_synthetic=is_synthetic,
        models={"image": "svsgan"} if is_synthetic else {},
    )


def sequence(sequence_id: str, num_frames: int = 3) -> Sequence:
    return Sequence(sequence_id, num_frames, 17.0, SIZE_HW, "made in this test")


def frames(num_frames: int = 3) -> Iterator[Frame]:
    return (frame(index, is_synthetic=index > 0) for index in range(num_frames))


def read(path: Path) -> np.ndarray:
    picture = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    assert picture is not None, path
    return picture


def test_files_have_the_official_names_and_depths(tmp_path: Path) -> None:
    CityscapesExporter(tmp_path, CITYSCAPES).write(sequence("aachen_000003"), frames())
    stem = "train/aachen/aachen_000003_000002"
    image = read(tmp_path / f"leftImg8bit_sequence/{stem}_leftImg8bit.png")
    label_ids = read(tmp_path / f"gtFine/{stem}_gtFine_labelIds.png")
    instance_ids = read(tmp_path / f"gtFine/{stem}_gtFine_instanceIds.png")
    assert (label_ids.dtype, instance_ids.dtype) == (np.uint8, np.uint16)
    expected = frame(2)
    assert expected.semantic is not None
    assert expected.instance is not None
    is_plate = expected.semantic == PLATE
    np.testing.assert_array_equal(image[..., ::-1], CITYSCAPES.colorize(expected.semantic))
    np.testing.assert_array_equal(label_ids, np.where(is_plate, CAR, expected.semantic))
    np.testing.assert_array_equal(
        instance_ids, np.where(is_plate, CAR * 1000 + 1, expected.instance)
    )
    assert (tmp_path / f"timestamp_sequence/{stem}_timestamp.txt").read_text() == "117648000"
    assert not (tmp_path / "camera").exists()
    assert not (tmp_path / "vehicle_sequence").exists()


def test_cityscapes_own_tools_parse_the_names(tmp_path: Path) -> None:
    CityscapesExporter(tmp_path, CITYSCAPES).write(sequence("street.seed_7"), frames(1))
    (path,) = tmp_path.glob("gtFine/*/*/*_labelIds.png")
    info = getCsFileInfo(str(path))
    assert (info.city, info.sequenceNb, info.frameNb) == ("street-seed-7", "000000", "000000")
    assert getCoreImageFileName(str(path)) == "street-seed-7_000000_000000"


@pytest.mark.parametrize(
    ("sequence_id", "expected"),
    [
        ("aachen_000003", CityscapesName("aachen", 3)),
        ("hamburg_000000_018592", CityscapesName("hamburg", 0, 18592)),
        ("aachen_000003.add_truck.1", CityscapesName("aachen-add-truck-1", 3)),
        ("2013_05_28_drive_0000_sync", CityscapesName("2013-05-28-drive-0000-sync", 0)),
    ],
)
def test_names_follow_from_the_sequence_id_alone(
    sequence_id: str, expected: CityscapesName
) -> None:
    assert CityscapesName.of(sequence_id) == expected


def test_frames_carry_the_number_they_have_in_their_source() -> None:
    name = CityscapesName.of("hamburg_000000_018592")
    assert name.stem(frame(2)) == "hamburg_000000_018594"
    assert name.stem(replace(frame(2), source_frame=18600)) == "hamburg_000000_018600"


def test_two_sequences_with_one_name_are_refused_before_anything_is_written(tmp_path: Path) -> None:
    exporter = CityscapesExporter(tmp_path / "out", CITYSCAPES)
    with pytest.raises(ExportError, match=r"'a_b' and 'a\.b' would both be city 'a-b'"):
        exporter.check([sequence("a_b"), sequence("a.b")])
    exporter.check([sequence("aachen_000000"), sequence("aachen_000001")])


def test_source_numbers_that_repeat_are_refused(tmp_path: Path) -> None:
    repeated = (replace(frame(index), source_frame=5) for index in range(2))
    with pytest.raises(ExportError, match="frame 1: its source frame number does not grow"):
        CityscapesExporter(tmp_path, CITYSCAPES).write(sequence("a", 2), repeated)


def test_only_generated_frames_carry_the_synthetic_mark(tmp_path: Path) -> None:
    CityscapesExporter(tmp_path, CITYSCAPES).write(sequence("a", 2), frames(2))
    mark = b"trainedAlgorithmicMedia"
    reference, generated = sorted(tmp_path.glob("leftImg8bit_sequence/*/*/*.png"))
    assert mark not in reference.read_bytes()
    assert mark in generated.read_bytes()


def test_another_label_set_is_converted_by_name(tmp_path: Path) -> None:
    train_ids = np.array([[0, 13], [2, 18]], np.uint8)
    instance = np.array([[0, 13_002], [2, 18_000]], np.uint16)
    only = replace(frame(0), semantic=train_ids, instance=instance)
    CityscapesExporter(tmp_path, CITYSCAPES_TRAIN).write(sequence("a", 1), iter([only]))
    folder = tmp_path / "gtFine/train/a"
    label_ids = read(folder / "a_000000_000000_gtFine_labelIds.png")
    instance_ids = read(folder / "a_000000_000000_gtFine_instanceIds.png")
    assert label_ids.tolist() == [[7, 26], [11, 33]]
    assert instance_ids.tolist() == [[7, 26_002], [11, 33_000]]


def test_a_png_keeps_its_bytes_and_a_jpeg_becomes_one() -> None:
    picture = np.full((8, 9, 3), (90, 120, 60), np.uint8)
    png, jpeg = encode_png(picture), encode_jpeg(picture)
    assert rgb_png(EncodedImage(png, "a.png")) is png
    converted = decode_image(rgb_png(EncodedImage(jpeg, "a.jpg")), "converted")
    np.testing.assert_array_equal(converted, decode_image(jpeg, "a.jpg"))
    gray = decode_image(rgb_png(EncodedImage(encode_png(picture[..., 0]), "a.png")), "gray")
    assert gray.shape == (8, 9, 3)


def test_camera_and_vehicle_files_hold_the_numbers_they_were_made_from(tmp_path: Path) -> None:
    camera = mounted_camera(
        np.array([[300.0, 0, 19.5], [0, 301.0, 11.5], [0, 0, 1]]),
        SIZE_HW,
        position_m=(1.7, 0.1, 1.22),
        yaw_pitch_roll_rad=(-0.02, 0.04, 0.01),
        flag="estimated",
    )
    known = replace(frame(0), camera=camera, ego=EgoMotion(9.5, -0.2, "interpolated"))
    CityscapesExporter(tmp_path, CITYSCAPES, split="val").write(sequence("a", 1), iter([known]))
    written = json.loads((tmp_path / "camera/val/a/a_000000_000000_camera.json").read_text())
    assert written["intrinsic"] == {"fx": 300.0, "fy": 301.0, "u0": 19.5, "v0": 11.5}
    expected = {"x": 1.7, "y": 0.1, "z": 1.22, "yaw": -0.02, "pitch": 0.04, "roll": 0.01}
    assert written["extrinsic"] == pytest.approx(expected)
    assert written["flag"] == "estimated"
    vehicle = tmp_path / "vehicle_sequence/val/a/a_000000_000000_vehicle.json"
    assert json.loads(vehicle.read_text()) == {
        "speed": 9.5,
        "yawRate": -0.2,
        "flag": "interpolated",
    }


def test_frames_without_labels_are_refused(tmp_path: Path) -> None:
    unlabelled = iter([replace(frame(0), semantic=None)])
    with pytest.raises(ExportError, match="label the store first"):
        CityscapesExporter(tmp_path, CITYSCAPES).write(sequence("a", 1), unlabelled)


def export_prediction(folder: Path) -> None:
    """The same scene as predicted: every person is taken for a building."""
    person, building = 24, CITYSCAPES.label("building").id

    def predicted(index: int) -> Frame:
        truth = frame(index)
        assert truth.semantic is not None
        assert truth.instance is not None
        semantic = np.where(truth.semantic == person, building, truth.semantic)
        instance = np.where(truth.semantic == person, building, truth.instance)
        return replace(truth, semantic=semantic, instance=instance.astype(np.uint16))

    CityscapesExporter(folder, CITYSCAPES, split="val").write(
        sequence("aachen_000003"), (predicted(index) for index in range(3))
    )


def test_cityscapes_own_pixel_evaluation_reads_the_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    truth, prediction = tmp_path / "truth", tmp_path / "prediction"
    CityscapesExporter(truth, CITYSCAPES, split="val").write(sequence("aachen_000003"), frames())
    export_prediction(prediction)
    args = evalPixelLevelSemanticLabeling.args
    for name, value in (("quiet", True), ("JSONOutput", False), ("evalInstLevelScore", False)):
        monkeypatch.setattr(args, name, value)

    def label_ids(folder: Path) -> list[str]:
        return sorted(map(str, folder.glob("gtFine/val/*/*_gtFine_labelIds.png")))

    scores = evalPixelLevelSemanticLabeling.evaluateImgLists(
        label_ids(prediction), label_ids(truth), args
    )
    assert scores["classScores"]["car"] == 1.0
    assert scores["classScores"]["person"] == 0.0
    maps = [read(Path(path)) for path in label_ids(truth)]
    buildings, persons = (sum(int((m == i).sum()) for m in maps) for i in (11, 24))
    assert scores["classScores"]["building"] == pytest.approx(buildings / (buildings + persons))


def test_cityscapes_own_panoptic_conversion_and_evaluation_read_the_folder(tmp_path: Path) -> None:
    CityscapesExporter(tmp_path, CITYSCAPES, split="val").write(sequence("aachen_000003"), frames())
    convert2panoptic(str(tmp_path / "gtFine"), str(tmp_path), False, ["val"])
    index_path, folder = tmp_path / "cityscapes_panoptic_val.json", "cityscapes_panoptic_val"
    index = json.loads(index_path.read_text())
    segments = index["annotations"][0]["segments_info"]
    assert [one["category_id"] for one in segments] == [7, 11, 17, 24, 26]
    matched = [(one, one) for one in index["annotations"]]
    categories = {one["id"]: one for one in index["categories"]}
    found = evalPanopticSemanticLabeling.pq_compute_single_core(
        0, matched, str(tmp_path / folder), str(tmp_path / folder), categories
    )
    assert evalPanopticSemanticLabeling.average_pq(found, categories)["All"]["pq"] == 1.0
