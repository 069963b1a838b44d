"""Which objects of the base a selector means."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from svsdata.editing.base_tracks import base_track
from svsdata.editing.language import Edit, Selector
from svsdata.editing.placement import Poses, RoadPath
from svsdata.editing.scene import Scene, Sightings
from svsdata.editing.shapes import OBJECT_KINDS
from svsdata.errors import EditPlanError, LabelSetError, did_you_mean
from svsdata.labels import Label, LabelSet
from svsdata.records import INSTANCE_BASE

# Speeds are means over this time.
_SPEED_SECONDS = 1.0
_MIN_OVERLAP = 0.5


def require_shape(edit: Edit) -> str:
    """Return the class of what an edit draws; refuse one that nothing can be drawn of.

    Raises:
        EditPlanError: Naming the classes that can be drawn.
    """
    name = str(edit.label_class)
    if name not in OBJECT_KINDS:
        does = "add" if edit.op == "add" else "replace with"
        raise EditPlanError(
            f"edit '{edit.id}' cannot {does} a '{name}'{did_you_mean(name, OBJECT_KINDS)}; "
            f"it can {does}: {', '.join(OBJECT_KINDS)}"
        )
    return name


def label_of(edit: Edit, name: str, label_set: LabelSet) -> Label:
    """Return the label of a class that an edit names.

    Raises:
        EditPlanError: If there is no such class; names the edit and the classes.
    """
    try:
        return label_set.label(name)
    except LabelSetError as error:
        raise EditPlanError(f"edit '{edit.id}': {error}") from error


def require_object(edit: Edit, label_set: LabelSet) -> None:
    """Refuse an edit whose target is scenery: only objects can be taken out of it.

    Raises:
        EditPlanError: Naming the classes that can be removed, moved or replaced; also if there is
            no such class.
    """
    assert edit.target is not None
    label = label_of(edit, edit.target.label_class, label_set)
    if not _is_object(label):
        known = ", ".join(one.name for one in label_set.labels if _is_object(one))
        raise EditPlanError(
            f"edit '{edit.id}' cannot {edit.op} a '{label.name}', which is no object; "
            f"it can {edit.op}: {known}"
        )


def _is_object(label: Label) -> bool:
    return label.has_instances and label.category != "construction"


def selected_ids(
    selector: Selector, scene: Scene, ego: Poses, rng: np.random.Generator
) -> list[int]:
    """Return the instance ids of the objects that a selector means.

    Args:
        selector: Whom.
        scene: Of the base.
        ego: (N, 3) pose of the vehicle at every frame.
        rng: Picks where ``pick`` is ``random``.

    Returns:
        All of them, sorted; where one is to be picked, that one first and then the next best.
    """
    label_id = scene.label_set.label(selector.label_class).id
    things = [i for i in sorted(scene.used_ids) if i // INSTANCE_BASE == label_id]
    if selector.track is not None:
        index = selector.track
        wanted = index if index >= INSTANCE_BASE else label_id * INSTANCE_BASE + index
        things = [i for i in things if i == wanted]
    if not selector.where and selector.pick == "all":
        return things
    seen = scene.sightings.at(np.isin(scene.sightings.instance_id, things))
    condition = selector.condition
    if condition is not None:
        seen = seen.at(condition.holds(_columns(seen, scene, ego)))
    ids = np.unique(seen.instance_id)
    if selector.pick == "all" or not len(ids):
        return [int(i) for i in ids]
    if selector.pick == "random":
        return [int(i) for i in rng.permutation(ids)]
    order = np.lexsort([seen.instance_id, _rank(selector.pick, seen, scene)])
    return list(dict.fromkeys(int(i) for i in seen.instance_id[order]))


def rider_of(instance_id: int, scene: Scene) -> int | None:
    """Return the rider who sits on a two-wheeler in most of the frames in which it is seen."""
    sightings, rider = scene.sightings, scene.label_set.by_name.get("rider")
    if rider is None:
        return None
    own = sightings.at(sightings.instance_id == instance_id)
    riders = sightings.at(
        (sightings.instance_id // INSTANCE_BASE == rider.id) & np.isin(sightings.frame, own.frame)
    )
    if not len(riders):
        return None
    box = own.box[np.searchsorted(own.frame, riders.frame)]
    across = np.minimum(box[:, 2], riders.box[:, 2]) - np.maximum(box[:, 0], riders.box[:, 0])
    narrower = np.minimum(box[:, 2] - box[:, 0], riders.box[:, 2] - riders.box[:, 0])
    # He reaches down into the vehicle's box, and above it.
    sits = (riders.box[:, 3] > box[:, 1]) & (riders.box[:, 1] < box[:, 1] + 1)
    on_it = riders.instance_id[sits & (across > _MIN_OVERLAP * narrower)]
    if not on_it.size:
        return None
    ids, counts = np.unique(on_it, return_counts=True)
    return int(ids[counts.argmax()]) if counts.max() > 0.5 * len(own) else None


def _columns(seen: Sightings, scene: Scene, ego: Poses) -> dict[str, NDArray[np.float64]]:
    """Compute every quantity of every sighting."""
    first, last, count = (np.zeros(np.iinfo(np.uint16).max + 1) for _ in range(3))
    for one in np.unique(seen.instance_id):
        frames = seen.frame[seen.instance_id == one]
        first[one], last[one] = scene.lifetimes.get(int(one), (frames[0], frames[-1]))
        count[one] = len(frames)
    x0, y0, x1, y1 = seen.box.T.astype(np.float64)
    frame = seen.frame.astype(np.float64)
    return {
        "frame": frame,
        "seconds": frame / scene.fps,
        "ahead_m": seen.x_m,
        "left_m": seen.y_m,
        "distance_m": np.hypot(seen.x_m, seen.y_m),
        "height_px": y1 - y0,
        "width_px": x1 - x0,
        "speed_mps": _speeds(seen, scene, ego),
        "track_len": count[seen.instance_id],
        "first_frame": first[seen.instance_id],
        "last_frame": last[seen.instance_id],
    }


def _speeds(seen: Sightings, scene: Scene, ego: Poses) -> NDArray[np.float64]:
    """(M,) speeds over the ground, of smoothed ways; 0 of what stands or is seen too seldom."""
    path, speeds = RoadPath.of(ego), np.zeros(len(seen))
    half = _SPEED_SECONDS / 2 * scene.fps
    for one in np.unique(seen.instance_id):
        track = base_track(int(one), scene, ego, path)
        if track is not None:
            own = seen.instance_id == one
            before, after = (track.at(seen.frame[own] + k * half, scene.fps) for k in (-1, 1))
            way = np.linalg.norm(after[:, :2] - before[:, :2], axis=1)
            speeds[own] = way / _SPEED_SECONDS
    return speeds


def _rank(pick: str, seen: Sightings, scene: Scene) -> NDArray[np.float64]:
    """(M,) of which the smallest is picked."""
    values: dict[str, Callable[[], NDArray[Any]]] = {
        "nearest": lambda: np.hypot(seen.x_m, seen.y_m),
        "farthest": lambda: -np.hypot(seen.x_m, seen.y_m),
        "largest": lambda: seen.box[:, 1] - seen.box[:, 3],
        "first": lambda: seen.frame,
        "last": lambda: -seen.frame,
        "shortest": lambda: np.bincount(scene.sightings.instance_id)[seen.instance_id],
        "longest": lambda: -np.bincount(scene.sightings.instance_id)[seen.instance_id],
    }
    return np.asarray(values[pick](), np.float64)
