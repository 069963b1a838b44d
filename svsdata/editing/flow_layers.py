"""The flow layers of one frame while it is edited, written rectangle by rectangle."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from svsdata.editing.near_frames import Number, nearest_at
from svsdata.editing.occlusion import Rect
from svsdata.flow import warp_piece
from svsdata.records import Flow, Frame, Mask


@dataclass(frozen=True)
class Places:
    """Where what the pixels of a rectangle show was one frame before."""

    rect: Rect
    uv: NDArray[np.float64]
    """(2, h, w) pixels."""
    is_known: NDArray[np.bool_]
    """(h, w); ``uv`` means nothing elsewhere."""

    @classmethod
    def of(
        cls, rect: Rect, projected: NDArray[np.float64], is_known: NDArray[np.bool_]
    ) -> "Places":
        """Divide (3, h, w) of u, v and 1, times anything; overwrites them."""
        uv = projected[:2]
        with np.errstate(divide="ignore", invalid="ignore"):
            uv /= projected[2]
        return cls(rect, uv, is_known)

    def look_up(self, values: NDArray[Number], outside: int) -> NDArray[Number]:
        """Return (h, w) of a (H, W) map of the frame before, at the nearest pixels."""
        (u, v), (height, width) = self.uv, values.shape
        found = nearest_at(values, self.uv, outside)
        low, high = self.uv.min(axis=(1, 2)), self.uv.max(axis=(1, 2))
        if (low >= 0).all() and high[0] <= width - 1 and high[1] <= height - 1:
            return found
        is_inside = (u >= 0) & (u <= width - 1) & (v >= 0) & (v <= height - 1)
        return np.where(is_inside, found, values.dtype.type(outside))


@dataclass(frozen=True)
class FlowLayers:
    """The motion of one frame, being changed."""

    flow: Flow
    validity: Mask
    occlusion: Mask

    @classmethod
    def of(cls, frame: Frame) -> "FlowLayers":
        """Copy those of a frame that has flow; what it does not say is valid and visible."""
        assert frame.flow is not None
        size_hw = frame.flow.shape[:2]
        validity, occlusion = frame.flow_validity, frame.occlusion
        return cls(
            frame.flow.copy(),
            np.ones(size_hw, np.uint8) if validity is None else validity.copy(),
            np.zeros(size_hw, np.uint8) if occlusion is None else occlusion.copy(),
        )

    def hide(self, covered: Sequence[tuple[Rect, Mask]]) -> None:
        """Occlude what comes out from behind what covered rectangles of the frame before."""
        longest, size_hw = cv2.norm(self.flow, cv2.NORM_INF), self.occlusion.shape
        for rect, mask in covered:
            # Only what is no farther from it than the flow is long can come from there.
            near = _near(rect, longest, size_hw)
            near = _near(rect, cv2.norm(self.flow[near.slices], cv2.NORM_INF), size_hw)
            whole = np.zeros((near.y1 - near.y0, near.x1 - near.x0), np.uint8)
            whole[rect.inside(near).slices] = mask
            occlusion = self.occlusion[near.slices]
            np.maximum(occlusion, warp_piece(whole, self.flow[near.slices]), out=occlusion)

    def forget(self, mask: Mask, rect: Rect) -> None:
        """Make the flow of a mask inside a rectangle unknown."""
        inside, size_hw = rect.slices, mask.shape
        cv2.copyTo(np.zeros((*size_hw, 2), np.float32), mask, self.flow[inside])
        cv2.copyTo(np.zeros(size_hw, np.uint8), mask, self.validity[inside])
        cv2.copyTo(np.ones(size_hw, np.uint8), mask, self.occlusion[inside])

    def write(self, mask: NDArray[np.bool_], places: Places, is_seen: NDArray[np.bool_]) -> None:
        """Let the pixels of a mask come from places; where those are unknown nothing is changed.

        Args:
            mask: (h, w) of the rectangle of the places.
            places: Where they were.
            is_seen: (h, w) whether nothing hid them there.
        """
        rect = places.rect
        known = (mask & places.is_known).view(np.uint8)
        vectors = np.empty((*mask.shape, 2), np.float32)
        with np.errstate(invalid="ignore"):
            vectors[..., 0] = places.uv[0] - np.arange(rect.x0, rect.x1)
            vectors[..., 1] = places.uv[1] - np.arange(rect.y0, rect.y1)[:, None]
        cv2.copyTo(vectors, known, self.flow[rect.slices])
        cv2.copyTo(known, known, self.validity[rect.slices])
        cv2.copyTo((~is_seen).view(np.uint8), known, self.occlusion[rect.slices])

    def put_into(self, frame: Frame) -> Frame:
        """Return a frame with these layers; without one of occlusion, what is hidden is unknown."""
        if frame.occlusion is not None:
            return replace(
                frame, flow=self.flow, flow_validity=self.validity, occlusion=self.occlusion
            )
        self.validity[self.occlusion == 1] = 0
        self.flow[self.validity == 0] = 0.0
        return replace(frame, flow=self.flow, flow_validity=self.validity)


def _near(rect: Rect, flow_px: float, size_hw: tuple[int, ...]) -> Rect:
    """Return what lies no farther from a rectangle than a flow so long leads."""
    reach = min(int(flow_px) + 2, sum(size_hw))
    return Rect(
        max(0, rect.x0 - reach),
        max(0, rect.y0 - reach),
        min(size_hw[1], rect.x1 + reach),
        min(size_hw[0], rect.y1 + reach),
    )
