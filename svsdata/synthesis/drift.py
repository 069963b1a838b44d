"""Remedies for slow drift of colours over thousands of generated frames.

All are optional and act on the state between chunks, never inside the network.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from svsdata.records import SemanticMap

_MIN_PIXELS = 256
"""Smaller areas say too little about the colour of their class."""
_GAIN_LIMITS = (0.5, 2.0)


@dataclass(frozen=True)
class ClassColours:
    """What a picture's classes look like."""

    mean: NDArray[np.float32]
    """(K, 3) in [-1, 1]; 0 where the class is absent."""
    deviation: NDArray[np.float32]
    """(K, 3), standard deviation."""
    num_pixels: NDArray[np.int64]
    """(K,)."""


def class_colours(
    image: NDArray[np.float32], semantic: SemanticMap, num_classes: int
) -> ClassColours:
    """Measure colour by class.

    Args:
        image: (3, H, W) in [-1, 1].
        semantic: (H, W) ids below ``num_classes``.
        num_classes: K.
    """
    labels = semantic.ravel()
    num_pixels = np.bincount(labels, minlength=num_classes)
    divisor = np.maximum(num_pixels, 1)[:, None]

    def average(values: NDArray[np.float32]) -> NDArray[np.float64]:
        sums = [np.bincount(labels, channel.ravel(), num_classes) for channel in values]
        return np.stack(sums, axis=1) / divisor

    mean = average(image)
    variance = np.maximum(average(image * image) - mean * mean, 0.0)
    return ClassColours(mean.astype(np.float32), np.sqrt(variance).astype(np.float32), num_pixels)


def pulled_to(
    reference: ClassColours,
    image: NDArray[np.float32],
    semantic: SemanticMap,
    *,
    strength: float,
) -> NDArray[np.float32]:
    """Move each class's mean and deviation a part of the way to the reference's.

    Args:
        reference: Where to; classes with few pixels there or here stay as they are.
        image: (3, H, W) in [-1, 1].
        semantic: (H, W) ids.
        strength: 0 = nothing, 1 = all the way.

    Returns:
        (3, H, W) in [-1, 1].
    """
    now = class_colours(image, semantic, len(reference.num_pixels))
    known = np.minimum(now.num_pixels, reference.num_pixels) >= _MIN_PIXELS
    full_gain = np.clip(reference.deviation / np.maximum(now.deviation, 1e-3), *_GAIN_LIMITS)
    gain = np.where(known[:, None], 1 + strength * (full_gain - 1), 1)
    target = np.where(known[:, None], now.mean + strength * (reference.mean - now.mean), now.mean)
    offset = target - gain * now.mean
    moved = image * gain.T[:, semantic] + offset.T[:, semantic]
    return np.clip(moved, -1, 1).astype(np.float32)
