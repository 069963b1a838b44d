"""Which pixels' flow may tell the ego motion."""

from math import isqrt

import cv2
import numpy as np

from svsdata.images import grey_levels
from svsdata.labels import LabelSet
from svsdata.records import Frame, Mask

VOTES = 1000
"""About so many points are kept; three times as many tell the motion no better."""

# Bare asphalt has no texture, where flow is a guess that often says "standing still": on real
# recordings it outvotes the rest. The least eigenvalue of the structure tensor in a window.
_WINDOW_PX = 9
_LEAST_TEXTURE = 5e-5


def ground_votes(frame: Frame, label_set: LabelSet) -> Mask:
    """Return the points of the ground whose flow can be trusted.

    Args:
        frame: With image and semantic map; where it has an occlusion mask, what that rejects is
            left out.
        label_set: Of the semantic map. Roads, sidewalks, parking, rails and terrain are ground.

    Returns:
        (H, W) uint8, 1 = votes; about ``VOTES`` of them, evenly spread.
    """
    assert frame.image is not None
    assert frame.semantic is not None
    is_ground = np.zeros(256, bool)
    is_ground[[*label_set.ground_ids]] = True
    trusted = is_ground.take(frame.semantic)
    rows = np.flatnonzero(trusted.any(axis=1))
    if not len(rows):
        return trusted.astype(np.uint8)
    # Texture is measured from where the ground begins; a window above, so that nothing changes.
    top = max(0, int(rows[0]) - _WINDOW_PX)
    gray = grey_levels(frame.image[top:])
    trusted[top:] &= cv2.cornerMinEigenVal(gray, _WINDOW_PX, ksize=3) > _LEAST_TEXTURE
    if frame.occlusion is not None:
        trusted &= frame.occlusion == 0
    stride = max(1, isqrt(int(np.count_nonzero(trusted)) // VOTES))
    votes = np.zeros(trusted.shape, np.uint8)
    votes[::stride, ::stride] = trusted[::stride, ::stride]
    return votes
