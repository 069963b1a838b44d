"""The table of objects of a sequence whose instance ids last."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from svsdata.randomness import derived_seed
from svsdata.records import INSTANCE_BASE, InstanceMap, Track

FORGOTTEN_AFTER = 100
"""An id that was not seen for so many frames names another object: long worlds deal ids again."""


class TrackTable:
    """Notes where each instance is seen first and last.

    Args:
        state: What ``state`` gave after the frames before, when a sequence is gone on with.
    """

    def __init__(self, state: Mapping[str, NDArray[np.int64]] | None = None) -> None:
        self._ended: list[tuple[int, int, int]] = []
        self._seen: dict[int, tuple[int, int]] = {}
        if state is not None:
            self._ended = [(int(i), int(a), int(b)) for i, a, b in state["tracks_ended"]]
            self._seen = {int(i): (int(a), int(b)) for i, a, b in state["tracks_seen"]}

    def add(self, instance: InstanceMap, frame_index: int) -> None:
        """Note the objects of a frame; frames come in order."""
        counts = np.bincount(instance.ravel(), minlength=INSTANCE_BASE)
        for found in np.flatnonzero(counts[INSTANCE_BASE:]) + INSTANCE_BASE:
            instance_id = int(found)
            first, last = self._seen.get(instance_id, (frame_index, frame_index))
            if frame_index - last > FORGOTTEN_AFTER:
                self._ended.append((instance_id, first, last))
                first = frame_index
            self._seen[instance_id] = (first, frame_index)

    def state(self) -> dict[str, NDArray[np.int64]]:
        """Return what going on after these frames needs."""
        seen = [(instance_id, *frames) for instance_id, frames in self._seen.items()]
        return {
            "tracks_ended": np.array(self._ended, np.int64).reshape(-1, 3),
            "tracks_seen": np.array(seen, np.int64).reshape(-1, 3),
        }

    def tracks(self, sequence_id: str) -> tuple[Track, ...]:
        """Return the table, by first frame and instance id."""
        seen = [(instance_id, *frames) for instance_id, frames in self._seen.items()]
        return tuple(
            Track(
                instance_id=instance_id,
                label_id=instance_id // INSTANCE_BASE,
                first_frame=first,
                last_frame=last,
                track_id=derived_seed(0, "track", sequence_id, instance_id, first),
            )
            for instance_id, first, last in sorted(
                self._ended + seen, key=lambda track: (track[1], track[0])
            )
        )
