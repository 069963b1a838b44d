"""Objects that come into view: drawn as a whole, not put together of one strip a frame."""

import numpy as np

from svsdata.flow import leaves_frame
from svsdata.records import INSTANCE_BASE, Flow, InstanceMap, Mask

_LEAST_OF_FRAME = 1 / 400
"""Share of the frame from which on an object is worth it; seams of smaller ones are not seen."""


def entering(instances: InstanceMap, flow: Flow, occlusion: Mask | None, *, share: float) -> Mask:
    """Mark objects at the left, right or lower border that were largely out of view before.

    Args:
        instances: (H, W) at t; ids from ``INSTANCE_BASE`` on are objects.
        flow: (H, W, 2) backward flow.
        occlusion: (H, W), 1 = the previous frame does not show the pixel; None: nowhere.
        share: Of an object's pixels, 0 to 1. It is marked where the previous frame shows less than
            the rest of it.

    Returns:
        (H, W), 1 at all pixels of these objects.
    """
    new = leaves_frame(flow)
    if occlusion is not None:
        new |= occlusion
    at_border = np.concatenate([instances[:, 0], instances[:, -1], instances[-1]])
    candidates = np.unique(at_border[at_border >= INSTANCE_BASE])
    sizes = np.bincount(instances.ravel(), minlength=2**16)[candidates]
    new_px = np.bincount(instances[new != 0], minlength=2**16)[candidates]
    is_marked = np.zeros(2**16, np.uint8)
    is_marked[candidates] = (new_px > share * sizes) & (sizes >= instances.size * _LEAST_OF_FRAME)
    return np.asarray(is_marked[instances], np.uint8)
