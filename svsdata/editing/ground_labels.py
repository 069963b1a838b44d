"""What the ground was seen to be, near the vehicle all along its way: a coarse map in its frame."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from svsdata.editing.occlusion import Layer, layers_of
from svsdata.editing.placement import Poses, turned
from svsdata.geometry.camera import project
from svsdata.labels import NO_LABEL, LabelSet
from svsdata.records import Camera, Frame

# Nodes of the map, metres. Nearer lies the bonnet; beyond, a pitch error moves them by metres.
_AHEAD_M = np.arange(5.0, 30.1, 0.5)
_LEFT_M = np.arange(-14.0, 14.1, 0.5)
_STEP_M = 0.5
# A map is kept every so many metres of way, and of a standing vehicle every so many frames.
_EVERY_M, _EVERY_FRAMES = 2.0, 50
# A place is looked up in the maps that saw it about this far ahead, and in their neighbours.
_BEST_AHEAD_M, _AROUND = 11.0, range(-4, 5)


@dataclass(frozen=True)
class GroundLabels:
    """Maps of the ground at some frames."""

    frame: NDArray[np.int64]
    """(K,) at which frame each was seen."""
    label: NDArray[np.uint8]
    """(K, ahead, left) label ids of the ground, of what stands on it, or ``NO_LABEL``."""
    is_flat: NDArray[np.bool_]
    """(256,) which ids are ground."""

    @classmethod
    def unknown(cls) -> "GroundLabels":
        """Return the maps of a sequence of which no frame was looked at."""
        nodes = np.zeros((0, len(_AHEAD_M), len(_LEFT_M)), np.uint8)
        return cls(np.zeros(0, np.int64), nodes, np.zeros(256, bool))

    def at(
        self,
        points: NDArray[np.float64],
        frames: NDArray[np.int64],
        ego: Poses,
        at_frame_m: NDArray[np.float64],
    ) -> NDArray[np.uint8]:
        """Look up places on the ground.

        Args:
            points: (n, 2) x, y in the vehicle frames of ``frames``.
            frames: (n,).
            ego: (N, 3) pose of the vehicle at every frame.
            at_frame_m: (N,) its way so far.

        Returns:
            (n,) the ground's label where it was seen, else that of the building or the like that
            was seen there instead, else ``NO_LABEL``.
        """
        found = np.full(len(points), NO_LABEL, np.uint8)
        if not len(self.frame):
            return found
        world = turned(points, ego[frames, 2]) + ego[frames, :2]
        goal = at_frame_m[frames] + points[:, 0] - _BEST_AHEAD_M
        nearest = np.searchsorted(at_frame_m[self.frame], goal)
        x, y, heading = ego[self.frame].T
        cosine, sine = np.cos(heading), np.sin(heading)
        left = np.arange(len(points))
        for shift in sorted(_AROUND, key=lambda it: (abs(it), -it)):
            which = np.clip(nearest[left] + shift, 0, len(self.frame) - 1)
            off_x, off_y = world[left, 0] - x[which], world[left, 1] - y[which]
            ahead_m = cosine[which] * off_x + sine[which] * off_y
            left_m = cosine[which] * off_y - sine[which] * off_x
            i = np.rint((ahead_m - _AHEAD_M[0]) / _STEP_M).astype(np.intp)
            j = np.rint((left_m - _LEFT_M[0]) / _STEP_M).astype(np.intp)
            inside = (i >= 0) & (i < len(_AHEAD_M)) & (j >= 0) & (j < len(_LEFT_M))
            label = np.full(len(left), NO_LABEL, np.uint8)
            label[inside] = self.label[which[inside], i[inside], j[inside]]
            # What stands there counts where no map tells of ground.
            is_flat = self.is_flat[label]
            found[left] = np.where(is_flat | (found[left] == NO_LABEL), label, found[left])
            left = left[~is_flat]
            if not left.size:
                break
        return found


class GroundScan:
    """Collects the maps while frames pass by."""

    def __init__(self, camera: Camera, label_set: LabelSet) -> None:
        x, y = np.meshgrid(_AHEAD_M, _LEFT_M, indexing="ij")
        u, v, _ = np.moveaxis(project(camera, np.stack([x, y, np.zeros_like(x)], axis=-1)), -1, 0)
        height, width = camera.size_hw
        self._column, self._row = np.rint(u).astype(np.intp), np.rint(v).astype(np.intp)
        self._is_inside = (
            (self._column >= 0) & (self._column < width) & (self._row >= 0) & (self._row < height)
        )
        layers = layers_of(label_set)
        self._is_flat = layers == Layer.FLAT
        # Of what passes or hides a sliver only, nothing is learned about the ground.
        is_told = self._is_flat | (layers == Layer.UPRIGHT)
        is_told[list(label_set.thing_ids)] = False
        self._told = np.where(is_told, np.arange(256), NO_LABEL).astype(np.uint8)
        self._frames: list[int] = []
        self._labels: list[NDArray[np.uint8]] = []
        self._way_m = 0.0

    def add(self, frame: Frame, step_m: float) -> None:
        """Look at a frame, to which the vehicle went ``step_m``."""
        self._way_m += abs(step_m)
        is_due = not self._frames or (
            self._way_m >= _EVERY_M or frame.frame_index - self._frames[-1] >= _EVERY_FRAMES
        )
        if frame.semantic is None or not is_due:
            return
        label = np.full(self._row.shape, NO_LABEL, np.uint8)
        place = (self._row[self._is_inside], self._column[self._is_inside])
        label[self._is_inside] = self._told[frame.semantic[place]]
        self._frames.append(frame.frame_index)
        self._labels.append(label)
        self._way_m = 0.0

    def labels(self) -> GroundLabels:
        """Return what was collected."""
        nodes = np.zeros((0, *self._row.shape), np.uint8)
        label = np.stack(self._labels) if self._labels else nodes
        return GroundLabels(np.array(self._frames, np.int64), label, self._is_flat)
