"""Plans of edits that say what else would do where they cannot be applied as they are written."""

from collections.abc import Sequence
from dataclasses import replace

from svsdata.editing.borrowing import require_library
from svsdata.editing.edit_text import ways_of
from svsdata.editing.language import Edit
from svsdata.editing.plan import EditPlan, PlannedEdit
from svsdata.editing.planning import require_known, stop_if_asked
from svsdata.editing.region_trial import FramesAt
from svsdata.editing.scene import Scene
from svsdata.editing.shape_library import ShapeLibrary
from svsdata.editing.trial import plan_on_frames
from svsdata.errors import EditPlanError


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
        EditPlanError: As ``plan_on_frames``, of alternatives that are not tried too; an edit that
            is to stop does when none will do.
    """
    wanted = [_Wanted(edit) for edit in edits]
    for way in (way for one in wanted for way in one.ways[1:]):
        require_known(way, scene.label_set)
        require_library([way], library)
    while True:
        try:
            plan = plan_on_frames([one.edit for one in wanted], scene, seed, frames_at, library)
        except EditPlanError as error:
            raise EditPlanError("; ".join([str(error), *_tried(wanted)])) from error
        rows_of = [
            [row for row in plan.rows if row.index == index] for index in range(1, len(wanted) + 1)
        ]
        turned = [one.turn(rows) for one, rows in zip(wanted, rows_of, strict=True)]
        if not any(turned):
            rows = tuple(wanted[row.index - 1].told(row) for row in plan.rows)
            for row in rows:
                stop_if_asked(row)
            return replace(plan, rows=rows)


def _tried(wanted: Sequence["_Wanted"]) -> list[str]:
    """Say which edits are not as they are written, since nothing of them can be applied so."""
    return [f"'{one.edit.id}' is tried by {one.way}" for one in wanted if one.way]


class _Wanted:
    """An edit, and which of its ways is planned."""

    def __init__(self, edit: Edit) -> None:
        self.ways, self._changes = ways_of(edit), edit.otherwise
        self._missed: list[PlannedEdit] = []

    @property
    def way(self) -> str:
        """What the way that is planned is called; empty: as the edit is written."""
        return f"otherwise.{len(self._missed) - 1}" if self._missed else ""

    @property
    def edit(self) -> Edit:
        """The way that is planned; it does not stop while there is another."""
        edit = self.ways[len(self._missed)]
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
        on_fail = self.ways[len(self._missed)].checks.on_fail
        row = replace(row, checks=row.checks.model_copy(update={"on_fail": on_fail}))
        if not self._missed:
            return row
        changed = ", ".join(self._changes[len(self._missed) - 1])
        before = "; ".join(
            f"{f'otherwise.{k - 1}' if k else 'as written'} {missed.reason}, {missed.note}"
            for k, missed in enumerate(self._missed)
        )
        return row.noted(f"by {self.way} ({changed}); {before}")
