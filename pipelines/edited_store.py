"""What a store knows of its own edits: plans, the base they were made on, the tables."""

from dataclasses import dataclass
from pathlib import Path

from svsdata.editing.plan import EditPlan
from svsdata.editing.plan_table import read_plan
from svsdata.editing.tables import PLAN_FILE
from svsdata.errors import EditPlanError
from svsdata.pipelines.edited_videos import Video, planned_video
from svsdata.store.reader import StoreReader
from svsdata.store.sidecars import EDITS, sidecar_path


@dataclass(frozen=True)
class EditedSequence:
    """A sequence that was made with edits."""

    sequence_id: str
    plan: EditPlan
    base: StoreReader

    @property
    def video(self) -> Video:
        """The sequence as it would be made again, labels alone."""
        return planned_video(self.base, self.plan, self.sequence_id)


def edited_sequences(reader: StoreReader, base: Path | None = None) -> list[EditedSequence]:
    """Return the sequences of a store that have a plan, with the base that they were made from.

    Args:
        reader: Of the store.
        base: Where the base lies now; None: where the records say.

    Raises:
        EditPlanError: If no sequence has a plan, a plan is damaged, or they have several bases.
        StoreError: If the base cannot be read.
    """
    found: dict[str, EditPlan] = {}
    bases: set[str] = set()
    for sequence_id in reader.sequence_ids:
        details = reader.sequence(sequence_id).details
        if details.get("plan_hash"):
            found[sequence_id] = stored_plan(reader.path, sequence_id)
            bases.add(details.get("base_store", ""))
    if not found:
        raise EditPlanError(
            f"store '{reader.path}' has no plan: none of its sequences was made with edits"
        )
    if base is None and len(bases) > 1:
        raise EditPlanError(
            f"sequences of store '{reader.path}' have the bases {', '.join(sorted(bases))}; "
            "name one with --base"
        )
    opened = StoreReader(base or bases.pop())
    return [EditedSequence(one, plan, opened) for one, plan in found.items()]


def stored_plan(store: Path, sequence_id: str) -> EditPlan:
    """Return the plan that a sequence of a store was made by.

    Raises:
        StoreError: If there is none, or its bytes are not those that were written.
    """
    return read_plan(sidecar_path(store, EDITS, sequence_id, PLAN_FILE))
