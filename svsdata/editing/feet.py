"""Where things touch the ground in frames, and whether that is seen."""

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from svsdata.editing.smooth_ways import is_cut
from svsdata.editing.things import RIM_SHARE, Things
from svsdata.records import INSTANCE_BASE, Frame


@dataclass(frozen=True)
class Feet:
    """Of all things of a sequence in order of time; all arrays are (M,)."""

    frame: NDArray[np.int64]
    instance_id: NDArray[np.int64]
    u: NDArray[np.float64]
    v: NDArray[np.float64]
    """Middle of the lowest pixels, and the row below which the ground begins."""
    is_seen: NDArray[np.bool_]
    """Whether the ground lies right below: nothing nearer and no border hides where it stands."""

    @classmethod
    def none(cls) -> "Feet":
        """Return those of frames without things."""
        numbers, whole = np.zeros(0), np.zeros(0, np.int64)
        return cls(whole, whole, numbers, numbers, np.zeros(0, bool))

    @classmethod
    def joined(cls, parts: Sequence["Feet"]) -> "Feet":
        """Put those of several frames behind one another."""
        if not parts:
            return cls.none()
        return cls(*(np.concatenate([getattr(p, f.name) for p in parts]) for f in fields(cls)))

    def at(self, chosen: NDArray[np.bool_] | NDArray[np.intp]) -> "Feet":
        """Return those that are chosen."""
        return Feet(*(getattr(self, f.name)[chosen] for f in fields(self)))


def feet_in(frame: Frame, things: Things, is_flat: NDArray[np.bool_]) -> Feet:
    """Find the feet of the things of one frame.

    Args:
        frame: With semantic and instance map.
        things: Of its instance map.
        is_flat: (256,) which class ids are ground.
    """
    semantic, instance = frame.semantic, frame.instance
    assert semantic is not None
    assert instance is not None
    height, width = semantic.shape
    columns, lowest = np.rint(things.foot).astype(np.intp).T
    class_id = things.instance_id // INSTANCE_BASE
    below = np.minimum(lowest + 1, height - 1)
    for _ in range(round(width * RIM_SHARE)):
        # The same class without an id is the rest of the thing.
        is_rim = instance[below, columns] == class_id
        if not is_rim.any():
            break
        below = np.minimum(below + is_rim, height - 1)
    is_seen = is_flat[semantic[below, columns]] & ~is_cut(things.box, (height, width))
    frames = np.full(len(columns), frame.frame_index, np.int64)
    return Feet(frames, things.instance_id, things.foot[:, 0], below - 0.5, is_seen)
