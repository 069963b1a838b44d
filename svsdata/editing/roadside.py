"""What the frames around one saw beside the road: a map along the vehicle's way.

A person who paints what a row of parked cars hid continues the kerb along the road, and lets the
houses stand where they are seen to stand before and after. So the ground is kept in coordinates
of the road, metres along it and left of it: there kerbs are straight, and what is hidden is what
is next to it along the road.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from svsdata.editing.near_frames import NearFrame, labels_at
from svsdata.editing.occlusion import Layer, layers_of
from svsdata.editing.placement import RoadPath
from svsdata.editing.plan import EditPlan
from svsdata.editing.sight import Floats
from svsdata.editing.viewpoint import Viewpoint
from svsdata.labels import NO_LABEL, LabelSet
from svsdata.records import Frame, SemanticMap

_ALONG_M, _ACROSS_M = 0.5, 0.2
"""Size of a cell."""
_NEAREST_M, _FARTHEST_M = 3.0, 45.0
"""Ahead of the vehicle: what is mapped of one frame."""
_LENGTH = int((_FARTHEST_M - _NEAREST_M) / _ALONG_M)
_REACH_M = 14.0
"""To both sides of the vehicle's way."""
_CONTINUED_M = 40.0
"""How far what is seen is continued along the road."""
_CONTACTS_WITHIN_M = 35.0
_GOES_ON_M = 4.0
"""How far beyond a single contact things are taken to stand."""
_STANDS_WITHIN_M = 60.0
_DRIVEN_M = 1.2
"""To both sides of its way the vehicle drives: nothing stands there."""
_NOWHERE = 1 << 20
"""Cells away from all."""
_COLUMNS = 256
"""At which contacts with the ground are looked for, at most."""

_ACROSS = np.arange(-_REACH_M, _REACH_M, _ACROSS_M) + _ACROSS_M / 2


@dataclass(frozen=True)
class Glimpse:
    """What one frame shows of the roadside."""

    first: int
    """Number of the first cell along the road."""
    labels: SemanticMap
    """(S, N) ground by cells along and across, ``NO_LABEL`` where none is seen."""
    is_seen: NDArray[np.uint8]
    """(S, N) 1 where some is."""
    contacts: tuple[Floats, Floats]
    """To the right and to the left, (2, K): metres along and away from the vehicle's way where
    something that stands meets the ground."""


@dataclass(frozen=True)
class Roadside:
    """What the frames around one show together."""

    first: int
    """Number of the first cell along the road."""
    labels: SemanticMap
    """(N, S) ground by cells across and along, ``NO_LABEL`` where none is seen."""
    walls: tuple[Floats, Floats]
    """To the right and to the left: (S,) metres from the vehicle's way to what stands there."""

    def ground(self, along: Floats, left: Floats) -> SemanticMap:
        """Return the (P,) labels of the ground at places, ``NO_LABEL`` where nothing is known.

        Hidden cells show what is seen nearest along the road, at the same distance from it.
        """
        width, length = self.labels.shape
        step = np.floor(along / _ALONG_M).astype(np.intp) - self.first
        line = np.floor((left + _REACH_M) / _ACROSS_M).astype(np.intp)
        inside = (step >= 0) & (step < length) & (line >= 0) & (line < width)
        place = np.where(inside, line * length + step, 0)
        known = self.labels.ravel() != NO_LABEL
        # Ends that are far from all.
        seen = np.concatenate([[-_NOWHERE], np.flatnonzero(known), [known.size + _NOWHERE]])
        rank = np.cumsum(known).take(place)
        before, after = seen.take(rank), seen.take(rank + 1)
        behind, ahead = place - before, after - place
        # Beyond the ends of a line another one begins.
        reach = int(_CONTINUED_M / _ALONG_M)
        is_behind = behind <= np.minimum(step, reach)
        is_ahead = ahead <= np.minimum(length - 1 - step, reach)
        is_behind &= ~is_ahead | (behind <= ahead)
        source = np.where(is_behind, before, after)
        is_known = inside & (is_behind | is_ahead)
        labels = self.labels.ravel().take(np.where(is_known, source, 0))
        return np.where(is_known, labels, np.uint8(NO_LABEL))

    def wall(self, along: Floats, left: Floats) -> Floats:
        """Return how far from the vehicle's way things stand beside places, (P,) metres."""
        step = np.floor(along / _ALONG_M).astype(np.intp) - self.first
        right_side, left_side = (it.take(step, mode="clip") for it in self.walls)
        return np.where(left < 0, right_side, left_side)


class RoadsideMemory:
    """Looks at every frame of a stream once, and remembers as many as are asked about.

    Args:
        plan: Whose camera and vehicle poses relate the frames.
        label_set: Of the maps.

    Attributes:
        is_flat: (256,) labels of the ground.
        stands: (256,) labels of what stands beside a road and is no thing.
    """

    def __init__(self, plan: EditPlan, label_set: LabelSet) -> None:
        self.plan, self.label_set = plan, label_set
        self.path = RoadPath.of(plan.ego)
        layers = layers_of(label_set)
        self.is_flat = layers == Layer.FLAT
        self.stands = (layers == Layer.UPRIGHT) & ~np.isin(
            np.arange(256), list(label_set.thing_ids)
        )
        self._ground = np.where(self.is_flat, np.arange(256), NO_LABEL).astype(np.uint8)
        self._glimpses: dict[int, Glimpse] = {}
        self._viewpoints: dict[int, Viewpoint] = {}

    def around(self, frames: tuple[Frame, ...]) -> Roadside:
        """Put together what frames, in order, show; frames of earlier calls are forgotten."""
        indices = {it.frame_index for it in frames}
        self._viewpoints = {at: it for at, it in self._viewpoints.items() if at in indices}
        known = self._glimpses
        self._glimpses = {
            it.frame_index: known.get(it.frame_index) or self._glimpse(it) for it in frames
        }
        glimpses = list(self._glimpses.values())
        first = min(it.first for it in glimpses)
        length = max(it.first for it in glimpses) + _LENGTH - first
        labels = np.full((length, len(_ACROSS)), NO_LABEL, np.uint8)
        # Later frames saw a place from nearer.
        for it in glimpses:
            cv2.copyTo(it.labels, it.is_seen, labels[it.first - first :][:_LENGTH])
        places = _middles(first, length)
        right, left = (
            _wall(np.concatenate([it.contacts[side] for it in glimpses], axis=1), places)
            for side in (0, 1)
        )
        return Roadside(first, np.asarray(cv2.transpose(labels), np.uint8), (right, left))

    def viewpoint(self, index: int) -> Viewpoint:
        """Return where a frame was seen from."""
        if index not in self._viewpoints:
            camera, at_m = self.plan.camera_at(index), float(self.path.at_frame_m[index])
            self._viewpoints[index] = Viewpoint.of(camera, self.path, self.plan.ego[index], at_m)
        return self._viewpoints[index]

    def relate(self, index: int, frames: Sequence[Frame]) -> list[NearFrame]:
        """Let places of the vehicle frame at a frame be looked up in others."""
        plan_T_vehicle = self.viewpoint(index).plan_T_vehicle
        return [
            NearFrame(it.semantic, self.viewpoint(it.frame_index).projection @ plan_T_vehicle)
            for it in frames
            if it.semantic is not None
        ]

    def wall_depth(self, rays: Floats, roadside: Roadside, index: int) -> Floats:
        """Return the (P,) z-depth at which (3, P) rays of a frame's camera end at what stands.

        NaN where nothing is known to stand beside the road.
        """
        road, centre = self.viewpoint(index).road, self.viewpoint(index).sight.centre
        depth = np.full(rays.shape[1], 15.0)
        wall = left = depth
        for _ in range(3):
            ahead, aside = centre[0] + depth * rays[0], centre[1] + depth * rays[1]
            along, left = road.coordinates(ahead, aside)
            left = np.where(np.abs(left) < 0.1, np.copysign(0.1, rays[1]), left)
            wall = roadside.wall(along, left)
            ratio = np.where(np.isfinite(wall), wall / np.abs(left), 1.0)
            depth = np.clip(depth * ratio, _NEAREST_M, _STANDS_WITHIN_M)
        is_known = np.isfinite(wall) & (depth > _NEAREST_M) & (depth < _STANDS_WITHIN_M)
        return np.where(is_known, depth, np.nan)

    def _glimpse(self, frame: Frame) -> Glimpse:
        assert frame.semantic is not None
        viewpoint = self.viewpoint(frame.frame_index)
        here, projection = self.path.at_frame_m[frame.frame_index], viewpoint.projection
        first = int(np.floor((here + _NEAREST_M) / _ALONG_M))
        along = _middles(first, _LENGTH)
        x, y, heading = self.path.poses(along, np.zeros(_LENGTH)).T
        # Cells across the road lie on a line, which the picture shows as one.
        middle = projection[:, [0, 1, 3]] @ np.stack([x, y, np.ones(_LENGTH)])
        across = projection[:, :2] @ np.stack([-np.sin(heading), np.cos(heading)])
        projected = middle[..., None] + across[..., None] * _ACROSS
        shown = labels_at(frame.semantic, projected.reshape(3, -1), 1.0).reshape(_LENGTH, -1)
        labels = np.asarray(cv2.LUT(shown, self._ground), np.uint8)
        is_seen = (labels != NO_LABEL).view(np.uint8)
        return Glimpse(first, labels, is_seen, self._contacts(frame.semantic, viewpoint))

    def _contacts(self, semantic: SemanticMap, viewpoint: Viewpoint) -> tuple[Floats, Floats]:
        """Find where columns meet something that stands, to the right and to the left."""
        step = max(1, semantic.shape[1] // _COLUMNS)
        labels = np.asarray(cv2.transpose(np.ascontiguousarray(semantic[:, ::step])))
        # Where the ground begins; patches further down are specks of a labeller.
        top = np.asarray(cv2.LUT(labels, self.is_flat.view(np.uint8))).view(bool).argmax(axis=1)
        columns = np.flatnonzero(top > 0)
        columns = columns[self.stands[labels[columns, top[columns] - 1]]]
        sight = viewpoint.sight
        rays = sight.rays_at(columns * step, top[columns] - 0.5)
        depth = sight.ground_depth(rays)
        near = np.flatnonzero(depth < _CONTACTS_WITHIN_M)
        ahead, aside = sight.centre[:2, None] + depth[near] * rays[:2, near]
        along, left = viewpoint.road.coordinates(ahead, aside)
        found = np.stack([along, np.abs(left)])
        return found[:, left < -_DRIVEN_M], found[:, left > _DRIVEN_M]


def _middles(first: int, count: int) -> Floats:
    """(count,) metres along the road of the middles of cells."""
    return (first + np.arange(count, dtype=np.float64) + 0.5) * _ALONG_M


def _wall(contacts: Floats, places: Floats) -> Floats:
    """(S,) distance at which things stand on one side, from (2, K) contacts; infinite if unseen."""
    along, distance = contacts
    if not len(along):
        return np.full(len(places), np.inf)
    # Sorted by cell, and by distance inside of one.
    apart = distance.max() + 1.0
    ordered = np.sort(np.floor((along - places[0]) / 2.0) * apart + distance)
    cell = np.floor(ordered / apart)
    distance = ordered - cell * apart
    starts = np.flatnonzero(np.append(True, cell[1:] != cell[:-1]))
    counts = np.append(starts[1:], len(cell)) - starts
    middle = distance[starts + counts // 2]
    padded = np.concatenate([middle[:1], middle, middle[-1:]])
    smooth = np.sort(np.stack([padded[:-2], padded[1:-1], padded[2:]]), axis=0)[1]
    known = places[0] + (cell[starts] + 0.5) * 2.0
    distance = np.interp(places, known, smooth)
    # A row seen over some metres goes on for twice as many; a front across a crossing is none.
    reach = _GOES_ON_M + 2.0 * (known[-1] - known[0])
    is_near = (places > known[0] - reach) & (places < known[-1] + reach)
    return np.where(is_near, distance, np.inf)
