"""What a gate found of objects: the worst of a store, and how many a threshold rejects."""

from heapq import nlargest

from pydantic import BaseModel, ConfigDict

from svsdata.labels import LabelSet
from svsdata.records import INSTANCE_BASE
from svsdata.store.gate_table import GateRecord, ObjectView, read_gate_rows
from svsdata.store.reader import StoreReader

AGREEMENTS = (0.1, 0.3, 0.5)
"""Thresholds that the result shows."""
_WORST_OBJECTS = 5
_MIN_OBJECT_PIXELS = 64


class ObjectFinding(BaseModel):
    """One object over its whole sequence."""

    model_config = ConfigDict(frozen=True)

    sequence_id: str
    object: str
    """Class and instance id."""
    frames: str
    """First and last, both included."""
    agreement: float
    lost_pixels: int
    """Over all frames, those that show something else; the worst objects have most of them."""


def object_findings(
    reader: StoreReader, records: list[GateRecord]
) -> tuple[tuple[ObjectFinding, ...], dict[str, float]]:
    """Return the worst objects, and the share of all views below each threshold."""
    worst: list[ObjectFinding] = []
    below, num_views = dict.fromkeys(AGREEMENTS, 0), 0
    for record in records:
        objects = _Objects()
        for row in read_gate_rows(reader.path, record):
            for view in row.objects if row.frame_index >= record.first_frame else ():
                objects.add(row.frame_index, view)
                num_views += 1
                for threshold in AGREEMENTS:
                    below[threshold] += view.voted < threshold
        found = objects.findings(record.sequence_id, reader.info.label_set)
        worst = nlargest(_WORST_OBJECTS, [*worst, *found], key=lambda it: it.lost_pixels)
    shares = {f"below {threshold:g}": it / max(num_views, 1) for threshold, it in below.items()}
    return tuple(worst), shares if num_views else {}


class _Objects:
    """Sums of the views of a sequence's objects that are large enough to tell."""

    def __init__(self) -> None:
        self._sums: dict[int, tuple[int, float, int, int]] = {}

    def add(self, index: int, view: ObjectView) -> None:
        """Take in what one frame shows of an object."""
        if view.pixels >= _MIN_OBJECT_PIXELS:
            pixels, seen, first, _ = self._sums.get(view.instance_id, (0, 0.0, index, 0))
            seen += view.pixels * view.agreement
            self._sums[view.instance_id] = (pixels + view.pixels, seen, first, index)

    def findings(self, sequence_id: str, label_set: LabelSet) -> list[ObjectFinding]:
        """Return what was found of each object."""
        return [
            ObjectFinding(
                sequence_id=sequence_id,
                object=f"{label_set.labels[instance_id // INSTANCE_BASE].name} {instance_id}",
                frames=f"{first}..{last}",
                agreement=seen / pixels,
                lost_pixels=round(pixels - seen),
            )
            for instance_id, (pixels, seen, first, last) in self._sums.items()
        ]
