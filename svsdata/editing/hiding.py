"""Objects that go behind a house and come out again.

Where a house's foot is hidden it counts as far away, until frames show it. What vanishes in it in
between stands where houses stand, or at an unclear distance.
"""

from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from svsdata.editing.checks import Fault
from svsdata.editing.painting import EditFrame
from svsdata.editing.plan import PlannedEdit
from svsdata.labels import LabelSet
from svsdata.records import Frame

_HOUSE_NAMES = ("building", "wall", "fence")
# Shares of an outline from which on it is seen and up to which it is gone, and of its box that
# shows houses where those hide it.
_SEEN_SHARE, _GONE_SHARE, _HOUSE_SHARE = 0.4, 0.1, 0.5


class Hiding:
    """Looks at planned objects in frames that pass by."""

    def __init__(self, label_set: LabelSet) -> None:
        self._houses = [label.id for label in label_set.labels if label.name in _HOUSE_NAMES]
        self._moments: dict[int, list[tuple[int, bool]]] = defaultdict(list)

    def look(self, drawn: Sequence[tuple[int, EditFrame]], edited: Frame) -> None:
        """Note which objects are seen in a frame, and which are gone behind houses.

        Args:
            drawn: Of the frame, by the number of their rows.
            edited: With a semantic map.
        """
        assert edited.semantic is not None
        for number, event in drawn:
            share = 1 - event.occluded_share
            if share >= _SEEN_SHARE:
                self._moments[number].append((event.frame_index, True))
            elif share <= _GONE_SHARE:
                around = np.isin(edited.semantic[event.box.slices], self._houses)
                if around.mean() > _HOUSE_SHARE:
                    self._moments[number].append((event.frame_index, False))

    def fault(self, number: int, row: PlannedEdit) -> Fault | None:
        """Say where a row's object that was seen is gone and seen again; None where nowhere."""
        moments = self._moments[number]
        seen = [frame for frame, is_seen in moments if is_seen]
        gone = [frame for frame, is_seen in moments if not is_seen]
        gone = [frame for frame in gone if seen and seen[0] < frame < seen[-1]]
        if row.checks.pops_up == "ignore" or not gone:
            return None
        again = next(frame for frame in seen if frame > gone[0])
        note = f"would vanish behind a house at frame {gone[0]} and be back at frame {again}"
        return Fault("POPS_UP", note)
