"""What only pictures tell of a plan: it is tried on the base's maps, bad rows are planned anew."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from svsdata.editing.borrowing import borrow_shapes
from svsdata.editing.checks import Fault
from svsdata.editing.language import Edit
from svsdata.editing.operations import apply_plan
from svsdata.editing.painting import EditFrame
from svsdata.editing.plan import EditPlan, PlannedEdit
from svsdata.editing.planning import plan_edits
from svsdata.editing.scene import Scene
from svsdata.editing.shape_library import ShapeLibrary
from svsdata.errors import EditPlanError
from svsdata.geometry.camera import camera_centre
from svsdata.records import Frame

_EVERY = 4
"""Frames between two that are tried, beside those in which an object comes out of hiding."""
_ROUNDS = 3
# An object that steps out from behind another may show this much of itself at once.
_FIRST_SHARE = 0.25
_SIZE_TOLERANCE_M, _POSE_TOLERANCE_M = 0.1, 0.5


def plan_on_frames(
    edits: Sequence[Edit],
    scene: Scene,
    seed: int,
    frames: Callable[[], Iterable[Frame]],
    library: ShapeLibrary | None = None,
) -> EditPlan:
    """Plan edits and check the plan on the base's own maps.

    Args:
        edits: As of ``plan_edits``.
        scene: Of the same frames.
        seed: As of ``plan_edits``.
        frames: Begins the sequence anew at every call; frames without maps are passed over.
        library: Outlines for the edits that borrow theirs.

    Raises:
        EditPlanError: As ``plan_edits`` and ``borrow_shapes``.
    """
    barred: set[int] = set()
    for attempt in range(_ROUNDS):
        plan = borrow_shapes(plan_edits(edits, scene, seed, barred=barred), edits, library)
        faults = faults_on_frames(plan, frames())
        again = {
            plan.rows[number].seed
            for number in faults
            if plan.rows[number].checks.on_fail == "shift" and plan.rows[number].draws
        }
        if not again or attempt == _ROUNDS - 1:
            break
        barred |= again
    return rejected(plan, faults)


def rejected(plan: EditPlan, faults: dict[int, Fault]) -> EditPlan:
    """Reject rows by their number.

    Raises:
        EditPlanError: If the checks of one say ``on_fail: error``.
    """
    rows = list(plan.rows)
    for number, fault in faults.items():
        row = rows[number]
        if row.checks.on_fail == "error":
            raise EditPlanError(f"edit '{row.edit_id}' fails: {fault.code}, {fault.note}")
        rows[number] = replace(row, status="rejected", reason=fault.code, note=fault.note)
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


def faults_on_frames(plan: EditPlan, frames: Iterable[Frame]) -> dict[int, Fault]:
    """Try a plan and return what is wrong, by the row's number."""
    number_of = {(row.index, row.occurrence): k for k, row in enumerate(plan.rows) if row.draws}
    entries = {plan.rows[k].first_frame + _first_shown(plan.rows[k]) for k in number_of.values()}
    seen = {number: _Seen() for number in number_of.values()}
    changed: dict[int, tuple[float, int]] = {}
    area = plan.size_hw[0] * plan.size_hw[1]

    def record(event: EditFrame) -> None:
        number = number_of.get((event.edit_index, event.occurrence))
        if number is None or not plan.rows[number].is_live:
            number = next(k for k, r in enumerate(plan.rows) if r.index == event.edit_index)
        elif event.instance_id:
            row = plan.rows[number]
            is_entry = event.frame_index == row.first_frame + _first_shown(row)
            seen[number].add(event, row.checks.min_visible, is_entry=is_entry)
        share = (event.visible_px / area, event.frame_index)
        changed[number] = max(changed.get(number, (0.0, 0)), share)

    for _ in apply_plan(plan, _some(frames, entries), record=record):
        pass
    low_camera = float(camera_centre(plan.camera)[2])
    faults = {}
    for number, row in enumerate(plan.rows):
        fault = None
        if number in seen and seen[number].whole_px:
            fault = _drawn_fault(row, seen[number], low_camera, plan.size_hw)
        share, frame = changed.get(number, (0.0, 0))
        if fault is None and share > row.checks.max_visible_change:
            fault = Fault("CHANGE", f"changes {share:.0%} of frame {frame}")
        if fault is not None:
            faults[number] = fault
    return faults


def _first_shown(row: PlannedEdit) -> int:
    return int(row.is_shown.argmax())


def _some(frames: Iterable[Frame], entries: set[int]) -> Iterator[Frame]:
    for frame in frames:
        is_wanted = frame.frame_index % _EVERY == 0 or frame.frame_index in entries
        if is_wanted and frame.semantic is not None and frame.instance is not None:
            yield replace(frame, flow=None)


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


def reject_duplicate(plan: EditPlan, earlier: Iterable[EditPlan]) -> EditPlan:
    """Reject what another variant does already.

    Args:
        plan: Of one variant.
        earlier: Plans of others on the same sequence.

    Returns:
        The plan as it is, or with every live row rejected as ``NEARDUP``.
    """
    if not any(_is_alike(plan, other) for other in earlier):
        return plan
    fault = Fault(
        "NEARDUP", "another variant does the same; widen a span or ask for fewer variants"
    )
    alike = {
        number: fault
        for number, row in enumerate(plan.rows)
        if row.is_live and row.checks.near_duplicate == "reject"
    }
    return rejected(plan, alike)


def _is_alike(plan: EditPlan, other: EditPlan) -> bool:
    ours, theirs = ([row for row in one.rows if row.is_live] for one in (plan, other))
    return len(ours) == len(theirs) and all(map(_is_same, ours, theirs))


def _is_same(row: PlannedEdit, other: PlannedEdit) -> bool:
    """Whether two rows do the same up to what nobody would notice."""
    facts = (
        *("edit_id", "op", "class_name", "erased_ids", "erased_class", "from_classes"),
        *("first_frame", "last_frame"),
    )
    if any(getattr(row, name) != getattr(other, name) for name in facts):
        return False
    if row.region.shape != other.region.shape or row.poses.shape != other.poses.shape:
        return False
    return (
        np.allclose(row.size_m, other.size_m, rtol=0, atol=_SIZE_TOLERANCE_M)
        and np.allclose(row.poses[:, :2], other.poses[:, :2], rtol=0, atol=_POSE_TOLERANCE_M)
        and np.allclose(row.region, other.region, rtol=0, atol=_POSE_TOLERANCE_M)
    )
