"""A frame between two drawn ones: put together of what both show of it."""

import cv2
import numpy as np
from numpy.typing import NDArray

from svsdata.flow import warp
from svsdata.records import Image, SemanticMap
from svsdata.synthesis.continuing import continued
from svsdata.synthesis.correspondence import Correspondence


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
    return continued(image, unseen_by_both(before[1], after[1]), semantic)


def unseen_by_both(in_before: Correspondence, in_after: Correspondence) -> NDArray[np.bool_]:
    """Mark the pixels that neither shows, (H, W)."""
    return (in_before.shown | in_after.shown) == 0
