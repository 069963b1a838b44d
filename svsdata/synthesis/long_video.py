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
from torch import Tensor

from svsdata.geometry.standing_world import empty_world
from svsdata.nets.svsgan.rollout import LabelMaps, RolloutState, begin, is_cut, rollout
from svsdata.nets.video_generator import VideoGenerator
from svsdata.records import REPAIRED, Frame, Image, SemanticMap
from svsdata.synthesis.advancing import RunningVideo, Take, check_sizes
from svsdata.synthesis.drift import class_colours, pulled_to
from svsdata.synthesis.fetching import one_ahead
from svsdata.synthesis.guiding import Guiding, WorldWalk
from svsdata.synthesis.keyframes import Stretch, stretches
from svsdata.synthesis.network_input import NetworkInput, semantic_of
from svsdata.synthesis.object_paint import NO_PALETTE, ObjectPaint, Palette
from svsdata.synthesis.repair import repaired
from svsdata.synthesis.video_state import VideoState
from svsdata.tensors import image_to_tensor, tensor_to_image

_FILLED = "filled between key frames"
"""Added to the name of the generator where a frame is not drawn."""


@dataclass(frozen=True)
class Rendered:
    """One frame of the video."""

    frame: Frame
    """The labelled frame with its image."""
    is_reference: bool
    """The image is the frame's own, not generated."""
    state: VideoState | None
    """After the last frame of a chunk; else None."""


_Due: TypeAlias = list[tuple[RunningVideo, list[Stretch]]]
"""Videos, and what of each is generated next."""


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
    keyframe_interval: int = 1
    """Most frames from one that is drawn to the next; those between are put together of both."""
    unseen_share: float = 1.0
    """A frame between, of which the drawn ones do not show more than this share, is drawn too."""
    palette: Palette = NO_PALETTE
    """Of objects that the reference frame does not show, for a generator that sees colours."""
    guiding: Guiding | None = None
    """Frames are shown what was drawn of the standing world, for a generator that sees guidance;
    then every frame is drawn."""

    @property
    def chunk_frames(self) -> int:
        """Frames of a chunk, drawn or not: the last one is drawn."""
        return self.chunk_length + -self.chunk_length % self.keyframe_interval

    def render(self, frames: Iterable[Frame], state: VideoState | None) -> Iterator[Rendered]:
        """Generate the images of a stream of labelled frames.

        Args:
            frames: In order. Frame 0 and, with ``cut_below``, the first frame of every scene
                bring an image, the reference, unless videos begin with labels; where their
                provenance says that labels were edited it is repaired. Images of other frames
                are replaced.
            state: Where an earlier run stopped, at a multiple of ``chunk_frames``; None at the
                video's beginning.

        Raises:
            ValueError: If a reference frame has no image.
        """
        return (rendered for _, rendered in self.render_together([Take(frames, state)], rows=1))

    def render_together(
        self, videos: Iterable[Take], *, rows: int
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
            RunningVideo(number, self._chunks(take.frames), take.state, take.colour_seed, take.fps)
            for number, take in enumerate(videos)
        )
        running: list[RunningVideo] = []
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
            check_sizes(due)
            for video, chunk in due:
                if video.state is None or self._is_cut(video.state.semantic, chunk[0]):
                    first, is_reference = chunk.pop(0), not self.begins_with_labels
                    seed, shown = video.colour_seed, is_reference
                    paint = self._input.paint_of(first, colour_seed=seed, shows_itself=shown)
                    reference = (self._reference if is_reference else self._begun)(first, paint)
                    video.state = self._state_of(reference, paint)
                    own = None if chunk else video.state
                    yield video.number, Rendered(reference, is_reference, own)
            going_on = [(video, self._stretches(video.begun, chunk)) for video, chunk in due]
            for alike in self._alike(going_on):
                yield from self._generated(alike, rows)

    def _stretches(self, state: VideoState, chunk: list[Frame]) -> list[Stretch]:
        """Tell which frames of a chunk are drawn, and which between them are not."""
        if self.keyframe_interval == 1:
            return [Stretch((frame,)) for frame in chunk]
        chosen = stretches(
            state.semantic,
            chunk,
            self._input.steps(state, chunk, chunk=self.chunk_length),
            interval=self.keyframe_interval,
            unseen_share=self.unseen_share,
        )
        return list(chosen)

    def _alike(self, due: _Due) -> Iterator[_Due]:
        """Group what fits one batch: as many frames to draw, and motion known of the same ones."""
        groups: dict[tuple[bool, ...], _Due] = {}
        for video, chosen in due:
            known = tuple(self.follows_flow and one.leap.flow is not None for one in chosen)
            groups.setdefault(known, []).append((video, chosen))
        return (group for known, group in groups.items() if known)

    def _chunks(self, frames: Iterable[Frame]) -> Iterator[list[Frame]]:
        """Split before cuts and at multiples of the chunk length."""
        chunk: list[Frame] = []
        for frame in frames:
            if chunk and self._is_cut(semantic_of(chunk[-1]), frame):
                yield chunk
                chunk = []
            chunk.append(frame)
            if (frame.frame_index + 1) % self.chunk_frames == 0:
                yield chunk
                chunk = []
        if chunk:
            yield chunk

    def _is_cut(self, previous: SemanticMap, frame: Frame) -> bool:
        maps = (torch.from_numpy(one)[None] for one in (previous, semantic_of(frame)))
        return self.cut_below > 0 and is_cut(*maps, threshold=self.cut_below)

    def _generated(self, alike: _Due, rows: int) -> Iterator[tuple[int, Rendered]]:
        """Generate the key frames of each video in one batch of so many rows, and fill the rest."""
        states = [self._input.rollout_state(video.begun) for video, _ in alike]
        labels = [
            self._input.sequel(
                video.begun, [one.leap for one in chosen], [len(one.frames) for one in chosen]
            )
            for video, chosen in alike
        ]
        walks = [WorldWalk(video.begun.world, self._guiding(video)) for video, _ in alike]
        labels = [
            walk.guided(maps, [one.key for one in chosen])
            for walk, maps, (_, chosen) in zip(walks, labels, alike, strict=True)
        ]
        repeated = range(rows - len(alike))
        seen = self.generator.config.context_frames
        begin = RolloutState.side_by_side([*states, *(states[-1] for _ in repeated)], seen)
        batch = [
            LabelMaps.side_by_side([*maps, *(maps[-1] for _ in repeated)])
            for maps in zip(*labels, strict=True)
        ]
        before = [tensor_to_image(state.image[0]) for state in states]
        outputs = rollout(self.generator, begin, batch, chunk=self.chunk_length)
        for index, (images, fetched) in enumerate(one_ahead(outputs)):
            drawn_rows = zip(alike, images, fetched.pictures(), strict=False)
            for row, ((video, chosen), image, picture) in enumerate(drawn_rows):
                stretch, last = chosen[index], index == len(chosen) - 1
                if last or seen > 1:
                    after = self._state_after(stretch.key, image, video.begun, pull=last)
                    video.state = replace(after, world=walks[row].world)
                earlier, before[row] = before[row], picture
                for frame, shown in stretch.pictures(earlier, picture):
                    is_key = frame is stretch.key
                    name = self.name if is_key else f"{self.name}, {_FILLED}"
                    drawn = _drawn(self._moved(frame), shown, name)
                    state = video.state if last and is_key else None
                    yield video.number, Rendered(drawn, is_reference=False, state=state)

    @property
    def _input(self) -> NetworkInput:
        follows, rim, share = self.follows_flow, self.rim_px, self.entering_share
        return NetworkInput(self.generator, follows, rim, share, self.palette)

    def _guiding(self, video: RunningVideo) -> Guiding | None:
        if self.guiding is None or video.fps is None:
            return self.guiding
        return replace(self.guiding, fps=video.fps)

    def _moved(self, frame: Frame) -> Frame:
        """Return the frame with the name of what told its motion."""
        is_followed = self.follows_flow and frame.flow is not None
        motion = frame.models.get("flow", "store") if is_followed else self.name
        return replace(frame, models={**frame.models, "motion": motion})

    def _reference(self, frame: Frame, paint: ObjectPaint | None) -> Frame:
        """Return the frame with an image that shows its labels, edited ones too."""
        if frame.image is None:
            raise ValueError(f"frame {frame.frame_index} begins a scene and has no image")
        if frame.provenance is None or not frame.provenance.any():
            return frame
        changed = frame.provenance != 0
        labels = self._input.labels(semantic_of(frame), frame.instance, paint)
        image = repaired(self.generator, frame.image, labels, changed=changed)
        provenance = np.where(changed, REPAIRED, frame.provenance).astype(np.uint8)
        return _drawn(replace(frame, provenance=provenance), image, self.name)

    def _begun(self, frame: Frame, paint: ObjectPaint | None) -> Frame:
        """Return the frame with an image that labels alone decide."""
        labels = self._input.labels(semantic_of(frame), frame.instance, paint)
        drawn = begin(self.generator, labels)
        return _drawn(frame, tensor_to_image(drawn.image[0]), self.name)

    def _state_of(self, reference: Frame, paint: ObjectPaint | None) -> VideoState:
        assert reference.image is not None
        image, semantic = image_to_tensor(reference.image).numpy(), semantic_of(reference)
        colours = class_colours(image, semantic, self.generator.config.num_classes)
        world = None if self.guiding is None else empty_world(reference.ego)
        return VideoState(image, semantic, reference.instance, colours, world=world, paint=paint)

    def _state_after(
        self, frame: Frame, drawn: Tensor, before: VideoState, *, pull: bool
    ) -> VideoState:
        image, semantic, colours = drawn.cpu().numpy(), semantic_of(frame), before.colours
        if self.colour_pull and pull:
            image = pulled_to(colours, image, semantic, strength=self.colour_pull)
        if before.paint is not None and frame.instance is not None and pull:
            image = before.paint.held(image, frame.instance)
        sees_two = self.generator.config.context_frames > 1
        earlier = replace(before, earlier=None) if sees_two else None
        return VideoState(image, semantic, frame.instance, colours, earlier, paint=before.paint)


def _drawn(frame: Frame, image: Image, name: str) -> Frame:
    models = {**frame.models, "image": name}
    return replace(frame, image=image, models=models, is_synthetic=True)
