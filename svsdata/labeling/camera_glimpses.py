"""What a few frames of recordings without calibration tell about the camera they share."""

from collections.abc import Callable, Sequence
from itertools import islice

import numpy as np

from svsdata.geometry.self_calibration import HorizonFit, car_boxes, fit_horizon
from svsdata.labeling.labelers import Labeler
from svsdata.labeling.labelled_frames import BadFrames, Chain
from svsdata.labeling.sources.recording import Recording

LOOKED_AT = 600
"""Positions of a recording among which frames are chosen; a video is decoded so far."""


def fit_shared_horizon(
    recordings: Sequence[Recording],
    labeler_of: Callable[[Recording], Labeler],
    chain: Chain,
    bad: BadFrames,
    num_frames: int,
) -> HorizonFit:
    """Label frames spread over recordings and fit the horizon to the cars in all of them.

    Args:
        recordings: One or more of the same camera.
        labeler_of: Labels each recording; where it gives no instances no car is found.
        chain: Whose frame size the fit is for.
        bad: Receives what cannot be read.
        num_frames: How many frames are labelled, about.

    Raises:
        SourceError: If a frame or its labels cannot be read, and ``bad`` may not skip it.
        LabelSetError: If labels are not of the label set.
    """
    chosen = recordings[:: max(1, len(recordings) // num_frames)]
    share = -(-num_frames // len(chosen))
    boxes, moments = [np.zeros((0, 2))], [np.zeros(0, np.int64)]
    seconds: dict[tuple[str, int], int] = {}
    for recording in chosen:
        until = min(recording.num_frames or _counted(recording), LOOKED_AT)
        positions = range(0, until, max(1, until // share))
        for frame in chain.glimpses(recording, labeler_of(recording), bad, positions):
            if frame.semantic is not None and frame.instance is not None:
                boxes.append(car_boxes(frame.semantic, frame.instance, chain.label_set))
                second = recording.sequence_id, frame.timestamp_us // 1_000_000
                moments.append(np.full(len(boxes[-1]), seconds.setdefault(second, len(seconds))))
    return fit_horizon(np.concatenate(boxes), chain.size_hw[0], np.concatenate(moments))


def _counted(recording: Recording) -> int:
    """Count the positions to look at by reading them: the headers of some videos tell no number."""
    return sum(1 for _ in islice(recording.frames(0), LOOKED_AT))
