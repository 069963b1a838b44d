"""A video file as one recording."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from svsdata.errors import SourceError
from svsdata.labeling.sources.recording import BadFrame, require_unicode, sequence_id_of
from svsdata.overlap import in_background
from svsdata.records import Camera, Frame
from svsdata.video_codec import read_video, video_info

VIDEO_SUFFIXES = frozenset(
    {
        *(".mp4", ".mkv", ".mov", ".avi", ".webm", ".m4v", ".mpg", ".mpeg", ".ts", ".m2ts", ".mts"),
        *(".wmv", ".flv", ".3gp", ".mjpeg", ".h264", ".264", ".hevc", ".h265", ".265"),
    }
)

DECODED_AHEAD = 6


@dataclass(frozen=True)
class VideoRecording:
    """The frames of one video file."""

    sequence_id: str
    source: str
    fps: float
    num_frames: int | None
    """As the header says."""
    path: Path
    folders: tuple[str, ...] = ()
    corrected: bool = False
    """Whether ``fps`` tells the frames' times instead of the file."""
    camera: Camera | None = None
    has_times: bool = True
    """Whether the file says when its frames are shown, or ``fps`` was given."""

    def frames(self, start: int) -> Iterator[Frame | BadFrame]:
        """Yield the frames from ``start`` on; a broken or cut video ends with a bad frame."""
        return in_background(self._decoded(start), capacity=DECODED_AHEAD)

    def _decoded(self, start: int) -> Iterator[Frame | BadFrame]:
        position = start
        try:
            for timestamp_us, image in read_video(self.path, start=start):
                own_us = round(position * 1e6 / self.fps)
                yield Frame(
                    frame_index=position,
                    timestamp_us=own_us if self.corrected else timestamp_us,
                    image=image,
                    camera=self.camera,
                    source=self.path.name,
                    source_frame=position,
                )
                position += 1
        except SourceError as error:
            yield BadFrame(position, str(error))
            return
        # Headers may count a few frames that are never shown; a cut file lacks more.
        if self.num_frames is not None and position < self.num_frames - self.fps:
            yield BadFrame(
                position,
                f"{self.path}: ends after {position} of {self.num_frames} frames; "
                "the file is cut, fetch it again",
            )


def video_recording(
    path: Path, *, folders: tuple[str, ...] = (), fps: float | None = None
) -> VideoRecording:
    """Open a video file.

    Args:
        path: The file.
        folders: Where maps of its frames lie, if it is one of several videos.
        fps: Rate to take instead of the file's.

    Raises:
        SourceError: If it is no video or has no video stream, or its name is no UTF-8.
    """
    require_unicode(str(path))
    info = video_info(path)
    return VideoRecording(
        sequence_id=sequence_id_of(path.stem),
        source=str(path),
        fps=fps or info.fps,
        num_frames=info.num_frames,
        path=path,
        folders=folders,
        corrected=fps is not None,
        has_times=info.has_times or fps is not None,
    )
