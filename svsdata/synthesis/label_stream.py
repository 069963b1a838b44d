"""The labelled frames that a video is made from: read from a store, beyond its end made up.

A street world is rendered on; what a recording goes on to show is told from its last frames.
"""

from collections import abc
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

from svsdata.editing.future import LOOK_BACK, Future
from svsdata.records import EgoMotion, Frame, RgbLevels, Sequence
from svsdata.store.reader import StoreReader, resize_frame
from svsdata.street_world.scene import StreetWorld


@dataclass(frozen=True)
class Drive:
    """How the vehicle drives on where a recording ends; None: as it did in the last frames."""

    speed_mps: float | None = None
    yaw_rate_rps: float | None = None
    """Positive to the left."""


@dataclass(frozen=True)
class LabelStream:
    """The labels of one sequence at the network's size."""

    reader: StoreReader
    sequence: Sequence
    size_hw: tuple[int, int]
    layers: tuple[str, ...] = ("semantic", "instance")
    """Read for every frame."""
    world: StreetWorld | None = None
    """What the sequence was rendered from, if it was."""
    with_reference: bool = True
    """Frame 0 brings its image, whatever ``layers`` says, if the store has pictures."""
    drive_on: Drive | None = None
    """Beyond the end of a recording frames are predicted; None: there are none."""
    object_colours: Mapping[int, RgbLevels] = field(default_factory=dict)
    """Colours that earlier edits of the sequence ask for, by instance id."""

    def frames(self, start: int, stop: int) -> Iterator[Frame]:
        """Yield frames ``start`` to ``stop - 1``, holding one at a time.

        Raises:
            SequenceNotFoundError: If the sequence ends before, and there is neither a world to go
                on with nor are frames predicted.
        """
        for frame in self._frames(start, stop):
            yield replace(frame, object_colours=self.object_colours)

    def _frames(self, start: int, stop: int) -> Iterator[Frame]:
        recorded = self._num_recorded(stop)
        has_pictures = "image" in self.reader.info.modalities
        if start == 0 < stop and self.with_reference and has_pictures:
            yield from self._read(0, 1, ("image", *self.layers))
            start = 1
        yield from self._read(start, min(stop, recorded), self.layers)
        for index in range(max(start, recorded), stop):
            yield self._beyond(index)

    def glance(self, stop: int) -> Iterator[Frame]:
        """Yield what planning needs of frames 0 to ``stop - 1``.

        Recorded frames come with their maps, and their flow, which tells how the camera nods and
        the ego motion where it is not known; a street world's camera does not nod. Frames beyond
        the recorded end come with their ego motion alone.
        """
        recorded = min(stop, self._num_recorded(stop))
        layers = [layer for layer in self.layers if layer in ("semantic", "instance")]
        if self.world is None and "flow" in self.reader.info.modalities:
            layers.append("flow")
        yield from self._read(0, recorded, tuple(layers))
        for index in range(recorded, stop):
            yield Frame(index, self._timestamp_us(index), ego=self._ego_beyond(index))

    def maps(self, wanted: abc.Sequence[int]) -> Iterator[Frame]:
        """Yield those of some frames, by ascending index, that are recorded, with their maps."""
        recorded = [index for index in wanted if index < self.sequence.num_frames]
        layers = tuple(layer for layer in self.layers if layer in ("semantic", "instance"))
        return self.reader.pick(
            self.sequence.sequence_id, recorded, layers=layers, size_hw=self.size_hw
        )

    def _read(self, start: int, stop: int, layers: tuple[str, ...]) -> Iterator[Frame]:
        if start < stop:
            sequence_id, layers = self.sequence.sequence_id, tuple(dict.fromkeys(layers))
            yield from self.reader.read(
                sequence_id, start, stop, layers=layers, size_hw=self.size_hw
            )

    def _num_recorded(self, stop: int) -> int:
        """Return where frames begin to be made up, ``stop`` if none is."""
        return self.sequence.num_frames if self.world or self.drive_on else stop

    def _beyond(self, index: int) -> Frame:
        if self.world is None:
            made = self._future.frame(index - self._last)
        else:
            rendered = self.world.frame(index, image="image" in self.layers)
            in_store = resize_frame(rendered, self.world.camera.size_hw, self.sequence.size_hw)
            made = resize_frame(in_store, self.sequence.size_hw, self.size_hw)
        unasked = {"instance", "flow", "occlusion"} - set(self.layers)
        return replace(
            made,
            timestamp_us=self._timestamp_us(index),
            source=self.sequence.source,
            **dict.fromkeys(unasked),  # type: ignore[arg-type]
        )

    def _ego_beyond(self, index: int) -> EgoMotion:
        if self.world is None:
            return self._future.ego_motion(index - self._last)
        return self.world.ego_motion(index)

    @property
    def _last(self) -> int:
        return self.sequence.num_frames - 1

    @cached_property
    def _future(self) -> Future:
        assert self.drive_on is not None
        kept = [it for it in ("semantic", "instance", "flow") if it in self.reader.info.modalities]
        start = max(0, self._last + 1 - LOOK_BACK)
        return Future.of(
            list(self._read(start, self._last + 1, tuple(kept))),
            sequence_id=self.sequence.sequence_id,
            label_set=self.reader.info.label_set,
            fps=self.sequence.fps,
            speed_mps=self.drive_on.speed_mps,
            yaw_rate_rps=self.drive_on.yaw_rate_rps,
        )

    def _timestamp_us(self, index: int) -> int:
        """Return when a frame beyond the recorded end is shown; streets have no gaps in time."""
        if self.world is None:
            return self._future.timestamp_us(index - self._last)
        return round(index * 1e6 / self.sequence.fps)
