import io

import cv2
import numpy as np
import pytest
from PIL import Image as PillowImage

from svsdata.images import encode_png
from svsdata.labeling.sources.folder import folder_recordings
from svsdata.labeling.sources.orientation import UPRIGHT, exif_orientation, turned_upright
from svsdata.records import Frame

PICTURE = np.random.default_rng(5).integers(0, 255, (2, 3, 3), np.uint8).repeat(8, 0).repeat(8, 1)


def jpeg(orientation: int | None, order: str = "<") -> bytes:
    exif = PillowImage.Exif()
    exif.endian = order
    exif[0x010F] = "maker"  # another tag before it
    if orientation is not None:
        exif[0x0112] = orientation
    file = io.BytesIO()
    PillowImage.fromarray(PICTURE).save(file, "JPEG", quality=95, subsampling=0, exif=exif)
    return file.getvalue()


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("order", ["<", ">"])
def test_a_jpeg_is_turned_as_opencv_turns_it(orientation, order):
    data = np.frombuffer(jpeg(orientation, order), np.uint8)
    assert exif_orientation(data.tobytes()) == orientation
    as_coded = cv2.imdecode(data, cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
    shown = cv2.imdecode(data, cv2.IMREAD_COLOR)
    assert orientation == UPRIGHT or shown.shape != as_coded.shape or (shown != as_coded).any()
    np.testing.assert_array_equal(turned_upright(as_coded, orientation), shown)


def test_pictures_that_tell_nothing_are_upright():
    no_tag, unknown, turned = jpeg(None), jpeg(9), jpeg(6)
    at = turned.index(b"Exif\0\0") + 6
    cut = turned[:at] + b"II*\0\xff\xff\xff\x7f" + turned[at + 8 :]  # a directory behind the end
    for data in (no_tag, unknown, cut, encode_png(PICTURE), b""):
        assert exif_orientation(data) == UPRIGHT


def test_turned_frames_of_a_folder_keep_no_bytes_that_others_would_turn_again(tmp_path):
    (tmp_path / "1.jpg").write_bytes(jpeg(UPRIGHT))
    (tmp_path / "2.jpg").write_bytes(jpeg(6))
    upright, turned = folder_recordings(tmp_path, fps=10)[0].frames(0)
    assert isinstance(upright, Frame)
    assert isinstance(turned, Frame)
    assert upright.image.shape == PICTURE.shape
    assert upright.encoded_image is not None
    assert turned.image.shape == (24, 16, 3)
    assert turned.encoded_image is None
