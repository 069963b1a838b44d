"""The chain from a recording to labelled frames: read, fit, label, flow, ego motion.

Every link runs in threads of its own, a few frames ahead of the next one.
"""

from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any

import numpy as np

from svsdata.errors import SourceError
from svsdata.estimation.ground_alignment import GROUND_ALIGNED, with_ground_aligned
from svsdata.flow import resize_flow
from svsdata.geometry.camera import assumed_camera
from svsdata.geometry.ego_motion import estimate_ego_motion
from svsdata.images import resize_image, resize_map
from svsdata.labeling.flow_labelers import FlowLabeler
from svsdata.labeling.ground_votes import ground_votes
from svsdata.labeling.labelers import Labeler
from svsdata.labeling.sources.recording import BadFrame, Recording
from svsdata.labels import LabelSet
from svsdata.overlap import ahead, in_background
from svsdata.records import Camera, Frame

READ_AHEAD = 4
LABELLED_AHEAD = 4
"""Frames waiting between two links; a bound on memory."""


@dataclass
class BadFrames:
    """Where unreadable frames go."""

    skip: bool
    """False raises the first one instead."""
    reasons: dict[int, str] = field(default_factory=dict)
    """By the frame's number in the source."""

    def take(self, bad: BadFrame) -> None:
        """Note a frame that is left out.

        Raises:
            SourceError: If nothing may be skipped.
        """
        if not self.skip:
            raise SourceError(f"{bad.reason}; --skip-bad leaves such frames out")
        self.reasons[bad.source_frame] = bad.reason


@dataclass(frozen=True)
class Start:
    """Where a run begins: at the first frame, or behind one that was written already."""

    row: int = 0
    """``frame_index`` of the first frame to yield."""
    last_position: int | None = None
    """Position of the frame before, which is read again for the flow."""


@dataclass(frozen=True)
class Chain:
    """What happens to every frame of a run, in order."""

    size_hw: tuple[int, int]
    """Of the store."""
    label_set: LabelSet
    flow: FlowLabeler
    crop_rows: int | None = None
    """Rows kept of every frame, the lower ones; None keeps all."""
    camera: Camera | None = None
    """Of frames that bring none; None assumes Cityscapes'."""
    aligns_ground: bool = False
    """Whether flat ground gets the flow of its plane where that explains the picture."""

    @property
    def flow_description(self) -> str:
        """Who told the flow, and what became of it; goes into every row's ``models``."""
        return self.flow.description + (f", {GROUND_ALIGNED}" if self.aligns_ground else "")

    def labelled_frames(
        self, recording: Recording, labeler: Labeler, bad: BadFrames, start: Start
    ) -> Generator[tuple[int, Frame]]:
        """Yield the frames of a recording as rows of a store, each with its position.

        The bytes of a JPEG source are kept where nothing was resized. Frames without a camera
        get the chain's; ego motion that is not known is estimated from the road's flow. Both are
        flagged.

        Raises:
            SourceError: If a frame cannot be read or has another size than the first, and
                ``bad`` may not skip it.
            LabelSetError: If labels are not of the label set.
        """
        frames = _readable(recording.frames(start.last_position or 0), bad)
        fitted = in_background(self._fitted(frames, bad), capacity=READ_AHEAD)
        resumes = start.last_position is not None
        labelled = _labelled(fitted, labeler, bad, resumes=resumes)
        pairs = _pairs(in_background(labelled, capacity=LABELLED_AHEAD), resumes=resumes)
        finished = ahead(
            lambda pair: self._finished(*pair, labeler),
            pairs,
            workers=self.flow.workers,
            capacity=self.flow.workers + 2,
        )
        rows = finished if resumes else _first_moves_like_second(finished)
        for row, frame in enumerate(rows, start.row):
            yield frame.frame_index, replace(frame, frame_index=row)

    def glimpses(
        self, recording: Recording, labeler: Labeler, bad: BadFrames, positions: range
    ) -> Iterator[Frame]:
        """Yield frames of a recording fitted and labelled, without flow or motion.

        Args:
            recording: Whose.
            labeler: Of the frames.
            bad: Receives what cannot be read.
            positions: Which; all up to the last of them are decoded.

        Raises:
            As ``labelled_frames``.
        """
        frames = islice(recording.frames(0), positions.start, positions.stop, positions.step)
        fitted = self._fitted(_readable(frames, bad), bad)
        yield from _labelled(fitted, labeler, bad, resumes=False)

    def _fitted(self, frames: Iterable[Frame], bad: BadFrames) -> Iterator[Frame]:
        """Crop and resize every frame to the store's size, of the cropped frames' aspect ratio."""
        native_hw: tuple[int, int] | None = None
        for frame in frames:
            assert frame.image is not None
            height, width = frame.image.shape[:2]
            native_hw = native_hw or (height, width)
            if (height, width) == native_hw:
                yield fitted(lower_rows(frame, self.crop_rows or height), self.size_hw)
                continue
            bad.take(
                BadFrame(
                    frame.source_frame or 0,
                    f"{frame.source}: {width}x{height}, the frames before are "
                    f"{native_hw[1]}x{native_hw[0]}",
                )
            )

    def _finished(self, previous: Frame | None, frame: Frame, labeler: Labeler) -> Frame:
        models = {"semantic": labeler.description}
        if previous is None:
            frame = replace(frame, flow=None, flow_validity=None, occlusion=None)
        else:
            frame = self.flow.add(previous, frame)
        camera = frame.camera or self.camera or assumed_camera(self.size_hw)
        if self.flow_description:
            models["flow"] = self.flow_description
        if self.aligns_ground and previous is not None and frame.semantic is not None:
            assert previous.image is not None
            frame = with_ground_aligned(previous.image, frame, camera, self.label_set)
        ego = frame.ego
        if ego is None and previous and frame.flow is not None and frame.semantic is not None:
            # Skipped frames and variable rates make a step longer than 1 / fps.
            steps_per_s = 1e6 / max(1, frame.timestamp_us - previous.timestamp_us)
            ego = estimate_ego_motion(
                frame.flow, ground_votes(frame, self.label_set), camera, steps_per_s
            )
        return replace(frame, camera=camera, ego=ego, models=models)


def lower_rows(frame: Frame, rows: int) -> Frame:
    """Return a recorded frame without its upper rows: image and camera, whose centre moves up.

    The file's own bytes are kept only where all rows are.

    Raises:
        SourceError: If the frame has fewer rows.
    """
    assert frame.image is not None
    height, width = frame.image.shape[:2]
    if rows > height:
        raise SourceError(
            f"{frame.source}: {width}x{height} has no {rows} rows to keep; lower crop_rows"
        )
    if rows == height:
        return frame
    camera = frame.camera
    if camera is not None:
        # Thinned downloads come with the camera of the whole frames.
        intrinsics = camera.resized((height, width)).intrinsics
        intrinsics[1, 2] -= height - rows
        camera = replace(camera, intrinsics=intrinsics, size_hw=(rows, width))
    image = np.ascontiguousarray(frame.image[-rows:])
    return replace(frame, image=image, camera=camera, encoded_image=None)


def fitted(frame: Frame, size_hw: tuple[int, int]) -> Frame:
    """Return a frame of another size with all its layers and its camera.

    Raises:
        SourceError: If the aspect ratio differs by more than a pixel.
    """
    assert frame.image is not None
    height, width = frame.image.shape[:2]
    camera = frame.camera.resized(size_hw) if frame.camera is not None else None
    if (height, width) == size_hw:
        return replace(frame, camera=camera)
    if abs(size_hw[0] * width - size_hw[1] * height) > max(height, width):
        fitting = round(size_hw[1] * height / width)
        raise SourceError(
            f"{frame.source}: {width}x{height} does not fit {size_hw[1]}x{size_hw[0]}, another "
            f"aspect ratio; choose a size such as {size_hw[1]}x{fitting}"
        )
    maps: dict[str, Any] = {
        layer: resize_map(value, size_hw)
        for layer in ("semantic", "instance", "occlusion", "confidence")
        if (value := getattr(frame, layer)) is not None
    }
    return replace(
        frame,
        image=resize_image(frame.image, size_hw),
        flow=None if frame.flow is None else resize_flow(frame.flow, size_hw),
        camera=camera,
        encoded_image=None,
        **maps,
    )


def _readable(frames: Iterator[Frame | BadFrame], bad: BadFrames) -> Iterator[Frame]:
    for frame in frames:
        if isinstance(frame, BadFrame):
            bad.take(frame)
        else:
            yield frame


def _labelled(
    frames: Iterator[Frame], labeler: Labeler, bad: BadFrames, *, resumes: bool
) -> Iterator[Frame]:
    """Label in batches; the frame read again at a resume passes as it is."""
    if resumes:
        yield from (frame for frame in [next(frames, None)] if frame is not None)
    while batch := list(islice(frames, labeler.batch_size)):
        try:
            yield from labeler.label(batch)
        except SourceError as error:
            for frame in batch:
                bad.take(BadFrame(frame.source_frame or 0, str(error)))


def _pairs(frames: Iterator[Frame], *, resumes: bool) -> Iterator[tuple[Frame | None, Frame]]:
    previous = next(frames, None) if resumes else None
    for frame in frames:
        yield previous, frame
        previous = frame


def _first_moves_like_second(frames: Iterator[Frame]) -> Iterator[Frame]:
    """Give the first frame, which has no flow, the ego motion of the second."""
    first, second = next(frames, None), next(frames, None)
    if first is not None and second is not None and first.ego is None:
        first = replace(first, ego=second.ego)
    yield from (frame for frame in (first, second) if frame is not None)
    yield from frames
