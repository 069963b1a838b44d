"""What only pictures tell of a plan: it is tried on the base's maps, bad rows are planned anew."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy import ndimage

from svsdata.editing.borrowing import borrow_shapes
from svsdata.editing.checks import NOTHING_LEFT, Fault
from svsdata.editing.fill import LOOK_AROUND
from svsdata.editing.footing import Footing
from svsdata.editing.hiding import Hiding
from svsdata.editing.language import Edit
from svsdata.editing.operations import apply_plan
from svsdata.editing.own_outlines import OwnOutlines
from svsdata.editing.painting import EditFrame
from svsdata.editing.plan import EditPlan, PlannedEdit
from svsdata.editing.planning import Planner, stop_if_asked
from svsdata.editing.region_trial import FramesAt, untouched_faults
from svsdata.editing.scene import Scene
from svsdata.editing.shape_library import ShapeLibrary
from svsdata.geometry.camera import camera_centre
from svsdata.labels import label_set_by_name

_EVERY = 4
"""Frames between two that are tried first, beside those in which an object comes out of hiding; all
frames of what is right in these are tried then."""
_ROUNDS = 3
# An object that steps out from behind another may show this much of itself at once.
_FIRST_SHARE = 0.25


def plan_on_frames(
    edits: Sequence[Edit],
    scene: Scene,
    seed: int,
    frames_at: FramesAt,
    library: ShapeLibrary | None = None,
) -> EditPlan:
    """Plan edits and check the plan on the base's own maps.

    Args:
        edits: As of ``plan_edits``.
        scene: Of the same frames.
        seed: As of ``plan_edits``.
        frames_at: Reads the base.
        library: Outlines for the edits that borrow theirs.

    Raises:
        EditPlanError: As ``plan_edits`` and ``borrow_shapes``.
    """
    planner, outlines = Planner(edits, scene, seed), OwnOutlines(scene, edits, frames_at)
    barred: set[int] = set()
    verdicts = _Verdicts()
    wrong: dict[tuple[str, int], Fault] = {}
    for attempt in range(_ROUNDS):
        plan = outlines.given_to(borrow_shapes(planner.plan(barred), edits, library))
        faults = verdicts.faults(plan, frames_at)
        again = [
            number
            for number in faults
            if plan.rows[number].checks.on_fail == "shift" and plan.rows[number].draws
        ]
        if not again or attempt == _ROUNDS - 1:
            break
        barred |= {seed for number in again for seed in planner.like(plan.rows[number])}
        wrong |= {_named(plan.rows[number]): faults[number] for number in again}
    exhausted = {
        number: wrong[_named(row)]
        for number, row in enumerate(plan.rows)
        if row.note.endswith(NOTHING_LEFT) and _named(row) in wrong
    }
    return rejected(verdicts.noted(plan), faults | exhausted)


def _named(row: PlannedEdit) -> tuple[str, int]:
    return row.edit_id, row.occurrence


class _Verdicts:
    """What trials said of rows, so that a plan made anew is tried where it differs."""

    def __init__(self) -> None:
        self._ground: tuple[object, ...] = ()
        self._of_row: dict[object, Fault | None] = {}
        self._notes: dict[object, str] = {}

    def noted(self, plan: EditPlan) -> EditPlan:
        """Correct the notes of rows by what trials saw."""
        rows = (replace(row, note=self._notes.get(_key(row), row.note)) for row in plan.rows)
        return replace(plan, rows=tuple(rows))

    def faults(self, plan: EditPlan, frames_at: FramesAt) -> dict[int, Fault]:
        """Return what is wrong with a plan, by the row's number."""
        live = {number: row for number, row in enumerate(plan.rows) if row.is_live}
        # What draws is judged by the maps that the others leave, and by no other that draws.
        ground = tuple(_key(row) for row in live.values() if _changes_ground(row))
        if ground != self._ground:
            self._ground, self._of_row = ground, {}
        new = {number: row for number, row in live.items() if _key(row) not in self._of_row}
        faults: dict[int, Fault] = {}
        for every in (_EVERY, 1):
            right = {number: row for number, row in new.items() if number not in faults}
            if right:
                faults |= self._tried(plan, right, frames_at, every)
        self._of_row |= {_key(row): faults.get(number) for number, row in new.items()}
        verdicts = {number: self._of_row[_key(row)] for number, row in live.items()}
        return {number: fault for number, fault in verdicts.items() if fault is not None}

    def _tried(
        self, plan: EditPlan, new: dict[int, PlannedEdit], frames_at: FramesAt, every: int
    ) -> dict[int, Fault]:
        """Return what is wrong with rows, by their number, and keep what is to be noted."""
        rows = enumerate(plan.rows)
        kept = [n for n, row in rows if n in new or (row.is_live and _changes_ground(row))]
        part = replace(plan, rows=tuple(plan.rows[number] for number in kept))
        footing = Footing(part, _EVERY)
        found = faults_on_frames(part, frames_at, list(new.values()), footing, every)
        tried = [(k, row) for k, row in enumerate(part.rows) if kept[k] in new]
        self._notes |= {_key(row): footing.noted(k, row).note for k, row in tried}
        return {kept[k]: fault for k, fault in found.items() if kept[k] in new}


def _changes_ground(row: PlannedEdit) -> bool:
    return row.erases or row.op == "relabel"


def _key(row: PlannedEdit) -> tuple[object, ...]:
    """What tells a row from others of plans of the same edits on the same scene."""
    span = (row.first_frame, row.last_frame)
    return (row.edit_id, row.seed, row.erased_ids, row.erased_class, *span)


def rejected(plan: EditPlan, faults: dict[int, Fault]) -> EditPlan:
    """Reject rows by their number.

    Raises:
        EditPlanError: If the checks of one say ``on_fail: error``.
    """
    rows = list(plan.rows)
    for number, fault in faults.items():
        rows[number] = replace(rows[number], status="rejected", reason=fault.code, note=fault.note)
        stop_if_asked(rows[number])
    return replace(plan, rows=tuple(rows))


@dataclass
class _Seen:
    """What one row came to so far."""

    hidden_px: int = 0
    """Size on the screen, summed over the frames in which too little of it is seen."""
    whole_px: int = 0
    """The same of all frames."""
    first_share: float | None = None
    most_px: int = 0
    floats: tuple[float, int] = (0.0, 0)
    """Most rows, and where."""
    above: tuple[float, int] = (-np.inf, 0)

    def add(self, event: EditFrame, min_visible: float, *, is_entry: bool) -> None:
        share = 1 - event.occluded_share
        size = (event.box.x1 - event.box.x0) * (event.box.y1 - event.box.y0)
        self.whole_px += size
        self.hidden_px += size if share < min_visible else 0
        if is_entry:
            self.first_share = share
        self.most_px = max(self.most_px, event.visible_px)
        self.floats = max(self.floats, (event.float_px, event.frame_index))
        self.above = max(self.above, (event.above_horizon_px, event.frame_index))


def faults_on_frames(
    plan: EditPlan,
    frames_at: FramesAt,
    tried: Sequence[PlannedEdit] | None = None,
    footing: Footing | None = None,
    every: int = _EVERY,
) -> dict[int, Fault]:
    """Try a plan and return what is wrong, by the row's number.

    Args:
        plan: To try.
        frames_at: Reads the base.
        tried: Rows whose frames are looked at; None: all.
        footing: Of the plan; it has seen the frames afterwards.
        every: Frames between two that are tried, beside those in which something appears.
    """
    footing = footing or Footing(plan, _EVERY)
    number_of = {(row.index, row.occurrence): k for k, row in enumerate(plan.rows) if row.draws}
    seen = {number: _Seen() for number in number_of.values()}
    changed: dict[int, tuple[float, int]] = {}
    touched: set[int] = set()
    hiding, drawn = Hiding(label_set_by_name(plan.label_set_name)), list[tuple[int, EditFrame]]()
    area = plan.size_hw[0] * plan.size_hw[1]

    def record(event: EditFrame) -> None:
        number = number_of.get((event.edit_index, event.occurrence))
        if number is None or not plan.rows[number].is_live:
            number = next(k for k, r in enumerate(plan.rows) if r.index == event.edit_index)
        touched.add(number)
        row = plan.rows[number]
        is_entry = row.draws and event.frame_index == row.first_frame + _first_shown(row)
        # Where others appear says nothing about this one.
        if event.frame_index % every and not is_entry:
            return
        if event.instance_id:
            seen[number].add(event, row.checks.min_visible, is_entry=is_entry)
            drawn.append((number, event))
        share = (event.visible_px / area, event.frame_index)
        changed[number] = max(changed.get(number, (0.0, 0)), share)

    tried = plan.rows if tried is None else tried
    applied = _quickly_filled(plan)
    wanted = tried_frames(applied, tried, every)
    frames = footing.watch(frames_at(wanted))
    for edited in apply_plan(applied, frames, record=record):
        hiding.look(drawn, edited)
        drawn.clear()
    low_camera = float(camera_centre(plan.camera)[2])
    faults = {}
    for number, row in enumerate(plan.rows):
        fault = footing.fault(number)
        if fault is None and number in seen and seen[number].whole_px:
            fault = _drawn_fault(row, seen[number], low_camera, plan.size_hw)
            fault = fault or hiding.fault(number, row)
        share, frame = changed.get(number, (0.0, 0))
        if fault is None and share > row.checks.max_visible_change:
            fault = Fault("CHANGE", f"changes {share:.0%} of frame {frame}")
        if fault is not None:
            faults[number] = fault
    untouched = {k: row for k, row in enumerate(plan.rows) if row in tried and k not in touched}
    return faults | untouched_faults(plan, untouched, frames_at)


def _quickly_filled(plan: EditPlan) -> EditPlan:
    """Fill holes in the quickest way where nothing is put into them, and so nothing looks at it."""
    if any(row.is_live and (row.draws or row.op == "relabel") for row in plan.rows):
        return plan
    return replace(plan, rows=tuple(replace(row, fills_temporally=False) for row in plan.rows))


def _first_shown(row: PlannedEdit) -> int:
    return int(row.is_shown.argmax())


def tried_frames(plan: EditPlan, rows: Iterable[PlannedEdit], every: int = _EVERY) -> list[int]:
    """Return the frames to try rows on: some of those where they act, and where each appears.

    Where something is erased come those around them that may fill what it leaves.
    """
    acts = np.zeros(plan.num_frames, bool)
    entries = []
    for row in rows:
        if row.is_live and row.draws:
            entries.append(row.first_frame + _first_shown(row))
        if row.is_live and row.draws and not row.erases:
            acts[row.first_frame : row.last_frame + 1] |= row.is_shown
        elif row.is_live:
            acts[row.first_frame : row.last_frame + 1] = True
    if any(row.is_live and row.erases and row.fills_temporally for row in plan.rows):
        acts = np.asarray(ndimage.binary_dilation(acts, iterations=LOOK_AROUND))
    acts[np.arange(plan.num_frames) % every != 0] = False
    acts[entries] = True
    return [int(index) for index in np.flatnonzero(acts)]


def _drawn_fault(
    row: PlannedEdit, seen: _Seen, camera_height_m: float, size_hw: tuple[int, int]
) -> Fault | None:
    checks = row.checks
    hidden = seen.hidden_px / seen.whole_px
    if hidden > 0.5:
        return Fault("HIDDEN", f"hidden in {hidden:.0%} of its way, large frames counting more")
    if row.appears_hidden and seen.first_share is not None and seen.first_share > _FIRST_SHARE:
        note = f"{seen.first_share:.0%} of it would appear at once at frame {row.first_frame}"
        return Fault("POPS_UP", note)
    least = checks.least_px(size_hw)
    if seen.most_px < least:
        return Fault("TINY", f"shows {seen.most_px} pixels at most, fewer than {least}")
    rows, frame = seen.floats
    if rows > checks.float_px:
        return Fault(
            "FLOAT", f"its lowest pixel is {rows:.1f} rows off the ground at frame {frame}"
        )
    rows, frame = seen.above
    if row.size_m[2] < camera_height_m and rows > checks.horizon_px:
        return Fault("HORIZON", f"reaches {rows:.1f} rows above the horizon at frame {frame}")
    return None
