"""Where the pixels of a frame lie in another one, several frames away."""

from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from svsdata.flow import leaves_frame, warp
from svsdata.records import Flow, Mask, SemanticMap

_FEWEST_BESIDE = 4 / 9
"""Share of the nine pixels around a gap, itself one, that must be known to close it."""


@dataclass(frozen=True)
class Correspondence:
    """What another frame shows of this one."""

    flow: Flow
    """(H, W, 2) pixels: other(x + flow(x)) ≈ this(x)."""
    shown: Mask
    """(H, W), 1 = the other frame shows the pixel."""

    @classmethod
    def one_frame_back(cls, flow: Flow, occlusion: Mask | None) -> "Correspondence":
        """Return what the frame before shows.

        Args:
            flow: (H, W, 2) backward flow.
            occlusion: (H, W), 1 = the frame before does not show the pixel; None: nowhere.
        """
        hidden = leaves_frame(flow)
        return cls(flow, 1 - (hidden if occlusion is None else hidden | occlusion))

    def then(self, further: "Correspondence") -> "Correspondence":
        """Return what a third frame shows, from what it shows of the other one.

        The third frame must show a pixel of the other one, and that one the pixel itself. Nearest
        samples, since in between lies no motion where an object ends.
        """
        flow = self.flow + warp(further.flow, self.flow, nearest=True)
        return Correspondence(flow, self.shown & warp(further.shown, self.flow, nearest=True))

    def of_one_label(self, labels: SemanticMap, others: SemanticMap) -> "Correspondence":
        """Return it without the pixels that have another label in the other frame.

        Args:
            labels: (H, W) of this frame.
            others: (H, W) of the other one.
        """
        is_same = warp(others, self.flow, nearest=True) == labels
        return replace(self, shown=self.shown & is_same)

    def turned_round(self, labels: SemanticMap, others: SemanticMap) -> "Correspondence":
        """Return what this frame shows of the other one; pixels of different labels never meet.

        Args:
            labels: (H, W) of this frame.
            others: (H, W) of the other one.
        """
        height, width = labels.shape
        rows, columns = np.indices((height, width), np.int32)
        columns += np.rint(self.flow[..., 0]).astype(np.int32)
        rows += np.rint(self.flow[..., 1]).astype(np.int32)
        meets = self.shown.astype(bool)
        meets &= (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)
        places = np.flatnonzero(meets)
        targets = (rows * width + columns).ravel()[places]
        meets = others.ravel()[targets] == labels.ravel()[places]
        came_from = np.full(height * width, -1, np.int32)
        came_from[targets[meets]] = places[meets]
        shown = (came_from >= 0).astype(np.uint8).reshape(height, width)
        # As complex numbers pairs are gathered several times as fast.
        vectors = np.where(came_from < 0, 0, -_as_complex(self.flow)[came_from])
        flow = vectors.astype(np.complex64).view(np.float32).reshape(height, width, 2)
        back = _without_gaps(Correspondence(flow, shown))
        return back.of_one_label(others, labels)


def _as_complex(flow: Flow) -> NDArray[np.complex64]:
    return np.ascontiguousarray(flow).view(np.complex64).ravel()


def _without_gaps(found: Correspondence) -> Correspondence:
    """Close gaps between pixels that moved apart; the flow is 0 where nothing is known."""
    beside = cv2.blur(found.shown.astype(np.float32), (3, 3), borderType=cv2.BORDER_CONSTANT)
    total = cv2.blur(found.flow, (3, 3), borderType=cv2.BORDER_CONSTANT)
    gaps = (found.shown == 0) & (beside > _FEWEST_BESIDE - 0.01)
    flow = found.flow.copy()
    flow[gaps] = total[gaps] / beside[gaps][:, None]
    return Correspondence(flow, found.shown | gaps)
