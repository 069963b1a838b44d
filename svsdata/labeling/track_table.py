"""The table of objects of a sequence whose instance ids last."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from svsdata.randomness import derived_seed
from svsdata.records import INSTANCE_BASE, InstanceMap, Track


class TrackTable:
    """Notes where each instance is seen first and last.

    Args:
        state: What ``state`` gave after the frames before, when a sequence is gone on with.
    """

    def __init__(self, state: Mapping[str, NDArray[np.int64]] | None = None) -> None:
        # Every possible instance id; -1 where it was not seen.
        self._first = np.full(2**16, -1, np.int64)
        self._last = np.full(2**16, -1, np.int64)
        if state is not None:
            self._first[state["track_instances"]] = state["track_firsts"]
            self._last[state["track_instances"]] = state["track_lasts"]

    def add(self, instance: InstanceMap, frame_index: int) -> None:
        """Note the objects of a frame; frames come in order."""
        seen = np.bincount(instance.ravel(), minlength=2**16) > 0
        seen[:INSTANCE_BASE] = False
        self._first[seen & (self._first < 0)] = frame_index
        self._last[seen] = frame_index

    def state(self) -> dict[str, NDArray[np.int64]]:
        """Return what going on after these frames needs."""
        instances = np.flatnonzero(self._first >= 0)
        return {
            "track_instances": instances,
            "track_firsts": self._first[instances],
            "track_lasts": self._last[instances],
        }

    def tracks(self, sequence_id: str) -> tuple[Track, ...]:
        """Return the table, by instance id."""
        return tuple(
            Track(
                instance_id=int(instance),
                label_id=int(instance) // INSTANCE_BASE,
                first_frame=int(self._first[instance]),
                last_frame=int(self._last[instance]),
                track_id=derived_seed(0, "track", sequence_id, int(instance)),
            )
            for instance in np.flatnonzero(self._first >= 0)
        )
