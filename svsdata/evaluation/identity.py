"""Whether a tracked object keeps its looks: over time, and after it was out of sight."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from svsdata.evaluation.curves import Curve
from svsdata.records import INSTANCE_BASE, Image, InstanceMap

_LEVELS = 4
"""Levels per colour channel: 64 colours."""
_MIN_PIXELS = 64
"""Smaller views say little about an object's looks."""


@dataclass
class Identity:
    """Distance of an object's colours to those of its first view.

    Colours are a histogram of 64 over the object's pixels; the distance of two is Hellinger's, 0
    for equal and 1 for no colour in common. It needs no weights, and sees a repainted car, not a
    changed number plate. Of each object of the sequence at hand half a kilobyte is kept; a sequence
    has at most ``INSTANCE_BASE`` of a class.
    """

    by_age: Curve
    """Over the frames since the first view."""
    after_occlusion: Curve
    """The first view after at least one frame out of sight, over the frames since the first."""
    _first: dict[tuple[str, int], NDArray[np.float64]] = field(default_factory=dict)
    _seen: dict[tuple[str, int], tuple[int, int]] = field(default_factory=dict)
    """First and latest frame of each object."""

    def add(self, sequence_id: str, index: int, image: Image, instance: InstanceMap) -> None:
        """Take in a frame; those of a sequence come in order, and ids last over it."""
        flat = instance.ravel()
        things = np.flatnonzero(flat >= INSTANCE_BASE)
        colors = (image.reshape(-1, 3)[things] // (256 // _LEVELS)).astype(np.int64)
        codes = (colors[:, 0] * _LEVELS + colors[:, 1]) * _LEVELS + colors[:, 2]
        ids, places = np.unique(flat[things], return_inverse=True)
        bins = _LEVELS**3
        joint = np.bincount(places * bins + codes, minlength=len(ids) * bins).reshape(-1, bins)
        for instance_id, counts in zip(ids.tolist(), joint, strict=True):
            total = counts.sum()
            if total >= _MIN_PIXELS:
                self._view((sequence_id, instance_id), index, np.sqrt(counts / total))

    def merge(self, other: "Identity") -> None:
        """Take in what another one has measured of other sequences.

        Halves of one sequence are none: every view is compared with the object's first one, so the
        later half cannot be measured without the earlier.
        """
        self.by_age.merge(other.by_age)
        self.after_occlusion.merge(other.after_occlusion)
        self._first |= other._first
        self._seen |= other._seen

    def __len__(self) -> int:
        """Objects that are remembered."""
        return len(self._first)

    def forget(self, sequence_id: str) -> None:
        """Let go of a sequence that has ended."""
        for key in [key for key in self._first if key[0] == sequence_id]:
            del self._first[key], self._seen[key]

    def _view(self, key: tuple[str, int], index: int, roots: NDArray[np.float64]) -> None:
        if key not in self._first:
            self._first[key], self._seen[key] = roots, (index, index)
            return
        first, latest = self._seen[key]
        distance = float(np.sqrt(max(0.0, 1.0 - float(roots @ self._first[key]))))
        self.by_age.add(index - first, distance)
        if index > latest + 1:
            self.after_occlusion.add(index - first, distance)
        self._seen[key] = (first, index)
