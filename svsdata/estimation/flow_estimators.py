"""Optical flow estimators behind one protocol. Flow is backward: current frame to previous."""

import os
import threading
from dataclasses import dataclass
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from svsdata.errors import ConfigError
from svsdata.flow import occlusion_by_consistency
from svsdata.images import grey_levels
from svsdata.records import Flow, Image, Mask


@dataclass(frozen=True)
class FlowEstimate:
    """The flow of one pair of frames."""

    flow: Flow
    validity: Mask | None = None
    """1 where the flow was confirmed; None where nothing was checked."""
    occlusion: Mask | None = None
    """1 = occluded; None where nothing was checked."""


class FlowEstimator(Protocol):
    """Estimates the backward flow of pairs of frames."""

    @property
    def description(self) -> str:
        """Name, settings and hash of the weights; written into every row."""

    @property
    def checks(self) -> bool:
        """Whether estimates come with validity and occlusion."""

    @property
    def workers(self) -> int:
        """How many threads may call it at once with profit."""

    def estimate(self, previous: Image, current: Image) -> FlowEstimate:
        """Estimate the flow that gathers ``previous`` onto the grid of ``current``.

        Args:
            previous: (H, W, 3) uint8 RGB.
            current: The same size, one step later.
        """


MIN_SIDE_PX = 16
"""OpenCV's search refuses lower or narrower frames, or, if they are long, crashes."""

_FINEST = 2
"""Preset medium searches at half the size and enlarges: so many pixels of its flow are alike."""


class DisFlow:
    """OpenCV's dense inverse search, preset medium; no weights, safe in threads.

    Args:
        check: Also estimate the forward flow, coarser, and compare: gives occlusion and validity
            for half as much time again.
    """

    # A pair takes 100 ms of a core, so that a GPU's labels need several to keep pace.
    workers = max(2, min(8, (os.cpu_count() or 2) // 2))

    def __init__(self, *, check: bool) -> None:
        self.checks = check
        # OpenCV's searches keep buffers: each thread has its own.
        self._of_thread = threading.local()

    @property
    def description(self) -> str:
        """OpenCV's version and the presets."""
        check = ", forward check stride 4, 8 steps, 1 refinement" if self.checks else ""
        return f"dis-medium (opencv {cv2.__version__}){check}"

    def estimate(self, previous: Image, current: Image) -> FlowEstimate:
        """See ``FlowEstimator``.

        Raises:
            ConfigError: If a side is shorter than ``MIN_SIDE_PX``.
        """
        height, width = current.shape[:2]
        if min(height, width) < MIN_SIDE_PX:
            raise ConfigError(
                f"flow dis: frames of {width}x{height}, it needs at least "
                f"{MIN_SIDE_PX}x{MIN_SIDE_PX}; label with --flow none, or larger frames"
            )
        before, now = grey_levels(previous), grey_levels(current)
        if not hasattr(self._of_thread, "backward"):
            self._of_thread.backward = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
            self._of_thread.forward = _coarser_medium()
        backward = _flow(self._of_thread.backward, now, before)
        if not self.checks:
            return FlowEstimate(backward)
        forward = _flow(self._of_thread.forward, before, now)
        occlusion = occlusion_by_consistency(backward, forward, _FINEST)
        return FlowEstimate(backward, validity=1 - occlusion, occlusion=occlusion)


def _coarser_medium() -> cv2.DISOpticalFlow:
    """Return a search that rejects as little good flow as medium's own, in half the time.

    Preset fast is faster still, and loses what moves and is smaller than 40 pixels.
    """
    search = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    search.setPatchStride(4)
    search.setGradientDescentIterations(8)
    search.setVariationalRefinementIterations(1)
    return search


def _flow(search: cv2.DISOpticalFlow, first: NDArray[np.uint8], second: NDArray[np.uint8]) -> Flow:
    """Return the flow from ``first`` to ``second``."""
    return np.asarray(search.calc(first, second, None), np.float32)  # type: ignore[call-overload]


def flow_estimator(name: str, *, check: bool) -> FlowEstimator:
    """Return an estimator by its name.

    Raises:
        ConfigError: If there is none of that name.
    """
    if name == "dis":
        return DisFlow(check=check)
    raise ConfigError(f"unknown flow estimator '{name}'; known: dis")
