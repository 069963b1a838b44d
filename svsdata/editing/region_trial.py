"""Whether a relabelling changes anything, which only the base's maps tell."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

from svsdata.editing.checks import Fault
from svsdata.editing.operations import apply_plan
from svsdata.editing.painting import EditFrame
from svsdata.editing.plan import EditPlan, PlannedEdit
from svsdata.editing.regions import region_mask
from svsdata.records import Frame

FramesAt = Callable[[Sequence[int]], Iterable[Frame]]
"""Yields frames of the base by their ascending indices; those without maps are passed over."""


def untouched_faults(
    plan: EditPlan, rows: Mapping[int, PlannedEdit], frames_at: FramesAt
) -> dict[int, Fault]:
    """Look for a pixel that relabellings change, in all frames in which their region is in view.

    Args:
        plan: Whose other relabellings come before.
        rows: Of the plan, by their number; those that relabel are looked at.
        frames_at: Reads the base.

    Returns:
        What is wrong, by the row's number; nothing where no frame has maps.
    """
    relabels = {number: row for number, row in rows.items() if row.is_live and row.op == "relabel"}
    faults = {number: _untouched(row, plan, frames_at) for number, row in relabels.items()}
    return {number: fault for number, fault in faults.items() if fault is not None}


def _untouched(row: PlannedEdit, plan: EditPlan, frames_at: FramesAt) -> Fault | None:
    acts = range(row.first_frame, row.last_frame + 1)
    in_view = [index for index in acts if region_mask(row, index, plan) is not None]
    if not in_view:
        (near, right), (far, left) = row.region.min(axis=0), row.region.max(axis=0)
        where = f"{near:.0f} to {far:.0f} m ahead of frame 0 and {right:.0f} to {left:.0f} m left"
        return Fault("UNSEEN", f"its region, {where}, is never in view")
    relabels = tuple(it for it in plan.rows if it.is_live and it.op == "relabel")
    events: list[EditFrame] = []
    frames = (
        frame
        for frame in frames_at(in_view)
        if frame.semantic is not None and frame.instance is not None
    )
    num_frames = 0
    for _ in apply_plan(replace(plan, rows=relabels), frames, record=events.append):
        num_frames += 1
        if any(event.edit_index == row.index for event in events):
            return None
    if not num_frames:
        return None
    names = ", ".join(row.from_classes)
    return Fault("NO_TARGET", f"no {names} is seen in its region in {num_frames} frames")
