import struct
from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from svsdata.errors import ExportError, SourceError
from svsdata.video_codec import VideoWriter, read_video, video_info


def pictures(count: int) -> list[np.ndarray]:
    """Smooth gradients that change from frame to frame; H.264 keeps them within a few levels."""
    ramp = np.linspace(0, 180, 64, dtype=np.float32)
    return [
        np.stack([np.tile(ramp + 5 * t, (48, 1))] * 3, axis=-1).astype(np.uint8)
        for t in range(count)
    ]


def write(path: Path, count: int, fps: float = 17.0) -> None:
    with VideoWriter(path, (48, 64), fps) as video:
        for picture in pictures(count):
            video.append(picture)


def test_a_written_video_reads_back_in_order_with_its_times(tmp_path: Path):
    write(tmp_path / "a.mp4", 7)
    info = video_info(tmp_path / "a.mp4")
    assert (info.size_hw, info.num_frames) == ((48, 64), 7)
    assert info.fps == pytest.approx(17.0)
    read = list(read_video(tmp_path / "a.mp4"))
    assert [time for time, _ in read] == [round(t * 1e6 / 17) for t in range(7)]
    for (_, picture), original in zip(read, pictures(7), strict=True):
        assert np.abs(picture.astype(int) - original).mean() < 3


def test_reading_from_a_frame_on_gives_the_same_frames_and_times(tmp_path: Path):
    write(tmp_path / "a.mp4", 6)
    whole, tail = (
        list(read_video(tmp_path / "a.mp4")),
        list(read_video(tmp_path / "a.mp4", start=4)),
    )
    assert [time for time, _ in tail] == [time for time, _ in whole[4:]]
    np.testing.assert_array_equal(tail[0][1], whole[4][1])
    assert list(read_video(tmp_path / "a.mp4", start=99)) == []


def write_raw(path: Path, count: int, fps: int) -> None:
    """A stream of H.264 without a container: no times, a rate in the encoder's header alone."""
    with av.open(str(path), "w", format="h264") as container:
        stream = container.add_stream("libx264", rate=fps)
        stream.height, stream.width, stream.pix_fmt = 48, 64, "yuv420p"
        for picture in pictures(count):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())


@pytest.mark.parametrize("fps", [10, 17])
def test_a_raw_stream_has_its_encoders_rate_and_no_times(tmp_path: Path, fps: int):
    write_raw(tmp_path / "a.h264", 5, fps)
    info = video_info(tmp_path / "a.h264")
    assert (info.fps, info.has_times) == (fps, False)
    read = [time for time, _ in read_video(tmp_path / "a.h264")]
    assert read == [round(t * 1e6 / fps) for t in range(5)]
    write(tmp_path / "b.mp4", 2)
    assert video_info(tmp_path / "b.mp4").has_times


def test_browsers_can_play_it_while_it_loads(tmp_path: Path):
    write(tmp_path / "a.mp4", 3)
    data = (tmp_path / "a.mp4").read_bytes()
    assert 0 < data.index(b"moov") < data.index(b"mdat")
    with av.open(str(tmp_path / "a.mp4")) as container:
        stream = container.streams.video[0]
        assert (stream.codec_context.name, stream.pix_fmt) == ("h264", "yuv420p")


def test_odd_sides_are_refused_before_anything_is_written(tmp_path: Path):
    with pytest.raises(ExportError, match="even sides, got 64x47"):
        VideoWriter(tmp_path / "a.mp4", (47, 64), 10)
    assert not (tmp_path / "a.mp4").exists()


def test_a_video_left_by_an_exception_does_not_stay(tmp_path: Path):
    def break_off() -> None:
        with VideoWriter(tmp_path / "a.mp4", (48, 64), 10) as video:
            video.append(pictures(1)[0])
            raise RuntimeError

    with pytest.raises(RuntimeError):
        break_off()
    assert not (tmp_path / "a.mp4").exists()


def test_a_video_that_has_no_room_does_not_stay(tmp_path: Path, room_for):
    def write() -> None:
        with VideoWriter(tmp_path / "a.mp4", (48, 64), 10) as video:
            for picture in pictures(40):
                video.append(picture)

    with room_for(500), pytest.raises(OSError, match="too large"):
        write()
    assert list(tmp_path.iterdir()) == []


def test_what_is_no_video_is_one_line(tmp_path: Path):
    (tmp_path / "text.mp4").write_text("no video")
    with pytest.raises(SourceError, match=r"text\.mp4: not a readable video"):
        video_info(tmp_path / "text.mp4")
    with av.open(str(tmp_path / "sound.wav"), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000)
        sound = av.AudioFrame.from_ndarray(np.zeros((1, 80), np.int16), layout="mono")
        sound.sample_rate = 8000
        container.mux(stream.encode(sound))
    with pytest.raises(SourceError, match="no video frames; the file has no video stream"):
        video_info(tmp_path / "sound.wav")
    with pytest.raises(SourceError, match="no video frames"):
        list(read_video(tmp_path / "sound.wav"))


def test_a_cut_video_gives_its_whole_frames_or_one_line(tmp_path: Path):
    write(tmp_path / "a.mp4", 40)
    data = (tmp_path / "a.mp4").read_bytes()
    (tmp_path / "cut.mp4").write_bytes(data[: len(data) * 2 // 3])
    frames, error = [], None
    try:
        for _, picture in read_video(tmp_path / "cut.mp4"):
            frames.append(picture)
    except SourceError as broken:
        error = str(broken)
    assert 0 < len(frames) < 40
    assert error is None or "cannot be decoded" in error


def show_turned(path: Path, a: float, b: float, c: float, d: float) -> None:
    """Rewrite the display matrix of an MP4: (x, y) is shown at (ax + cy, bx + dy), y down."""
    data = bytearray(path.read_bytes())
    start = data.index(b"tkhd") + 44  # version, times, id, length, layer and volume come before
    matrix = [round(it * 2**16) for it in (a, b, 0, c, d)]
    data[start : start + 20] = struct.pack(">5i", *matrix)
    path.write_bytes(data)


@pytest.mark.parametrize(
    ("matrix", "shown"),
    [
        ((1, 0, 0, 1), lambda it: it),
        ((0, 1, -1, 0), lambda it: np.rot90(it, -1)),  # clockwise: a phone held upright
        ((-1, 0, 0, -1), lambda it: np.rot90(it, 2)),
        ((0, -1, 1, 0), np.rot90),
        ((-1, 0, 0, 1), np.fliplr),
        ((1, 0, 0, -1), np.flipud),
        ((0, 1, 1, 0), lambda it: it.swapaxes(0, 1)),
    ],
)
def test_frames_are_turned_and_mirrored_as_players_show_them(tmp_path: Path, matrix, shown):
    write(tmp_path / "a.mp4", 2)
    coded = [picture for _, picture in read_video(tmp_path / "a.mp4")]
    show_turned(tmp_path / "a.mp4", *matrix)
    read = [picture for _, picture in read_video(tmp_path / "a.mp4")]
    np.testing.assert_array_equal(read, [shown(picture) for picture in coded])
    assert video_info(tmp_path / "a.mp4").size_hw == read[0].shape[:2]


def test_frames_shown_at_a_slant_are_refused(tmp_path: Path):
    write(tmp_path / "a.mp4", 2)
    show_turned(tmp_path / "a.mp4", 0.6, 0.8, -0.8, 0.6)
    for read in (video_info, lambda path: list(read_video(path))):
        with pytest.raises(SourceError, match=r"a\.mp4: says to show its frames turned by -53 "):
            read(tmp_path / "a.mp4")


def write_mkv(path: Path, times: Iterable[int], sound_s: float = 0) -> None:
    """Frames at given tenths of a second, with B-frames, and sound of so many seconds."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=10, options={"bf": "3"})
        stream.height, stream.width, stream.pix_fmt = 48, 64, "yuv420p"
        sound = container.add_stream("pcm_s16le", rate=8000) if sound_s else None
        for index, time in enumerate(times):
            noise = np.random.default_rng(index).integers(0, 256, (48, 64, 3), np.uint8)
            frame = av.VideoFrame.from_ndarray(noise, format="rgb24")
            frame.pts, frame.time_base = time, Fraction(1, 10)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
        if sound is not None:
            for index in range(round(sound_s * 10)):
                part = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), layout="mono")
                part.sample_rate, part.pts = 8000, index * 800
                container.mux(sound.encode(part))


def tell_length(path: Path, length_ms: float) -> None:
    """Rewrite the length in the header of a Matroska file."""
    data = bytearray(path.read_bytes())
    start = data.index(b"\x44\x89\x88") + 3
    data[start : start + 8] = struct.pack(">d", length_ms)
    path.write_bytes(data)


def test_a_file_that_counts_no_frames_is_cut_where_its_header_tells_more_seconds(tmp_path: Path):
    write_mkv(tmp_path / "a.mkv", range(20))
    assert video_info(tmp_path / "a.mkv").num_frames is None
    data = (tmp_path / "a.mkv").read_bytes()
    (tmp_path / "cut.mkv").write_bytes(data[: len(data) // 2])
    frames: list[tuple[int, np.ndarray]] = []
    with pytest.raises(SourceError, match=r"cut\.mkv: ends after [01]\.\d of 2\.0 s; the file"):
        frames.extend(read_video(tmp_path / "cut.mkv"))
    assert 5 <= len(frames) <= 10


@pytest.mark.parametrize("length_ms", [1900, 2000, 2040, 2100, 2500, 0])
def test_lengths_that_are_rounded_or_a_frame_off_cut_nothing(tmp_path: Path, length_ms: float):
    write_mkv(tmp_path / "a.mkv", range(20))
    tell_length(tmp_path / "a.mkv", length_ms)
    assert len(list(read_video(tmp_path / "a.mkv"))) == 20
    tell_length(tmp_path / "a.mkv", 2700)
    with pytest.raises(SourceError, match=r"ends after 2\.0 of 2\.7 s"):
        list(read_video(tmp_path / "a.mkv"))


def test_a_last_frame_that_is_shown_for_long_and_longer_sound_cut_nothing(tmp_path: Path):
    write_mkv(tmp_path / "a.mkv", [0, 1, 2, 30, 31])
    tell_length(tmp_path / "a.mkv", 3200 + 2900)
    assert len(list(read_video(tmp_path / "a.mkv"))) == 5
    write_mkv(tmp_path / "b.mkv", range(20), sound_s=6)
    assert len(list(read_video(tmp_path / "b.mkv"))) == 20
