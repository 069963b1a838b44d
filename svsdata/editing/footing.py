"""What frames show a planned object to stand on, farther away than planning knows the ground.

There a row of pixels is metres of ground, so that only what clearly stands wrong counts.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from svsdata.editing.checks import FOOTPRINT_SPOTS, GROUND_UNKNOWN, ON_SURFACE_SHARE, Fault
from svsdata.editing.occlusion import Layer, layers_of
from svsdata.editing.placement import turned
from svsdata.editing.plan import EditPlan, PlannedEdit
from svsdata.editing.shapes import OBJECT_KINDS
from svsdata.geometry.camera import project
from svsdata.labels import label_set_by_name
from svsdata.records import Frame, SemanticMap

GROUND_FROM_AFAR = "OFFSURF judged from afar alone: the ground under it is never seen near"
_STANDS_SHARE = 0.5
"""Of the spots of a footprint that a frame shows: fewer on allowed ground are off it."""


@dataclass(frozen=True)
class _Step:
    """What one frame shows under one object."""

    frame_index: int
    share: float
    """Of the spots that are seen, on ground that its class stands on."""
    foreign: str
    """Class that most others show; empty where none do."""


class Footing:
    """Looks under the objects of a plan in frames of the base that pass by."""

    def __init__(self, plan: EditPlan, every: int = 1) -> None:
        """Begin with none seen; look at frames whose index is a multiple of ``every``."""
        self._every = every
        self._plan, self._label_set = plan, label_set_by_name(plan.label_set_name)
        self._is_flat = layers_of(self._label_set) == Layer.FLAT
        self._steps: dict[int, list[_Step]] = defaultdict(list)

    def watch(self, frames: Iterable[Frame]) -> Iterator[Frame]:
        """Pass on the frames that have both maps, and look at them."""
        for frame in frames:
            if frame.semantic is None or frame.instance is None:
                continue
            is_looked_at = frame.frame_index % self._every == 0
            for number, row in enumerate(self._plan.rows if is_looked_at else ()):
                if row.is_live and row.draws and row.checks.off_surface != "ignore":
                    self._look(number, row, frame.frame_index, frame.semantic)
            yield frame

    def fault(self, number: int) -> Fault | None:
        """Say what is wrong under a row's object; None where nothing is, or nothing is seen."""
        steps = self._steps.get(number, [])
        off = [step for step in steps if step.share < _STANDS_SHARE]
        if len(steps) - len(off) >= ON_SURFACE_SHARE * len(steps):
            return None
        worst = min(off, key=lambda step: step.share)
        note = f"{1 - worst.share:.0%} of it would stand on {worst.foreign}"
        return Fault("OFFSURF", f"{note}, as frame {worst.frame_index} shows")

    def noted(self, number: int, row: PlannedEdit) -> PlannedEdit:
        """Correct the note of a row's object under which frames show ground after all."""
        if number not in self._steps:
            return row
        return replace(row, note=row.note.replace(GROUND_UNKNOWN, GROUND_FROM_AFAR))

    def _look(self, number: int, row: PlannedEdit, index: int, semantic: SemanticMap) -> None:
        if not (row.first_frame <= index <= row.last_frame and row.is_drawn(index)):
            return
        labels = self._labels_under(row, index, semantic)
        if 2 * len(labels) < len(FOOTPRINT_SPOTS):
            return
        names = row.checks.surfaces or OBJECT_KINDS[row.class_name].surfaces
        known = self._label_set.by_name
        stands = np.isin(labels, [known[name].id for name in names if name in known])
        foreign = labels[~stands]
        most = int(np.bincount(foreign).argmax()) if len(foreign) else None
        name = "" if most is None else self._label_set.labels[most].name
        self._steps[number].append(_Step(index, float(stands.mean()), name))

    def _labels_under(
        self, row: PlannedEdit, index: int, semantic: SemanticMap
    ) -> NDArray[np.uint8]:
        """(S,) labels of the ground at those spots of a footprint that a frame shows."""
        x, y, heading = row.poses[index - row.first_frame]
        spots = FOOTPRINT_SPOTS * row.size_m[:2]
        places = np.zeros((len(spots), 3))
        places[:, :2] = turned(spots, np.full(len(spots), heading))
        places[:, :2] += np.array([x, y])
        u, v, depth = project(self._plan.camera_at(index), places).T
        height, width = semantic.shape
        seen = (depth > 0.5) & (np.abs(u - width / 2) < width) & (np.abs(v - height / 2) < height)
        columns, rows = np.rint(u[seen]).astype(np.intp), np.rint(v[seen]).astype(np.intp)
        inside = (columns >= 0) & (columns < width) & (rows >= 0) & (rows < height)
        labels = semantic[rows[inside], columns[inside]]
        return labels[self._is_flat[labels]]
