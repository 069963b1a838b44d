from pathlib import Path

import numpy as np
import pytest

from svsdata.errors import SourceError
from svsdata.images import decode_image, encode_jpeg, encode_png
from svsdata.labeling.sources.folder import folder_recordings
from svsdata.labeling.sources.recording import BadFrame, first_size_hw, sequence_id_of
from svsdata.records import Frame


def picture(value: int, size_hw: tuple[int, int] = (6, 10)) -> np.ndarray:
    return np.full((*size_hw, 3), value, np.uint8)


def put(folder: Path, name: str, value: int = 0) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    encode = encode_png if name.endswith(".png") else encode_jpeg
    (folder / name).write_bytes(encode(picture(value)))


def test_frames_come_in_the_order_of_their_numbers_with_the_numbers_as_source_frames(tmp_path):
    for number in (10, 2, 1):
        put(tmp_path / "drive", f"frame_{number}.png", number)
    (recording,) = folder_recordings(tmp_path / "drive", fps=4.0)
    frames = list(recording.frames(0))
    assert [frame.source_frame for frame in frames] == [1, 2, 10]
    assert [frame.image[0, 0, 0] for frame in frames] == [1, 2, 10]
    assert [frame.timestamp_us for frame in frames] == [0, 250_000, 500_000]
    assert (recording.sequence_id, recording.num_frames) == ("drive", 3)
    assert [frame.source_frame for frame in recording.frames(2)] == [10]
    assert list(recording.frames(3)) == []


def test_names_without_increasing_numbers_count_by_position(tmp_path):
    for name in ("b7.png", "a9.png"):
        put(tmp_path, name)
    (recording,) = folder_recordings(tmp_path, fps=10.0)
    assert [frame.source_frame for frame in recording.frames(0)] == [0, 1]


def test_jpeg_bytes_come_along_and_png_bytes_do_not(tmp_path):
    put(tmp_path, "1.jpg", 90)
    put(tmp_path, "2.png", 90)
    (recording,) = folder_recordings(tmp_path, fps=10.0)
    jpeg, png = recording.frames(0)
    assert jpeg.encoded_image.data == (tmp_path / "1.jpg").read_bytes()
    np.testing.assert_array_equal(decode_image(jpeg.encoded_image.data, ""), jpeg.image)
    assert png.encoded_image is None


def test_every_folder_with_pictures_below_is_a_sequence(tmp_path):
    put(tmp_path / "day" / "one", "1.png")
    put(tmp_path / "day" / "two (b)", "1.png")
    recordings = folder_recordings(tmp_path, fps=10.0)
    assert [it.sequence_id for it in recordings] == ["day-one", "day-two_b"]
    assert recordings[1].folders == ("day", "two (b)")


def test_hidden_files_and_folders_are_no_frames(tmp_path):
    for name in ("0001.png", "._0001.png", ".DS_Store"):
        put(tmp_path, name)
    put(tmp_path / ".thumbnails", "0001.png")
    put(tmp_path / ".cache" / "deep", "0001.png")
    (recording,) = folder_recordings(tmp_path, fps=10)
    assert [path.name for path in recording.paths] == ["0001.png"]
    hidden_above = tmp_path / ".cache" / "deep"
    assert folder_recordings(hidden_above, fps=10)[0].num_frames == 1


def test_a_folder_without_frames_tells_what_is_there(tmp_path):
    with pytest.raises(SourceError, match=r"no frames; expected PNG or JPEG .*; found no files$"):
        folder_recordings(tmp_path, fps=10)
    (tmp_path / "front").mkdir()
    for name in ("front/a.MP4", "front/b.mp4", "notes.txt", ".DS_Store"):
        (tmp_path / name).write_bytes(b"")
    told = r"found 2 such as front/a\.MP4, 1 such as notes\.txt$"
    with pytest.raises(SourceError, match=told):
        folder_recordings(tmp_path, fps=10)


def test_no_pictures_and_pictures_at_two_levels_are_one_line(tmp_path):
    with pytest.raises(SourceError, match="no frames; expected PNG or JPEG"):
        folder_recordings(tmp_path, fps=10.0)
    put(tmp_path, "1.png")
    put(tmp_path / "below", "1.png")
    with pytest.raises(SourceError, match="pictures lie both here and in below"):
        folder_recordings(tmp_path, fps=10.0)


def test_a_broken_a_cut_and_a_vanished_picture_are_bad_frames_and_the_rest_is_read(tmp_path):
    for number in range(5):
        put(tmp_path, f"{number}.png", number)
    (recording,) = folder_recordings(tmp_path, fps=10.0)
    whole = (tmp_path / "1.png").read_bytes()
    (tmp_path / "1.png").write_bytes(whole[:-20])
    (tmp_path / "2.png").write_bytes(b"no picture")
    (tmp_path / "3.png").unlink()
    read = list(recording.frames(0))
    assert [type(it) for it in read] == [Frame, BadFrame, BadFrame, BadFrame, Frame]
    reasons = [it.reason for it in read if isinstance(it, BadFrame)]
    for number, reason in enumerate(reasons, 1):
        assert f"{number}.png" in reason
        assert "\n" not in reason


def test_the_first_readable_frame_tells_the_size_and_none_is_an_error(tmp_path):
    put(tmp_path, "1.png")
    put(tmp_path, "2.png")
    (recording,) = folder_recordings(tmp_path, fps=10.0)
    (tmp_path / "1.png").write_bytes(b"broken")
    assert first_size_hw(recording) == (6, 10)
    (tmp_path / "2.png").write_bytes(b"")
    with pytest.raises(SourceError, match=r"no readable frame; .*2\.png"):
        first_size_hw(recording)


@pytest.mark.parametrize(
    ("name", "sequence_id"),
    [
        ("drive 1 (rain)", "drive_1_rain"),
        ("été", "ete"),
        ("Größe", "Groudfe"),
        ("東京", "u6771u4eac"),
        ("_.-", "sequence"),
    ],
)
def test_names_in_any_script_give_ids_that_can_be_told_apart(name, sequence_id):
    assert sequence_id_of(name) == sequence_id
