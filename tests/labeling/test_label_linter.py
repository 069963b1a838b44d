import struct
import zlib

import cv2
import numpy as np
import pytest

from svsdata.errors import SourceError
from svsdata.images import encode_jpeg, encode_png
from svsdata.labeling.label_linter import MAPS_READ, lint_labels
from svsdata.labels import CITYSCAPES


def put(path, values) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encode_png(np.asarray(values)))


def linted(folder, values, name="0001.png"):
    put(folder / name, values)
    (group,) = lint_labels(folder)
    return group


@pytest.mark.parametrize(
    ("ids", "name", "system", "option"),
    [
        ([7, 8, 11, 23, 26], "1.png", "label ids", "--semantic"),
        ([0, 1, 10, 18, 255], "1.png", "train ids", "--set encoding=train_ids"),
        ([0, 13, 18], "1.png", "train ids", "--set encoding=train_ids"),
        ([7, 26, 37], "1.png", "KITTI-360 ids", "--set label_set=kitti360"),
        ([7, 26, 255], "1.png", "KITTI-360 ids", "--set label_set=kitti360"),
        ([0, 1, 2, 255], "a_000001_instance.png", "instance indices", "--instance"),
        ([7, 26, 99], "1.png", "unknown", "map them"),
        ([7, 26, 99], "a_000001_confidence.png", "confidence", "--set confidence="),
    ],
)
def test_8_bit_maps_are_told_apart(tmp_path, ids, name, system, option):
    group = linted(tmp_path, np.array([ids], np.uint8), name)
    assert (group.system, group.usable) == (system, system != "unknown")
    assert option in group.advice


@pytest.mark.parametrize(
    ("ids", "name", "system"),
    [
        ([7, 26, 26000, 24001], "1.png", "instance ids"),
        ([7, 26], "a_000001_instanceIds.png", "instance ids"),
        ([7001, 26000], "1.png", "KITTI-360 instance ids"),
        ([46000], "1.png", "unknown"),
        ([7, 26], "1.png", "unknown"),
    ],
)
def test_16_bit_maps_are_told_apart(tmp_path, ids, name, system):
    assert linted(tmp_path, np.array([ids], np.uint16), name).system == system


def test_ids_come_with_names_and_shares_over_all_maps(tmp_path):
    put(tmp_path / "1.png", np.array([[7, 7, 7, 26]], np.uint8))
    put(tmp_path / "2.png", np.array([[7, 7, 23, 23]], np.uint8))
    (group,) = lint_labels(tmp_path)
    assert [(it.id, it.name, it.share) for it in group.ids] == [
        (7, "road", 0.625),
        (23, "sky", 0.25),
        (26, "car", 0.125),
    ]
    objects = linted(tmp_path / "objects", np.array([[26000, 26001, 26, 7]], np.uint16))
    assert [(it.name, it.share) for it in objects.ids] == [("car", 0.75), ("road", 0.25)]


def test_colours_are_refused_in_every_disguise(tmp_path):
    semantic = np.array([[7, 8, 11, 21, 23, 26]] * 3, np.uint8)
    painted = CITYSCAPES.palette[semantic]
    assert linted(tmp_path / "colours", painted).system == "colours"
    gray = cv2.cvtColor(painted, cv2.COLOR_RGB2GRAY)
    assert linted(tmp_path / "gray", gray).system == "colours as gray"
    (tmp_path / "jpeg").mkdir()
    (tmp_path / "jpeg" / "1.jpg").write_bytes(encode_jpeg(painted))
    (jpeg,) = lint_labels(tmp_path / "jpeg")
    assert (jpeg.system, jpeg.usable) == ("JPEG", False)


def test_a_palette_is_refused(tmp_path):
    def chunk(kind: bytes, data: bytes) -> bytes:
        checksum = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + checksum

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 3, 0, 0, 0))
    pixels = chunk(b"PLTE", b"\x80\x40\x80") + chunk(b"IDAT", zlib.compress(b"\0\0"))
    png = b"\x89PNG\r\n\x1a\n" + header + pixels + chunk(b"IEND", b"")
    (tmp_path / "1.png").write_bytes(png)
    (group,) = lint_labels(tmp_path)
    assert (group.system, group.usable) == ("palette", False)


def test_one_colour_picture_among_maps_spoils_them(tmp_path):
    put(tmp_path / "1.png", np.array([[7, 26]], np.uint8))
    assert linted(tmp_path, np.zeros((1, 2, 3), np.uint8), "2.png").system == "colours"


def test_kinds_are_told_apart_by_the_end_of_the_name_or_the_folder(tmp_path):
    put(tmp_path / "a_000001_gtFine_labelIds.png", np.array([[7, 26]], np.uint8))
    put(tmp_path / "a_000001_gtFine_instanceIds.png", np.array([[7, 26000]], np.uint16))
    put(tmp_path / "semantic" / "0001.png", np.array([[26, 40]], np.uint8))
    groups = {group.name: group.system for group in lint_labels(tmp_path)}
    assert groups == {
        "instanceIds": "instance ids",
        "labelIds": "label ids",
        "semantic": "KITTI-360 ids",
    }


def test_many_maps_are_sampled_from_first_to_last(tmp_path):
    for number in range(2 * MAPS_READ + 1):
        put(tmp_path / f"{number:04d}.png", np.full((1, 1), 26, np.uint8))
    (group,) = lint_labels(tmp_path)
    assert group.files == 2 * MAPS_READ + 1
    assert MAPS_READ / 2 < group.files_read <= MAPS_READ


def test_hidden_files_are_no_maps(tmp_path):
    put(tmp_path / "0001.png", np.array([[7, 21]], np.uint8))
    (tmp_path / "._0001.png").write_bytes(b"no picture")
    assert [group.files for group in lint_labels(tmp_path)] == [1]


def test_an_empty_folder_and_a_broken_map_are_one_line(tmp_path):
    with pytest.raises(SourceError, match="no label maps"):
        lint_labels(tmp_path)
    with pytest.raises(SourceError, match="nowhere: no such folder"):
        lint_labels(tmp_path / "nowhere")
    (tmp_path / "1.png").write_bytes(encode_png(np.full((9, 9), 26, np.uint8))[:40])
    with pytest.raises(SourceError, match=r"1\.png"):
        lint_labels(tmp_path)
