"""Instance ids that last: the instances of single frames joined into objects of a sequence.

Objects are carried from frame to frame by the flow and meet the instances they overlap most, in
an optimal assignment; what is left over meets the nearest of its size. An object that is missing
for a few frames is looked for where it moves to.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from svsdata.errors import SourceError
from svsdata.flow import warp
from svsdata.labeling.track_matching import (
    IDS,
    Sighting,
    area_ratios,
    assign,
    box_overlaps,
    grown,
    numbered,
    pieces,
    sighting,
)
from svsdata.labeling.track_table import FORGOTTEN_AFTER
from svsdata.labels import LabelSet
from svsdata.records import INSTANCE_BASE, Frame, InstanceMap

TRACKED = "tracked by overlap along the flow, then by nearness"

LONGEST_GAP = 5
"""Frames that an object may be missing and still be the same."""

LEAST_OVERLAP = 0.2
"""Intersection over union from which an object and an instance may be one."""

# Two cars seen as one at first part for good.
_PIECES_JOINED = 3
_OTHER_CLASS = 0.7  # what an overlap with another class of the same category counts
_CLASS_LEAD = 1.5  # times the votes that another class needs to rename an object
# Boxes may agree where masks hardly do: the outline of a car is no car.
_LEAST_AREA_RATIO = 0.25
# A piece that passed for an object once must not outbid the object afterwards.
_DOUBT = 3  # sightings after which an object's overlaps count half
_VELOCITY_MEMORY = 0.8
_AREA_MEMORY = 0.7


@dataclass
class _Object:
    """An object that was seen within the last ``LONGEST_GAP`` frames."""

    label: int
    """Of most confidence so far."""
    box: NDArray[np.float64]
    """(4,) left, top, right, bottom, where it was last seen."""
    area: float
    """Pixels, a running mean."""
    votes: NDArray[np.float64] = field(default_factory=lambda: np.zeros(256))
    """(256,) sum of confidences by label id."""
    ids: NDArray[np.int64] = field(default_factory=lambda: np.zeros(256, np.int64))
    """(256,) its instance id as each class; 0 = not needed so far."""
    velocity: NDArray[np.float64] = field(default_factory=lambda: np.zeros(2))
    """(2,) pixels a frame, of the box's centre."""
    sightings: int = 1
    missing: int = 0
    """Frames since it was seen."""
    pieces: int = 0
    """Frames in a row in which a piece was joined to it."""

    @property
    def id(self) -> int:
        return int(self.ids[self.label])

    @property
    def trust(self) -> float:
        return self.sightings / (self.sightings + _DOUBT)

    def predicted_box(self) -> NDArray[np.float64]:
        return self.box + np.tile(self.velocity, 2) * (self.missing + 1)

    def see(self, box: NDArray[np.float64], area: float) -> None:
        """Note where it is; a step after a gap is that of one frame."""
        moved = (box - self.box).reshape(2, 2).mean(0) / (self.missing + 1)
        self.velocity = _VELOCITY_MEMORY * self.velocity + (1 - _VELOCITY_MEMORY) * moved
        self.area = _AREA_MEMORY * self.area + (1 - _AREA_MEMORY) * area
        self.box, self.missing, self.sightings = box, 0, self.sightings + 1


class InstanceTracker:
    """Gives instances the ids of objects, frame by frame, in bounded memory.

    Ids are unique among the objects of ``FORGOTTEN_AFTER`` frames, and within the sequence up to
    1000 objects a class; then the oldest are dealt again.

    Args:
        label_set: Of the frames.
        state: What ``state`` gave after the frames before, when a sequence is gone on with.
        renames: An object's class is that of most confidence so far, in the semantic map too; a
            class that takes the lead gives it a new id. False leaves the semantic map as it is:
            an object then has an id for each class it is seen as, always the same.
    """

    def __init__(
        self,
        label_set: LabelSet,
        state: Mapping[str, NDArray[np.generic]] | None = None,
        *,
        renames: bool = True,
    ) -> None:
        self._renames = renames
        self._category = np.full(256, -1, np.int64)
        names = sorted({label.category for label in label_set.labels})
        for label in label_set.labels:
            self._category[label.id] = names.index(label.category)
        self._objects: list[_Object] = []
        self._memory: InstanceMap | None = None
        self._last_used = np.full(IDS, -IDS, np.int64)
        self._frames = 0
        if state is not None:
            self._restore(state)

    def track(self, frame: Frame) -> Frame:
        """Return a frame whose instances have the ids of objects; frames come in order.

        Args:
            frame: With semantic and instance maps; without flow objects are taken to stand still.

        Raises:
            SourceError: If there are over 1000 objects of a class within ``FORGOTTEN_AFTER``
                frames.
        """
        carried = self._carried(frame)
        seen = sighting(frame, carried, len(self._objects))
        owners = self._assigned(seen)
        joined = self._joined(owners, seen)
        for segment, owner in enumerate(owners):
            label, sure = int(seen.labels[segment]), seen.confidences[segment]
            if owner >= 0:
                self._objects[owner].see(seen.boxes[segment], seen.areas[segment])
                self._objects[owner].votes[label] += sure
            elif joined[segment] < 0:
                joined[segment] = len(self._objects)
                it = _Object(label, seen.boxes[segment], seen.areas[segment])
                it.votes[label] = sure
                it.ids[label] = self._new_id(label)
                self._objects.append(it)
        return self._finished(frame, seen, np.where(owners >= 0, owners, joined), carried)

    def state(self) -> dict[str, NDArray[np.generic]]:
        """Return what going on after these frames needs."""
        numbers = [
            [it.label, *it.box, it.area, *it.velocity, it.sightings, it.missing, it.pieces]
            for it in self._objects
        ]
        memory = np.zeros((0, 0), np.uint16) if self._memory is None else self._memory
        return {
            "tracking_objects": np.array(numbers, np.float64).reshape(-1, 11),
            "tracking_votes": np.array([it.votes for it in self._objects]).reshape(-1, 256),
            "tracking_ids": np.array([it.ids for it in self._objects], np.int64).reshape(-1, 256),
            "tracking_memory": memory,
            "tracking_last_used": self._last_used.copy(),
            "tracking_frames": np.array(self._frames),
        }

    def _restore(self, state: Mapping[str, NDArray[np.generic]]) -> None:
        numbers = np.asarray(state["tracking_objects"], np.float64)
        votes = np.array(state["tracking_votes"], np.float64)
        ids = np.array(state["tracking_ids"], np.int64)
        for row, of_object, own_ids in zip(numbers, votes, ids, strict=True):
            counts = (int(count) for count in row[8:11])
            self._objects.append(
                _Object(int(row[0]), row[1:5], float(row[5]), of_object, own_ids, row[6:8], *counts)
            )
        memory = np.asarray(state["tracking_memory"], np.uint16)
        self._memory = memory if memory.size else None
        self._last_used = np.array(state["tracking_last_used"], np.int64)
        self._frames = int(state["tracking_frames"])

    def _carried(self, frame: Frame) -> NDArray[np.uint16]:
        """Return the number of the object at each pixel, from 1, moved along by the flow."""
        assert frame.instance is not None
        if self._memory is None:
            return np.zeros(frame.instance.shape, np.uint16)
        of_objects = numbered(self._memory, np.array([it.id for it in self._objects], np.int64))
        return of_objects if frame.flow is None else warp(of_objects, frame.flow, nearest=True)

    def _assigned(self, seen: Sighting) -> NDArray[np.int64]:
        """Return the object of each segment, or -1."""
        owners = np.full(len(seen.ids), -1, np.int64)
        if not self._objects:
            return owners
        own = np.array([it.label for it in self._objects])[:, None]
        related = self._category[seen.labels] == self._category[own]
        kinship = np.where(seen.labels == own, 1.0, np.where(related, _OTHER_CLASS, 0.0))
        areas = np.array([it.area for it in self._objects])
        alike = kinship * (area_ratios(areas, seen.areas) >= _LEAST_AREA_RATIO)
        predicted = np.array([it.predicted_box() for it in self._objects])
        missing = np.array([it.missing > 0 for it in self._objects])[:, None]
        trust = np.array([it.trust for it in self._objects])[:, None]
        overlap = kinship * seen.overlaps()
        at_place = np.where(missing, alike * box_overlaps(predicted, seen.boxes), 0.0)
        nearness = alike * box_overlaps(grown(predicted), grown(seen.boxes))
        for score in (np.maximum(overlap, at_place), nearness):
            assign(np.where(score < LEAST_OVERLAP, 0.0, score * trust), owners)
        return owners

    def _joined(self, owners: NDArray[np.int64], seen: Sighting) -> NDArray[np.int64]:
        """Return for each segment left over the object it is a piece of, or -1."""
        joined = np.full(len(owners), -1, np.int64)
        patient = [it.pieces < _PIECES_JOINED for it in self._objects]
        own = np.array([it.label for it in self._objects], np.int64)[:, None]
        fits = pieces(seen, owners) & (seen.labels == own) & np.array(patient, bool)[:, None]
        for segment in np.flatnonzero(fits.any(axis=0)):
            shared = np.where(fits[:, segment], seen.shared[1:, segment + 1], 0)
            joined[segment] = int(shared.argmax())
        for number, it in enumerate(self._objects):
            it.pieces = it.pieces + 1 if number in joined else 0
        return joined

    def _finished(
        self,
        frame: Frame,
        seen: Sighting,
        numbers: NDArray[np.int64],
        carried: NDArray[np.uint16],
    ) -> Frame:
        """Write the objects' ids into the maps and forget objects that are gone."""
        assert frame.semantic is not None
        assert frame.instance is not None
        old_ids = np.array([0, *(it.id for it in self._objects)], np.uint16)
        for number in set(numbers.tolist()):
            self._renamed(self._objects[number])
        named, remembered = (np.arange(IDS).astype(np.uint16) for _ in range(2))
        for found, label, number in zip(seen.ids, seen.labels, numbers, strict=True):
            it = self._objects[number]
            remembered[found] = it.id
            named[found] = it.id if self._renames else self._id_as(it, int(label))
        instance, semantic = named.take(frame.instance), frame.semantic
        if self._renames:
            of_object = np.arange(IDS) // INSTANCE_BASE
            classes = of_object.astype(np.uint8).take(instance)
            semantic = np.where(instance >= INSTANCE_BASE, classes, semantic)
        for number, it in enumerate(self._objects):
            it.missing = 0 if number in numbers else it.missing + 1
            self._last_used[it.ids[it.ids > 0]] = self._frames
        # What is missing stays where the flow carried it, unless something else is seen there.
        missing = np.array([False, *(0 < it.missing <= LONGEST_GAP for it in self._objects)])
        kept = np.where(missing, old_ids, 0).take(carried)
        remembered[:INSTANCE_BASE] = 0
        self._memory = remembered.take(frame.instance)
        np.copyto(self._memory, kept, where=self._memory == 0)
        self._objects = [it for it in self._objects if it.missing <= LONGEST_GAP]
        self._frames += 1
        models = {**frame.models, "instance": TRACKED}
        return replace(frame, semantic=semantic, instance=instance, models=models)

    def _renamed(self, it: _Object) -> None:
        """Give an object its id as another class when that class has taken the lead."""
        leader = int(it.votes.argmax())
        if leader != it.label and it.votes[leader] > _CLASS_LEAD * it.votes[it.label]:
            self._id_as(it, leader)
            it.label = leader

    def _id_as(self, it: _Object, label: int) -> int:
        """Return an object's id as a class."""
        if not it.ids[label]:
            it.ids[label] = self._new_id(label)
        return int(it.ids[label])

    def _new_id(self, label: int) -> int:
        """Return the first id of a class that was never used, else the one longest unused."""
        first = label * INSTANCE_BASE
        last_used = self._last_used[first : first + INSTANCE_BASE]
        new = first + int(last_used.argmin())
        if self._frames - self._last_used[new] <= FORGOTTEN_AFTER:
            raise SourceError(
                f"frame {self._frames}: over {INSTANCE_BASE} objects of class {label} within "
                f"{FORGOTTEN_AFTER} frames, are the instances noise? --set tracking=false keeps "
                "the ids of single frames"
            )
        self._last_used[new] = self._frames
        return new
