"""Ways of objects of the base that are moved, delayed or replaced."""

import numpy as np
from numpy.typing import NDArray

from svsdata.editing.base_tracks import BaseTrack
from svsdata.editing.language import Edit
from svsdata.editing.placement import Poses
from svsdata.editing.setting import Setting
from svsdata.editing.trajectories import drawn, moved


def new_way(
    edit: Edit,
    track: BaseTrack,
    frames: NDArray[np.int64],
    size_m: tuple[float, float, float],
    draws: tuple[Setting, np.random.Generator],
) -> Poses:
    """(n, 3) plan frame."""
    setting, rng = draws
    fps = setting.scene.fps
    if edit.op == "retime":
        assert edit.by_s is not None
        return track.at(frames - drawn(edit.by_s, rng) * fps, fps)
    world = track.at(frames.astype(np.float64), fps)
    pose = setting.ego[frames]
    away = world[:, :2] - pose[:, :2]
    if edit.op == "replace":
        if edit.anchor == "middle":
            return world
        # The end that is seen stays: the one that shows towards the vehicle when first seen.
        longer = (size_m[0] - track.size_m[0]) / 2
        facing = np.cos(world[0, 2]) * away[0, 0] + np.sin(world[0, 2]) * away[0, 1]
        return moved(world, float(np.copysign(longer, facing)), 0.0)
    assert edit.by_m is not None
    ahead_m, left_m = drawn(edit.by_m.ahead, rng), drawn(edit.by_m.left, rng)
    along = (
        setting.path.at_frame_m[frames]
        + away[:, 0] * np.cos(pose[:, 2])
        + away[:, 1] * np.sin(pose[:, 2])
    )
    road = setting.path.poses(along, np.zeros(len(along)))[:, 2]
    if track.stands:
        road[:] = np.median(road)
    shifted = moved(np.column_stack([world[:, :2], road]), ahead_m, left_m)
    return np.column_stack([shifted[:, :2], world[:, 2]])


def nudged(world: Poses, ego: Poses, nudge_m: float) -> Poses:
    """Move a way sideways, towards the side on which the vehicle passes."""
    nearest = int(np.linalg.norm(world[:, :2] - ego[:, :2], axis=1).argmin())
    heading, offset = world[nearest, 2], ego[nearest, :2] - world[nearest, :2]
    left = -np.sin(heading) * offset[0] + np.cos(heading) * offset[1]
    return moved(world, 0.0, float(np.copysign(nudge_m, left)))
