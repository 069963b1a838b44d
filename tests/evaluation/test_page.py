import base64
from pathlib import Path

import jinja2
import numpy as np
import pytest

from svsdata.errors import StoreError
from svsdata.evaluation.page import moving_picture, picture_uri, video_uri, write_page
from svsdata.images import decode_image
from svsdata.video_codec import read_video

VALUES = {
    "title": "Streets <3",
    "lead": "",
    "video": "data:video/mp4;base64,AAAA",
    "video_caption": "",
    "numbers": [{"value": "12.5", "meaning": "frames/s"}],
    "strips": [[{"source": "data:image/jpeg;base64,AAAA", "caption": "before"}]],
    "agreement_text": "",
    "classes": [{"name": "road", "share": "40 %", "generated": "0.9", "rendered": "0.95"}],
    "notes": ["svsdata demo"],
    "footer": "",
}


def test_a_page_needs_nothing_from_outside_and_escapes_what_it_is_given(tmp_path: Path) -> None:
    path = tmp_path / "index.html"
    write_page(path, "demo.html", VALUES)
    text = path.read_text("utf-8")
    assert "Streets &lt;3" in text
    assert "http://" not in text
    assert "https://" not in text
    assert list(tmp_path.iterdir()) == [path]


def test_a_value_that_is_missing_stops_the_page(tmp_path: Path) -> None:
    without_title = {key: value for key, value in VALUES.items() if key != "title"}
    with pytest.raises(jinja2.UndefinedError, match="title"):
        write_page(tmp_path / "index.html", "demo.html", without_title)
    assert not (tmp_path / "index.html").exists()


def test_a_page_that_has_no_room_is_told_in_one_line(tmp_path: Path, room_for) -> None:
    path = tmp_path / "index.html"
    with room_for(100), pytest.raises(StoreError, match=r"index\.html: cannot write"):
        write_page(path, "demo.html", VALUES)
    assert not path.exists()


def test_a_video_that_has_no_room_is_told_in_one_line(room_for) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)
    with room_for(100), pytest.raises(StoreError, match=r"clip\.mp4: cannot write"):
        moving_picture([noise] * 4, 10.0)


def test_pictures_and_videos_travel_inside_the_page(tmp_path: Path) -> None:
    image = np.full((9, 17, 3), 90, np.uint8)
    kind, data = picture_uri(image).split(",")
    assert kind == "data:image/jpeg;base64"
    np.testing.assert_allclose(decode_image(base64.b64decode(data), "page"), image, atol=3)
    video = tmp_path / "a.mp4"
    video.write_bytes(b"\x00\x01")
    assert video_uri(video) == "data:video/mp4;base64,AAE="


def test_a_moving_picture_is_a_video_and_its_middle_frame(tmp_path: Path) -> None:
    frames = [np.full((18, 34, 3), level, np.uint8) for level in (20, 120, 220)]
    video, picture = moving_picture(frames, 10.0)
    path = tmp_path / "a.mp4"
    path.write_bytes(base64.b64decode(video.split(",")[1]))
    shown = [frame for _, frame in read_video(path)]
    for frame, expected in zip(shown, frames, strict=True):
        np.testing.assert_allclose(frame, expected, atol=6)
    middle = decode_image(base64.b64decode(picture.split(",")[1]), "page")
    np.testing.assert_allclose(middle, frames[1], atol=3)
