"""How close one image is to another, without a network: PSNR and SSIM."""

import cv2
import numpy as np
from numpy.typing import NDArray

from svsdata.records import Image

WINDOW = 11
"""Pixels of SSIM's window; no side may be shorter."""
_SIGMA = 1.5
_C1, _C2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2


def psnr(image: Image, other: Image) -> float:
    """Return the peak signal-to-noise ratio in dB over all channels; inf for equal images."""
    _check(image, other)
    error = cv2.norm(image, other, cv2.NORM_L2SQR) / image.size  # a sum of whole numbers
    return float("inf") if error == 0 else float(10 * np.log10(255**2 / error))


def ssim(image: Image, other: Image) -> float:
    """Return the structural similarity, the mean over RGB (Wang et al. 2004).

    Gaussian window of 11 pixels and sigma 1.5, taken where it lies inside the image.

    Raises:
        ValueError: If the images differ in size or a side is shorter than the window.
    """
    _check(image, other)
    if min(image.shape[:2]) < WINDOW:
        raise ValueError(f"images of {image.shape[:2]} are smaller than the window of {WINDOW}")
    a, b = image.astype(np.float64), other.astype(np.float64)
    mean_a, mean_b = _smooth(a), _smooth(b)
    variance_a = _smooth(a * a) - mean_a**2
    variance_b = _smooth(b * b) - mean_b**2
    covariance = _smooth(a * b) - mean_a * mean_b
    luminance = (2 * mean_a * mean_b + _C1) / (mean_a**2 + mean_b**2 + _C1)
    structure = (2 * covariance + _C2) / (variance_a + variance_b + _C2)
    margin = WINDOW // 2
    return float((luminance * structure)[margin:-margin, margin:-margin].mean())


def _smooth(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(cv2.GaussianBlur(values, (WINDOW, WINDOW), _SIGMA), np.float64)


def _check(image: Image, other: Image) -> None:
    if image.shape != other.shape:
        raise ValueError(f"images of {image.shape} and {other.shape} cannot be compared")
