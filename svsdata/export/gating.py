"""Frames whose rejected pixels are blanked: to "unlabeled", which no evaluation counts."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from svsdata.errors import ExportError
from svsdata.labels import NO_LABEL, LabelSet
from svsdata.records import Frame
from svsdata.store.gate_table import NOT_JUDGED, ClassTally, GateRow, loss_code

REJECTED = 253
"""In provenance maps."""


@dataclass(frozen=True)
class Gate:
    """Which pixels and objects are let through."""

    label_set: LabelSet
    classes: Mapping[str, ClassTally]
    """Of the whole store, by name: the rule compares with the mean loss of a class."""
    loss_ratio: float | None
    """A pixel is rejected where its loss exceeds so many times its class's mean; None: none is."""
    object_agreement: float | None
    """An object is rejected where the judge sees its class on a smaller share; None: none is."""

    def blanked(self, frames: Iterable[Frame], rows: Iterable[GateRow]) -> Iterator[Frame]:
        """Yield frames with what their rows reject blanked, and told in their provenance.

        Raises:
            ExportError: If frames and rows do not belong together.
        """
        limits = self._limits()
        blank = self.label_set.by_name["unlabeled"].id if self._has_unlabeled else NO_LABEL
        for frame, row in zip(frames, rows, strict=True):
            if frame.semantic is None or frame.semantic.shape != row.loss_codes.shape:
                raise ExportError(f"frame {frame.frame_index}: its gate result is of another size")
            rejected = (row.loss_codes != NOT_JUDGED) & (row.loss_codes > limits[frame.semantic])
            rejected |= self._rejected_objects(frame, row)
            provenance = frame.provenance
            if provenance is None:
                provenance = np.zeros(frame.semantic.shape, np.uint8)
            instance = frame.instance
            yield replace(
                frame,
                semantic=np.where(rejected, np.uint8(blank), frame.semantic),
                instance=None
                if instance is None
                else np.where(rejected, blank, instance).astype(np.uint16),
                provenance=np.where(rejected, np.uint8(REJECTED), provenance),
            )

    @property
    def _has_unlabeled(self) -> bool:
        return "unlabeled" in self.label_set.by_name

    def _limits(self) -> NDArray[np.uint8]:
        """Return by label id the highest code that is let through."""
        limits = np.full(256, NOT_JUDGED, np.uint8)
        if self.loss_ratio is not None:
            for name, tally in self.classes.items():
                limits[self.label_set.label(name).id] = loss_code(self.loss_ratio * tally.mean_loss)
        return limits

    def _rejected_objects(self, frame: Frame, row: GateRow) -> NDArray[np.bool_]:
        if self.object_agreement is None or frame.instance is None:
            return np.zeros(row.loss_codes.shape, bool)
        bad = [view.instance_id for view in row.objects if view.voted < self.object_agreement]
        return np.isin(frame.instance, bad)
