"""Labelled frames, and the state of a video, as the generator takes them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from svsdata.nets.svsgan.rollout import LabelMaps, RolloutState, motions
from svsdata.nets.video_generator import Motion, VideoGenerator
from svsdata.records import Frame, InstanceMap, SemanticMap
from svsdata.synthesis.continuing import continued
from svsdata.synthesis.correspondence import Correspondence
from svsdata.synthesis.given_motion import given_motion
from svsdata.synthesis.object_paint import ObjectPaint, Palette
from svsdata.synthesis.rims import Regions
from svsdata.synthesis.video_state import VideoState
from svsdata.tensors import edges

_HIDDEN = 0.7
"""Share that a generator draws anew from which on the frame before counts as not showing a pixel;
those that draw a share of every pixel anew (``forgetting``, ``doubt``) stay far below elsewhere."""


@dataclass(frozen=True)
class NetworkInput:
    """What a generator is told; all on its device."""

    generator: VideoGenerator[Any]
    follows_flow: bool
    """As in ``LongVideo``, like the rest."""
    rim_px: int
    entering_share: float
    palette: Palette

    def paint_of(
        self, first: Frame, *, colour_seed: int | None, shows_itself: bool
    ) -> ObjectPaint | None:
        """Return the colours of the objects of a video, for a generator that sees them.

        Args:
            first: Frame of the video.
            colour_seed: As in ``Take``.
            shows_itself: As ``ObjectPaint.begun_with`` takes it.
        """
        if not self.generator.config.object_colours or first.instance is None:
            return None
        seed = self.palette.seed if colour_seed is None else colour_seed
        return ObjectPaint.begun_with(first, seed, shows_itself=shows_itself)

    def labels(
        self, semantic: SemanticMap, instance: InstanceMap | None, paint: ObjectPaint | None
    ) -> LabelMaps:
        """Return the labels of a frame of a video, with the colours of its objects.

        Raises:
            ValueError: If the generator takes instance borders and there are no instances.
        """
        borders = None
        if self.generator.config.edges:
            if instance is None:
                raise ValueError("the generator takes instance borders, a frame has no instances")
            borders = edges(self._tensor(instance.astype(np.int32))[None])
        colours = None
        if paint is not None and instance is not None:
            colours = self._tensor(paint.over(instance, self.palette))[None]
        return LabelMaps(self._tensor(semantic)[None], borders, colours)

    def sequel(
        self, state: VideoState, frames: Sequence[Frame], spans: Sequence[int]
    ) -> list[LabelMaps]:
        """Return the labels of frames that come after a state, with the motion that they bring.

        Args:
            state: Of the video.
            frames: In order; flow points to the one before.
            spans: Frames of the video from each one before to each, 1 or more. What the generator
                draws anew of every pixel in every frame, it draws at once for all of them; and an
                object may come into view by as much as in all of them.
        """
        ids = [_regions(state.semantic, state.instance)]
        ids += [_regions(semantic_of(frame), frame.instance) for frame in frames]
        known = zip(frames, spans, pairwise(ids), strict=True)
        moved = [self._motion(frame, span, both) for frame, span, both in known]
        return [
            replace(self.labels(semantic_of(frame), frame.instance, state.paint), motion=motion)
            for frame, motion in zip(frames, moved, strict=True)
        ]

    def rollout_state(self, state: VideoState) -> RolloutState:
        """Return where a video stands."""
        return RolloutState(
            self._tensor(state.image)[None],
            self.labels(state.semantic, state.instance, state.paint),
            None if state.earlier is None else self.rollout_state(state.earlier),
        )

    def steps(
        self, state: VideoState, frames: Sequence[Frame], *, chunk: int
    ) -> list[Correspondence]:
        """Tell what each frame shows of the one before: by its flow, or as the generator tells it.

        A flow that is known in part is continued within the labels.

        Args:
            state: Of the video, before the first.
            frames: In order.
            chunk: Frames that the generator is asked for together.
        """
        if self.follows_flow and all(_tells_motion(frame) for frame in frames):
            return [_step_back(frame) for frame in frames]
        before = self.labels(state.semantic, state.instance, state.paint)
        sequel = self.sequel(state, frames, [1] * len(frames))
        told = motions(self.generator, before, sequel, chunk=chunk)
        return [
            Correspondence.one_frame_back(
                np.ascontiguousarray(motion.backward_flow[0].cpu().numpy().transpose(1, 2, 0)),
                (motion.occlusion_mask[0, 0] > _HIDDEN).to(torch.uint8).cpu().numpy(),
            )
            for motion in told
        ]

    def _motion(self, frame: Frame, span: int, ids: tuple[Regions, Regions]) -> Motion | None:
        if not self.follows_flow or frame.flow is None:
            return None
        share = 1 - (1 - self.entering_share) ** span if span > 1 else self.entering_share
        motion = given_motion(frame, *ids, rim_px=self.rim_px, entering_share=share)
        if span > 1:
            motion = motion.drawn_anew(1 - (1 - self.generator.config.forgetting) ** (span - 1))
        return motion.map(lambda maps: maps.to(self._device))

    def _tensor(self, array: NDArray[Any]) -> Tensor:
        return torch.from_numpy(array).to(self._device)

    @property
    def _device(self) -> torch.device:
        return next(self.generator.parameters()).device


def semantic_of(frame: Frame) -> SemanticMap:
    """Return the semantic map of a frame, which must have one."""
    if frame.semantic is None:
        raise ValueError(f"frame {frame.frame_index} has no semantic map")
    return frame.semantic


def _tells_motion(frame: Frame) -> bool:
    if frame.flow is None:
        return False
    return frame.flow_validity is None or bool(frame.flow_validity.any())


def _step_back(frame: Frame) -> Correspondence:
    assert frame.flow is not None
    flow, occlusion, validity = frame.flow, frame.occlusion, frame.flow_validity
    if validity is not None:
        flow = continued(flow, validity == 0, semantic_of(frame))
        occlusion = None if occlusion is None else occlusion & validity
    return Correspondence.one_frame_back(flow, occlusion)


def _regions(semantic: SemanticMap, instance: InstanceMap | None) -> Regions:
    return semantic if instance is None else instance
