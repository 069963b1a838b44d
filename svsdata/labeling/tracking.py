"""Instance ids that last: the instances of single frames joined into objects of a sequence.

Objects are carried from frame to frame by the flow and meet the instances they overlap most, in
an optimal assignment. An object that is missing for a few frames is looked for where it moves to.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import find_objects
from scipy.optimize import linear_sum_assignment

from svsdata.errors import SourceError
from svsdata.flow import warp
from svsdata.labeling.track_table import FORGOTTEN_AFTER
from svsdata.labels import LabelSet
from svsdata.records import INSTANCE_BASE, Frame, InstanceMap

LONGEST_GAP = 5
"""Frames that an object may be missing and still be the same."""

LEAST_OVERLAP = 0.2
"""Intersection over union from which an object and an instance may be one."""

# Of two instances inside one object's mask the smaller is taken for a piece of it, but not for
# long: two cars seen as one at first part for good.
_INSIDE = 0.8
_PIECES_JOINED = 3
_OTHER_CLASS = 0.7  # what an overlap with another class of the same category counts
_CLASS_LEAD = 1.5  # times the votes that another class needs to rename an object
_VELOCITY_MEMORY = 0.5
_IDS = 2**16


@dataclass
class _Object:
    """An object that was seen within the last ``LONGEST_GAP`` frames."""

    id: int
    box: NDArray[np.float64]
    """(4,) left, top, right, bottom, where it was last seen."""
    votes: NDArray[np.float64]
    """(256,) sum of confidences by label id."""
    velocity: NDArray[np.float64] = field(default_factory=lambda: np.zeros(2))
    """(2,) pixels a frame, of the box's centre."""
    missing: int = 0
    """Frames since it was seen."""
    pieces: int = 0
    """Frames in a row in which a piece was joined to it."""

    def predicted_box(self) -> NDArray[np.float64]:
        return self.box + np.tile(self.velocity, 2) * (self.missing + 1)

    def see(self, box: NDArray[np.float64], label: int, confidence: float) -> None:
        """Note where it is; a step after a gap is that of one frame."""
        moved = (box - self.box).reshape(2, 2).mean(0) / (self.missing + 1)
        self.velocity = _VELOCITY_MEMORY * self.velocity + (1 - _VELOCITY_MEMORY) * moved
        self.box, self.missing = box, 0
        self.votes[label] += confidence


class InstanceTracker:
    """Gives instances the ids of objects, frame by frame, in bounded memory.

    Ids are unique among the objects of ``FORGOTTEN_AFTER`` frames, and within the sequence up to
    1000 objects a class; then the oldest are dealt again. An object's class is that of most
    confidence so far, and the semantic map follows it; a class that takes the lead gives the
    object a new id.

    Args:
        label_set: Of the frames.
        state: What ``state`` gave after the frames before, when a sequence is gone on with.
    """

    def __init__(
        self, label_set: LabelSet, state: Mapping[str, NDArray[np.generic]] | None = None
    ) -> None:
        self._category = np.full(256, -1, np.int64)
        names = sorted({label.category for label in label_set.labels})
        for label in label_set.labels:
            self._category[label.id] = names.index(label.category)
        self._objects: list[_Object] = []
        self._memory: InstanceMap | None = None
        self._last_used = np.full(_IDS, -_IDS, np.int64)
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
        assert frame.semantic is not None
        assert frame.instance is not None
        found = np.flatnonzero(np.bincount(frame.instance.ravel(), minlength=_IDS))
        found = found[found >= INSTANCE_BASE]
        segments = _numbered(frame.instance, found)
        carried = self._carried(frame)
        overlap = self._overlaps(carried, segments, found)
        boxes = _boxes(segments)
        confidences = _confidences(frame, segments, len(found))
        owners = self._assigned(overlap, boxes, found // INSTANCE_BASE)
        joined = self._joined(owners, carried, segments, found // INSTANCE_BASE)
        for segment, owner in enumerate(owners):
            label = int(found[segment]) // INSTANCE_BASE
            if owner >= 0:
                self._objects[owner].see(boxes[segment], label, confidences[segment])
            elif joined[segment] < 0:
                votes = np.zeros(256)
                votes[label] = confidences[segment]
                joined[segment] = len(self._objects)
                self._objects.append(_Object(self._new_id(label), boxes[segment], votes))
        seen = np.where(owners >= 0, owners, joined)
        return self._finished(frame, found, seen, carried)

    def state(self) -> dict[str, NDArray[np.generic]]:
        """Return what going on after these frames needs."""
        numbers = [[it.id, *it.box, *it.velocity, it.missing, it.pieces] for it in self._objects]
        memory = np.zeros((0, 0), np.uint16) if self._memory is None else self._memory
        return {
            "tracking_objects": np.array(numbers, np.float64).reshape(-1, 9),
            "tracking_votes": np.array([it.votes for it in self._objects]).reshape(-1, 256),
            "tracking_memory": memory,
            "tracking_last_used": self._last_used.copy(),
            "tracking_frames": np.array(self._frames),
        }

    def _restore(self, state: Mapping[str, NDArray[np.generic]]) -> None:
        votes = np.asarray(state["tracking_votes"], np.float64)
        for row, of_object in zip(
            np.asarray(state["tracking_objects"], np.float64), votes, strict=True
        ):
            self._objects.append(
                _Object(int(row[0]), row[1:5], of_object.copy(), row[5:7], int(row[7]), int(row[8]))
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
        numbered = _numbered(self._memory, np.array([it.id for it in self._objects], np.int64))
        return numbered if frame.flow is None else warp(numbered, frame.flow, nearest=True)

    def _overlaps(
        self, carried: NDArray[np.uint16], segments: NDArray[np.uint16], found: NDArray[np.int64]
    ) -> NDArray[np.float64]:
        """Return the (objects, segments) intersection over union of masks."""
        shared = _shared_pixels(carried, segments, len(self._objects), len(found))
        union = shared.sum(1)[1:, None] + shared.sum(0)[None, 1:] - shared[1:, 1:]
        return shared[1:, 1:] / np.maximum(union, 1)

    def _assigned(
        self, overlap: NDArray[np.float64], boxes: NDArray[np.float64], labels: NDArray[np.int64]
    ) -> NDArray[np.int64]:
        """Return the object of each segment, or -1."""
        score = overlap.copy()
        for number, it in enumerate(self._objects):
            if it.missing:
                score[number] = np.maximum(score[number], _box_overlap(it.predicted_box(), boxes))
            own = it.id // INSTANCE_BASE
            related = self._category[labels] == self._category[own]
            score[number] *= np.where(labels == own, 1.0, np.where(related, _OTHER_CLASS, 0.0))
        score[score < LEAST_OVERLAP] = 0.0
        owners = np.full(len(labels), -1, np.int64)
        for number, segment in zip(*linear_sum_assignment(-score), strict=True):
            if score[number, segment] > 0:
                owners[segment] = number
        return owners

    def _joined(
        self,
        owners: NDArray[np.int64],
        carried: NDArray[np.uint16],
        segments: NDArray[np.uint16],
        labels: NDArray[np.int64],
    ) -> NDArray[np.int64]:
        """Return for each segment left over the object it is a piece of, or -1."""
        joined = np.full(len(owners), -1, np.int64)
        shared = _shared_pixels(carried, segments, len(self._objects), len(owners))
        with_piece: set[int] = set()
        for segment in np.flatnonzero(owners < 0):
            inside = shared[1:, segment + 1] / max(1, shared[:, segment + 1].sum())
            for number in np.flatnonzero(inside >= _INSIDE):
                it = self._objects[number]
                same = it.id // INSTANCE_BASE == labels[segment] and number in owners
                if same and it.pieces < _PIECES_JOINED:
                    joined[segment] = number
                    with_piece.add(int(number))
        for index, it in enumerate(self._objects):
            it.pieces = it.pieces + 1 if index in with_piece else 0
        return joined

    def _finished(
        self,
        frame: Frame,
        found: NDArray[np.int64],
        seen: NDArray[np.int64],
        carried: NDArray[np.uint16],
    ) -> Frame:
        """Write the objects' ids into the maps and forget objects that are gone."""
        assert frame.semantic is not None
        assert frame.instance is not None
        old_ids = np.array([0, *(it.id for it in self._objects)], np.uint16)
        for number in set(seen.tolist()):
            self._renamed(self._objects[number])
        ids = np.arange(_IDS).astype(np.uint16)
        ids[found] = [self._objects[number].id for number in seen]
        instance = ids[frame.instance]
        is_object = instance >= INSTANCE_BASE
        semantic = np.where(is_object, instance // INSTANCE_BASE, frame.semantic).astype(np.uint8)
        for number, it in enumerate(self._objects):
            it.missing = 0 if number in seen else it.missing + 1
            self._last_used[it.id] = self._frames
        gone = [it.id for it in self._objects if it.missing > LONGEST_GAP]
        # What is missing stays where the flow carried it, unless something else is seen there.
        missing = np.array([False, *(0 < it.missing <= LONGEST_GAP for it in self._objects)])
        kept = np.where(missing, old_ids, 0)[carried]
        self._memory = np.where(is_object, instance, kept).astype(np.uint16)
        self._objects = [it for it in self._objects if it.id not in gone]
        self._frames += 1
        models = {**frame.models, "instance": "tracked by overlap along the flow"}
        return replace(frame, semantic=semantic, instance=instance, models=models)

    def _renamed(self, it: _Object) -> None:
        """Give an object a new id when another class has taken the lead."""
        leader = int(it.votes.argmax())
        own = it.id // INSTANCE_BASE
        if leader != own and it.votes[leader] > _CLASS_LEAD * it.votes[own]:
            it.id = self._new_id(leader)

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


def _numbered(instance: InstanceMap, ids: NDArray[np.int64]) -> NDArray[np.uint16]:
    """Return a map of 1..N for the ids, in order, and 0 elsewhere."""
    numbers = np.zeros(_IDS, np.uint16)
    numbers[ids] = np.arange(1, len(ids) + 1)
    return numbers[instance]


def _shared_pixels(
    first: NDArray[np.uint16], second: NDArray[np.uint16], num_first: int, num_second: int
) -> NDArray[np.int64]:
    """Count the pixels of each pair of numbers, (num_first + 1, num_second + 1)."""
    joint = first.ravel().astype(np.int64) * (num_second + 1) + second.ravel()
    size = (num_first + 1) * (num_second + 1)
    return np.bincount(joint, minlength=size).reshape(num_first + 1, num_second + 1)


def _boxes(segments: NDArray[np.uint16]) -> NDArray[np.float64]:
    """Return the (segments, 4) left, top, right, bottom of every segment."""
    slices = find_objects(segments.astype(np.int32))
    boxes = [(x.start, y.start, x.stop, y.stop) for y, x in slices]
    return np.array(boxes, np.float64).reshape(-1, 4)


def _box_overlap(box: NDArray[np.float64], boxes: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the intersection over union of one box with (N, 4) others."""
    low, high = np.maximum(box[:2], boxes[:, :2]), np.minimum(box[2:], boxes[:, 2:])
    shared = np.clip(high - low, 0, None).prod(1)
    areas = (boxes[:, 2:] - boxes[:, :2]).prod(1)
    return np.asarray(shared / ((box[2:] - box[:2]).prod() + areas - shared))


def _confidences(
    frame: Frame, segments: NDArray[np.uint16], num_segments: int
) -> NDArray[np.float64]:
    """Return each segment's mean confidence, 1 where the frame has none."""
    if frame.confidence is None:
        return np.ones(num_segments)
    flat = segments.ravel()
    total = np.bincount(flat, frame.confidence.ravel() / 255, minlength=num_segments + 1)
    return np.asarray(total[1:] / np.bincount(flat, minlength=num_segments + 1)[1:])
