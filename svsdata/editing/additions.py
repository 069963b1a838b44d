"""Planning of objects that are added: a moment is sought at which each can come into view."""

from collections.abc import Collection
from dataclasses import replace

import numpy as np

from svsdata.editing.base_tracks import BaseTrack, base_track
from svsdata.editing.checks import (
    NOTHING_LEFT,
    Candidate,
    Fault,
    first_fault,
    ground_note,
    never_right,
)
from svsdata.editing.crowd import Crowd
from svsdata.editing.entries import entry_fault, out_of_hiding
from svsdata.editing.language import Edit
from svsdata.editing.misses import Misses
from svsdata.editing.moments import next_start, starts
from svsdata.editing.placement import view_of
from svsdata.editing.plan import PlannedEdit
from svsdata.editing.selection import require_shape, selected_ids
from svsdata.editing.setting import FAR_SHARE, Setting
from svsdata.editing.shapes import OBJECT_KINDS
from svsdata.editing.trajectories import Moment, Trajectory, drawn, drawn_size, trajectory
from svsdata.randomness import derived_seed, generator

# How long before and after its first moment an object's way is looked at.
_BEFORE_S, _AFTER_S = 30, 150
_TRIES_PER_S = 5
# How often numbers are drawn where no later moment can be tried.
_DRAWS = 24
_REFERENCE_SHARE = (0.12, 0.4)
"""Of the frame's height: how high an object is at first that row 0 may show, and whose edit names
no place. A truck of 3.5 m is then 20 to 60 m ahead of Cityscapes' camera."""
_NEAR_SHARE = 0.1
"""Of the frame's height: what is never so high stays far."""
_OWN_PLACES = ("beside_ego", "file", "like")
"""Motions that say themselves where an object begins."""

_Where = tuple[Setting, Crowd, BaseTrack | None]
"""What an object is planned on, whom it must not run into, whom it follows."""


def plan_additions(
    index: int,
    edit: Edit,
    where: tuple[Setting, Crowd],
    barred: Collection[int],
    misses: Misses,
) -> list[PlannedEdit]:
    """Place an edit's objects one after the other at the first moments that suit.

    Args:
        index: Of the edit, for provenance.
        edit: With op ``add``.
        where: What it is planned on, and whom the objects must not run into.
        barred: Seeds of tries that turned out bad.
        misses: Of the same edits on the same scene; more are added.

    Returns:
        One row for each object; one rejected row where none could be placed.

    Raises:
        EditPlanError: If there is no shape of the class.
    """
    setting, crowd = where
    blank = PlannedEdit(
        index, edit.id, 0, "add", require_shape(edit), "rejected", checks=edit.checks
    )
    like = _followed(edit, setting)
    if isinstance(like, Fault):
        return [replace(blank, reason=like.code, note=like.note)]
    num_frames = setting.scene.num_frames
    start, last_start = starts(edit, num_frames)
    if start > last_start:
        note = f"would start at frame {start}, the sequence has {num_frames}"
        return [replace(blank, reason="TOO_SHORT", note=note)]
    stride = max(1, round(setting.scene.fps / _TRIES_PER_S))
    rows: list[PlannedEdit] = []
    missed: list[PlannedEdit] = []
    draws = _DRAWS if start == last_start and edit.checks.on_fail == "shift" else 1
    attempt = 0
    while start <= last_start and len(rows) < (edit.repeat.most if edit.repeat else 1):
        key = (start, attempt) if attempt else (start,)
        seed = derived_seed(setting.seed, edit.id, *key)
        if seed not in barred:
            row = misses.known(seed, crowd)
            if row is None:
                mine = replace(blank, occurrence=len(rows), seed=seed)
                row = _try(mine, edit, key, (setting, crowd, like), misses)
            if row.is_live:
                rows.append(row)
                crowd = crowd.joined_by(row)
                rng = generator(setting.seed, edit.id, "gap", len(rows))
                start, attempt = next_start(edit, start, setting.path, rng), 0
                continue
            missed.append(row)
        attempt += 1
        if attempt == draws:
            start, attempt = start + stride, 0
    if not rows:
        missed = missed or [replace(blank, reason="HIDDEN", note=NOTHING_LEFT)]
        return [replace(max(missed, key=_rank), occurrence=0)]
    return _told_if_far(rows, edit, setting)


_RANKS = (
    *("SIZE", "SPEED", "REFERENCE", "UNSEEN", "TINY", "NO_OCCLUDER", "POPS_UP", "JUMP"),
    *("OFFSURF", "COLLIDE", "HIDDEN"),
)


def _rank(row: PlannedEdit) -> int:
    """Of many tries the one that failed last is told."""
    return _RANKS.index(row.reason)


def _followed(edit: Edit, setting: Setting) -> BaseTrack | Fault | None:
    """Return the track that the motion follows, if it follows one."""
    if edit.motion.like is None:
        return None
    rng = generator(setting.seed, edit.id, "like")
    ids = selected_ids(edit.motion.like, setting.scene, setting.ego, rng)
    if not ids:
        return Fault("NO_TARGET", f"there is no {edit.motion.like.label_class} to move like")
    track = base_track(ids[0], setting.scene, setting.ego, setting.path)
    return track or Fault("NO_PLACE", f"object {ids[0]} is never seen near enough to follow it")


def _try(
    blank: PlannedEdit, edit: Edit, key: tuple[int, ...], where: _Where, misses: Misses
) -> PlannedEdit:
    """Place one object, or say why not.

    Its ``key`` begins with the frame at which it is at its first place, and tells its draws apart.
    """
    setting, crowd, _ = where
    seconds = (_BEFORE_S, _AFTER_S)
    while True:
        candidate, way = _candidate(edit, key, seconds, where)
        first, last = candidate.first_frame, candidate.first_frame + len(candidate.poses) - 1
        is_cut = (candidate.shown[0] and first > _first_frame(edit)) or (
            candidate.shown[-1] and last < _last_frame(edit, setting)
        )
        if not is_cut:
            break
        seconds = (2 * seconds[0], 2 * seconds[1])
    if edit.enter == "occluder":
        candidate = out_of_hiding(candidate, setting)
    fault = _fault(edit, candidate, (setting, crowd))
    if fault is not None:
        row = replace(blank, reason=fault.code, note=fault.note)
        misses.add(row, fault)
        return row
    row = _applied(blank, edit, candidate, way)
    return row.noted(ground_note(candidate.shown_part(), setting, edit.checks))


def _candidate(
    edit: Edit, key: tuple[int, ...], seconds: tuple[int, int], where: _Where
) -> tuple[Candidate, Trajectory]:
    """Look at an object's way over some seconds before and after its first moment."""
    setting, _, like = where
    kind = OBJECT_KINDS[str(edit.label_class)]
    size_m = drawn_size(edit, kind, generator(setting.seed, edit.id, *key))
    moment = _moment(key[0], seconds, edit, setting)
    way = trajectory(
        edit,
        moment,
        setting,
        first_ahead_m=_first_ahead_m(edit, size_m, key, setting),
        like=like,
        rng=generator(setting.seed, edit.id, *key, "way"),
    )
    whole = Candidate.on_way(kind, size_m, int(moment.frames[0]), way.poses, setting)
    return replace(whole, shown=whole.shown & way.exists), way


def _first_ahead_m(
    edit: Edit, size_m: tuple[float, float, float], key: tuple[int, ...], setting: Setting
) -> float:
    """Say where an object begins whose edit names no place: far, unless row 0 may show it."""
    camera = setting.scene.camera
    share = _REFERENCE_SHARE if edit.enter == "reference" else (FAR_SHARE, FAR_SHARE)
    height_px = camera.size_hw[0] * drawn(share, generator(setting.seed, edit.id, *key, "ahead"))
    return float(camera.intrinsics[1, 1]) * size_m[2] / height_px + size_m[0]


def _first_frame(edit: Edit) -> int:
    return 0 if edit.frames.start == "auto" else edit.frames.start


def _last_frame(edit: Edit, setting: Setting) -> int:
    last = setting.scene.num_frames - 1
    return last if edit.frames.end == "end" else min(edit.frames.end, last)


def _moment(start: int, seconds: tuple[int, int], edit: Edit, setting: Setting) -> Moment:
    fps = setting.scene.fps
    first = max(_first_frame(edit), start - round(seconds[0] * fps))
    last = min(_last_frame(edit, setting), start + round(seconds[1] * fps))
    return Moment(start, np.arange(first, last + 1))


def _fault(edit: Edit, candidate: Candidate, where: tuple[Setting, Crowd]) -> Fault | None:
    """Say what is wrong with a candidate."""
    setting, crowd = where
    # A way that is hardly shown is too short to tell its speed.
    part = candidate.shown_part() if candidate.shown.sum() > 1 else candidate
    if (fault := never_right(part, setting, edit.checks)) is not None:
        return fault
    if not candidate.shown.any():
        if edit.enter == "occluder":
            return Fault("NO_OCCLUDER", "nothing hides it before it appears")
        return Fault("UNSEEN", _never_in_view(edit, candidate, setting))
    fault = entry_fault(edit, candidate, setting)
    return fault or first_fault(candidate.shown_part(), setting, crowd, edit.checks)


def _never_in_view(edit: Edit, candidate: Candidate, setting: Setting) -> str:
    """Say whether what is never shown is beside the frame or too far away."""
    view, far_px = candidate.view, setting.far_px
    during = f"in the {setting.scene.num_frames / setting.scene.fps:.1f} s of the sequence"
    if not view.is_visible.any():
        return f"never in view: outside the frame {during}"
    tallest = float(view.height_px[view.is_visible].max())
    if tallest >= far_px:
        return "never in view while its way lasts"
    return (
        f"never in view: {tallest:.1f} px high at most {during}, too far away; "
        f"it is drawn from {far_px:.1f} px on{_nearer(edit)}"
    )


def _told_if_far(rows: list[PlannedEdit], edit: Edit, setting: Setting) -> list[PlannedEdit]:
    """Say of objects that all stay far what would bring them near."""
    advice = _nearer(edit)
    if not advice:
        return rows
    camera = setting.scene.camera
    tallest = max(float(view_of(camera, row.poses, row.size_m).height_px.max()) for row in rows)
    if tallest >= _NEAR_SHARE * camera.size_hw[0]:
        return rows
    seconds = setting.scene.num_frames / setting.scene.fps
    note = f"stays far, {tallest:.0f} px high at most in the {seconds:.1f} s of the sequence"
    return [rows[0].noted(note + advice), *rows[1:]]


def _nearer(edit: Edit) -> str:
    """Say what brings an object near that comes from afar; nothing of others."""
    is_placed = edit.at is not None and edit.at.ahead_m is not None
    if edit.enter == "reference" or is_placed or edit.motion.model in _OWN_PLACES:
        return ""
    return f"; with --set edits.{edit.id}.enter=reference it is near from row 0 on"


def _applied(blank: PlannedEdit, edit: Edit, candidate: Candidate, way: Trajectory) -> PlannedEdit:
    """Turn a candidate without fault into a row."""
    part = candidate.shown_part()
    begin = part.first_frame - candidate.first_frame
    travelled_m = way.travelled_m[begin : begin + len(part.poses)]
    return replace(
        blank,
        status="applied",
        size_m=candidate.size_m,
        first_frame=part.first_frame,
        last_frame=part.first_frame + len(part.poses) - 1,
        poses=np.round(part.poses, 6),
        travelled_m=np.round(travelled_m, 6),
        is_shown=part.shown,
        appears_hidden=edit.enter == "occluder",
    )
