"""Segmenters behind one protocol, and the instance map that fits a semantic map.

Torch-free; the adapter for networks is ``transformers_segmenter``.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from svsdata.labels import LabelSet
from svsdata.records import INSTANCE_BASE, Image, InstanceMap, SemanticMap


@dataclass(frozen=True)
class Labels:
    """What a segmenter says of one frame, in ids of its label set."""

    semantic: SemanticMap
    instance: InstanceMap | None = None
    """None where the segmenter knows no instances; indices hold for this frame alone."""
    confidence: NDArray[np.uint8] | None = None
    """(H, W) uint8, 255 = certain."""


class Segmenter(Protocol):
    """Labels images."""

    @property
    def description(self) -> str:
        """Name, settings and hash of the weights; written into every row."""

    @property
    def has_instances(self) -> bool:
        """Whether labels come with an instance map."""

    def segment(self, images: Sequence[Image]) -> list[Labels]:
        """Label a batch of (H, W, 3) uint8 RGB images of one size."""


def fitting_instances(
    semantic: SemanticMap, segments: NDArray[np.integer], labels: Sequence[int], things: LabelSet
) -> InstanceMap:
    """Give each segment of a thing class an instance id where the semantic map agrees.

    The semantic map wins: a pixel of another class than its segment keeps that class, and a
    thing's pixel without a segment keeps its label id alone, as Cityscapes marks crowds.

    Args:
        semantic: (H, W) ids of ``things``.
        segments: (H, W) integer; 1..N is a segment, 0 none.
        labels: The label id of each segment, in order; segments of stuff are ignored.
        things: The label set, which knows its classes with instances.

    Returns:
        (H, W) uint16, indices from 0 in the order of the segments.
    """
    # Ids by segment and class in one table, which is one pass over the pixels instead of three.
    ids = np.tile(np.arange(256, dtype=np.uint16), (len(labels) + 1, 1))
    used: dict[int, int] = {}
    for segment, label in enumerate(labels, start=1):
        if label in things.thing_ids:
            index = used.get(label, 0)
            used[label] = index + 1
            ids[segment, label] = label * INSTANCE_BASE + index
    place = segments.astype(np.int32)
    place *= 256
    place += semantic
    return ids.ravel().take(place)


def majority_labels(
    semantic: SemanticMap, segments: NDArray[np.integer], num_segments: int
) -> list[int]:
    """Return the most frequent label id under each segment 1..num_segments."""
    inside = segments > 0
    joint = np.bincount(
        segments[inside].astype(np.int64) * 256 + semantic[inside],
        minlength=(num_segments + 1) * 256,
    ).reshape(-1, 256)
    return [int(label) for label in joint[1:].argmax(axis=1)]
