"""What synthetic data adds: IoU by class of several trainings, and how far seeds scatter."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isnan

import numpy as np

MEAN = "mean of classes"
"""Row of the mean IoU."""


@dataclass(frozen=True)
class Spread:
    """One figure over several seeds."""

    mean: float
    deviation: float | None
    """Standard deviation of the sample; None for a single seed, which does not scatter."""
    seeds: int

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        """Return mean and spread."""
        deviation = float(np.std(values, ddof=1)) if len(values) > 1 else None
        return cls(float(np.mean(values)), deviation, len(values))

    def exceeds(self, other: "Spread") -> bool:
        """Tell whether it lies above another by more than twice the standard error of both.

        Two standard errors of a few seeds are a hint, not a proof; a single seed exceeds nothing.
        """
        if self.deviation is None or other.deviation is None:
            return False
        error = (self.deviation**2 / self.seeds + other.deviation**2 / other.seeds) ** 0.5
        return self.mean - other.mean > 2 * error


def spreads(runs: Sequence[Mapping[str, float]]) -> dict[str, Spread]:
    """Return the spread of every class over the runs of one kind, and of their mean.

    Args:
        runs: IoU by class of each seed; NaN for a class that the test frames lack.
    """
    classes = [name for name in runs[0] if not any(isnan(run[name]) for run in runs)]
    found = {name: Spread.of([run[name] for run in runs]) for name in classes}
    means = [float(np.mean([run[name] for name in classes])) for run in runs]
    return {MEAN: Spread.of(means), **found}
