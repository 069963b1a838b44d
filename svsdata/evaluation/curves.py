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

    def merge(self, other: "Curve") -> None:
        """Take in what another one has taken in, of any frames.

        Raises:
            ValueError: If the bins differ in width.
        """
        if other.bin_frames != self.bin_frames:
            raise ValueError(f"curves with bins of {self.bin_frames} and {other.bin_frames} frames")
        for place, total in other._sums.items():
            self._sums[place] = self._sums.get(place, 0.0) + total
            self._counts[place] = self._counts.get(place, 0) + other._counts[place]

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


class ClassColors:
    """Colours of each class, frame by frame and over all frames.

    How far a frame is from the usual colours can be told only when those are known, after all
    frames were seen; so what a frame says of its classes is kept, half a kilobyte of a street's.
    """

    def __init__(self, num_classes: int) -> None:
        self._totals = np.zeros((num_classes, 4), np.int64)  # pixels, sums of red, green and blue
        self._frames: list[tuple[int, NDArray[np.unsignedinteger[Any]]]] = []

    @property
    def num_frames(self) -> int:
        """Frames taken in."""
        return len(self._frames)

    def add(self, index: int, image: Image, semantic: SemanticMap) -> None:
        """Take in the frame of an index in its sequence."""
        counted = _by_class(image, semantic, len(self._totals))
        self._totals += counted
        ids = np.flatnonzero(counted[:, 0])
        self._frames.append((index, _compact(np.column_stack([ids, counted[ids]]))))

    def merge(self, other: "ClassColors") -> None:
        """Take in what another one has taken in, of any frames.

        Raises:
            ValueError: If the numbers of classes differ.
        """
        if len(other._totals) != len(self._totals):
            raise ValueError(f"colours of {len(self._totals)} and {len(other._totals)} classes")
        self._totals += other._totals
        self._frames += other._frames

    def usual(self) -> NDArray[np.float64]:
        """Return the (K, 3) mean colour of each class over all frames; NaN of one never seen."""
        with np.errstate(invalid="ignore"):
            means: NDArray[np.float64] = self._totals[:, 1:] / self._totals[:, :1]
        return means

    def distances(self, usual: NDArray[np.float64], bin_frames: int) -> Curve:
        """Return how far frames are from usual colours, over the frame index.

        Of a frame: the mean over its pixels of the distance of their class's mean colour in the
        frame to its usual one, in levels of 0..255; frames without a known class do not count.

        Args:
            usual: (K, 3) usual colours of the classes; NaN of an unknown one.
            bin_frames: Frames of a point of the curve.
        """
        curve, is_known = Curve(bin_frames), np.isfinite(usual[:, 0])
        for index, rows in self._frames:
            known = rows[is_known[rows[:, 0]]].astype(np.float64)
            if len(known):
                now = known[:, 2:] / known[:, 1:2]
                apart = np.sqrt(np.square(now - usual[known[:, 0].astype(np.intp)]).sum(axis=1))
                curve.add(index, float(np.average(apart, weights=known[:, 1])))
        return curve

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Return all of it but the number of classes, to be kept."""
        rows = [rows.astype(np.int64) for _, rows in self._frames]
        return {
            "frames": np.array(
                [(index, len(rows)) for index, rows in self._frames], np.int64
            ).reshape(-1, 2),
            "rows": np.concatenate([np.zeros((0, 5), np.int64), *rows]),
        }

    @classmethod
    def from_arrays(cls, num_classes: int, arrays: Mapping[str, NDArray[Any]]) -> "ClassColors":
        """Return what ``to_arrays`` was called of."""
        colors, frames = cls(num_classes), arrays["frames"]
        parts = np.split(arrays["rows"], np.cumsum(frames[:, 1]))[:-1]
        for index, rows in zip(frames[:, 0].tolist(), parts, strict=True):
            colors._frames.append((index, _compact(rows)))
        np.add.at(colors._totals, arrays["rows"][:, 0], arrays["rows"][:, 1:])
        return colors


def _compact(rows: NDArray[np.int64]) -> NDArray[np.unsignedinteger[Any]]:
    """Return counts in the smallest integers that hold them."""
    return rows.astype(np.min_scalar_type(rows.max(initial=0)))


def _by_class(image: Image, semantic: SemanticMap, num_classes: int) -> NDArray[np.int64]:
    """Return (K, 4): pixels of each class, and sums of their red, green and blue levels."""
    labels = semantic.ravel().astype(np.intp)  # as bincount takes them, which is called four times
    sums = [
        np.bincount(labels, image[..., channel].ravel(), minlength=num_classes)
        for channel in range(3)
    ]
    return np.stack([np.bincount(labels, minlength=num_classes), *sums], axis=1).astype(np.int64)
