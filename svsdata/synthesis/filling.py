"""A frame between two drawn ones: put together of what both show of it."""

import cv2
import numpy as np
from numpy.typing import NDArray

from svsdata.flow import warp
from svsdata.records import Image, SemanticMap
from svsdata.synthesis.correspondence import Correspondence
from svsdata.synthesis.rims import nearest_outside


def filled(
    before: tuple[Image, Correspondence],
    after: tuple[Image, Correspondence],
    semantic: SemanticMap,
    *,
    share: float,
) -> Image:
    """Return the picture of a frame from those of its neighbours.

    Args:
        before: (H, W, 3), and what it shows of the frame.
        after: The same.
        semantic: (H, W) of the frame.
        share: Of the way from one to the other, 0 to 1: where both show a pixel, the nearer one
            counts more. What neither shows is continued from around it, within its label.
    """
    weights = [
        own * shown.shown.astype(np.float32)
        for own, (_, shown) in zip((1 - share, share), (before, after), strict=True)
    ]
    pictures = [warp(picture, shown.flow) for picture, shown in (before, after)]
    blended = cv2.blendLinear(pictures[0], pictures[1], weights[0], weights[1])
    image = np.asarray(blended, np.uint8)
    unseen = unseen_by_both(before[1], after[1])
    if unseen.any():
        _continue_labels(image, unseen, semantic)
    return image


def unseen_by_both(in_before: Correspondence, in_after: Correspondence) -> NDArray[np.bool_]:
    """Mark the pixels that neither shows, (H, W)."""
    return (in_before.shown | in_after.shown) == 0


def _continue_labels(image: Image, unseen: NDArray[np.bool_], semantic: SemanticMap) -> None:
    """Give unseen pixels, in place, the colour next to them of their label, else the nearest."""
    unseen, around = np.pad(unseen, 1), np.pad(~unseen, 1)
    known, labels = around.ravel(), np.pad(semantic, 1).ravel()
    colours = np.pad(image, ((1, 1), (1, 1), (0, 0)))
    flat, width = colours.reshape(-1, 3), unseen.shape[1]
    left = np.flatnonzero(unseen)
    while left.size:
        sources = np.full(len(left), -1)
        for offset in (-width, width, -1, 1):
            beside = left + offset
            is_alike = known[beside] & (labels[beside] == labels[left])
            sources[is_alike] = beside[is_alike]
        is_reached = sources >= 0
        if not is_reached.any():
            break
        flat[left[is_reached]] = flat[sources[is_reached]]
        known[left[is_reached]] = True
        left = left[~is_reached]
    if left.size:
        nearest, _ = nearest_outside((~around).astype(np.uint8), left)
        flat[left] = flat[nearest]
    image[:] = colours[1:-1, 1:-1]
