"""Label maps in, frames out, at any length: the generator run chunk by chunk in flat memory.

Chunks end at multiples of their length, so that a run stopped at a border goes on with the same
bytes. The state between chunks is a value and holds all that the next frame depends on. Several
videos advance together, chunk by chunk, each by its own state.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import chain, islice
from typing import Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from svsdata.nets.svsgan.rollout import LabelMaps, RolloutState, begin, is_cut, rollout
from svsdata.nets.video_generator import Motion, VideoGenerator
from svsdata.records import REPAIRED, Frame, Image, InstanceMap, SemanticMap
from svsdata.synthesis.drift import class_colours, pulled_to
from svsdata.synthesis.entering import entering
from svsdata.synthesis.repair import repaired
from svsdata.synthesis.rims import Regions, look_past_rims
from svsdata.synthesis.video_state import VideoState
from svsdata.tensors import edges, image_to_tensor, tensor_to_image

_RIM_DRAWN_ANEW = 0.5


@dataclass(frozen=True)
class Rendered:
    """One frame of the video."""

    frame: Frame
    """The labelled frame with its image."""
    is_reference: bool
    """The image is the frame's own, not generated."""
    state: VideoState | None
    """After the last frame of a chunk; else None."""


@dataclass
class _Video:
    """One of the videos that advance together."""

    number: int
    chunks: Iterator[list[Frame]]
    state: VideoState | None

    @property
    def begun(self) -> VideoState:
        """Where it stands, once it has a reference frame."""
        assert self.state is not None
        return self.state


_Due: TypeAlias = list[tuple[_Video, list[Frame]]]
"""Videos, and the chunk of each that is generated next."""


@dataclass(frozen=True)
class LongVideo:
    """A generator and how it is run over long videos."""

    generator: VideoGenerator[Any]
    """From ``inference_copy``, on the device to compute on."""
    name: str
    """Goes into ``models["image"]`` of what it draws."""
    chunk_length: int = 4
    """Frames whose label features are computed in one batch."""
    cut_below: float = 0.0
    """Label agreement under which a frame begins a new scene; 0 = never looked at."""
    colour_pull: float = 0.0
    """How far the colours of a chunk's last frame go back to the reference's; 0 = off."""
    follows_flow: bool = False
    """Frames that bring their flow are warped by it; otherwise the generator tells motion from
    labels."""
    begins_with_labels: bool = False
    """The first frame of a scene is drawn from its labels alone, whatever picture it brings."""
    rim_px: int = 0
    """Where flow is followed, what comes out of so wide a rim of an object takes its colour from
    farther inside its own region, and is drawn anew by half; 0 = carried along as it was."""
    entering_share: float = 1.0
    """Where flow is followed, an object at the border of which more than this share is new is drawn
    anew as a whole; 1 = only what is new."""

    def render(self, frames: Iterable[Frame], state: VideoState | None) -> Iterator[Rendered]:
        """Generate the images of a stream of labelled frames.

        Args:
            frames: In order. Frame 0 and, with ``cut_below``, the first frame of every scene
                bring an image, the reference, unless videos begin with labels; where their
                provenance says that labels were edited it is repaired. Images of other frames
                are replaced.
            state: Where an earlier run stopped, at a multiple of ``chunk_length``; None at the
                video's beginning.

        Raises:
            ValueError: If a reference frame has no image.
        """
        return (rendered for _, rendered in self.render_together([(frames, state)], rows=1))

    def render_together(
        self, videos: Iterable[tuple[Iterable[Frame], VideoState | None]], *, rows: int
    ) -> Iterator[tuple[int, Rendered]]:
        """Generate several videos at once, so many in a batch; where one ends the next begins.

        A batch always has so many rows, whichever videos are left: a video that is gone on with
        beside others than before gets the same bytes.

        Args:
            videos: Frames and state of each, as for ``render``; one is taken where there is room.
            rows: Of a batch, 1 or more.

        Yields:
            The number of a video, and its next frame.

        Raises:
            ValueError: If a reference frame has no image, or frames are not of one size.
        """
        upcoming = (
            _Video(number, self._chunks(frames), state)
            for number, (frames, state) in enumerate(videos)
        )
        running: list[_Video] = []
        while True:
            left = (
                (video, chunk)
                for video in chain(running, upcoming)
                for chunk in islice(video.chunks, 1)
            )
            due = list(islice(left, rows))
            if not due:
                return
            running = [video for video, _ in due]
            _check_sizes(due)
            for video, chunk in due:
                if video.state is None or self._is_cut(video.state.semantic, chunk[0]):
                    first, is_reference = chunk.pop(0), not self.begins_with_labels
                    reference = self._reference(first) if is_reference else self._begun(first)
                    video.state = self._state_of(reference)
                    own = None if chunk else video.state
                    yield video.number, Rendered(reference, is_reference, own)
            for alike in self._alike(due):
                yield from self._generated(alike, rows)

    def _alike(self, due: _Due) -> Iterator[_Due]:
        """Group chunks that fit one batch: as long, and motion known of the same frames."""
        groups: dict[tuple[bool, ...], _Due] = {}
        for video, chunk in due:
            known = tuple(self.follows_flow and frame.flow is not None for frame in chunk)
            groups.setdefault(known, []).append((video, chunk))
        return (group for known, group in groups.items() if known)

    def _chunks(self, frames: Iterable[Frame]) -> Iterator[list[Frame]]:
        """Split before cuts and at multiples of the chunk length."""
        chunk: list[Frame] = []
        for frame in frames:
            if chunk and self._is_cut(_semantic(chunk[-1]), frame):
                yield chunk
                chunk = []
            chunk.append(frame)
            if (frame.frame_index + 1) % self.chunk_length == 0:
                yield chunk
                chunk = []
        if chunk:
            yield chunk

    def _is_cut(self, previous: SemanticMap, frame: Frame) -> bool:
        maps = (torch.from_numpy(one)[None] for one in (previous, _semantic(frame)))
        return self.cut_below > 0 and is_cut(*maps, threshold=self.cut_below)

    def _generated(self, alike: _Due, rows: int) -> Iterator[tuple[int, Rendered]]:
        """Generate a chunk of each video in one batch of so many rows."""
        states = [self._rollout_state(video.begun) for video, _ in alike]
        labels = [self._chunk_labels(video.begun, chunk) for video, chunk in alike]
        repeated = range(rows - len(alike))
        seen = self.generator.config.context_frames
        begin = RolloutState.side_by_side([*states, *(states[-1] for _ in repeated)], seen)
        batch = [
            LabelMaps.side_by_side([*maps, *(maps[-1] for _ in repeated)])
            for maps in zip(*labels, strict=True)
        ]
        outputs = rollout(self.generator, begin, batch, chunk=self.chunk_length)
        for index, output in enumerate(outputs):
            for (video, chunk), image in zip(alike, output.image, strict=False):
                frame, last = chunk[index], index == len(chunk) - 1
                if last or seen > 1:
                    video.state = self._state_after(frame, image, video.begun, pull=last)
                drawn = self._drawn(self._moved(frame), tensor_to_image(image))
                state = video.state if last else None
                yield video.number, Rendered(drawn, is_reference=False, state=state)

    def _chunk_labels(self, state: VideoState, chunk: list[Frame]) -> list[LabelMaps]:
        ids = [_regions(state.semantic, state.instance)]
        ids += [_regions(_semantic(frame), frame.instance) for frame in chunk]
        return [
            replace(self._labels(_semantic(frame), frame.instance), motion=self._motion(frame, *at))
            for frame, *at in zip(chunk, ids[:-1], ids[1:], strict=True)
        ]

    def _moved(self, frame: Frame) -> Frame:
        """Return the frame with the name of what told its motion."""
        is_followed = self.follows_flow and frame.flow is not None
        motion = frame.models.get("flow", "store") if is_followed else self.name
        return replace(frame, models={**frame.models, "motion": motion})

    def _rollout_state(self, state: VideoState) -> RolloutState:
        return RolloutState(
            self._tensor(state.image)[None],
            self._labels(state.semantic, state.instance),
            None if state.earlier is None else self._rollout_state(state.earlier),
        )

    def _reference(self, frame: Frame) -> Frame:
        """Return the frame with an image that shows its labels, edited ones too."""
        if frame.image is None:
            raise ValueError(f"frame {frame.frame_index} begins a scene and has no image")
        if frame.provenance is None or not frame.provenance.any():
            return frame
        changed = frame.provenance != 0
        image = repaired(
            self.generator, frame.image, _semantic(frame), frame.instance, changed=changed
        )
        provenance = np.where(changed, REPAIRED, frame.provenance).astype(np.uint8)
        return self._drawn(replace(frame, provenance=provenance), image)

    def _begun(self, frame: Frame) -> Frame:
        """Return the frame with an image that labels alone decide."""
        drawn = begin(self.generator, self._labels(_semantic(frame), frame.instance))
        return self._drawn(frame, tensor_to_image(drawn.image[0]))

    def _drawn(self, frame: Frame, image: Image) -> Frame:
        models = {**frame.models, "image": self.name}
        return replace(frame, image=image, models=models, is_synthetic=True)

    def _state_of(self, reference: Frame) -> VideoState:
        assert reference.image is not None
        image, semantic = image_to_tensor(reference.image).numpy(), _semantic(reference)
        colours = class_colours(image, semantic, self.generator.config.num_classes)
        return VideoState(image, semantic, reference.instance, colours)

    def _state_after(
        self, frame: Frame, drawn: Tensor, before: VideoState, *, pull: bool
    ) -> VideoState:
        image, semantic, colours = drawn.cpu().numpy(), _semantic(frame), before.colours
        if self.colour_pull and pull:
            image = pulled_to(colours, image, semantic, strength=self.colour_pull)
        sees_two = self.generator.config.context_frames > 1
        earlier = replace(before, earlier=None) if sees_two else None
        return VideoState(image, semantic, frame.instance, colours, earlier)

    def _labels(self, semantic: SemanticMap, instance: InstanceMap | None) -> LabelMaps:
        borders = None
        if self.generator.config.edges:
            if instance is None:
                raise ValueError("the generator takes instance borders, a frame has no instances")
            borders = edges(self._tensor(instance.astype(np.int32))[None])
        return LabelMaps(self._tensor(semantic)[None], borders)

    def _motion(self, frame: Frame, previous_ids: Regions, ids: Regions) -> Motion | None:
        if not self.follows_flow or frame.flow is None:
            return None
        flow, anew = frame.flow, np.zeros(frame.flow.shape[:2], np.float32)
        if self.rim_px:
            flow, came_out = look_past_rims(
                flow, frame.occlusion, previous_ids, ids, width=self.rim_px
            )
            anew += _RIM_DRAWN_ANEW * came_out
        if frame.instance is not None and self.entering_share < 1:
            share = self.entering_share
            anew[entering(frame.instance, frame.flow, frame.occlusion, share=share) != 0] = 1
        validity, occlusion = (
            None if mask is None else self._tensor(mask)[None, None]
            for mask in (frame.flow_validity, frame.occlusion)
        )
        channels_first = np.ascontiguousarray(flow.transpose(2, 0, 1))
        motion = Motion.recorded(self._tensor(channels_first)[None], validity, occlusion)
        return motion.drawn_anew(self._tensor(anew)[None, None]) if anew.any() else motion

    def _tensor(self, array: NDArray[Any]) -> Tensor:
        return torch.from_numpy(array).to(next(self.generator.parameters()).device)


def _check_sizes(due: _Due) -> None:
    sizes = {(video.number, _semantic(chunk[0]).shape) for video, chunk in due}
    if len({shape for _, shape in sizes}) > 1:
        told = ", ".join(f"{width}x{height} (video {n})" for n, (height, width) in sorted(sizes))
        raise ValueError(f"videos drawn in one batch must be of one size, got {told}")


def _regions(semantic: SemanticMap, instance: InstanceMap | None) -> Regions:
    return semantic if instance is None else instance


def _semantic(frame: Frame) -> SemanticMap:
    if frame.semantic is None:
        raise ValueError(f"frame {frame.frame_index} has no semantic map")
    return frame.semantic
