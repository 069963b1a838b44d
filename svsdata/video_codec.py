"""Video files in and out through PyAV: any decodable file in, H.264 MP4 out."""

from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Literal

import av
import numpy as np

from svsdata.errors import ExportError, SourceError
from svsdata.records import Image

_TELL_LENGTH = {"matroska", "mp4", "flv"}
"""Containers with a length in their header; FFmpeg tells others' from what is there."""


@dataclass(frozen=True)
class VideoInfo:
    """What a video file says of itself."""

    size_hw: tuple[int, int]
    """Height and width as shown, turned where the file says so."""
    fps: float
    num_frames: int | None
    """As its header says; None where it does not. Cut files hold fewer."""
    has_times: bool = True
    """Whether frames say when they are shown; of a raw stream the rate is all there is."""


def video_info(path: Path) -> VideoInfo:
    """Read the header and the first frame of a video file.

    Raises:
        SourceError: If the file cannot be opened, has no video stream or no readable frame.
    """
    with _opened(path) as container:
        stream = container.streams.video[0]
        rate = _rate(stream)
        if not rate or not stream.width:
            raise SourceError(f"{path}: no video frames; the header names neither size nor rate")
        num_frames, has_times = stream.frames or None, _has_times(stream)
    with closing(read_video(path)) as frames:
        for _, image in frames:
            size_hw = (image.shape[0], image.shape[1])
            return VideoInfo(size_hw, rate, num_frames, has_times=has_times)
    raise SourceError(f"{path}: no video frames; the stream is empty")


def read_video(path: Path, *, start: int = 0) -> Generator[tuple[int, Image]]:
    """Decode a video's frames in the order they are shown, turned as players show them.

    Frames before ``start`` are decoded, which later ones depend on, but not converted.

    Yields:
        Time since the first frame in microseconds, and the picture as (H, W, 3) uint8 RGB.

    Raises:
        SourceError: If the file cannot be opened, is damaged, or is to be shown at a slant; behind
            the last frame, if there should be more.
    """
    with _opened(path) as container:
        stream = container.streams.video[0]
        stream.thread_type = "AUTO"
        first_s: float | None = None
        frames = _decoded(container, stream)
        index = 0
        while True:
            try:
                frame = next(frames, None)
            except av.FFmpegError as error:
                raise SourceError(
                    f"{path}: frame {index} cannot be decoded ({error.strerror}); "
                    "the file is cut or damaged, repair it or cut it there"
                ) from error
            if frame is None:
                return
            seconds = frame.time if frame.time is not None else index / _rate(stream)
            first_s = seconds if first_s is None else first_s
            if index >= start:
                yield round((seconds - first_s) * 1e6), _upright(frame, path)
            index += 1


def _decoded(
    container: "av.container.InputContainer", stream: av.VideoStream
) -> Iterator[av.VideoFrame]:
    """Yield a stream's frames.

    Raises:
        SourceError: Behind the last, if the file ends long before its header says.
    """
    end_s, shown_s, longest_s = 0.0, 0.0, 0.0
    for packet in container.demux():  # sound may go on behind the pictures
        if packet.pts is not None and packet.time_base is not None:
            end_s = max(end_s, float((packet.pts + (packet.duration or 0)) * packet.time_base))
        if packet.stream.index != stream.index:
            continue
        for frame in packet.decode():
            if frame.time is not None:
                longest_s, shown_s = max(longest_s, frame.time - shown_s), frame.time
            yield frame
    length_s = _length_s(container, stream)
    end_s -= (container.start_time or 0) / av.time_base
    # Some headers round to seconds, and at a changing rate the last frame may be shown the longest.
    if length_s is not None and end_s < length_s - 0.5 - longest_s:
        raise SourceError(
            f"{container.name}: ends after {end_s:.1f} of {length_s:.1f} s; the file is cut, "
            "fetch it again"
        )


def _length_s(container: "av.container.InputContainer", stream: av.VideoStream) -> float | None:
    """Return the seconds that the header tells where it counts no frames, or None."""
    tells = _TELL_LENGTH.intersection(container.format.name.split(","))
    if stream.frames or not tells or container.duration is None:
        return None
    return container.duration / av.time_base


def _upright(frame: av.VideoFrame, path: Path) -> Image:
    """Return the picture as (H, W, 3) uint8 RGB, turned and mirrored as its display matrix says.

    The matrix takes a point (x, y) of the coded picture, y down, to (ax + cy, bx + dy).

    Raises:
        SourceError: If the sides of the shown picture would not be those of the coded one.
    """
    image = frame.to_ndarray(format="rgb24")
    matrix = frame.side_data.get("DISPLAYMATRIX")
    if matrix is None:
        return image
    a, b, _, c, d = np.frombuffer(matrix, np.int32)[:5]
    if (a or d) and (b or c):
        raise SourceError(
            f"{path}: says to show its frames turned by {frame.rotation} degrees; multiples of "
            "90 are possible, turn the video with a video editor"
        )
    if b or c:
        image, a, d = image.swapaxes(0, 1), c, b
    return np.ascontiguousarray(image[:: -1 if d < 0 else 1, :: -1 if a < 0 else 1])


def _has_times(stream: av.VideoStream) -> bool:
    return stream.start_time is not None


def _rate(stream: av.VideoStream) -> float:
    """Return frames a second; FFmpeg's average of a raw stream is 25 whatever its frames say."""
    rates = (stream.average_rate, stream.guessed_rate)
    first, second = rates if _has_times(stream) else reversed(rates)
    return float(first or second or 0)


class VideoWriter:
    """Writes an H.264 MP4 that browsers play: yuv420p, index at the front.

    A context manager; the file is whole once it is left without an exception, and removed else.

    Args:
        path: The file to write.
        size_hw: Height and width of every picture; both even, as yuv420p needs.
        fps: Frames a second.
        quality: libx264's constant rate factor, 0 lossless to 51 worst.
        speed: libx264's preset. ``ultrafast`` takes a fifth of the time, and files of the same
            quality are twice as large.

    Raises:
        ExportError: If a side is odd.
    """

    def __init__(
        self,
        path: Path,
        size_hw: tuple[int, int],
        fps: float,
        *,
        quality: int = 18,
        speed: Literal["veryfast", "ultrafast"] = "veryfast",
    ) -> None:
        if size_hw[0] % 2 or size_hw[1] % 2:
            raise ExportError(
                f"{path}: H.264 needs even sides, got {size_hw[1]}x{size_hw[0]}; resize or crop"
            )
        self._path = path
        self._container = av.open(str(path), "w", format="mp4", options={"movflags": "+faststart"})
        self._stream = self._container.add_stream(
            "libx264", rate=Fraction(fps).limit_denominator(1001)
        )
        self._stream.height, self._stream.width = size_hw
        self._stream.pix_fmt = "yuv420p"
        self._stream.options = {"crf": str(quality), "preset": speed}

    def append(self, image: Image) -> None:
        """Encode one (H, W, 3) uint8 RGB picture."""
        frame = av.VideoFrame.from_ndarray(image, format="rgb24")
        self._container.mux(self._stream.encode(frame))

    def __enter__(self) -> "VideoWriter":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        is_whole = False
        try:
            if kind is None:
                self._container.mux(self._stream.encode(None))
            self._container.close()
            is_whole = kind is None
        finally:
            if not is_whole:
                self._path.unlink(missing_ok=True)


def _opened(path: Path) -> "av.container.InputContainer":
    try:
        container = av.open(str(path))
    except (av.FFmpegError, OSError) as error:
        raise SourceError(
            f"{path}: not a readable video ({error.strerror}); expected a file FFmpeg can decode"
        ) from error
    if not container.streams.video:
        container.close()
        raise SourceError(f"{path}: no video frames; the file has no video stream")
    return container
