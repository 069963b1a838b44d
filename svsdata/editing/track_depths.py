"""How far away the base's things stand at every frame, smoothed over their tracks.

A row of pixels is metres of ground far away, so that the foot of a single frame would order a thing
now before and now behind an object next to it.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from svsdata.editing.feet import Feet
from svsdata.editing.placement import Poses, seen_from, turned
from svsdata.editing.smooth_ways import CUT_OFF, foot_sigma_m, smoothed_way
from svsdata.geometry.camera import ground_points
from svsdata.records import Camera

_WITHIN_M = 300.0
"""Feet that seem farther away tell nothing."""


def _whole() -> NDArray[np.int32]:
    return np.zeros(0, np.int32)


@dataclass(frozen=True)
class TrackDepths:
    """z-depth at which things stand, in order of time; all arrays are (M,)."""

    frame: NDArray[np.int32] = field(default_factory=_whole)
    instance_id: NDArray[np.int32] = field(default_factory=_whole)
    centimetres: NDArray[np.int32] = field(default_factory=_whole)

    def at(self, frame_index: int) -> dict[int, float]:
        """Return the metres at one frame by instance id; who is not named has no track."""
        own = slice(*np.searchsorted(self.frame, (frame_index, frame_index + 1)))
        metres = self.centimetres[own] / 100
        return dict(zip(self.instance_id[own].tolist(), metres.tolist(), strict=True))


def track_depths(
    feet: Feet, camera_at: Callable[[int], Camera], ego: Poses, fps: float
) -> TrackDepths:
    """Follow the feet of all things over the ground.

    Args:
        feet: Of a sequence. Those that are hidden count little where others are seen.
        camera_at: The camera of a frame.
        ego: (N, 3) the vehicle's pose at every frame.
        fps: Frames per second.
    """
    if not len(feet.frame):
        return TrackDepths()
    bounds = np.flatnonzero(np.diff(feet.frame, prepend=-1, append=-1))
    pixels = np.stack([feet.u, feet.v], axis=1)
    seen = np.concatenate(
        [
            ground_points(camera_at(int(feet.frame[start])), pixels[start:stop])
            for start, stop in pairwise(bounds.tolist())
        ]
    )
    depth, pose = seen[:, 2], ego[feet.frame]
    tells = (depth > 0) & (depth < _WITHIN_M)
    camera = camera_at(0)
    sigma = foot_sigma_m(depth, camera) * np.where(feet.is_seen, 1.0, CUT_OFF)
    places = turned(seen[:, :2], pose[:, 2]) + pose[:, :2]
    metres = np.full(len(depth), np.nan)
    order = np.argsort(feet.instance_id, kind="stable")
    starts = np.flatnonzero(np.diff(feet.instance_id[order], prepend=-1))
    for own in np.split(order, starts[1:]):
        known = own[tells[own]]
        if not len(known):
            continue
        first, last = int(feet.frame[known[0]]), int(feet.frame[known[-1]])
        precision = np.eye(2) / np.square(sigma[known])[:, None, None]
        way = smoothed_way(
            feet.frame[known] - first, places[known], precision, last - first + 1, fps
        )
        during = own[(feet.frame[own] >= first) & (feet.frame[own] <= last)]
        level = np.zeros(len(during))
        world = np.column_stack([way[feet.frame[during] - first], level])
        moved = np.column_stack([seen_from(world, pose[during])[:, :2], level])
        metres[during] = moved @ camera.cam_T_vehicle[2, :3] + camera.cam_T_vehicle[2, 3]
    kept = np.flatnonzero(metres > 0)
    columns = (feet.frame[kept], feet.instance_id[kept], np.rint(100 * metres[kept]))
    return TrackDepths(*(column.astype(np.int32) for column in columns))
