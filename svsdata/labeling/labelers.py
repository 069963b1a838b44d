"""Who labels frames: a network, maps that exist already, or a source that knows.

Maps that exist are in ``precomputed``; flow is in ``flow_labelers``.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

from svsdata.errors import SourceError
from svsdata.estimation.segmenters import Segmenter
from svsdata.records import Frame


class Labeler(Protocol):
    """Fills the label layers of frames."""

    @property
    def layers(self) -> tuple[str, ...]:
        """The layers of ``FRAME_LAYERS`` it fills."""

    @property
    def description(self) -> str:
        """Goes into every row's ``models``."""

    @property
    def batch_size(self) -> int:
        """How many frames it labels at once; 1 where it reads files, so that errors name one."""

    def label(self, frames: Sequence[Frame]) -> list[Frame]:
        """Return the frames with their label layers, and none they had before.

        Raises:
            SourceError: If labels of a frame are missing or cannot be read.
            LabelSetError: If labels are not of the label set.
        """


class NetworkLabels:
    """Labels by a segmenter.

    Args:
        segmenter: What labels.
        batch_size: Frames a batch.
    """

    def __init__(self, segmenter: Segmenter, *, batch_size: int) -> None:
        self._segmenter = segmenter
        self.batch_size = batch_size
        self.description = segmenter.description
        instance = ("instance",) if segmenter.has_instances else ()
        self.layers: tuple[str, ...] = ("semantic", *instance, "confidence")

    def label(self, frames: Sequence[Frame]) -> list[Frame]:
        """See ``Labeler``."""
        images = [frame.image for frame in frames if frame.image is not None]
        return [
            replace(
                frame,
                semantic=labels.semantic,
                instance=labels.instance,
                confidence=labels.confidence,
            )
            for frame, labels in zip(frames, self._segmenter.segment(images), strict=True)
        ]


class ExactLabels:
    """Labels that the source brought along, as the street world does."""

    layers = ("semantic", "instance")
    description = "exact"
    batch_size = 1

    def label(self, frames: Sequence[Frame]) -> list[Frame]:
        """See ``Labeler``."""
        for frame in frames:
            if frame.semantic is None or frame.instance is None:
                raise SourceError(
                    f"{frame.source}: has no exact labels, only the street world does; "
                    "choose the segmenter oneformer or precomputed"
                )
        return list(frames)
