"""Measures over the frame index: what drifts in a long video shows here, in constant memory."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from svsdata.records import Image, SemanticMap

MAX_BINS = 256
"""Bins of the frame index; where a video would fill more, they become twice as wide."""

Total = TypeVar("Total")


@dataclass
class Bins(Generic[Total]):
    """Totals by bin of the frame index, at most ``MAX_BINS`` of them, however long a video is."""

    first_width: int
    """Frames of a bin, to begin with."""
    join: Callable[[Total, Total], Total]
    """Adds two totals up."""
    width: int = 0
    """Frames of a bin by now: the first width, or that times 2, 4, 8, ..."""
    totals: dict[int, Total] = field(default_factory=dict)
    """By number of the bin; those without a frame are missing."""
    last: int = 0
    """The largest frame index taken in."""

    def __post_init__(self) -> None:
        self.width = self.width or self.first_width

    def add(self, index: int, total: Total) -> None:
        """Add a total to that of the bin of a frame index."""
        while index // self.width >= MAX_BINS:
            self._widen()
        place = index // self.width
        known = self.totals.get(place)
        self.totals[place] = total if known is None else self.join(known, total)
        self.last = max(self.last, index)

    def merge(self, other: "Bins[Total]") -> None:
        """Take in what another one has taken in, of any frames.

        Raises:
            ValueError: If the first widths differ.
        """
        if other.first_width != self.first_width:
            raise ValueError(f"bins of {self.first_width} and {other.first_width} frames")
        for first, total in other.in_order():  # the last of wide bins makes these as wide
            self.add(first, total)
        self.last = max(self.last, other.last)

    def in_order(self) -> list[tuple[int, Total]]:
        """Return (first index of a bin, its total), in order."""
        return [(place * self.width, self.totals[place]) for place in sorted(self.totals)]

    def _widen(self) -> None:
        narrow = self.in_order()
        self.width *= 2
        self.totals = {}
        for first, total in narrow:
            self.add(first, total)


def _added(one: tuple[float, int], other: tuple[float, int]) -> tuple[float, int]:
    return one[0] + other[0], one[1] + other[1]


@dataclass
class Curve:
    """Means of a figure in bins of the frame index."""

    bin_frames: int
    """Frames of a bin; beyond ``MAX_BINS`` of them twice as many, and so on."""
    _bins: Bins[tuple[float, int]] = field(init=False)
    """Sum and number of the figures."""

    def __post_init__(self) -> None:
        self._bins = Bins(self.bin_frames, _added)

    def add(self, index: int, value: float, count: int = 1) -> None:
        """Take in the figure of a frame, or of several of its bin; what is not finite is not."""
        if np.isfinite(value):
            self._bins.add(index, (value * count, count))

    def merge(self, other: "Curve") -> None:
        """Take in what another one has taken in, of any frames.

        Raises:
            ValueError: If the bins were asked to be of other widths.
        """
        self._bins.merge(other._bins)

    @property
    def count(self) -> int:
        """Frames taken in."""
        return sum(count for _, count in self._bins.totals.values())

    @property
    def mean(self) -> float:
        """Mean over all frames; NaN without any."""
        total = sum(total for total, _ in self._bins.totals.values())
        return total / self.count if self.count else float("nan")

    @property
    def bins(self) -> tuple[int, int]:
        """Frames of a bin by now, and the largest frame index taken in, where the last bin ends."""
        return self._bins.width, self._bins.last

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Return all of it but the width asked for, to be kept."""
        totals = self._bins.totals
        return {
            "bins": np.array(self.bins, np.int64),
            "places": np.array(list(totals), np.int64),
            "sums": np.array([total for total, _ in totals.values()], np.float64),
            "counts": np.array([count for _, count in totals.values()], np.int64),
        }

    @classmethod
    def from_arrays(cls, bin_frames: int, arrays: Mapping[str, NDArray[Any]]) -> "Curve":
        """Return what ``to_arrays`` was called of, equal bit for bit."""
        curve = cls(bin_frames)
        totals = zip(arrays["sums"].tolist(), arrays["counts"].tolist(), strict=True)
        curve._bins.totals = dict(zip(arrays["places"].tolist(), totals, strict=True))
        curve._bins.width, curve._bins.last = arrays["bins"].tolist()
        return curve

    def points(self) -> list[tuple[int, float]]:
        """Return (first index of a bin, mean over it), in order."""
        return [(first, total / count) for first, (total, count) in self._bins.in_order()]


# Columns of what a bin holds of each class
_FRAMES, _PIXELS, _LEVELS, _SPREAD = 0, 1, slice(2, 5), 5


class ClassColors:
    """Colours of each class, over the frame index and over all frames.

    How far frames are from the usual colours can be told only when those are known, after all
    frames were seen. What a bin of frames holds until then is, of each class, the mean of its
    colours and their spread about it, from which the root mean square of their distances to any
    other colour follows.
    """

    def __init__(self, num_classes: int, bin_frames: int) -> None:
        self._num_classes = num_classes
        self._bins: Bins[NDArray[np.float64]] = Bins(bin_frames, _joined)
        # (K, 6): frames that show a class, its pixels, sums of their red, green and blue, and the
        # sum over frames of pixels times the squared distance of its mean colour to that of all

    def add(self, index: int, image: Image, semantic: SemanticMap) -> None:
        """Take in the frame of an index in its sequence."""
        pixels_and_levels = _by_class(image, semantic, self._num_classes)
        seen = pixels_and_levels[:, :1] > 0
        self._bins.add(index, np.hstack([seen, pixels_and_levels, np.zeros(seen.shape)]))

    def merge(self, other: "ClassColors") -> None:
        """Take in what another one has taken in, of any frames.

        Raises:
            ValueError: If the numbers of classes, or the widths of bins asked for, differ.
        """
        if other._num_classes != self._num_classes:
            raise ValueError(f"colours of {self._num_classes} and {other._num_classes} classes")
        self._bins.merge(other._bins)

    def usual(self) -> NDArray[np.float64]:
        """Return the (K, 3) mean colour of each class over all frames; NaN of one never seen."""
        total = sum(self._bins.totals.values(), np.zeros((self._num_classes, 6)))
        return _mean_levels(total)

    def distances(self, usual: NDArray[np.float64]) -> Curve:
        """Return how far frames are from usual colours, over the frame index.

        Of a class: the root mean square, over the frames of a bin by their pixels, of the distance
        of its mean colour in a frame to its usual one, in levels of 0..255. Of a bin: the mean of
        that over the pixels of known classes; it counts as many frames as show one of them.

        Args:
            usual: (K, 3) usual colours of the classes; NaN of an unknown one.
        """
        curve = Curve(self._bins.first_width)
        curve._bins.width = self._bins.width
        is_known = np.isfinite(usual[:, 0])
        for first, held in self._bins.in_order():
            counted = is_known & (held[:, _PIXELS] > 0)
            known, pixels = held[counted], held[counted, _PIXELS]
            if len(known):
                off = np.square(_mean_levels(known) - usual[counted]).sum(axis=1)
                apart = np.sqrt(off + known[:, _SPREAD] / pixels)
                frames = int(known[:, _FRAMES].max())
                curve.add(first, float(np.average(apart, weights=pixels)), frames)
        curve._bins.last = self._bins.last
        return curve

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Return all of it but the number of classes and the width asked for, to be kept."""
        totals = self._bins.totals
        shape = (-1, self._num_classes, 6)
        return {
            "bins": np.array([self._bins.width, self._bins.last], np.int64),
            "places": np.array(list(totals), np.int64),
            "totals": np.array(list(totals.values()), np.float64).reshape(shape),
        }

    @classmethod
    def from_arrays(
        cls, num_classes: int, bin_frames: int, arrays: Mapping[str, NDArray[Any]]
    ) -> "ClassColors":
        """Return what ``to_arrays`` was called of, equal bit for bit."""
        colors = cls(num_classes, bin_frames)
        colors._bins.totals = dict(zip(arrays["places"].tolist(), arrays["totals"], strict=True))
        colors._bins.width, colors._bins.last = arrays["bins"].tolist()
        return colors


def _joined(one: NDArray[np.float64], other: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return what two sets of frames hold together (Chan et al. 1979)."""
    joined = one + other
    both = (one[:, _PIXELS] > 0) & (other[:, _PIXELS] > 0)
    apart = np.square(_mean_levels(one[both]) - _mean_levels(other[both])).sum(axis=1)
    shares = one[both, _PIXELS] * other[both, _PIXELS] / joined[both, _PIXELS]
    joined[both, _SPREAD] += shares * apart
    return joined


def _mean_levels(held: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return (K, 3) mean colours; NaN of a class without pixels."""
    with np.errstate(invalid="ignore"):
        means: NDArray[np.float64] = held[:, _LEVELS] / held[:, _PIXELS, None]
    return means


def _by_class(image: Image, semantic: SemanticMap, num_classes: int) -> NDArray[np.float64]:
    """Return (K, 4): pixels of each class, and sums of their red, green and blue levels."""
    labels = semantic.ravel().astype(np.intp)  # as bincount takes them, which is called four times
    sums = [
        np.bincount(labels, image[..., channel].ravel(), minlength=num_classes)
        for channel in range(3)
    ]
    return np.stack([np.bincount(labels, minlength=num_classes), *sums], axis=1)
