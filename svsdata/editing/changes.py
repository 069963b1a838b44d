"""Planning of what happens to objects of the base: removed, replaced, shifted, retimed."""

from collections.abc import Collection
from dataclasses import replace

import numpy as np

from svsdata.editing.base_tracks import BaseTrack, base_track
from svsdata.editing.changed_ways import new_way, nudged
from svsdata.editing.checks import NOTHING_LEFT, Candidate, Fault, first_fault, ground_note
from svsdata.editing.crowd import Crowd
from svsdata.editing.language import Edit
from svsdata.editing.plan import PlannedEdit
from svsdata.editing.selection import rider_of
from svsdata.editing.setting import Setting
from svsdata.editing.shapes import OBJECT_KINDS
from svsdata.editing.sudden import sudden_fault
from svsdata.editing.trajectories import drawn_size
from svsdata.randomness import derived_seed, generator
from svsdata.records import INSTANCE_BASE

TWO_WHEELERS = ("bicycle", "motorcycle")
# How long an object's way is carried on where its foot is no longer seen.
_CARRY_ON_S = 8.0
_MAX_TRIES = 8
_NUDGE_M = 0.15


def plan_changes(
    index: int,
    edit: Edit,
    ids: list[int],
    setting: Setting,
    crowd: Crowd,
    barred: Collection[int],
) -> list[PlannedEdit]:
    """Resolve an edit on the objects that it is about.

    Args:
        index: Of the edit, for provenance.
        edit: With op ``remove``, ``replace``, ``shift`` or ``retime``.
        ids: Instance ids of its objects.
        setting: What it is planned on.
        crowd: Whom objects must not run into in their new place.
        barred: Seeds of tries that turned out bad.

    Returns:
        One row for each object, or one for the whole class.
    """
    assert edit.target is not None
    name = setting.scene.label_set.label(edit.target.label_class).name
    drawn_name = edit.label_class if edit.op == "replace" else name
    blank = PlannedEdit(
        index, edit.id, 0, edit.op, drawn_name or name, "applied", checks=edit.checks,
        fills_temporally=edit.fill == "temporal",
    )  # fmt: skip
    first, last = _range(edit, setting.scene.num_frames)
    if first > last:
        note = f"would start at frame {first}, the sequence has {setting.scene.num_frames}"
        return [replace(blank, status="rejected", reason="TOO_SHORT", note=note)]
    blank = replace(blank, first_frame=first, last_frame=last)
    if edit.op == "remove" and edit.target.is_whole_class and name not in TWO_WHEELERS:
        return [_whole_class(blank, edit, ids, setting)]
    if not ids:
        return [_nobody(blank, edit, setting)]
    if edit.target.pick != "all":
        # The ids come in the order of choice: the first that can be changed is.
        tries = [_one(blank, edit, ids[0], (setting, crowd), barred)]
        while not tries[-1].is_live and len(tries) < len(ids) and edit.checks.on_fail == "shift":
            tries.append(_one(blank, edit, ids[len(tries)], (setting, crowd), barred))
        return [_picked(tries, ids)]
    rows: list[PlannedEdit] = []
    for instance_id in ids:
        row = _one(
            replace(blank, occurrence=len(rows)), edit, instance_id, (setting, crowd), barred
        )
        if row.is_live and row.op != "remove":
            crowd = crowd.without(row.erased_ids).joined_by(row)
        rows.append(row)
    return rows


def _picked(tries: list[PlannedEdit], ids: list[int]) -> PlannedEdit:
    """Take the first try that is live, and say whom it stands in for; if none is, the first."""
    last = tries[-1]
    if not last.is_live or len(tries) == 1:
        return tries[0]
    reasons = [f"{one}: {row.reason}" for one, row in zip(ids, tries[:-1], strict=False)]
    if len(reasons) > 3:
        reasons[3:] = [f"{len(reasons) - 3} more"]
    taken = ids[len(tries) - 1]
    return last.noted(f"object {taken} instead of what was picked ({', '.join(reasons)})")


def _range(edit: Edit, num_frames: int) -> tuple[int, int]:
    first = 0 if edit.frames.start == "auto" else edit.frames.start
    last = num_frames - 1
    return first, last if edit.frames.end == "end" else min(last, edit.frames.end)


def _nobody(blank: PlannedEdit, edit: Edit, setting: Setting) -> PlannedEdit:
    """Say that the selector matches nothing, and what there is."""
    assert edit.target is not None
    label_id = setting.scene.label_set.label(edit.target.label_class).id
    present = sorted(i for i in setting.scene.used_ids if i // INSTANCE_BASE == label_id)
    name = edit.target.label_class
    if present:
        there = f"seen are {', '.join(map(str, present[:8]))}"
    elif label_id in setting.scene.used_ids:
        there = (
            f"{name} is seen, but without instance ids: only 'remove' of the whole class can act"
        )
    else:
        there = f"no {name} is seen at all"
    if len(present) > 8:
        there += f" and {len(present) - 8} more"
    note = f"its target matches none of the {name} objects; {there}"
    return replace(blank, status="rejected", reason="NO_TARGET", note=note)


def _whole_class(blank: PlannedEdit, edit: Edit, ids: list[int], setting: Setting) -> PlannedEdit:
    """Take everything of a class out, tracked or not."""
    scene = setting.scene
    label_id = scene.label_set.label(blank.class_name).id
    if scene.knows_all_ids and not ids and label_id not in scene.used_ids:
        return _nobody(blank, edit, setting)
    if edit.enter not in (None, "reference") and blank.first_frame == 0:
        seen_first = [i for i in (*ids, label_id) if scene.lifetimes.get(i, (1, 0))[0] == 0]
        if seen_first:
            return replace(blank, status="rejected", reason="REFERENCE", note=_REFERENCE)
    if (fault := _sudden(blank, edit, ids, setting)) is not None:
        return _rejected(blank, fault)
    return replace(blank, erased_class=blank.class_name)


def _sudden(
    row: PlannedEdit, edit: Edit, instance_ids: Collection[int], setting: Setting
) -> Fault | None:
    if edit.checks.pops_up == "ignore":
        return None
    return sudden_fault(edit.op, instance_ids, (row.first_frame, row.last_frame), setting)


_REFERENCE = (
    "it is in the reference frame; leave 'enter' out to have that repaired, "
    "or say 'frames: {from: N}' where it is out of view"
)


def _one(
    blank: PlannedEdit,
    edit: Edit,
    instance_id: int,
    where: tuple[Setting, Crowd],
    barred: Collection[int],
) -> PlannedEdit:
    """Resolve an edit on one object."""
    setting, crowd = where
    row = _taken_away(blank, instance_id, setting)
    if row.first_frame > row.last_frame:
        note = f"object {instance_id} is not seen in the frames of the edit"
        return _rejected(row, Fault("NO_TARGET", note))
    if row.first_frame == 0 and edit.enter not in (None, "reference"):
        return _rejected(row, Fault("REFERENCE", f"object {instance_id}: {_REFERENCE}"))
    if (fault := _sudden(row, edit, (instance_id,), setting)) is not None:
        return _rejected(row, fault)
    if edit.op == "remove":
        return row
    track = _way_now(row, instance_id, setting)
    if isinstance(track, Fault):
        return _rejected(row, track)
    crowd = crowd.without(row.erased_ids)
    best = _rejected(row, Fault("HIDDEN", f"object {instance_id}: {NOTHING_LEFT}"))
    for attempt in range(_MAX_TRIES if edit.checks.on_fail == "shift" else 1):
        seed = derived_seed(setting.seed, edit.id, instance_id, attempt)
        if seed not in barred:
            nudge_m = _NUDGE_M * attempt if edit.op == "replace" else 0.0
            best = _redrawn(replace(row, seed=seed), edit, track, (setting, crowd), nudge_m)
        if best.is_live:
            break
    return best


def _way_now(row: PlannedEdit, instance_id: int, setting: Setting) -> BaseTrack | Fault:
    """Return the way of an object that is to be drawn anew, or why it cannot be."""
    if row.class_name not in OBJECT_KINDS:
        known = ", ".join(OBJECT_KINDS)
        return Fault("NO_SHAPE", f"no shape for a {row.class_name}; for: {known}")
    track = base_track(instance_id, setting.scene, setting.ego, setting.path)
    if track is None:
        note = f"object {instance_id} is never seen near enough to tell where it stands"
        return Fault("NO_PLACE", note)
    if row.op == "retime" and track.stands:
        note = f"object {instance_id} stands all along, at any time; 'shift' moves it"
        return Fault("STANDS", note)
    return track


def _taken_away(blank: PlannedEdit, instance_id: int, setting: Setting) -> PlannedEdit:
    """Let a row take an object out, with its rider, in the frames in which it is seen."""
    scene = setting.scene
    name = scene.label_set.labels[instance_id // INSTANCE_BASE].name
    rider = rider_of(instance_id, scene) if name in TWO_WHEELERS else None
    born, died = scene.lifetimes.get(instance_id, (0, scene.num_frames - 1))
    if not scene.knows_all_ids:
        died = scene.num_frames - 1
    return replace(
        blank,
        erased_ids=(instance_id,) if rider is None else (instance_id, rider),
        first_frame=max(blank.first_frame, born),
        last_frame=min(blank.last_frame, died),
    )


def _rejected(row: PlannedEdit, fault: Fault) -> PlannedEdit:
    return replace(
        row, status="rejected", reason=fault.code, note=fault.note, erased_ids=(), instance_ids=()
    )


def _redrawn(
    row: PlannedEdit,
    edit: Edit,
    track: BaseTrack,
    where: tuple[Setting, Crowd],
    nudge_m: float,
) -> PlannedEdit:
    """Draw an object of the base anew, as another thing or at another place or time.

    A thing that is wider than what stood there is nudged from the kerb towards the vehicle's path.
    """
    setting, crowd = where
    scene, kind = setting.scene, OBJECT_KINDS[row.class_name]
    rng = generator(row.seed, "numbers")
    size_m = drawn_size(edit, kind, rng) if edit.op == "replace" else track.size_m
    reach = round(_CARRY_ON_S * scene.fps)
    first, last = _range(edit, scene.num_frames)
    if not track.stands:
        first = max(first, track.first_frame - reach)
        last = min(last, track.first_frame + len(track.world) - 1 + reach)
    frames = np.arange(first, last + 1)
    world = new_way(edit, track, frames, size_m, (setting, rng))
    world = nudged(world, setting.ego[frames], nudge_m)
    candidate = Candidate.on_way(kind, size_m, first, world, setting)
    if not candidate.shown.any():
        return _rejected(row, Fault("UNSEEN", f"object {row.erased_ids[0]} would never be in view"))
    candidate = candidate.shown_part()
    if not track.stands:
        candidate = _until_collision(candidate, track, crowd)
    fault = first_fault(candidate, setting, crowd, edit.checks)
    if fault is not None:
        note = f"object {row.erased_ids[0]}: {fault.note}"
        return _rejected(row, Fault(fault.code, note))
    return _spread(row.noted(ground_note(candidate, setting, edit.checks)), candidate)


def _until_collision(candidate: Candidate, track: BaseTrack, crowd: Crowd) -> Candidate:
    """Let a way that is carried on beyond what was seen end before it runs into something."""
    length, width, _ = candidate.size_m
    known_end = track.first_frame + len(track.world)
    while True:
        hit = crowd.first_collision(candidate.first_frame, candidate.poses, length, width)
        if hit is None:
            return candidate
        step = hit.frame - candidate.first_frame
        if hit.frame < track.first_frame and step + 1 < len(candidate.poses):
            candidate = candidate.cut(step + 1, len(candidate.poses))
        elif hit.frame >= known_end and step > 0:
            candidate = candidate.cut(0, step)
        else:
            return candidate


def _spread(row: PlannedEdit, candidate: Candidate) -> PlannedEdit:
    """Lay what is drawn over the frames of the row, which also cover those of the removal."""
    begin, end = candidate.first_frame, candidate.first_frame + len(candidate.poses)
    first, last = min(row.first_frame, begin), max(row.last_frame, end - 1)
    before, after = begin - first, last + 1 - end
    poses = np.pad(candidate.poses, ((before, after), (0, 0)), mode="edge")
    steps = np.linalg.norm(
        np.diff(candidate.world[:, :2], axis=0, prepend=candidate.world[:1, :2]), axis=1
    )
    return replace(
        row,
        size_m=candidate.size_m,
        first_frame=first,
        last_frame=last,
        poses=np.round(poses, 6),
        travelled_m=np.round(np.pad(np.cumsum(steps), (before, after), mode="edge"), 6),
        is_shown=np.pad(candidate.shown, (before, after)),
    )
