"""Measures over the frame index: what drifts in a long video shows here."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from svsdata.records import Image, SemanticMap


@dataclass
class Curve:
    """Means of a figure in bins of the frame index; memory grows with the longest video alone."""

    bin_frames: int
    _sums: dict[int, float] = field(default_factory=dict)
    _counts: dict[int, int] = field(default_factory=dict)

    def add(self, index: int, value: float) -> None:
        """Take in the figure of one frame; what is not finite is left out."""
        if not np.isfinite(value):
            return
        place = index // self.bin_frames
        self._sums[place] = self._sums.get(place, 0.0) + value
        self._counts[place] = self._counts.get(place, 0) + 1

    @property
    def count(self) -> int:
        """Frames taken in."""
        return sum(self._counts.values())

    @property
    def mean(self) -> float:
        """Mean over all frames; NaN without any."""
        return sum(self._sums.values()) / self.count if self.count else float("nan")

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Return all of it but the width of its bins, to be kept."""
        return {
            "places": np.array(list(self._sums), np.int64),
            "sums": np.array(list(self._sums.values()), np.float64),
            "counts": np.array(list(self._counts.values()), np.int64),
        }

    @classmethod
    def from_arrays(cls, bin_frames: int, arrays: Mapping[str, NDArray[Any]]) -> "Curve":
        """Return what ``to_arrays`` was called of, equal bit for bit."""
        places = arrays["places"].tolist()
        sums = dict(zip(places, arrays["sums"].tolist(), strict=True))
        return cls(bin_frames, sums, dict(zip(places, arrays["counts"].tolist(), strict=True)))

    def points(self) -> list[tuple[int, float]]:
        """Return (first index of a bin, mean over it), in order."""
        return [
            (place * self.bin_frames, self._sums[place] / self._counts[place])
            for place in sorted(self._sums)
        ]


@dataclass
class ClassColors:
    """Mean colour of each class over many frames."""

    sums: NDArray[np.float64]
    """(K, 3)."""
    counts: NDArray[np.int64]
    """(K,)."""

    @classmethod
    def empty(cls, num_classes: int) -> "ClassColors":
        """Return one that has seen nothing."""
        return cls(np.zeros((num_classes, 3)), np.zeros(num_classes, np.int64))

    def add(self, image: Image, semantic: SemanticMap) -> None:
        """Take in a frame."""
        sums, counts = _by_class(image, semantic, len(self.counts))
        self.sums += sums
        self.counts += counts

    def distance(self, image: Image, semantic: SemanticMap) -> float:
        """Return how far a frame's classes are from their usual colours.

        Returns:
            Mean over the frame's pixels of the distance of their class's mean colour in the frame
            to its usual one, in levels of 0..255; NaN if none of the classes is known.
        """
        sums, counts = _by_class(image, semantic, len(self.counts))
        known = (counts > 0) & (self.counts > 0)
        if not known.any():
            return float("nan")
        now = sums[known] / counts[known, None]
        usual = self.sums[known] / self.counts[known, None]
        distances = np.sqrt(np.square(now - usual).sum(axis=1))
        return float(np.average(distances, weights=counts[known]))


def _by_class(
    image: Image, semantic: SemanticMap, num_classes: int
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    labels = semantic.ravel().astype(np.intp)  # as bincount takes them, which is called four times
    sums = [
        np.bincount(labels, image[..., channel].ravel(), minlength=num_classes)
        for channel in range(3)
    ]
    return np.stack(sums, axis=1), np.bincount(labels, minlength=num_classes)
