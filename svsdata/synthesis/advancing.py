"""Videos that advance together, chunk by chunk, each from its own state."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from svsdata.records import Frame
from svsdata.synthesis.video_state import VideoState


class Take(NamedTuple):
    """A video to draw, or to go on with."""

    frames: Iterable[Frame]
    """In order, from where ``state`` stands."""
    state: VideoState | None = None
    """Where an earlier run stopped, at the end of a chunk; None at the video's beginning."""
    colour_seed: int | None = None
    """Of which objects get which colours of the palette; None: the palette's own."""
    fps: float | None = None
    """Frames a second, by which a guided video goes; None: those of ``Guiding``."""


@dataclass
class RunningVideo:
    """One of the videos that advance together."""

    number: int
    chunks: Iterator[list[Frame]]
    state: VideoState | None
    colour_seed: int | None
    fps: float | None

    @property
    def begun(self) -> VideoState:
        """Where it stands, once it has a reference frame."""
        assert self.state is not None
        return self.state


def check_sizes(due: Iterable[tuple[RunningVideo, list[Frame]]]) -> None:
    """Refuse videos of different sizes in one batch.

    Raises:
        ValueError: Naming the sizes and the videos.
    """
    sizes = {
        (video.number, chunk[0].semantic.shape)
        for video, chunk in due
        if chunk[0].semantic is not None
    }
    if len({shape for _, shape in sizes}) > 1:
        told = ", ".join(f"{width}x{height} (video {n})" for n, (height, width) in sorted(sizes))
        raise ValueError(f"videos drawn in one batch must be of one size, got {told}")
