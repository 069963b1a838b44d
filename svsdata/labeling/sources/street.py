"""The street world as a recording with exact labels: ``street:seed=7,frames=1000``."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

from svsdata.errors import SourceError
from svsdata.labeling.sources.recording import BadFrame
from svsdata.overlap import ahead
from svsdata.records import Camera, Frame
from svsdata.street_world.scene import MIN_FPS, MIN_SIDE_PX, StreetWorld

PREFIX = "street:"

RENDERERS = 2
RENDERED_AHEAD = 6

_KNOWN = "seed, frames, fps, size"


@dataclass(frozen=True)
class StreetRecording:
    """A stretch of one endless street, from its frame 0."""

    seed: int
    num_frames: int
    fps: float
    size_hw: tuple[int, int]
    folders: tuple[str, ...] = ()

    @property
    def sequence_id(self) -> str:
        """``street-`` and the seed."""
        return f"street-{self.seed}"

    @property
    def source(self) -> str:
        """The text that describes this world; its ``frames`` may be left behind."""
        height, width = self.size_hw
        return (
            f"{PREFIX}seed={self.seed},frames={self.num_frames},fps={self.fps:g},"
            f"size={width}x{height}"
        )

    @property
    def camera(self) -> Camera:
        """The world's camera, exact."""
        return self._world().camera

    def frames(self, start: int) -> Iterator[Frame | BadFrame]:
        """Render the frames from ``start`` on, with every layer the world knows."""
        world = self._world()

        def rendered(index: int) -> Frame:
            return replace(world.frame(index), source=self.source)

        return ahead(
            rendered, range(start, self.num_frames), workers=RENDERERS, capacity=RENDERED_AHEAD
        )

    def _world(self) -> StreetWorld:
        return StreetWorld(self.seed, size_hw=self.size_hw, fps=self.fps)


def street_recording(text: str) -> StreetRecording:
    """Read a description such as ``street:seed=7,frames=1000,fps=10,size=512x256``.

    Raises:
        SourceError: Naming the part that cannot be read.
    """
    given: dict[str, str] = {}
    for part in text.removeprefix(PREFIX).split(","):
        key, separator, value = part.partition("=")
        if not separator or key not in _KNOWN.split(", ") or key in given:
            raise SourceError(
                f"'{text}': cannot read '{part}'; expected each of {_KNOWN} at most once, "
                "such as street:seed=7,frames=1000,fps=10,size=512x256"
            )
        given[key] = value
    try:
        width, height = (int(side) for side in given.get("size", "512x256").split("x"))
        recording = StreetRecording(
            seed=int(given.get("seed", "0")),
            num_frames=int(given["frames"]),
            fps=float(given.get("fps", "10")),
            size_hw=(height, width),
        )
    except KeyError as error:
        raise SourceError(f"'{text}': 'frames' is missing; a street has no end") from error
    except ValueError as error:
        raise SourceError(f"'{text}': not a number where one is expected ({error})") from error
    if recording.num_frames < 1:
        raise SourceError(f"'{text}': frames must be positive")
    if min(recording.size_hw) < MIN_SIDE_PX:
        raise SourceError(f"'{text}': size must be at least {MIN_SIDE_PX}x{MIN_SIDE_PX}")
    if not MIN_FPS <= recording.fps < math.inf:
        raise SourceError(f"'{text}': fps must be at least {MIN_FPS}")
    return recording
