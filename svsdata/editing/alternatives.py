"""Plans of edits that say what else would do where they cannot be applied as they are written."""

from collections.abc import Sequence
from dataclasses import replace

from svsdata.editing.edit_text import ways_of
from svsdata.editing.language import Edit
from svsdata.editing.plan import EditPlan, PlannedEdit
from svsdata.editing.region_trial import FramesAt
from svsdata.editing.scene import Scene
from svsdata.editing.shape_library import ShapeLibrary
from svsdata.editing.trial import plan_on_frames


def plan_with_alternatives(
    edits: Sequence[Edit],
    scene: Scene,
    seed: int,
    frames_at: FramesAt,
    library: ShapeLibrary | None = None,
) -> EditPlan:
    """Plan edits as ``plan_on_frames`` does; of what is rejected the next alternative is tried.

    Rows tell which one they are of, and what was wrong before it.

    Args:
        edits: As of ``plan_edits``.
        scene: As of ``plan_on_frames``.
        seed: As of ``plan_edits``.
        frames_at: As of ``plan_on_frames``.
        library: As of ``plan_on_frames``.

    Raises:
        EditPlanError: As ``plan_on_frames``; an edit that is to stop does when none will do.
    """
    wanted = [_Wanted(edit) for edit in edits]
    while True:
        plan = plan_on_frames([one.edit for one in wanted], scene, seed, frames_at, library)
        rows_of = [
            [row for row in plan.rows if row.index == index] for index in range(1, len(wanted) + 1)
        ]
        turned = [one.turn(rows) for one, rows in zip(wanted, rows_of, strict=True)]
        if not any(turned):
            return replace(plan, rows=tuple(wanted[row.index - 1].told(row) for row in plan.rows))


class _Wanted:
    """An edit, and which of its ways is planned."""

    def __init__(self, edit: Edit) -> None:
        self._ways, self._changes = ways_of(edit), edit.otherwise
        self._missed: list[PlannedEdit] = []

    @property
    def edit(self) -> Edit:
        """The way that is planned; it does not stop while there is another."""
        edit = self._ways[len(self._missed)]
        if len(self._missed) == len(self._changes) or edit.checks.on_fail != "error":
            return edit
        return edit.model_copy(
            update={"checks": edit.checks.model_copy(update={"on_fail": "skip"})}
        )

    def turn(self, rows: Sequence[PlannedEdit]) -> bool:
        """Go on to the next way where all rows are rejected; return whether there is one."""
        if len(self._missed) == len(self._changes) or any(row.is_live for row in rows):
            return False
        self._missed.append(rows[0])
        return True

    def told(self, row: PlannedEdit) -> PlannedEdit:
        """Note which way a row is of, and what was wrong with those before it."""
        if not self._missed:
            return row
        number = len(self._missed) - 1
        before = "; ".join(
            f"{f'otherwise.{k - 1}' if k else 'as written'} {missed.reason}, {missed.note}"
            for k, missed in enumerate(self._missed)
        )
        return row.noted(f"by otherwise.{number} ({', '.join(self._changes[number])}); {before}")
