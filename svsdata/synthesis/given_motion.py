"""The motion that a store tells of a frame, as the generator is to follow it."""

import numpy as np
import torch

from svsdata.nets.video_generator import Motion
from svsdata.records import Frame
from svsdata.synthesis.entering import entering
from svsdata.synthesis.rims import Regions, look_past_rims

_RIM_DRAWN_ANEW = 0.5


def given_motion(
    frame: Frame, previous_ids: Regions, ids: Regions, *, rim_px: int, entering_share: float
) -> Motion:
    """Return the motion of a batch of one frame, on the CPU.

    Args:
        frame: With its flow.
        previous_ids: Regions of the frame that the flow points to.
        ids: Of this one.
        rim_px: As in ``LongVideo``.
        entering_share: As in ``LongVideo``.
    """
    assert frame.flow is not None
    flow, anew = frame.flow, np.zeros(frame.flow.shape[:2], np.float32)
    if rim_px:
        flow, came_out = look_past_rims(flow, frame.occlusion, previous_ids, ids, width=rim_px)
        anew += _RIM_DRAWN_ANEW * came_out
    if frame.instance is not None and entering_share < 1:
        entered = entering(frame.instance, frame.flow, frame.occlusion, share=entering_share)
        anew[entered != 0] = 1
    validity, occlusion = (
        None if mask is None else torch.from_numpy(mask)[None, None]
        for mask in (frame.flow_validity, frame.occlusion)
    )
    channels_first = np.ascontiguousarray(flow.transpose(2, 0, 1))
    motion = Motion.recorded(torch.from_numpy(channels_first)[None], validity, occlusion)
    return motion.drawn_anew(torch.from_numpy(anew)[None, None]) if anew.any() else motion
