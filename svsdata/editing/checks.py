"""Plausibility of a planned object, from its way and what is known of the scene; no picture.

What only pictures tell (how much of it is hidden, how much of a frame changes) is checked in
``trial``.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from svsdata.editing.crowd import Crowd
from svsdata.editing.language import Checks
from svsdata.editing.placement import Poses, View, seen_from, turned, view_of
from svsdata.editing.setting import Setting
from svsdata.editing.shapes import ObjectKind
from svsdata.geometry.camera import project
from svsdata.progress import counted

FAR_ENOUGH = 1.5
"""Times the height at which it may appear from the distance: lower objects may come and go."""
MIN_FRAMES = 5
"""Fewer frames in view are not worth an edit."""
# Sizes are of many vehicles of a class; a single one may well be that much out of the usual.
_SIZE_TOLERANCE = 0.3
# Lengths and widths differ more: vans are trucks too.
_SIDE_FACTOR = 2.0
_MIN_HEIGHT_SHARE = 0.06
_SPEED_TOLERANCE = 1.02
# 54 km/h: a vehicle whose estimated speed is higher all along may have frames left out.
_FAST_EGO_MPS = 15.0
# Hard braking and steering of a vehicle; more is a jump.
_MAX_ACCELERATION_MPS2 = 12.0
NOTHING_LEFT = "nothing is left to try"
"""Note of what trials took every try from; what they found wrong takes its place."""
GROUND_UNKNOWN = "OFFSURF not judged: the ground under it is never seen"
# Places on a footprint where the ground is looked up, as shares of its length and width.
FOOTPRINT_SPOTS = np.array([(x, y) for x in (-0.45, 0.0, 0.45) for y in (-0.45, 0.0, 0.45)])
_GROUND_EVERY = 3
# Labels near a kerb are off by a pixel and the vehicle's way by decimetres.
ON_SURFACE_SHARE = 0.9


@dataclass(frozen=True)
class Fault:
    """Why something is not plausible."""

    code: str
    note: str
    instance_id: int | None = None
    """Object of the base that is run into; 0 for a planned one."""


@dataclass(frozen=True)
class Candidate:
    """An object on the way that it would take."""

    kind: ObjectKind
    size_m: tuple[float, float, float]
    first_frame: int
    world: Poses
    """(n, 3) plan frame, one a frame."""
    poses: Poses
    """(n, 3) the same in the vehicle's frame."""
    view: View
    shown: NDArray[np.bool_]
    """(n,) whether it is drawn, occlusion aside."""

    @classmethod
    def on_way(
        cls,
        kind: ObjectKind,
        size_m: tuple[float, float, float],
        first_frame: int,
        world: Poses,
        setting: Setting,
    ) -> "Candidate":
        """Look at an object's way; it is shown wherever it is in view and not too far away."""
        poses = seen_from(world, setting.ego[first_frame : first_frame + len(world)])
        view = view_of(setting.scene.camera, poses, size_m)
        shown = view.is_visible & (view.height_px >= setting.far_px)
        return cls(kind, size_m, first_frame, world, poses, view, shown)

    def shown_part(self) -> "Candidate":
        """Cut off what lies before it is first and after it is last shown."""
        first, last = np.flatnonzero(self.shown)[[0, -1]]
        return self.cut(int(first), int(last) + 1)

    def cut(self, start: int, stop: int) -> "Candidate":
        """Return steps ``start`` to ``stop - 1``."""
        part = slice(start, stop)
        view = View(*(values[part] for values in vars(self.view).values()))
        return Candidate(
            self.kind,
            self.size_m,
            self.first_frame + start,
            self.world[part],
            self.poses[part],
            view,
            self.shown[part],
        )


def first_fault(
    candidate: Candidate, setting: Setting, crowd: Crowd, checks: Checks
) -> Fault | None:
    """Return what is wrong with an object that is shown somewhere; None if nothing is."""
    tests: tuple[Callable[[], Fault | None], ...] = (
        lambda: never_right(candidate, setting, checks),
        lambda: _unseen(candidate, setting, checks),
        lambda: _jump(candidate, setting, checks),
        lambda: _off_surface(candidate, setting, checks),
        lambda: _collision(candidate, crowd, checks),
    )
    return next((fault for test in tests if (fault := test()) is not None), None)


def never_right(candidate: Candidate, setting: Setting, checks: Checks) -> Fault | None:
    """Return what no other place or moment would change: a size or a speed of no such object."""
    return _size(candidate, checks) or _speed(candidate, setting, checks)


def _unseen(candidate: Candidate, setting: Setting, checks: Checks) -> Fault | None:
    shown, frames = candidate.shown, int(candidate.shown.sum())
    if frames < min(MIN_FRAMES, setting.scene.num_frames):
        return Fault("UNSEEN", f"in view for {counted(frames, 'frames')}, fewer than {MIN_FRAMES}")
    tallest = float(candidate.view.height_px[shown].max() / setting.scene.camera.size_hw[0])
    if checks.min_px and tallest < _MIN_HEIGHT_SHARE:
        told = np.floor(1e4 * tallest) / 1e4  # so that no digits say what it is less than
        return Fault(
            "TINY", f"at its highest {told:.2%} of the frame, less than {_MIN_HEIGHT_SHARE:.0%}"
        )
    box = candidate.view.box[shown]
    largest = float(((box[:, 2] - box[:, 0]) * (box[:, 3] - box[:, 1])).max())
    least = checks.least_px(setting.scene.camera.size_hw)
    if largest < least:
        return Fault("TINY", f"covers {largest:.0f} pixels at most, fewer than {least}")
    return None


def _size(candidate: Candidate, checks: Checks) -> Fault | None:
    if checks.size == "ignore":
        return None
    kind, (length, width, height) = candidate.kind, candidate.size_m
    above, below = 1 + _SIZE_TOLERANCE, 1 - _SIZE_TOLERANCE
    for side, (low, high), word in (
        (height, (kind.height_m[0] * below, kind.height_m[1] * above), "high"),
        (length, (kind.length_m[0] / _SIDE_FACTOR, kind.length_m[1] * _SIDE_FACTOR), "long"),
        (width, (kind.width_m[0] / _SIDE_FACTOR, kind.width_m[1] * _SIDE_FACTOR), "wide"),
    ):
        if not low <= side <= high:
            note = f"{side:.2f} m {word}; a {kind.name} is {low:.1f} to {high:.1f} m"
            return Fault("SIZE", note)
    return None


def _speed(candidate: Candidate, setting: Setting, checks: Checks) -> Fault | None:
    if checks.speed == "ignore" or len(candidate.world) < 2:
        return None
    steps = np.linalg.norm(np.diff(candidate.world[:, :2], axis=0), axis=1)
    window = min(3, len(steps))
    speeds = np.convolve(steps, np.ones(window) / window, mode="valid") * setting.scene.fps
    limit = candidate.kind.max_speed_mps
    if speeds.max() <= limit * _SPEED_TOLERANCE:
        return None
    frame = candidate.first_frame + int(speeds.argmax())
    note = f"{speeds.max():.1f} m/s at frame {frame}, over {limit:g} m/s"
    return Fault("SPEED", note + _rate_hint(setting))


def _rate_hint(setting: Setting) -> str:
    """Doubt the frame rate where a vehicle's estimated speed is more than a town allows."""
    scene = setting.scene
    speeds = [motion.speed_mps for motion in scene.motions if motion.flag == "estimated"]
    if not speeds or np.median(speeds) < _FAST_EGO_MPS:
        return ""
    return (
        f"; the vehicle itself seems to drive {np.median(speeds):.0f} m/s at {scene.fps:g} "
        "frames/s: if frames were left out, label with the rate that is left (--set fps=N)"
    )


def _jump(candidate: Candidate, setting: Setting, checks: Checks) -> Fault | None:
    """Compare every place with the one where the two steps before lead to.

    What goes smoothly beside the vehicle does not jump on the screen, though an estimated way of
    the vehicle, and with it the object's own, may tremble.
    """
    if len(candidate.world) < 3:
        return None
    heading = setting.ego[candidate.first_frame + 2 :][: len(candidate.world) - 2, 2]
    explained = _MAX_ACCELERATION_MPS2 / setting.scene.fps**2
    over_ground = turned(_beyond(candidate.world[:, :2], explained), -heading)
    beside = _beyond(candidate.poses[:, :2], explained)
    jump = np.minimum(*(_moved_px(it, candidate, setting) for it in (over_ground, beside)))
    if jump.max() <= checks.jump_px:
        return None
    frame = candidate.first_frame + 2 + int(jump.argmax())
    return Fault("JUMP", f"its foot jumps {jump.max():.1f} px at frame {frame}")


def _beyond(places: NDArray[np.float64], explained_m: float) -> NDArray[np.float64]:
    """(n - 2, 2) metres by which places miss those expected, less what acceleration explains."""
    off = places[2:] - (2 * places[1:-1] - places[:-2])
    distance = np.linalg.norm(off, axis=1)
    return off * np.clip(1 - explained_m / np.maximum(distance, 1e-9), 0, None)[:, None]


def _moved_px(
    off_m: NDArray[np.float64], candidate: Candidate, setting: Setting
) -> NDArray[np.float64]:
    """(n - 2,) pixels by which so many metres, vehicle frame, move the foot on the screen."""
    places = candidate.poses[2:, :2]
    pixels = [
        project(setting.scene.camera, np.column_stack([p, np.zeros(len(p))]))
        for p in (places, places - off_m)
    ]
    is_ahead = (pixels[0][:, 2] > 1.0) & (pixels[1][:, 2] > 1.0) & candidate.shown[2:]
    return np.linalg.norm(pixels[0][:, :2] - pixels[1][:, :2], axis=1) * is_ahead


def ground_note(candidate: Candidate, setting: Setting, checks: Checks) -> str:
    """Say where OFFSURF could not be asked, since the ground under an object is never seen."""
    _, _, is_known = _ground_under(candidate, setting)
    if checks.off_surface == "ignore" or is_known.any():
        return ""
    return GROUND_UNKNOWN


def _ground_under(
    candidate: Candidate, setting: Setting
) -> tuple[NDArray[np.int64], NDArray[np.uint8], NDArray[np.bool_]]:
    """Look up the ground at some steps: which (T,), its labels (T, S), whether known there (T,)."""
    steps = np.flatnonzero(candidate.shown)[::_GROUND_EVERY]
    poses = candidate.poses[steps]
    spots = FOOTPRINT_SPOTS * candidate.size_m[:2]
    each = np.repeat(poses, len(spots), axis=0)
    points = turned(np.tile(spots, (len(poses), 1)), each[:, 2]) + each[:, :2]
    frames = np.repeat(candidate.first_frame + steps, len(spots))
    scene = setting.scene
    labels = scene.ground.at(points, frames, setting.ego, setting.path.at_frame_m)
    labels = labels.reshape(len(steps), -1)
    is_known = (labels < scene.label_set.num_classes).sum(axis=1) >= len(spots) / 2
    return steps, labels, is_known


def _off_surface(candidate: Candidate, setting: Setting, checks: Checks) -> Fault | None:
    scene = setting.scene
    if checks.off_surface == "ignore":
        return None
    steps, labels, is_known = _ground_under(candidate, setting)
    surfaces = checks.surfaces or candidate.kind.surfaces
    names = [n for n in surfaces if n in scene.label_set.by_name]
    allowed = [scene.label_set.by_name[name].id for name in names]
    known = labels < scene.label_set.num_classes
    stands = np.isin(labels, allowed)
    if not is_known.any():
        return None
    share = stands.sum(axis=1)[is_known] / known.sum(axis=1)[is_known]
    if (share >= checks.surface_share).mean() >= ON_SURFACE_SHARE:
        return None
    foreign = labels[known & ~stands]
    name = scene.label_set.labels[int(np.bincount(foreign).argmax())].name
    frame = candidate.first_frame + int(steps[is_known][share.argmin()])
    return Fault("OFFSURF", f"{1 - share.min():.0%} of it would stand on {name} at frame {frame}")


def _collision(candidate: Candidate, crowd: Crowd, checks: Checks) -> Fault | None:
    if checks.collision == "ignore":
        return None
    length, width, _ = candidate.size_m
    hit = crowd.first_collision(candidate.first_frame, candidate.poses, length, width)
    if hit is None:
        return None
    return Fault("COLLIDE", f"would run into {hit.name} at frame {hit.frame}", hit.instance_id)
