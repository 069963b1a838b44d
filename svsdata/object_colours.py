"""The colour of each object: the mean over its pixels in pictures that show it.

An object is what an instance id of a thing stands for. Tables have a row for every id that an
instance map can hold, RGB in [-1, 1] and 1 = told; the rows of what is not told are 0.
"""

from collections.abc import Iterable
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from svsdata.records import INSTANCE_BASE, Image

NUM_IDS = 2**16
"""Ids of an instance map."""

ColourTable: TypeAlias = NDArray[np.float32]
"""(NUM_IDS, 4) float32."""

LEAST_PIXELS = 16
"""Fewer show what lies around an object rather than its colour."""


def mean_colours(
    views: Iterable[tuple[Image, NDArray[np.integer]]], least_pixels: float = LEAST_PIXELS
) -> ColourTable:
    """Measure the colours of the objects of pictures.

    Args:
        views: Pictures (H, W, 3) with their instance maps (H, W); an object's pixels in all of
            them count alike.
        least_pixels: Of an object in all of them; the colours of others are not told.
    """
    counts, sums = np.zeros(NUM_IDS), np.zeros((3, NUM_IDS))
    for image, instance in views:
        is_thing = instance >= INSTANCE_BASE
        ids = instance[is_thing]
        counts += np.bincount(ids, minlength=NUM_IDS)
        for total, levels in zip(sums, image[is_thing].T, strict=True):
            total += np.bincount(ids, weights=levels, minlength=NUM_IDS)
    table = np.zeros((NUM_IDS, 4), np.float32)
    shown = counts >= least_pixels
    table[shown, :3] = (sums[:, shown] / counts[shown]).T / 127.5 - 1
    table[shown, 3] = 1.0
    return table
