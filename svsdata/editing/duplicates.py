"""Variants that do what another one does already."""

from collections.abc import Iterable

import numpy as np

from svsdata.editing.checks import Fault
from svsdata.editing.plan import EditPlan, PlannedEdit
from svsdata.editing.trial import rejected

_SIZE_TOLERANCE_M, _POSE_TOLERANCE_M = 0.1, 0.5


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
