"""Streaming statistics of features and the Frechet distance between two of them.

FID and FVD are this distance; they differ in the network and in the protocol.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]


@dataclass
class FeatureStatistics:
    """Mean and covariance of feature vectors, taken in batches of any size, in constant memory.

    Sums are of the distance to a pivot, the mean of the first batch, so that a large mean costs
    no digits. Statistics of parts merge into those of the whole.
    """

    dimensions: int
    count: int = 0
    pivot: Vector = field(default_factory=lambda: np.zeros(0))
    _sum: Vector = field(default_factory=lambda: np.zeros(0))
    _products: Vector = field(default_factory=lambda: np.zeros((0, 0)))

    def add(self, features: NDArray[Any]) -> None:
        """Take in (N, D) features of any floating type.

        Raises:
            ValueError: If D differs, or a feature is not finite.
        """
        if features.ndim != 2 or features.shape[1] != self.dimensions:
            raise ValueError(f"features {features.shape}: expected (N, {self.dimensions})")
        values = features.astype(np.float64)
        if not np.isfinite(values).all():
            raise ValueError("features are not finite")
        if not len(values):
            return
        if self.count == 0:
            self.pivot = values.mean(axis=0)
            self._sum = np.zeros(self.dimensions)
            self._products = np.zeros((self.dimensions, self.dimensions))
        distances = values - self.pivot
        self.count += len(values)
        self._sum += distances.sum(axis=0)
        self._products += distances.T @ distances

    def merge(self, other: "FeatureStatistics") -> None:
        """Take in what another one has taken in.

        Raises:
            ValueError: If the dimensions differ.
        """
        if other.dimensions != self.dimensions:
            raise ValueError(f"features of {self.dimensions} and {other.dimensions} dimensions")
        if other.count == 0:
            return
        if self.count == 0:
            self.count, self.pivot = other.count, other.pivot.copy()
            self._sum, self._products = other._sum.copy(), other._products.copy()
            return
        shift = other.pivot - self.pivot
        cross = np.outer(other._sum, shift)
        self._products += other._products + cross + cross.T + other.count * np.outer(shift, shift)
        self._sum += other._sum + other.count * shift
        self.count += other.count

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Return all of it, to be kept."""
        return {
            "shape": np.array([self.count, self.dimensions]),
            "pivot": self.pivot,
            "sum": self._sum,
            "products": self._products,
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> "FeatureStatistics":
        """Return what ``to_arrays`` was called of, equal bit for bit."""
        count, dimensions = arrays["shape"].tolist()
        return cls(dimensions, count, arrays["pivot"], arrays["sum"], arrays["products"])

    @property
    def mean(self) -> Vector:
        """(D,) mean."""
        return self.pivot + self._sum / self.count

    def covariance(self, ddof: int) -> Vector:
        """Return the (D, D) covariance, divided by ``count - ddof``.

        Raises:
            ValueError: If there are not more than ``ddof`` vectors.
        """
        if self.count <= ddof:
            raise ValueError(f"{self.count} vectors have no covariance with ddof {ddof}")
        mean = self._sum / self.count
        products = self._products - self.count * np.outer(mean, mean)
        return products / (self.count - ddof)


def frechet_distance(one: FeatureStatistics, other: FeatureStatistics, *, ddof: int) -> float:
    """Return the squared Frechet distance of two Gaussians (Dowson and Landau 1982).

    |m1 - m2|^2 + tr(C1 + C2 - 2 (C1 C2)^(1/2)), where the last trace is the sum of the singular
    values of A1^T A2 with Ci = Ai Ai^T. That form needs no matrix square root, no epsilon on the
    diagonal, and holds for fewer vectors than dimensions.

    Args:
        one: Statistics of one set.
        other: Of the other, of the same dimensions.
        ddof: 1 as FID tools have it, 0 as cd-fvd.
    """
    difference = one.mean - other.mean
    covariances = one.covariance(ddof), other.covariance(ddof)
    first, second = (_root(covariance) for covariance in covariances)
    overlap = np.linalg.svd(first.T @ second, compute_uv=False).sum()
    traces = sum(float(np.trace(covariance)) for covariance in covariances)
    # Equal sets are a rounding below 0 apart, and no square is.
    return float(np.maximum(0.0, difference @ difference + traces - 2 * overlap))


def _root(covariance: Vector) -> Vector:
    """Return (D, R) of rank R whose product with its transpose is the covariance."""
    values, vectors = np.linalg.eigh(covariance)
    # Eigenvalues below rounding are those of directions without any variance.
    kept = values > len(values) * np.finfo(np.float64).eps * values[-1]
    root: Vector = vectors[:, kept] * np.sqrt(values[kept])
    return root
