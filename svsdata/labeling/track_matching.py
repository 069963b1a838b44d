"""What instances of one frame have in common with objects carried there from frames before.

N objects, M segments; maps number them from 1, 0 is neither.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import find_objects
from scipy.optimize import linear_sum_assignment

from svsdata.records import INSTANCE_BASE, Frame, InstanceMap

IDS = 2**16

# Outlines of segmenters jitter by a pixel or two at any size, and with the size.
_JITTER_PX = 2.0
_JITTER_SHARE = 0.1


@dataclass(frozen=True)
class Sighting:
    """The instances of one frame beside the objects carried there."""

    ids: NDArray[np.int64]
    """(M,) as the frame numbers them."""
    labels: NDArray[np.int64]
    """(M,) label ids."""
    boxes: NDArray[np.float64]
    """(M, 4) left, top, right, bottom."""
    areas: NDArray[np.float64]
    """(M,) pixels."""
    confidences: NDArray[np.float64]
    """(M,) mean confidence, 1 where the frame has none."""
    shared: NDArray[np.int64]
    """(N + 1, M + 1) pixels of each pair."""

    def overlaps(self) -> NDArray[np.float64]:
        """Return the (N, M) intersection over union of masks."""
        shared = self.shared
        union = shared.sum(1)[1:, None] + shared.sum(0)[None, 1:] - shared[1:, 1:]
        return np.asarray(shared[1:, 1:] / np.maximum(union, 1))


def sighting(frame: Frame, carried: NDArray[np.uint16], num_objects: int) -> Sighting:
    """Measure the instances of a frame.

    Args:
        frame: With an instance map.
        carried: (H, W) the number of the object at each pixel.
        num_objects: How many objects there are; not all of them need be in the map.
    """
    assert frame.instance is not None
    found = np.flatnonzero(np.bincount(frame.instance.ravel(), minlength=IDS))
    found = found[found >= INSTANCE_BASE]
    segments = numbered(frame.instance, found)
    shared = _shared_pixels(carried, segments, num_objects, len(found))
    areas = shared[:, 1:].sum(0).astype(np.float64)
    confidences = np.ones(len(found))
    if frame.confidence is not None:
        total = np.bincount(
            segments.ravel(), frame.confidence.ravel() / 255, minlength=len(found) + 1
        )
        confidences = total[1:] / areas
    slices = find_objects(segments.astype(np.int32))
    boxes = [(x.start, y.start, x.stop, y.stop) for y, x in slices]
    return Sighting(
        ids=found,
        labels=found // INSTANCE_BASE,
        boxes=np.array(boxes, np.float64).reshape(-1, 4),
        areas=areas,
        confidences=confidences,
        shared=shared,
    )


def numbered(instance: InstanceMap, ids: NDArray[np.int64]) -> NDArray[np.uint16]:
    """Return a map of 1..N for the ids, in order, and 0 elsewhere."""
    numbers = np.zeros(IDS, np.uint16)
    numbers[ids] = np.arange(1, len(ids) + 1)
    return numbers.take(instance)


def box_overlaps(first: NDArray[np.float64], second: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the (N, M) intersection over union of (N, 4) boxes with (M, 4) others."""
    low = np.maximum(first[:, None, :2], second[:, :2])
    high = np.minimum(first[:, None, 2:], second[:, 2:])
    shared = np.clip(high - low, 0, None).prod(-1)
    areas = [(boxes[:, 2:] - boxes[:, :2]).prod(-1) for boxes in (first, second)]
    return np.asarray(shared / (areas[0][:, None] + areas[1] - shared))


def grown(boxes: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return boxes with the margin that outlines jitter by, so that small ones meet too."""
    margin = _JITTER_PX + _JITTER_SHARE * (boxes[:, 2:] - boxes[:, :2])
    return np.concatenate([boxes[:, :2] - margin, boxes[:, 2:] + margin], axis=1)


def area_ratios(first: NDArray[np.float64], second: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the (N, M) smaller share of the greater of (N,) areas and (M,) others."""
    return np.asarray(
        np.minimum(first[:, None], second) / np.maximum(np.maximum(first[:, None], second), 1)
    )


def assign(score: NDArray[np.float64], owners: NDArray[np.int64]) -> None:
    """Give segments without an owner one, all at once, so that the scores' sum is greatest.

    Args:
        score: (N, M), 0 where a pair cannot be.
        owners: (M,) the object of each segment or -1; changed in place.
    """
    free = score.copy()
    free[owners[owners >= 0]] = 0.0
    free[:, owners >= 0] = 0.0
    for number, segment in zip(*linear_sum_assignment(-free), strict=True):
        if free[number, segment] > 0:
            owners[segment] = number


def pieces(sighting: Sighting, owners: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Tell which segments without an owner an object, together with its own, fits better.

    Returns:
        (N, M): whether a third of the segment or more lies in the object, and the object's mask
        has more in common with its segment and this one than with its segment alone.
    """
    shared = sighting.shared
    held = np.zeros(len(shared) - 1, np.int64)
    of_segments = np.flatnonzero(owners >= 0)
    held[owners[of_segments]] = of_segments + 1
    objects = np.arange(1, len(shared))
    areas, own = shared.sum(1)[1:], shared[objects, held]
    own_area = shared.sum(0)[held]
    both = own[:, None] + shared[1:, 1:]
    both_union = areas[:, None] + own_area[:, None] + sighting.areas - both
    inside = shared[1:, 1:] / np.maximum(sighting.areas, 1)
    better = (
        both / np.maximum(both_union, 1) > (own / np.maximum(areas + own_area - own, 1))[:, None]
    )
    return np.asarray(better & (inside >= 1 / 3) & (held > 0)[:, None] & (owners < 0))


def _shared_pixels(
    first: NDArray[np.uint16], second: NDArray[np.uint16], num_first: int, num_second: int
) -> NDArray[np.int64]:
    """Count the pixels of each pair of numbers, (num_first + 1, num_second + 1)."""
    size = (num_first + 1) * (num_second + 1)
    either = np.flatnonzero((first | second).ravel())
    joint = first.ravel()[either].astype(np.int64) * (num_second + 1) + second.ravel()[either]
    counts = np.bincount(joint, minlength=size)
    counts[0] = first.size - len(either)
    return counts.reshape(num_first + 1, num_second + 1)
