"""How close one image is to another, without a network: PSNR and SSIM."""

import cv2
import numpy as np
from numpy.typing import NDArray

from svsdata.records import Image

WINDOW = 11
"""Pixels of SSIM's window; no side may be shorter."""
_SIGMA = 1.5
_MIDDLE = np.float32(256)
_C1, _C2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2


def psnr(image: Image, other: Image) -> float:
    """Return the peak signal-to-noise ratio in dB over all channels; inf for equal images."""
    _check(image, other)
    error = cv2.norm(image, other, cv2.NORM_L2SQR) / image.size  # a sum of whole numbers
    return float("inf") if error == 0 else float(10 * np.log10(255**2 / error))


def ssim(image: Image, other: Image) -> float:
    """Return the structural similarity, the mean over RGB (Wang et al. 2004).

    Gaussian window of 11 pixels and sigma 1.5, taken where it lies inside the image. It is computed
    in float32 of sum and difference of the images, which keeps the digits that their variances
    and covariance would lose: within 1e-6 of float64, 5e-5 for flat images of other levels.

    Raises:
        ValueError: If the images differ in size or a side is shorter than the window.
    """
    _check(image, other)
    if min(image.shape[:2]) < WINDOW:
        raise ValueError(f"images of {image.shape[:2]} are smaller than the window of {WINDOW}")
    a, b = image.astype(np.float32), other.astype(np.float32)
    total, difference = a + b, a - b
    total -= _MIDDLE
    mean_of_total, mean_of_difference = _smooth(total), _smooth(difference)
    of_total = _smooth(total * total) - mean_of_total * mean_of_total
    of_difference = _smooth(difference * difference) - mean_of_difference * mean_of_difference
    mean_of_total += _MIDDLE
    luminance = _likeness(
        mean_of_total * mean_of_total, mean_of_difference * mean_of_difference, _C1
    )
    structure = _likeness(of_total, of_difference, _C2)
    margin = WINDOW // 2
    inside = (luminance * structure)[margin:-margin, margin:-margin]
    return float(inside.mean(dtype=np.float64))


def _likeness(
    of_total: NDArray[np.float32], of_difference: NDArray[np.float32], constant: float
) -> NDArray[np.float32]:
    """Return (2 xy + c) / (x^2 + y^2 + c) from (x + y)^2 and (x - y)^2."""
    return (of_total - of_difference + 2 * constant) / (of_total + of_difference + 2 * constant)


def _smooth(values: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(cv2.GaussianBlur(values, (WINDOW, WINDOW), _SIGMA), np.float32)


def _check(image: Image, other: Image) -> None:
    if image.shape != other.shape:
        raise ValueError(f"images of {image.shape} and {other.shape} cannot be compared")
