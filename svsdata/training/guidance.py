"""What a clip's frames should repeat of those before: guidance from the recorded colours."""

from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from svsdata.geometry.standing_world import empty_world, look_on, standing_ids
from svsdata.labels import LabelSet
from svsdata.records import Frame


def recorded_guidance(
    frames: Iterable[Frame], label_set: LabelSet, fps: float
) -> Iterator[tuple[Frame, NDArray[np.uint8]]]:
    """Yield each frame with its guidance, of which the first has none.

    Args:
        frames: Neighbours, with image, labels, flow, camera and ego motion.
        label_set: Of their maps.
        fps: Frames a second.

    Yields:
        The frame, and (4, H, W): RGB, and 1 where it is known; 0 elsewhere.
    """
    standing, previous, world = standing_ids(label_set), None, None
    for frame in frames:
        assert frame.image is not None
        channels = np.zeros((4, *frame.image.shape[:2]), np.uint8)
        if world is None or previous is None:
            world = empty_world(frame.ego)
        else:
            world, told = look_on(world, frame, previous, standing=standing, fps=fps)
            channels[:3], channels[3] = told.image.transpose(2, 0, 1), told.mask
        yield frame, channels
        previous = frame.image
