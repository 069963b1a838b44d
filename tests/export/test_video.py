from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest

from svsdata.errors import ExportError
from svsdata.export.video import VideoExporter, side_by_side
from svsdata.labels import CITYSCAPES
from svsdata.records import Frame, Sequence

ODD_HW = (33, 47)


def frame(index: int, *, is_synthetic: bool = False) -> Frame:
    semantic = np.full(ODD_HW, CITYSCAPES.label("road").id, np.uint8)
    semantic[8:20, 5 : 20 + index] = CITYSCAPES.label("car").id
    instance = np.where(semantic == 26, 26_000, 7).astype(np.uint16)
    image = np.full((*ODD_HW, 3), (200, 60, 30), np.uint8)
    return Frame(
        index,
        index * 100_000,
        image=image,
        semantic=semantic,
        instance=instance,
        is_synthetic=is_synthetic,
        models={"image": "svsgan"} if is_synthetic else {},
    )


def export(folder: Path, *, is_synthetic: bool) -> Path:
    sequence = Sequence("a.b", 5, 10.0, ODD_HW, "made in this test")
    frames = (frame(index, is_synthetic=is_synthetic) for index in range(5))
    record = VideoExporter(folder, CITYSCAPES).write(sequence, frames)
    assert record == {"video": "a.b.mp4"}
    return folder / "a.b.mp4"


def test_the_video_is_what_browsers_play(tmp_path: Path) -> None:
    path = export(tmp_path, is_synthetic=True)
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert stream.codec_context.name == "h264"
        assert stream.codec_context.pix_fmt == "yuv420p"
        assert stream.average_rate == 10
        pictures = [picture.to_ndarray(format="rgb24") for picture in container.decode(stream)]
    assert len(pictures) == 5
    assert pictures[0].shape == (34, 94, 3)
    left = pictures[-1][2:-2, 2:45].reshape(-1, 3).astype(int)
    assert np.abs(left.mean(axis=0) - (200, 60, 30)).max() < 8
    data = path.read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")


def test_only_generated_videos_carry_the_synthetic_mark(tmp_path: Path) -> None:
    mark = b"trainedAlgorithmicMedia"
    assert mark in export(tmp_path / "generated", is_synthetic=True).read_bytes()
    assert mark not in export(tmp_path / "recorded", is_synthetic=False).read_bytes()


def test_labels_lie_over_the_right_half_with_white_borders_between_objects() -> None:
    picture = side_by_side(frame(0), CITYSCAPES)
    width = ODD_HW[1]
    np.testing.assert_array_equal(picture[:, :width], frame(0).image)
    expected = 0.4 * np.array([200, 60, 30]) + 0.6 * np.array(CITYSCAPES.label("road").color)
    assert np.abs(picture[30, width + 2] - expected).max() <= 1
    assert picture[12, width + 5].tolist() == [255, 255, 255]
    assert picture[12, width + 10].tolist() != [255, 255, 255]


def test_a_video_without_instances_still_shows_the_labels() -> None:
    picture = side_by_side(replace(frame(0), instance=None), CITYSCAPES)
    assert not (picture == 255).all(axis=-1).any()


def test_a_stopped_export_leaves_no_file_that_looks_whole(tmp_path: Path) -> None:
    sequence = Sequence("a", 2, 10.0, ODD_HW, "made in this test")
    frames = iter([frame(0), replace(frame(1), semantic=None)])
    with pytest.raises(ExportError, match="frame 1"):
        VideoExporter(tmp_path, CITYSCAPES).write(sequence, frames)
    assert not list(tmp_path.glob("[!.]*.mp4"))
