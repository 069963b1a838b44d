"""Take donors for a shape library from a labelled sequence: objects seen whole that move."""

from collections import defaultdict
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from svsdata.editing.placement import Poses
from svsdata.editing.shape_library import DonorTrack
from svsdata.editing.shapes import OBJECT_KINDS
from svsdata.geometry.camera import camera_centre, ground_points
from svsdata.images import encode_png
from svsdata.labels import LabelSet
from svsdata.records import INSTANCE_BASE, Camera, Frame, InstanceMap, SemanticMap

DONOR_CLASSES = tuple(
    kind.name for kind in OBJECT_KINDS.values() if kind.class_names == (kind.name,)
)
"""Classes whose objects have one silhouette; riders and their vehicles have two."""

_NEAREST_M, _FARTHEST_M = 4.0, 50.0
_LOWEST_SHARE = 0.05
_MIN_MOMENTS = 5
# A foot that is hidden makes an object seem farther away, and so of another height than usual.
_HEIGHT_TOLERANCE = 0.07
# Parked objects may stand any way; a heading is known of what moves. People walk.
_MIN_SPEED_MPS = {"person": 0.6}
_MIN_VEHICLE_SPEED_MPS = 2.0
_SMOOTHED_S = 1.0
_PIECE_SHARE, _ON_GROUND_SHARE, _COVERED_SHARE = 0.95, 0.6, 0.02
# A larger hole in a vehicle is something before it; smaller ones are specks of a labeller.
_HOLE_SHARE = 0.02
# Of the area usual at the moments around; what lacks more of a vehicle is hidden by something.
_AREA_SHARE, _AROUND_MOMENTS = 0.93, 5
_FOOT_SHARE = 0.12
_RING_PX = 2
# Between arms and legs, and in frames of bicycles, one sees through.
_WITH_GAPS = ("person", "bicycle", "motorcycle")
_IN_FRONT = ("pole", "polegroup", "traffic sign", "traffic light", "fence", "guard rail")


@dataclass(frozen=True)
class Origin:
    """Where donors come from."""

    dataset: str
    sequence_id: str
    licence: str


@dataclass(frozen=True)
class Moment:
    """An object seen whole."""

    frame_index: int
    foot_m: NDArray[np.float64]
    """(2,) nearest contact with the ground, vehicle frame."""
    depth_m: float
    mask: bytes
    """A PNG file of 0 and 255, cut to the object."""
    box: tuple[int, int, int, int]
    """Left column, top row, width and height."""
    num_px: int
    """Of the object."""


class Harvest:
    """Collects the donors of one sequence, frame by frame."""

    def __init__(self, camera: Camera, label_set: LabelSet, classes: tuple[str, ...]) -> None:
        """Begin.

        Args:
            camera: Of all frames.
            label_set: Of the maps.
            classes: Which to take; for a library those of ``DONOR_CLASSES``.
        """
        self._camera = camera
        self._class_of = {label_set.label(name).id: name for name in classes}
        self._moments: dict[int, list[Moment]] = defaultdict(list)
        self._is_ground = np.zeros(256, bool)
        self._is_ground[[*label_set.ground_ids]] = True
        self._is_in_front = np.zeros(256, bool)
        self._is_in_front[
            [label_set.by_name[n].id for n in _IN_FRONT if n in label_set.by_name]
        ] = 1

    def add(self, frame: Frame) -> None:
        """Look at a frame with semantic and instance map."""
        assert frame.semantic is not None
        assert frame.instance is not None
        for instance_id in map(int, np.unique(frame.instance[frame.instance >= INSTANCE_BASE])):
            if instance_id // INSTANCE_BASE not in self._class_of:
                continue
            moment = self.moment(frame, instance_id)
            if moment is not None:
                self._moments[instance_id].append(moment)

    def tracks(self, ego: Poses, fps: float, origin: Origin) -> list[DonorTrack]:
        """Return the objects that were seen often enough and moved.

        Args:
            ego: (N, 3) the vehicle's pose at every frame.
            fps: Frames per second.
            origin: Written into every donor.
        """
        found = []
        for instance_id, moments in sorted(self._moments.items()):
            class_name = self._class_of[instance_id // INSTANCE_BASE]
            least_mps = _MIN_SPEED_MPS.get(class_name, _MIN_VEHICLE_SPEED_MPS)
            headings, speeds = _motion(moments, ego, fps)
            heights = self._heights(moments)
            usual = float(np.median(heights))
            is_whole = np.abs(heights / usual - 1) <= _HEIGHT_TOLERANCE
            if class_name != "person":
                is_whole &= _lacks_nothing(moments)
            kept = np.flatnonzero((speeds >= least_mps) & is_whole)
            if len(kept) < _MIN_MOMENTS:
                continue
            chosen = [moments[k] for k in kept]
            feet = np.stack([moment.foot_m for moment in chosen])
            offset = feet - camera_centre(self._camera)[:2]
            frames = np.array([moment.frame_index for moment in chosen])
            depths = np.array([moment.depth_m for moment in chosen])
            views = headings[kept] - ego[frames, 2] - np.arctan2(offset[:, 1], offset[:, 0])
            found.append(
                DonorTrack(
                    class_name=class_name,
                    dataset=origin.dataset,
                    sequence_id=origin.sequence_id,
                    instance_id=instance_id,
                    licence=origin.licence,
                    height_m=round(usual, 3),
                    frame_index=frames,
                    view_rad=np.round((views + np.pi) % (2 * np.pi) - np.pi, 4),
                    depth_m=np.round(depths, 3),
                    masks=tuple(moment.mask for moment in chosen),
                )
            )
        return found

    def _heights(self, moments: list[Moment]) -> NDArray[np.float64]:
        """(m,) metres that the object seems high at each moment."""
        depths = np.array([moment.depth_m for moment in moments])
        pixels = np.array([moment.box[3] for moment in moments])
        return pixels * depths / self._camera.intrinsics[1, 1]

    def moment(self, frame: Frame, instance_id: int) -> Moment | None:
        """Return what a frame with both maps shows of an object, None if not all of it and near."""
        assert frame.semantic is not None
        assert frame.instance is not None
        semantic, instance = frame.semantic, frame.instance
        height, width = instance.shape
        mask = np.asarray(instance == instance_id, np.uint8)
        x, y, wide, high = cv2.boundingRect(mask)
        if x == 0 or y == 0 or x + wide == width or y + high == height:
            return None
        if high < _LOWEST_SHARE * height:
            return None
        around = (
            slice(max(0, y - _RING_PX), y + high + _RING_PX),
            slice(max(0, x - _RING_PX), x + wide + _RING_PX),
        )
        inside = mask[around]
        _, _, stats, _ = cv2.connectedComponentsWithStats(inside)
        if stats[1:, cv2.CC_STAT_AREA].max() < _PIECE_SHARE * inside.sum():
            return None
        if self._is_covered(inside, semantic[around], instance[around], instance):
            return None
        cut = mask[y : y + high, x : x + wide]
        if self._class_of[instance_id // INSTANCE_BASE] not in _WITH_GAPS:
            num_px = int(cut.sum())
            cut = _without_holes(cut)
            if cut.sum() - num_px > _HOLE_SHARE * num_px:
                return None
        lowest = high - 1 - cut[::-1].argmax(axis=0)
        columns = np.flatnonzero(lowest >= high - 1 - _FOOT_SHARE * high)
        below = np.minimum(y + lowest[columns] + 1, height - 1)
        if self._is_ground[semantic[below, x + columns]].mean() < _ON_GROUND_SHARE:
            return None
        foot = np.array([x + float(np.median(columns)), y + high - 0.5])
        ahead, left, depth = ground_points(self._camera, foot)
        if not _NEAREST_M <= depth <= _FARTHEST_M:
            return None
        png = encode_png(cut * np.uint8(255))
        foot_m = np.array([ahead, left])
        box = (x, y, wide, high)
        return Moment(frame.frame_index, foot_m, float(depth), png, box, int(cut.sum()))

    def _is_covered(
        self,
        inside: NDArray[np.uint8],
        semantic: SemanticMap,
        instance: InstanceMap,
        whole: InstanceMap,
    ) -> bool:
        """Tell whether something that may be nearer touches the object."""
        ring = (cv2.dilate(inside, np.ones((3, 3), np.uint8)) > 0) & (inside == 0)
        touching = self._is_in_front[semantic] & ring
        own_lowest = int(np.flatnonzero((whole == instance[inside > 0][0]).any(axis=1))[-1])
        for other in np.unique(instance[ring & (instance >= INSTANCE_BASE)]):
            if int(np.flatnonzero((whole == other).any(axis=1))[-1]) >= own_lowest:
                touching |= ring & (instance == other)
        return bool(touching.sum() > _COVERED_SHARE * max(1, int(ring.sum())))


def _without_holes(mask: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Fill what a (h, w) mask of 0 and 1 surrounds."""
    outside = cv2.copyMakeBorder(1 - mask, 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=[1])
    cv2.floodFill(outside, None, (0, 0), (2,))
    return np.asarray(outside[1:-1, 1:-1] != 2, np.uint8)


def _lacks_nothing(moments: list[Moment]) -> NDArray[np.bool_]:
    """(m,) whether a vehicle is about as large, for its height, as at the moments around."""
    area = np.array([moment.num_px / moment.box[3] ** 2 for moment in moments])
    return area >= _AREA_SHARE * ndimage.median_filter(area, _AROUND_MOMENTS, mode="nearest")


def _motion(
    moments: list[Moment], ego: Poses, fps: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Heading and speed (m,) of an object in the plan frame, over a second around each moment."""
    frames = np.array([moment.frame_index for moment in moments])
    feet = np.stack([moment.foot_m for moment in moments])
    cosine, sine = np.cos(ego[frames, 2]), np.sin(ego[frames, 2])
    places = ego[frames, :2] + np.stack(
        [cosine * feet[:, 0] - sine * feet[:, 1], sine * feet[:, 0] + cosine * feet[:, 1]], axis=1
    )
    headings, speeds = np.zeros(len(frames)), np.zeros(len(frames))
    for k, frame in enumerate(frames):
        near = np.flatnonzero(np.abs(frames - frame) <= max(1.0, _SMOOTHED_S * fps))
        seconds = frames[near] / fps
        seconds = seconds - seconds.mean()
        spread = float(seconds @ seconds)
        if len(near) < 3 or spread == 0:
            continue
        velocity = seconds @ places[near] / spread
        headings[k], speeds[k] = np.arctan2(velocity[1], velocity[0]), np.hypot(*velocity)
    return headings, speeds
