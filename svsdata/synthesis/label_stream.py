"""The labelled frames that a video is made from: read from a store, rendered on beyond its end."""

from collections import abc
from collections.abc import Iterator
from dataclasses import dataclass, replace

from svsdata.records import Frame, Sequence
from svsdata.store.reader import StoreReader, resize_frame
from svsdata.street_world.scene import StreetWorld


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

    def frames(self, start: int, stop: int) -> Iterator[Frame]:
        """Yield frames ``start`` to ``stop - 1``, holding one at a time.

        Raises:
            SequenceNotFoundError: If the sequence ends before and there is no world to go on with.
        """
        recorded = self.sequence.num_frames if self.world else stop
        has_pictures = "image" in self.reader.info.modalities
        if start == 0 < stop and self.with_reference and has_pictures:
            yield from self._read(0, 1, ("image", *self.layers))
            start = 1
        yield from self._read(start, min(stop, recorded), self.layers)
        for index in range(max(start, recorded), stop):
            yield self._rendered(index)

    def glance(self, stop: int) -> Iterator[Frame]:
        """Yield what planning needs of frames 0 to ``stop - 1``.

        Recorded frames come with their maps, and their flow, which tells how the camera nods and
        the ego motion where it is not known; a street world's camera does not nod. Frames beyond
        the recorded end come with their ego motion alone.
        """
        recorded = min(stop, self.sequence.num_frames) if self.world else stop
        layers = [layer for layer in self.layers if layer in ("semantic", "instance")]
        if self.world is None and "flow" in self.reader.info.modalities:
            layers.append("flow")
        yield from self._read(0, recorded, tuple(layers))
        for index in range(recorded, stop):
            assert self.world is not None
            yield Frame(index, self._timestamp_us(index), ego=self.world.ego_motion(index))

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

    def _rendered(self, index: int) -> Frame:
        assert self.world is not None
        rendered = self.world.frame(index, image="image" in self.layers)
        unasked = {"instance", "flow", "occlusion"} - set(self.layers)
        frame = replace(
            rendered,
            timestamp_us=self._timestamp_us(index),
            source=self.sequence.source,
            **dict.fromkeys(unasked),  # type: ignore[arg-type]
        )
        world_hw, store_hw = self.world.camera.size_hw, self.sequence.size_hw
        in_store = resize_frame(frame, world_hw, store_hw)
        return resize_frame(in_store, store_hw, self.size_hw)

    def _timestamp_us(self, index: int) -> int:
        return round(index * 1e6 / self.sequence.fps)
