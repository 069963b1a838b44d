"""Give planned objects the outlines of real ones, where their edit asks for it."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from svsdata.editing.language import Edit
from svsdata.editing.plan import EditPlan, PlannedEdit
from svsdata.editing.shape_library import ShapeLibrary
from svsdata.editing.shape_matching import Match, best_match, stand_of, views_of
from svsdata.errors import EditPlanError

NO_DONOR = "drawn as a solid: no donor of the library fits it"


def borrow_shapes(plan: EditPlan, edits: Sequence[Edit], library: ShapeLibrary | None) -> EditPlan:
    """Return the plan with the outlines its objects borrow, complete without the library.

    An object for which no donor fits keeps its solid, and its row's note says so.

    Args:
        plan: Of these edits.
        edits: Those with ``shape: {from: library}`` borrow.
        library: Whose donors.

    Raises:
        EditPlanError: If an edit asks for a library and there is none.
    """
    require_library(edits, library)
    if library is None:
        return plan
    asking = {edit.id for edit in edits if edit.outline == "library"}
    rows = [
        _borrowing(row, plan, library) if row.edit_id in asking and row.draws else row
        for row in plan.rows
    ]
    return replace(plan, rows=tuple(rows))


def require_library(edits: Sequence[Edit], library: ShapeLibrary | None) -> None:
    """Refuse edits that borrow where there is no library.

    Raises:
        EditPlanError: Naming one of them.
    """
    asking = [edit.id for edit in edits if edit.outline == "library"]
    if asking and library is None:
        raise EditPlanError(
            f"edit '{min(asking)}' takes its shape from a library and none is named; add "
            "--set shapes=LIBRARY ('svsdata edit shapes harvest' makes one)"
        )


def _borrowing(row: PlannedEdit, plan: EditPlan, library: ShapeLibrary) -> PlannedEdit:
    match = match_of(row, plan, library)
    return row.noted(NO_DONOR) if match is None else replace(row, shape=match.borrowed())


def match_of(row: PlannedEdit, plan: EditPlan, library: ShapeLibrary) -> Match | None:
    """Find the donor for a row of a plan that draws; None where none fits."""
    parts = row.solid(0.0)
    stands = [stand_of(plan.camera, parts, pose) for pose in row.poses]
    is_known = np.array([stand is not None for stand in stands])
    if len(row.class_names) > 1 or not is_known.any():
        return None
    known_depths = [stand.depth_m for stand in stands if stand is not None]
    frames = np.arange(len(stands))
    # Beside the camera the solid is drawn: any moment will do there.
    depths = np.interp(frames, frames[is_known], known_depths)
    views = views_of(plan.camera, row.poses)
    return best_match(library, row.class_name, views, depths, row.size_m[2])
