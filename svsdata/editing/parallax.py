"""How far away what a frame shows is, by its flow and the vehicle's way since the frame before.

Of one pixel that is known badly; of many with one depth, or of a plane, it is a least-squares fit.
"""

import numpy as np
from numpy.typing import NDArray

from svsdata.editing.runs import Runs
from svsdata.editing.sight import Floats
from svsdata.geometry.triangulation import depth_equations, lines_before
from svsdata.records import Camera, Frame, SemanticMap, Transform

_LEAST_PX = 0.5
"""What flow must show of a run beyond the turn, for it to tell a depth."""
_NOISE_PX = 0.3
"""Of flow, alike in all pixels of a thing."""
_CLEAR_PX = 2.0
"""What flow must show of a thing, for it to tell that it stands."""
_STANDS_WITHIN = 0.3
"""How far depth and flow of a standing thing may be off."""
_DEPTH_IS_OFF, _DEPTH_VARIES = 0.1, 0.5
"""How much of its depth a thing's foot is off, and its depth changes from side to side."""


class Parallax:
    """What the flow of one frame tells.

    Args:
        frame: With flow.
        camera: Of it and the frame before.
        to_before: Takes places of the frame's vehicle frame to that of the frame before.
    """

    def __init__(self, frame: Frame, camera: Camera, to_before: Transform) -> None:
        if frame.flow is None:
            raise ValueError(f"frame {frame.frame_index} has no flow")
        height, width = frame.flow.shape[:2]
        endless, self._nearing = lines_before(camera, to_before)
        self._endless = endless.reshape(-1, 3)
        self._columns = np.tile(np.arange(width, dtype=np.float64), height)
        rows, columns = np.mgrid[:height, :width].astype(np.float32)
        self._seen = (np.stack([columns, rows], axis=-1) + frame.flow).reshape(-1, 2)
        self._sees = camera.intrinsics @ camera.cam_T_vehicle[:3] @ to_before
        counts = np.ones(height * width, bool)
        if frame.flow_validity is not None:
            counts &= frame.flow_validity.ravel() == 1
        if frame.occlusion is not None:
            counts &= frame.occlusion.ravel() == 0
        self._counts = counts

    def run_depths(self, labels: SemanticMap, is_counted: NDArray[np.bool_]) -> Floats:
        """Return (H, W) z-depth, one of every run down a column; NaN where flow tells none.

        Args:
            labels: (H, W) whose runs are of one depth each, and stand still.
            is_counted: (H, W) pixels whose flow is that of their label.
        """
        runs = Runs.of_labels(labels)
        order = np.arange(labels.size).reshape(labels.shape).T.ravel()
        which = np.empty(labels.size, np.intp)
        which[order] = np.repeat(np.arange(len(runs.key)), runs.num_rows)
        own = np.flatnonzero(self._counts & is_counted.ravel())
        slope, offset = self._equations(own, np.zeros(2))
        weight, agreed, count = (
            np.bincount(which[own], values, minlength=len(runs.key))
            for values in ((slope**2).sum(axis=1), (slope * offset).sum(axis=1), None)
        )
        inverse = np.divide(agreed, weight, out=np.zeros(len(weight)), where=weight > 0)
        tells = inverse * np.sqrt(weight / np.maximum(count, 1)) > _LEAST_PX
        depth = np.divide(1.0, inverse, out=np.full(len(inverse), np.nan), where=tells)
        return depth[which].reshape(labels.shape)

    def plane(self, own: NDArray[np.intp], depth: float, moved_m: Floats) -> Floats:
        """Return (3,) so that inverse z-depth of pixels of a thing is its product with (u, v, 1).

        The foot's depth counts where flow shows little.

        Args:
            own: Places of its pixels in the frame, row by row.
            depth: z-depth of its foot.
            moved_m: (2,) metres ahead and left that it moved since the frame before.
        """
        seen = own[self._counts[own]]
        columns = self._columns[own]
        middle, reach = columns.mean(), max(1.0, np.ptp(columns))
        across = (self._columns[seen] - middle) / reach
        slope, offset = self._equations(seen, moved_m)
        terms = np.stack([slope, slope * across[:, None]], axis=-1).reshape(-1, 2)
        # Noise is alike in all pixels, so many of them tell no more than one.
        sure = len(own) * (_NOISE_PX * depth / np.array([_DEPTH_IS_OFF, _DEPTH_VARIES])) ** 2
        normal = terms.T @ terms + np.diag(sure)
        level, change = np.linalg.solve(normal, terms.T @ offset.ravel() + sure * [1 / depth, 0.0])
        ends = level + change * (columns[[columns.argmin(), columns.argmax()]] - middle) / reach
        if ends.min() < 0.3 / depth:
            return np.array([0.0, 0.0, 1 / depth])
        return np.array([change / reach, 0.0, level - change * middle / reach])

    def shows_standing(self, own: NDArray[np.intp], depth: float) -> bool:
        """Whether pixels of a thing clearly move as if it stood at about the z-depth of its foot.

        Args:
            own: Places of its pixels in the frame, row by row.
            depth: z-depth of its foot.
        """
        seen = own[self._counts[own]]
        if not len(seen):
            return False
        slope, offset = self._equations(seen, np.zeros(2))
        inverse = float((slope * offset).sum() / max(1e-12, (slope**2).sum()))
        parallax = abs(inverse) * np.sqrt((slope**2).sum(axis=1).mean())
        left = np.sqrt(np.square(offset - inverse * slope).sum(axis=1).mean())
        is_near_foot = abs(inverse * depth - 1) < _STANDS_WITHIN
        return bool(
            parallax > _CLEAR_PX and left < _NOISE_PX + _STANDS_WITHIN * parallax and is_near_foot
        )

    def _equations(self, own: NDArray[np.intp], moved_m: Floats) -> tuple[Floats, Floats]:
        """Slope and offset, (n, 2), of pixels of something that moved so far."""
        nearing = self._nearing - (self._sees[:, :2] @ moved_m).astype(np.float32)
        slope, offset = depth_equations(self._endless[own], nearing, self._seen[own])
        return slope.astype(np.float64), offset.astype(np.float64)
