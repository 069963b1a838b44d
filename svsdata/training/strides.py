"""Frames some way apart: motion told over the frames that are left out between them."""

from collections.abc import Iterable, Iterator
from dataclasses import replace

import numpy as np

from svsdata.flow import leaves_frame, warp
from svsdata.records import Flow, Frame, Mask

_WHOLE = 1 - 1e-3
"""Share of a sample's neighbours that is all of them, up to the rounding of its weights."""


def every(frames: Iterable[Frame], stride: int) -> Iterator[Frame]:
    """Yield the first frame and every ``stride``-th after it.

    Args:
        frames: Neighbours.
        stride: 1 yields all as they are.

    Yields:
        Frames whose flow and occlusion, where they have them, tell of the frame yielded before; of
        the first nothing is told, unless all are yielded.
    """
    last: Frame | None = None
    for index, frame in enumerate(frames):
        begins = (index - 1) % stride == 0
        last = frame if last is None or begins else chained(frame, last)
        if index % stride == 0:
            first_of_some = index == 0 and stride > 1
            yield replace(last, flow=None, occlusion=None) if first_of_some else last


def chained(newer: Frame, older: Frame) -> Frame:
    """Return a frame whose flow and occlusion tell of the frame that those of ``older`` tell of.

    Flow is known where both are known and nothing hides the pixel on its way; a pixel is occluded
    where it was at one of the two.

    Args:
        newer: Tells of ``older``, in flow of (H, W, 2).
        older: Of the same size.
    """
    if newer.flow is None or older.flow is None:
        return replace(newer, flow=None, occlusion=None)
    flow, leaves = newer.flow, leaves_frame(newer.flow)
    known = _known(newer) & (1 - leaves) & (_sampled(_known(older), flow) > _WHOLE)
    occlusion = None
    if newer.occlusion is not None and older.occlusion is not None:
        hidden = _sampled(older.occlusion, flow)
        occlusion = newer.occlusion | (_known(newer) & (leaves | (hidden > 0.5)))
        known &= (hidden < 1 - _WHOLE) | occlusion
    return replace(
        newer, flow=flow + warp(older.flow, flow), flow_validity=known, occlusion=occlusion
    )


def _known(frame: Frame) -> Mask:
    """Return (H, W) uint8: 1 where the frame's flow is known."""
    if frame.flow_validity is not None:
        return frame.flow_validity
    assert frame.flow is not None
    return np.ones(frame.flow.shape[:2], np.uint8)


def _sampled(mask: Mask, flow: Flow) -> Flow:
    """Return (H, W) float32: the share of a mask where the flow points."""
    return warp(mask.astype(np.float32), flow)
