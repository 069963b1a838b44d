"""Make a plan: draw every choice of the edits and resolve it on what is known of a sequence.

Planning sees the whole way of the vehicle and where the base's objects are, but no picture.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from svsdata.editing.checks import Crowd
from svsdata.editing.language import Edit
from svsdata.editing.placement import Poses, RoadPath, View, ego_poses, seen_from, view_of
from svsdata.editing.plan import MAX_EDITS, EditPlan, PlannedEdit
from svsdata.editing.scene import Scene
from svsdata.editing.shapes import OBJECT_KINDS
from svsdata.editing.trajectories import drawn, trajectory
from svsdata.errors import EditPlanError
from svsdata.randomness import derived_seed, generator
from svsdata.records import INSTANCE_BASE

RESERVED_INDEX = 900
"""Where not all ids of the base are known, new objects take indices from here on."""
FAR_SHARE = 0.05
"""An object lower than this share of the frame may appear from the distance."""
EDGE_SHARE = 0.4
"""An object of which at most this much is inside the frame comes in from its border."""
_MIN_HEIGHT_SHARE = 0.06
_MIN_FRAMES = 5


def plan_edits(edits: Sequence[Edit], scene: Scene, seed: int) -> EditPlan:
    """Resolve edits on a scene.

    Args:
        edits: Their order is their number in provenance maps, from 1.
        scene: What is known of the sequence.
        seed: Draws every number given as a span; another seed is another variant.

    Raises:
        EditPlanError: If there are too many edits, a class is unknown, or two edits contradict.
    """
    if not 1 <= len(edits) <= MAX_EDITS:
        raise EditPlanError(f"a plan has 1 to {MAX_EDITS} edits, got {len(edits)}; make two plans")
    ego = ego_poses(scene.motions, scene.fps)
    road = _Road(scene, ego, RoadPath.of(ego), seed)
    crowd = Crowd.of(scene.sightings)
    rows: list[PlannedEdit] = []
    for index, edit in enumerate(edits, start=1):
        if edit.op == "remove":
            rows.append(_plan_removal(index, edit, scene))
            continue
        for row in _plan_objects(index, edit, road, crowd):
            if row.status != "rejected":
                crowd = crowd.joined_by(row.first_frame, row.poses, row.size_m[0], row.size_m[1])
            rows.append(row)
    return EditPlan(
        sequence_id=scene.sequence_id,
        base_hash=scene.base_hash,
        label_set_name=scene.label_set.name,
        size_hw=scene.camera.size_hw,
        fps=scene.fps,
        num_frames=scene.num_frames,
        camera=scene.camera,
        seed=seed,
        ego=ego,
        rows=tuple(_numbered(rows, scene)),
    )


@dataclass(frozen=True)
class _Road:
    scene: Scene
    ego: Poses
    path: RoadPath
    seed: int


def _plan_removal(index: int, edit: Edit, scene: Scene) -> PlannedEdit:
    assert edit.target is not None
    label = scene.label_set.label(edit.target.label_class)
    track: tuple[int, ...] = () if edit.target.track is None else (edit.target.track,)
    is_unknown = bool(track) and scene.knows_all_ids and track[0] not in scene.used_ids
    return PlannedEdit(
        index=index,
        edit_id=edit.id,
        occurrence=0,
        op="remove",
        class_name=label.name,
        status="rejected" if is_unknown else "applied",
        reason="NO_TARGET" if is_unknown else "",
        note=f"no object {track[0]} in the sequence" if is_unknown else "",
        erased_ids=track,
        erased_class="" if track else label.name,
        first_frame=0,
        last_frame=scene.num_frames - 1,
    )


def _plan_objects(index: int, edit: Edit, road: _Road, crowd: Crowd) -> list[PlannedEdit]:
    """Place an edit's objects one after the other at the first moments that suit."""
    assert edit.label_class is not None
    if edit.label_class not in OBJECT_KINDS:
        raise EditPlanError(
            f"edit '{edit.id}' cannot add a '{edit.label_class}'; "
            f"it can add: {', '.join(OBJECT_KINDS)}"
        )
    rows: list[PlannedEdit] = []
    start = 0 if edit.enter == "reference" else 1
    most = edit.repeat.most if edit.repeat else 1
    stride = max(1, round(road.scene.fps / 5))
    rejection = None
    # What is in the reference frame is at its place there, and cannot wait for a better moment.
    last_start = 0 if edit.enter == "reference" else road.scene.num_frames - 1
    while start <= last_start and len(rows) < most:
        row = _try_object(index, edit, len(rows), start, road, crowd)
        if row.status == "rejected":
            rejection = max(rejection, row, key=_nearly_fitting) if rejection else row
            start += stride
            continue
        rows.append(row)
        crowd = crowd.joined_by(row.first_frame, row.poses, row.size_m[0], row.size_m[1])
        start = _next_start(edit, start, road.path, generator(road.seed, edit.id, "gap", len(rows)))
    if not rows:
        rows.append(rejection or _rejected(index, edit, "TOO_SHORT", "no frame to start at"))
    return rows


def _nearly_fitting(rejection: PlannedEdit) -> int:
    """Rank of a reason: of many tries the one that failed last is told."""
    return ("REFERENCE", "UNSEEN", "TINY", "POPS_UP", "COLLIDE").index(rejection.reason)


def _next_start(edit: Edit, start: int, path: RoadPath, rng: np.random.Generator) -> int:
    """First frame at which the vehicle has gone the gap of a repeated edit."""
    num_frames = len(path.at_frame_m)
    if edit.repeat is None:
        return num_frames
    goal = path.at_frame_m[start] + drawn(edit.repeat.gap_m, rng)
    beyond = np.flatnonzero(path.at_frame_m >= goal)
    return int(beyond[0]) if beyond.size else num_frames


def _try_object(
    index: int,
    edit: Edit,
    occurrence: int,
    start: int,
    road: _Road,
    crowd: Crowd,
) -> PlannedEdit:
    """Place one object that is at its first place at frame ``start``, or say why not."""
    scene, kind = road.scene, OBJECT_KINDS[str(edit.label_class)]
    rng = generator(road.seed, edit.id, start)
    length = drawn(edit.size_m.get("length", kind.length_m), rng)
    width = drawn(edit.size_m.get("width", kind.width_m), rng)
    height = drawn(edit.size_m.get("height", kind.height_m), rng)
    far_px = FAR_SHARE * scene.camera.size_hw[0]
    way = trajectory(
        edit,
        start,
        road.path,
        fps=scene.fps,
        come_into_view_m=float(scene.camera.intrinsics[1, 1]) * height / far_px + length,
        rng=rng,
    )
    poses = seen_from(way.poses, road.ego)
    view = view_of(scene.camera, poses, (length, width, height))
    shown = way.exists & view.is_visible & (view.height_px >= far_px)
    fault = _entry_fault(edit, shown, view, far_px)
    if fault is None:
        first, last = np.flatnonzero(shown)[[0, -1]]
        hit = crowd.first_collision(first, poses[first : last + 1], length, width)
        fault = ("COLLIDE", f"would run into {hit}") if hit else None
    if fault is not None:
        return _rejected(index, edit, fault[0], f"from frame {start}: {fault[1]}")
    present = slice(first, last + 1)
    return PlannedEdit(
        index=index,
        edit_id=edit.id,
        occurrence=occurrence,
        op="add",
        class_name=kind.name,
        status="applied",
        size_m=(length, width, height),
        seed=derived_seed(road.seed, edit.id, start),
        first_frame=int(first),
        last_frame=int(last),
        poses=np.round(poses[present], 6),
        travelled_m=np.round(way.travelled_m[present], 6),
        is_shown=shown[present],
    )


def _entry_fault(
    edit: Edit, shown: NDArray[np.bool_], view: View, far_px: float
) -> tuple[str, str] | None:
    """Say what forbids the way an object comes into view."""
    if shown.sum() < _MIN_FRAMES:
        return "UNSEEN", f"in view for {int(shown.sum())} frames, fewer than {_MIN_FRAMES}"
    tallest = float(view.height_px[shown].max() / far_px * FAR_SHARE)
    if tallest < _MIN_HEIGHT_SHARE:
        return "TINY", f"never higher than {tallest:.0%} of the frame"
    if edit.enter == "reference":
        return None
    entries = np.flatnonzero(shown & ~np.concatenate([[False], shown[:-1]]))
    if entries[0] == 0:
        return (
            "REFERENCE",
            "would be in the reference frame; choose 'enter: reference' to repair it",
        )
    for entry in entries:
        comes_from_far = view.height_px[entry] <= 1.5 * far_px
        comes_from_edge = view.share_inside[entry] <= EDGE_SHARE
        if not (comes_from_edge or comes_from_far):
            return "POPS_UP", f"would appear from nowhere at frame {entry}"
    return None


def _rejected(index: int, edit: Edit, reason: str, note: str) -> PlannedEdit:
    return PlannedEdit(index, edit.id, 0, "add", str(edit.label_class), "rejected", reason, note)


def _numbered(rows: list[PlannedEdit], scene: Scene) -> list[PlannedEdit]:
    """Give every added object the smallest indices that are free in the whole sequence."""
    # Where not every frame was looked at, new objects keep to the upper tenth of the indices.
    lowest = 1 if scene.knows_all_ids else RESERVED_INDEX
    taken = set(scene.used_ids)
    numbered = []
    for row in rows:
        if row.op == "add" and row.status != "rejected":
            ids = []
            for name in OBJECT_KINDS[row.class_name].class_names:
                base = scene.label_set.label(name).id * INSTANCE_BASE
                free = next(
                    (k for k in range(lowest, INSTANCE_BASE) if base + k not in taken), None
                )
                if free is None:
                    raise EditPlanError(
                        f"no instance id of class '{name}' is free; add fewer than "
                        f"{INSTANCE_BASE - lowest} objects"
                    )
                ids.append(base + free)
                taken.add(base + free)
            track_id = derived_seed(row.seed, scene.sequence_id, "track")
            row = replace(row, instance_ids=tuple(ids), track_id=track_id)
        numbered.append(row)
    return numbered
