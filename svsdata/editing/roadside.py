"""What the frames around one saw beside the road: a map along the vehicle's way.

A person who paints what a row of parked cars hid continues the kerb along the road, and lets the
houses stand where they are seen to stand before and after. So the ground is kept in coordinates
of the road, metres along it and left of it: there kerbs are straight, and what is hidden is what
is next to it along the road.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from svsdata.editing.occlusion import Layer, layers_of
from svsdata.editing.placement import RoadPath, seen_from
from svsdata.editing.plan import EditPlan
from svsdata.geometry.camera import camera_centre, ground_homography, ground_points, pixel_rays
from svsdata.labels import NO_LABEL, LabelSet
from svsdata.records import Frame, SemanticMap

_ALONG_M, _ACROSS_M = 0.5, 0.2
"""Size of a cell."""
_NEAREST_M, _FARTHEST_M = 3.0, 45.0
"""Ahead of the vehicle: what is mapped of one frame."""
_REACH_M = 14.0
"""To both sides of the vehicle's way."""
_CONTINUED_M = 40.0
"""How far what is seen is continued along the road."""
_CONTACTS_WITHIN_M = 35.0
_STANDS_WITHIN_M = 60.0
_DRIVEN_M = 1.2
"""To both sides of its way the vehicle drives: nothing stands there."""
_NOWHERE = 1 << 20
"""A cell that is far from all."""
_COLUMNS = 512
"""At which contacts with the ground are looked for, at most."""

Floats = NDArray[np.float64]
_VIEW_M, _VIEW_STEP_M = (-10.0, 150.0), 0.5
"""How far the road is followed from the vehicle, and in what steps."""
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
    contacts: Floats
    """(K, 2) metres along and left where something that stands meets the ground."""


@dataclass(frozen=True)
class Roadside:
    """What the frames around one show together."""

    path: RoadPath
    first: int
    labels: SemanticMap
    """(S, N), continued along the road."""
    walls: tuple[Floats, Floats]
    """To the right and to the left: (S,) metres from the vehicle's way to what stands there."""

    def ground(self, along: Floats, left: Floats) -> SemanticMap:
        """Return the (P,) labels of the ground at places, ``NO_LABEL`` where nothing is known."""
        row = np.floor(along / _ALONG_M).astype(np.intp) - self.first
        column = np.floor((left + _REACH_M) / _ACROSS_M).astype(np.intp)
        height, width = self.labels.shape
        inside = (row >= 0) & (row < height) & (column >= 0) & (column < width)
        found = np.full(len(along), NO_LABEL, np.uint8)
        found[inside] = self.labels[row[inside], column[inside]]
        return found

    def wall(self, along: Floats, left: Floats) -> Floats:
        """Return how far from the vehicle's way things stand beside places, (P,) metres."""
        row = np.floor(along / _ALONG_M).astype(np.intp) - self.first
        row = np.clip(row, 0, len(self.labels) - 1)
        return np.where(left < 0, self.walls[0].take(row), self.walls[1].take(row))


@dataclass(frozen=True)
class RoadView:
    """The vehicle's way in its own frame, at places a step apart straight ahead; (T,) each."""

    along: Floats
    """Metres along the road."""
    centre_x: Floats
    centre_y: Floats
    cosine: Floats
    """Of the road's heading, as is ``sine``."""
    sine: Floats

    @classmethod
    def of(cls, path: RoadPath, ego: Floats, at_m: float) -> "RoadView":
        """Look along a road from the pose ``ego``, which is ``at_m`` metres along it."""
        along = at_m + np.arange(_VIEW_M[0], _VIEW_M[1], _VIEW_STEP_M)
        poses = path.poses(along, np.zeros(len(along)))
        x, y, heading = seen_from(poses, np.broadcast_to(ego, poses.shape)).T
        # Places straight ahead; where the road turns back it is not followed further.
        x = np.maximum.accumulate(x)
        straight = np.arange(_VIEW_M[0], _VIEW_M[1], _VIEW_STEP_M)
        along, y, heading = (np.interp(straight, x, it) for it in (along, y, heading))
        return cls(along, straight, y, np.cos(heading), np.sin(heading))

    def coordinates(self, ahead: Floats, aside: Floats) -> tuple[Floats, Floats]:
        """Return metres along the road and left of it of (P,) places of the vehicle frame."""
        foot = ahead
        for _ in range(2):
            row = np.rint((foot - _VIEW_M[0]) / _VIEW_STEP_M).astype(np.intp)
            # Beyond both ends the first and the last place count.
            cosine, sine, centre_x, centre_y = (
                it.take(row, mode="clip")
                for it in (self.cosine, self.sine, self.centre_x, self.centre_y)
            )
            x, y = ahead - centre_x, aside - centre_y
            left = cosine * y - sine * x
            foot = ahead + sine * left
        return self.along.take(row, mode="clip") + cosine * x + sine * y, left


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
        self._glimpses: dict[int, Glimpse] = {}
        self._views: dict[int, RoadView] = {}

    def around(self, frames: tuple[Frame, ...]) -> Roadside:
        """Put together what frames, in order, show; frames of earlier calls are forgotten."""
        known = self._glimpses
        self._glimpses = {
            it.frame_index: known.get(it.frame_index) or self._glimpse(it) for it in frames
        }
        self._views = {at: view for at, view in self._views.items() if at in self._glimpses}
        glimpses = list(self._glimpses.values())
        first = min(it.first for it in glimpses)
        last = max(it.first + len(it.labels) for it in glimpses)
        labels = np.full((last - first, len(_ACROSS)), NO_LABEL, np.uint8)
        # Later frames saw a place from nearer.
        for it in glimpses:
            part = labels[it.first - first : it.first - first + len(it.labels)]
            cv2.copyTo(it.labels, it.is_seen, part)
        contacts = np.concatenate([it.contacts for it in glimpses])
        places = ((first + np.arange(last - first) + 0.5) * _ALONG_M).astype(np.float64)
        walls = tuple(_wall(contacts[contacts[:, 1] * side > 0], places) for side in (-1, 1))
        return Roadside(self.path, first, _continued(labels), (walls[0], walls[1]))

    def view(self, index: int) -> "RoadView":
        """Return the road as the vehicle sees it at a frame."""
        if index not in self._views:
            at_m = float(self.path.at_frame_m[index])
            self._views[index] = RoadView.of(self.path, self.plan.ego[index], at_m)
        return self._views[index]

    def on_walls(
        self, pixels: Floats, roadside: Roadside, index: int
    ) -> tuple[Floats, NDArray[np.bool_]]:
        """Let (P, 2) pixels of a frame see what stands beside the road.

        Returns:
            (3, P) points in the vehicle frame, and (P,) whether something is known to stand there.
        """
        camera, view = self.plan.camera_at(index), self.view(index)
        centre, rays = camera_centre(camera), pixel_rays(camera, pixels)
        ray_x, ray_y, ray_z = np.ascontiguousarray(rays.T)
        depth = np.full(len(pixels), 15.0)
        wall = left = depth
        for _ in range(3):
            along, left = view.coordinates(centre[0] + depth * ray_x, centre[1] + depth * ray_y)
            left = np.where(np.abs(left) < 0.1, np.copysign(0.1, ray_y), left)
            wall = roadside.wall(along, left)
            ratio = np.where(np.isfinite(wall), wall / np.abs(left), 1.0)
            depth = np.clip(depth * ratio, _NEAREST_M, _STANDS_WITHIN_M)
        is_known = np.isfinite(wall) & (depth > _NEAREST_M) & (depth < _STANDS_WITHIN_M)
        places = (centre[0] + depth * ray_x, centre[1] + depth * ray_y, centre[2] + depth * ray_z)
        return np.stack(places), is_known

    def _glimpse(self, frame: Frame) -> Glimpse:
        assert frame.semantic is not None
        here = self.path.at_frame_m[frame.frame_index]
        first = int(np.floor((here + _NEAREST_M) / _ALONG_M))
        count = int((_FARTHEST_M - _NEAREST_M) / _ALONG_M)
        along = (first + np.arange(count, dtype=np.float64) + 0.5) * _ALONG_M
        poses = self.path.poses(along, np.zeros(count))
        poses = seen_from(poses, np.broadcast_to(self.plan.ego[frame.frame_index], poses.shape))
        # Cells across the road lie on a line, which the picture shows as one.
        homography = ground_homography(self.plan.camera_at(frame.frame_index))
        x, y, heading = poses.T
        middle = homography @ np.stack([x, y, np.ones(count)])
        across = homography[:, :2] @ np.stack([-np.sin(heading), np.cos(heading)])
        u, v, depth = middle[..., None] + across[..., None] * _ACROSS
        is_ahead = depth > 1.0
        depth = np.where(is_ahead, depth, 1.0)
        u, v = np.rint(u / depth), np.rint(v / depth)
        height, width = frame.semantic.shape
        inside = is_ahead & (u >= 0) & (u < width) & (v >= 0) & (v < height)
        labels = np.full(inside.shape, NO_LABEL, np.uint8)
        shown = frame.semantic.ravel().take((v[inside] * width + u[inside]).astype(np.intp))
        labels[inside] = np.where(self.is_flat[shown], shown, NO_LABEL)
        is_seen = (labels != NO_LABEL).view(np.uint8)
        return Glimpse(first, labels, is_seen, self._contacts(frame))

    def _contacts(self, frame: Frame) -> Floats:
        """(K, 2) metres along and left at which columns meet something that stands."""
        assert frame.semantic is not None
        step = max(1, frame.semantic.shape[1] // _COLUMNS)
        labels = np.asarray(cv2.transpose(frame.semantic))[::step]
        # Where the ground begins; patches further down are specks of a labeller.
        top = np.asarray(cv2.LUT(labels, self.is_flat.view(np.uint8))).view(bool).argmax(axis=1)
        columns = np.flatnonzero(top > 0)
        columns = columns[self.stands[labels[columns, top[columns] - 1]]]
        pixels = np.column_stack([columns * step, top[columns] - 0.5]).astype(np.float64)
        points = ground_points(self.plan.camera_at(frame.frame_index), pixels)
        near = points[:, 2] < _CONTACTS_WITHIN_M
        along, left = self.view(frame.frame_index).coordinates(*points[near, :2].T)
        return np.column_stack([along, left])[np.abs(left) > _DRIVEN_M]


def _continued(labels: SemanticMap) -> SemanticMap:
    """Give hidden cells what is seen nearest along the road, at the same distance from it."""
    numbers = np.arange(len(labels), dtype=np.int32)[:, None]
    known = labels != NO_LABEL
    before = np.maximum.accumulate(np.where(known, numbers, -_NOWHERE), axis=0)
    after = np.minimum.accumulate(np.where(known, numbers, _NOWHERE)[::-1], axis=0)[::-1]
    nearest = np.where(numbers - before <= after - numbers, before, after)
    is_near = np.abs(nearest - numbers) <= _CONTINUED_M / _ALONG_M
    columns = np.arange(labels.shape[1], dtype=np.int32)
    place = np.where(is_near, nearest, 0) * np.int32(labels.shape[1]) + columns
    return np.where(is_near, labels.ravel().take(place), np.uint8(NO_LABEL))


def _wall(contacts: Floats, places: Floats) -> Floats:
    """(S,) distance at which things stand on one side, from (K, 2) contacts; infinite if unseen."""
    if not len(contacts):
        return np.full(len(places), np.inf)
    cell = np.floor((contacts[:, 0] - places[0]) / 2.0).astype(np.intp)
    distance = np.abs(contacts[:, 1])
    order = np.lexsort((distance, cell))
    cell, distance = cell[order], distance[order]
    starts = np.flatnonzero(np.append(True, cell[1:] != cell[:-1]))
    counts = np.append(starts[1:], len(cell)) - starts
    middle = distance[starts + counts // 2]
    padded = np.concatenate([middle[:1], middle, middle[-1:]])
    smooth = np.sort(np.stack([padded[:-2], padded[1:-1], padded[2:]]), axis=0)[1]
    return np.interp(places, places[0] + (cell[starts] + 0.5) * 2.0, smooth)
