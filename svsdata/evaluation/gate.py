"""The label gate: do the pictures show what their labels say, pixel by pixel, object by object.

FreeMask's rule (Yang et al. 2023): a pixel is rejected where the segmenter's loss at the written
label exceeds a multiple of that class's mean loss. Here the frames along a pixel's path vote, so
that one hesitation of the segmenter rejects nothing.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from svsdata.estimation.flow_estimators import FlowEstimate
from svsdata.estimation.judging import Judgement
from svsdata.flow import leaves_frame, warp
from svsdata.labels import LabelSet
from svsdata.records import INSTANCE_BASE, Frame, InstanceMap, SemanticMap
from svsdata.store.gate_table import NUM_CODES, ClassTally, GateRow, ObjectView, loss_code

Losses = NDArray[np.float32]
FREEMASK_RATIO = 1.25
"""FreeMask's multiple of the mean loss."""


@dataclass
class PathVote:
    """Votes of the last frames on each pixel, carried along the flow while the label stays.

    The vote is the lower median: it exceeds a threshold exactly where more than half of the
    frames do, whatever the threshold.
    """

    frames: int
    """Frames that vote, the current one included."""
    _earlier: deque[Losses] = field(default_factory=deque)
    """On the grid of the frame before; NaN where a path has ended."""
    _semantic: SemanticMap | None = None

    def add(self, losses: Losses, semantic: SemanticMap, flow: FlowEstimate | None) -> Losses:
        """Take in a frame and return its voted losses.

        Args:
            losses: (H, W); NaN where the judge has no say.
            semantic: (H, W) labels.
            flow: Backward flow to the frame before; None begins anew.
        """
        carried: list[Losses] = []
        if flow is not None and self._semantic is not None:
            ended = self._ended(semantic, flow)
            for earlier in self._earlier:
                moved = warp(earlier, flow.flow, nearest=True)
                moved[ended] = np.nan
                carried.append(moved)
        votes = [losses, *carried]
        self._earlier = deque(votes[: self.frames - 1])
        self._semantic = semantic
        return np.where(np.isnan(losses), np.nan, _lower_median(votes)).astype(np.float32)

    def _ended(self, semantic: SemanticMap, flow: FlowEstimate) -> NDArray[np.bool_]:
        assert self._semantic is not None
        ended = warp(self._semantic, flow.flow, nearest=True) != semantic
        ended |= leaves_frame(flow.flow) == 1
        if flow.validity is not None:
            ended |= flow.validity == 0
        if flow.occlusion is not None:
            ended |= flow.occlusion == 1
        return ended


@dataclass
class SequenceGate:
    """Judges the frames of one sequence in order; memory does not grow with its length."""

    label_set: LabelSet
    vote_frames: int
    first_frame: int = 0
    """The first frame that counts in the tallies; those before are judged alone."""
    _pixels: PathVote = field(init=False)
    _objects: dict[int, deque[tuple[int, float]]] = field(default_factory=dict)
    """By instance id: frame index and disagreement of its last views."""

    def __post_init__(self) -> None:
        size = self.label_set.num_classes
        self._pixels = PathVote(self.vote_frames)
        self._counts = np.zeros((2, size), np.int64)
        self._loss_sums = np.zeros(size)
        self._histograms = np.zeros((size, NUM_CODES), np.int64)

    def add(self, frame: Frame, judgement: Judgement, flow: FlowEstimate | None) -> GateRow:
        """Judge a frame by what a segmenter makes of it."""
        if frame.semantic is None:
            raise ValueError("a frame was read without its labels")
        semantic = frame.semantic
        codes = loss_code(self._pixels.add(judgement.loss, semantic, flow))
        agrees = judgement.semantic == semantic
        if frame.frame_index >= self.first_frame:
            self._count(semantic, judgement.loss, codes, agrees)
        views: tuple[ObjectView, ...] = ()
        if frame.instance is not None:
            known = ~np.isnan(judgement.loss)
            views = tuple(self._views(frame.frame_index, frame.instance, agrees, known))
        return GateRow(frame.frame_index, codes, views)

    def tallies(self) -> dict[str, ClassTally]:
        """Return what was found of each class that occurred, by name."""
        return {
            label.name: ClassTally(
                int(self._counts[0, label.id]),
                int(self._counts[1, label.id]),
                float(self._loss_sums[label.id]),
                tuple(self._histograms[label.id].tolist()),
            )
            for label in self.label_set.labels
            if self._counts[0, label.id]
        }

    def _count(
        self,
        semantic: SemanticMap,
        losses: Losses,
        codes: NDArray[np.uint8],
        agrees: NDArray[np.bool_],
    ) -> None:
        known = ~np.isnan(losses)
        labels, size = semantic[known], self.label_set.num_classes
        self._counts[0] += np.bincount(labels, minlength=size)
        self._counts[1] += np.bincount(labels[agrees[known]], minlength=size)
        self._loss_sums += np.bincount(labels, losses[known], minlength=size)
        joint = np.bincount(
            labels.astype(np.int64) * NUM_CODES + codes[known], minlength=size * NUM_CODES
        )
        self._histograms += joint.reshape(size, NUM_CODES)

    def _views(
        self,
        index: int,
        instance: InstanceMap,
        agrees: NDArray[np.bool_],
        known: NDArray[np.bool_],
    ) -> list[ObjectView]:
        things = known & (instance >= INSTANCE_BASE)
        ids, places = np.unique(instance[things], return_inverse=True)
        pixels = np.bincount(places, minlength=len(ids))
        agreeing = np.bincount(places, agrees[things], minlength=len(ids))
        views = []
        for instance_id, total, seen in zip(
            ids.tolist(), pixels.tolist(), agreeing.tolist(), strict=True
        ):
            votes = self._objects.setdefault(instance_id, deque(maxlen=self.vote_frames))
            votes.append((index, 1 - seen / total))
            recent = sorted(value for at, value in votes if at > index - self.vote_frames)
            voted = 1 - recent[(len(recent) - 1) // 2]
            views.append(ObjectView(instance_id, total, seen / total, voted))
        # An id that is dealt anew after long is another object; its old views are too old to vote.
        gone = [key for key, votes in self._objects.items() if votes[-1][0] <= index - 1000]
        for key in gone:
            del self._objects[key]
        return views


def _lower_median(votes: Sequence[Losses]) -> Losses:
    """Return the median of the values that are no NaN, the lower of the two middle ones."""
    ordered = np.sort(np.stack(votes), axis=0)  # NaN comes last
    middle = (np.count_nonzero(~np.isnan(ordered), axis=0) - 1).clip(0) // 2
    median: Losses = np.take_along_axis(ordered, middle[None], axis=0)[0]
    return median
