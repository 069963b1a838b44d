import struct
import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np

from svsdata.export.digital_source import mark_mp4, marked_png, source_type
from svsdata.images import decode_image, encode_png
from svsdata.records import Frame


def chunks(png: bytes) -> list[tuple[bytes, bytes]]:
    found, at = [], 8
    while at < len(png):
        (length,) = struct.unpack(">I", png[at : at + 4])
        kind, data = png[at + 4 : at + 8], png[at + 8 : at + 8 + length]
        (check,) = struct.unpack(">I", png[at + 8 + length : at + 12 + length])
        assert check == zlib.crc32(kind + data)
        found.append((kind, data))
        at += 12 + length
    return found


def test_the_mark_is_an_xmp_text_chunk_and_changes_no_pixel() -> None:
    image = np.random.default_rng(3).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    marked = marked_png(encode_png(image, 1), "trainedAlgorithmicMedia")
    kinds = [kind for kind, _ in chunks(marked)]
    assert kinds[:2] == [b"IHDR", b"iTXt"]
    assert kinds[-1] == b"IEND"
    keyword, packet = chunks(marked)[1][1].split(b"\0\0\0\0\0", 1)
    assert keyword == b"XML:com.adobe.xmp"
    assert b"/digitalsourcetype/trainedAlgorithmicMedia<" in packet
    np.testing.assert_array_equal(decode_image(marked, "marked"), image)


def test_the_mark_of_a_video_is_one_box_after_the_others(tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    path.write_bytes(b"earlier boxes")
    mark_mp4(path, "trainedAlgorithmicMedia")
    box = path.read_bytes().removeprefix(b"earlier boxes")
    assert struct.unpack(">I", box[:4])[0] == len(box)
    assert box[4:8] == b"uuid"
    assert b"/digitalsourcetype/trainedAlgorithmicMedia<" in box


def test_a_generator_a_renderer_and_a_camera_are_told_apart() -> None:
    generated = Frame(0, 0, is_synthetic=True, models={"image": "svsgan"})
    assert source_type(generated) == "trainedAlgorithmicMedia"
    assert source_type(Frame(0, 0, is_synthetic=True)) == "algorithmicMedia"
    repaired = np.array([[0, 252]], np.uint8)
    composite = replace(generated, provenance=repaired)
    assert source_type(composite) == "compositeWithTrainedAlgorithmicMedia"
    untouched = replace(generated, provenance=np.minimum(repaired, 1))
    assert source_type(untouched) == "trainedAlgorithmicMedia"
    assert source_type(Frame(0, 0, models={"semantic": "oneformer"})) is None
