"""Agreement of two semantic maps: streaming confusion counts, IoU and pixel accuracy."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from svsdata.labels import LabelSet
from svsdata.records import SemanticMap


@dataclass(frozen=True)
class Confusion:
    """Pixel counts of one label set; counts of parts add up to the counts of the whole.

    Only pixels whose true class is evaluated count, and a prediction outside the evaluated classes
    is a miss, as in cityscapesScripts' pixel evaluation.
    """

    label_set: LabelSet
    counts: NDArray[np.int64]
    """(num_classes, num_classes): true id by row, predicted id by column."""

    @classmethod
    def empty(cls, label_set: LabelSet) -> "Confusion":
        """Return zero counts."""
        return cls(label_set, np.zeros((label_set.num_classes, label_set.num_classes), np.int64))

    @classmethod
    def of(cls, true: SemanticMap, predicted: SemanticMap, label_set: LabelSet) -> "Confusion":
        """Count one pair of maps.

        Raises:
            ValueError: If the maps differ in shape.
            LabelSetError: If an id lies outside the label set.
        """
        if true.shape != predicted.shape:
            raise ValueError(f"maps of {true.shape} and {predicted.shape} cannot be compared")
        label_set.check(true, "true map")
        label_set.check(predicted, "predicted map")
        size = label_set.num_classes
        pairs = true.astype(np.int64).ravel() * size + predicted.ravel()
        return cls(label_set, np.bincount(pairs, minlength=size * size).reshape(size, size))

    def __add__(self, other: "Confusion") -> "Confusion":
        return Confusion(self.label_set, self.counts + other.counts)

    def iou(self) -> dict[str, float]:
        """Return tp / (tp + fp + fn) by evaluated class; NaN for one in neither map."""
        evaluated = self._evaluated_ids()
        among_evaluated = self.counts[evaluated]
        true_positive = self.counts[evaluated, evaluated]
        predicted = among_evaluated[:, evaluated].sum(axis=0)
        union = among_evaluated.sum(axis=1) + predicted - true_positive
        with np.errstate(invalid="ignore"):
            ratio = true_positive / union
        names = (self.label_set.labels[index].name for index in evaluated)
        return dict(zip(names, ratio.tolist(), strict=True))

    def mean_iou(self) -> float:
        """Return the mean IoU over the classes that occur in either map; NaN if none does."""
        return self.mean_iou_of(name for name, value in self.iou().items() if value == value)

    def mean_iou_of(self, names: Iterable[str]) -> float:
        """Return the mean IoU over some classes that occur; NaN without any."""
        iou = self.iou()
        values = [iou[name] for name in names]
        return float(np.mean(values)) if values else float("nan")

    def pixel_accuracy(self) -> float:
        """Return the share of evaluated pixels whose class is predicted; NaN if there are none."""
        evaluated = self._evaluated_ids()
        total = self.counts[evaluated].sum()
        return float(self.counts[evaluated, evaluated].sum() / total) if total else float("nan")

    def true_share(self) -> dict[str, float]:
        """Return each evaluated class's share of the evaluated pixels of the true maps."""
        evaluated = self._evaluated_ids()
        pixels = self.counts[evaluated].sum(axis=1)
        names = (self.label_set.labels[index].name for index in evaluated)
        return dict(zip(names, (pixels / max(pixels.sum(), 1)).tolist(), strict=True))

    def labelled(self) -> list[str]:
        """Return the evaluated classes that the true maps have."""
        return [name for name, share in self.true_share().items() if share]

    def _evaluated_ids(self) -> list[int]:
        return [label.id for label in self.label_set.labels if label.evaluated]
