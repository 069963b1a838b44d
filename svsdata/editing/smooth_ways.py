"""Ways on the ground that feet on the screen tell: how far each is off, and what is most likely."""

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solveh_banded

from svsdata.geometry.camera import camera_centre
from svsdata.records import Camera

CUT_OFF = 20.0
"""How much farther off than others a foot is that the frame's border or another thing hides."""
SIGMA_PX = 1.5
"""Rows by which labels miss where something touches the ground."""
# Accuracy of a foot, its row aside: of the camera's pose, of the vehicle's own motion.
_SIGMA_M, _SIGMA_SHARE = 0.15, 0.02
_ACROSS_M = 0.3
"""By which an object's middle is off from where its columns tell."""
_ACCELERATION_MPS2 = 1.5
_ITERATIONS = 4
_OUTLIER = 1.5
"""Standard deviations from which on a place counts less."""
_ROWS_OFF = 1.0
"""Rows by which the camera may look too low or too high all along."""


def foot_sigma_m(depth: NDArray[np.float64], camera: Camera) -> NDArray[np.float64]:
    """Return the (M,) metres by which feet at (M,) z-depths are off."""
    focal, height = camera.intrinsics[1, 1], camera_centre(camera)[2]
    return _SIGMA_M + _SIGMA_SHARE * depth + SIGMA_PX * np.square(depth) / (focal * height)


def is_cut(box: NDArray[np.int64], size_hw: tuple[int, int]) -> NDArray[np.bool_]:
    """Return for (M, 4) boxes x0, y0, x1, y1 whether the frame's border cuts them off."""
    height, width = size_hw
    return (box[:, 0] <= 1) | (box[:, 2] >= width - 1) | (box[:, 3] >= height - 1)


def foot_precision(
    away: NDArray[np.float64], sigma: NDArray[np.float64], depth: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return how sure places are whose rows are less so than their columns.

    Args:
        away: (M, 2) from the vehicle to them, metres.
        sigma: (M,) metres by which they are off along that.
        depth: (M,) z-depth in metres.

    Returns:
        (M, 2, 2) inverse covariances.
    """
    along = away / np.linalg.norm(away, axis=1)[:, None]
    across = np.minimum(sigma, _ACROSS_M + _SIGMA_SHARE * depth)
    both = along[:, :, None] * along[:, None, :]
    return (
        both / np.square(sigma)[:, None, None]
        + (np.eye(2) - both) / np.square(across)[:, None, None]
    )


def smoothed_way(
    frame: NDArray[np.int64],
    places: NDArray[np.float64],
    precision: NDArray[np.float64],
    count: int,
    fps: float,
) -> NDArray[np.float64]:
    """Find the most likely places of something that accelerates little; robust to outliers.

    Minimises sum(r' P r) + sum((second difference of z / (a dt^2))^2), where r is z - place.

    Args:
        frame: (M,) when it was seen, counted from the first frame of the way.
        places: (M, 2) where, metres.
        precision: (M, 2, 2) their inverse covariances, P.
        count: Frames of the way.
        fps: Frames per second.

    Returns:
        (count, 2) metres.
    """
    if count < 3:
        return places[np.searchsorted(frame, np.arange(count))]
    stiffness = (fps**2 / _ACCELERATION_MPS2) ** 2
    # x and y of a frame lie beside each other, so that a frame is two rows.
    bands = np.zeros((5, 2 * count))
    for offset, band in enumerate(_second_differences(count)):
        bands[2 * offset, : 2 * len(band)] = stiffness * np.repeat(band, 2)
    weights = np.ones(len(places))
    for _ in range(_ITERATIONS):
        weighted = weights[:, None, None] * precision
        matrix, target = bands.copy(), np.zeros((count, 2))
        for axis in (0, 1):
            np.add.at(matrix[0], 2 * frame + axis, weighted[:, axis, axis])
        np.add.at(matrix[1], 2 * frame, weighted[:, 0, 1])
        np.add.at(target, frame, np.einsum("mab,mb->ma", weighted, places))
        smooth = np.asarray(solveh_banded(matrix, target.ravel(), lower=True)).reshape(-1, 2)
        weights = 1 / np.maximum(_off(smooth[frame] - places, precision) / _OUTLIER, 1.0)
    return smooth


def _off(residuals: NDArray[np.float64], precision: NDArray[np.float64]) -> NDArray[np.float64]:
    """(M,) standard deviations of (M, 2) residuals."""
    return np.sqrt(np.einsum("ma,mab,mb->m", residuals, precision, residuals))


def steady_velocity(
    seconds: NDArray[np.float64],
    places: NDArray[np.float64],
    precision: NDArray[np.float64],
    row_m: NDArray[np.float64],
) -> tuple[NDArray[np.float64], float]:
    """Fit the places of something by a steady motion; robust to outliers.

    A camera that looks too low or too high lets what stands seem to move as it comes nearer, so
    that error is fitted along.

    Args:
        seconds: (M,) when it was seen.
        places: (M, 2) where, metres.
        precision: (M, 2, 2) their inverse covariances.
        row_m: (M, 2) by how much a place moves where its foot is seen one row higher.

    Returns:
        (2,) metres per second, and how many standard deviations away from 0 that is.
    """
    time = seconds - seconds.mean()
    design = np.zeros((len(time), 2, 5))
    for axis in (0, 1):
        design[:, axis, axis], design[:, axis, 2 + axis] = 1.0, time
    design[:, :, 4] = row_m
    known = np.diag([0.0, 0.0, 0.0, 0.0, _ROWS_OFF**-2])
    weights = np.ones(len(time))
    for _ in range(_ITERATIONS):
        weighted = weights[:, None, None] * precision
        normal = np.einsum("mai,mab,mbj->ij", design, weighted, design) + known
        fit = np.linalg.solve(normal, np.einsum("mai,mab,mb->i", design, weighted, places))
        off = _off(places - design @ fit, precision)
        weights = 1 / np.square(np.maximum(off / _OUTLIER, 1.0))
    spread = (weights * np.square(off)).sum() / max(1, 2 * len(time) - 4)
    covariance = np.linalg.inv(normal)[2:4, 2:4] * max(1.0, spread)
    velocity = fit[2:4]
    return velocity, float(np.sqrt(velocity @ np.linalg.solve(covariance, velocity)))


def _second_differences(count: int) -> tuple[NDArray[np.float64], ...]:
    """Diagonal and the two below it of D'D, D taking (count,) to its second differences."""
    rows = np.arange(count - 2)
    diagonal = np.zeros(count)
    for place, factor in enumerate((1.0, 4.0, 1.0)):
        np.add.at(diagonal, rows + place, factor)
    below = np.zeros(count - 1)
    for place in (0, 1):
        np.add.at(below, rows + place, -2.0)
    return diagonal, below, np.ones(count - 2)
