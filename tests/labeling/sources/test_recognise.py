import os

import av
import numpy as np
import pytest

from svsdata.errors import SourceError
from svsdata.images import encode_png
from svsdata.labeling.sources.recognise import open_source
from svsdata.video_codec import VideoWriter

PICTURE = np.zeros((32, 64, 3), np.uint8)


def write_video(path, count=2):
    with VideoWriter(path, (32, 64), 10.0) as video:
        for _ in range(count):
            video.append(PICTURE)


def test_each_kind_of_source_is_recognised_and_named(tmp_path):
    assert open_source("street:frames=2").kind == "street world"
    (tmp_path / "clips").mkdir()
    write_video(tmp_path / "clips" / "a.mp4")
    write_video(tmp_path / "clips" / "b.mp4")
    assert open_source(str(tmp_path / "clips" / "a.mp4")).kind == "video file"
    videos = open_source(str(tmp_path / "clips"))
    assert (videos.kind, len(videos.recordings)) == ("folder of videos", 2)
    (tmp_path / "clips" / "._a.mp4").write_bytes(b"what macOS leaves behind")
    assert len(open_source(str(tmp_path / "clips")).recordings) == 2
    assert open_source(str(tmp_path / "clips")).notes == ()
    (tmp_path / "clips" / "1.png").write_bytes(encode_png(PICTURE))
    (note,) = open_source(str(tmp_path / "clips")).notes
    assert "1 pictures beside the videos are left alone, such as 1.png" in note
    (tmp_path / "frames").mkdir()
    (tmp_path / "frames" / "1.png").write_bytes(encode_png(PICTURE))
    assert open_source(str(tmp_path / "frames")).kind == "folder of frames"
    (tmp_path / "city" / "leftImg8bit" / "val" / "ulm").mkdir(parents=True)
    name = "city/leftImg8bit/val/ulm/ulm_000000_000019_leftImg8bit.png"
    (tmp_path / name).write_bytes(encode_png(PICTURE))
    assert open_source(str(tmp_path / "city")).kind == "Cityscapes layout"
    rect = tmp_path / "kitti" / "data_2d_raw" / "drive" / "image_00" / "data_rect"
    rect.mkdir(parents=True)
    (rect / "0000000000.png").write_bytes(encode_png(PICTURE))
    assert open_source(str(tmp_path / "kitti")).kind == "KITTI-360 layout"


def test_a_raw_stream_tells_that_it_brings_no_times(tmp_path):
    with av.open(str(tmp_path / "a.h264"), "w", format="h264") as container:
        stream = container.add_stream("libx264", rate=10)
        stream.height, stream.width, stream.pix_fmt = 32, 64, "yuv420p"
        container.mux(stream.encode(av.VideoFrame.from_ndarray(PICTURE, format="rgb24")))
        container.mux(stream.encode())
    for place in (tmp_path / "a.h264", tmp_path):
        (note,) = open_source(str(place)).notes
        assert "without times" in note
        assert "10 frames/s" in note
        assert open_source(str(place), fps=10.0).notes == ()
    write_video(tmp_path / "b.mp4")
    assert open_source(str(tmp_path / "b.mp4")).notes == ()


def test_an_assumed_frame_rate_is_told_and_a_given_one_is_used(tmp_path):
    (tmp_path / "1.png").write_bytes(encode_png(PICTURE))
    assumed, given = open_source(str(tmp_path)), open_source(str(tmp_path), fps=25.0)
    assert "10 frames/s assumed" in assumed.notes[0]
    assert (assumed.recordings[0].fps, given.recordings[0].fps) == (10.0, 25.0)
    assert given.notes == ()


def test_endings_of_cameras_and_of_windows_are_videos(tmp_path):
    write_video(tmp_path / "a.mp4")
    data = (tmp_path / "a.mp4").read_bytes()  # FFmpeg tells the container from the bytes
    for name in ("dashcam.MTS", "bluray.m2ts", "phone.3gp", "old.wmv", "raw.hevc"):
        (tmp_path / name).write_bytes(data)
    assert len(open_source(str(tmp_path)).recordings) == 6


def test_nothing_there_and_two_sequences_of_one_name_are_errors(tmp_path):
    with pytest.raises(SourceError, match="no such file or folder"):
        open_source(str(tmp_path / "nowhere"))
    for name in ("a b", "a_b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "1.png").write_bytes(encode_png(PICTURE))
    with pytest.raises(SourceError, match="would both be sequence 'a_b'"):
        open_source(str(tmp_path))


def test_a_video_that_is_cut_ends_with_a_bad_frame(tmp_path):
    rng = np.random.default_rng(0)
    with VideoWriter(tmp_path / "a.mp4", (32, 64), 5.0) as video:
        for _ in range(40):
            video.append(rng.integers(0, 255, (32, 64, 3), dtype=np.uint8))
    whole = (tmp_path / "a.mp4").read_bytes()
    (tmp_path / "cut.mp4").write_bytes(whole[: (len(whole) + whole.index(b"mdat")) // 2])
    (recording,) = open_source(str(tmp_path / "cut.mp4")).recordings
    *frames, last = recording.frames(0)
    assert 10 < len(frames) < 30
    assert "cut.mp4" in last.reason
    (whole_recording,) = open_source(str(tmp_path / "a.mp4")).recordings
    assert [frame.source_frame for frame in whole_recording.frames(38)] == [38, 39]


def test_a_cut_video_that_counts_no_frames_ends_with_a_bad_frame(tmp_path):
    with av.open(str(tmp_path / "a.mkv"), "w") as container:
        stream = container.add_stream("libx264", rate=10)
        stream.height, stream.width, stream.pix_fmt = 32, 64, "yuv420p"
        for index in range(20):
            noise = np.random.default_rng(index).integers(0, 255, (32, 64, 3), dtype=np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(noise, format="rgb24")))
        container.mux(stream.encode())
    whole = (tmp_path / "a.mkv").read_bytes()
    (tmp_path / "cut.mkv").write_bytes(whole[: len(whole) // 2])
    (recording,) = open_source(str(tmp_path / "cut.mkv")).recordings
    *frames, last = recording.frames(0)
    assert [frame.source_frame for frame in frames] == list(range(last.source_frame))
    assert 5 <= len(frames) <= 10
    assert "cut.mkv: ends after" in last.reason
    (whole_recording,) = open_source(str(tmp_path / "a.mkv")).recordings
    assert len(list(whole_recording.frames(0))) == 20


def test_a_rate_that_is_known_better_wins_and_a_street_world_has_its_own(tmp_path):
    with VideoWriter(tmp_path / "a.mp4", fps=10, size_hw=(32, 64)) as writer:
        for _ in range(3):
            writer.append(np.zeros((32, 64, 3), np.uint8))
    (recording,) = open_source(str(tmp_path / "a.mp4"), fps=4.0).recordings
    assert recording.fps == 4
    assert [it.timestamp_us for it in recording.frames(0)] == [0, 250_000, 500_000]
    with pytest.raises(SourceError, match="write fps=4 there"):
        open_source("street:seed=1,frames=2", fps=4.0)


@pytest.mark.parametrize("name", [b"stra\xdfe_1.png", b"Fahrt_\xfc/1.png", b"stra\xdfe.mp4"])
def test_names_that_are_no_utf8_are_refused_before_anything_is_read(tmp_path, name):
    path = tmp_path / os.fsdecode(name)
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(encode_png(PICTURE))
    with pytest.raises(SourceError, match=r"\\x(df|fc).*not in UTF-8; rename"):
        open_source(str(tmp_path))


def test_a_video_that_cannot_be_opened_is_left_out_where_bad_ones_may_be(tmp_path):
    write_video(tmp_path / "b.mp4")
    (tmp_path / "a.mp4").write_bytes((tmp_path / "b.mp4").read_bytes()[:200])
    with pytest.raises(SourceError, match=r"a\.mp4: .*--skip-bad leaves such videos out"):
        open_source(str(tmp_path))
    source = open_source(str(tmp_path), skip_bad=True)
    assert [it.sequence_id for it in source.recordings] == ["b"]
    assert any("a.mp4" in note and "left out" in note for note in source.notes)
    (tmp_path / "b.mp4").write_bytes(b"")
    with pytest.raises(SourceError, match="none of 2 videos"):
        open_source(str(tmp_path), skip_bad=True)
