"""At which moments objects of an edit are tried, and which tries need not be made."""

import numpy as np

from svsdata.editing.language import Edit
from svsdata.editing.placement import RoadPath
from svsdata.editing.setting import Setting
from svsdata.editing.trajectories import drawn
from svsdata.randomness import derived_seed

_PASSES_S = 10
"""For about so long an object is in view: later moments than that before the end show less."""


def starts(edit: Edit, num_frames: int) -> tuple[int, int]:
    """First and last frame at which the edit's first object may be at its first place."""
    is_reference = edit.enter == "reference"
    start = (0 if is_reference else 1) if edit.frames.start == "auto" else edit.frames.start
    end = num_frames - 1 if edit.frames.end == "end" else min(edit.frames.end, num_frames - 1)
    # What is in the reference frame is at its place there, and cannot wait for a better moment.
    if start < num_frames and (is_reference or edit.checks.on_fail != "shift"):
        return start, start if edit.repeat is None else end
    return start, end


def next_start(edit: Edit, start: int, path: RoadPath, rng: np.random.Generator) -> int:
    """First frame at which the vehicle has gone the gap of a repeated edit."""
    num_frames = len(path.at_frame_m)
    if edit.repeat is None:
        return num_frames
    goal = path.at_frame_m[start] + drawn(edit.repeat.gap_m, rng)
    beyond = np.flatnonzero(path.at_frame_m >= goal)
    return int(beyond[0]) if beyond.size else num_frames


def tries_like(seed: int, edit: Edit, setting: Setting) -> set[int]:
    """Return the seeds of a try and of those soon after it, which would look about the same.

    Soon is half of the frames that are left for an object to pass by; of a repeated edit, and
    in a short sequence, it is that try alone.
    """
    start, last_start = starts(edit, setting.scene.num_frames)
    if edit.op != "add" or edit.repeat is not None:
        return {seed}
    seeds = [derived_seed(setting.seed, edit.id, at) for at in range(start, last_start + 1)]
    if seed not in seeds:
        return {seed}
    tried = seeds.index(seed)
    left = len(seeds) - tried - round(_PASSES_S * setting.scene.fps)
    return set(seeds[tried : tried + 1 + max(0, left) // 2])
