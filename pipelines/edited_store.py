"""What a store knows of its own edits: plans, the base they were made on, the tables."""

from dataclasses import dataclass
from pathlib import Path

from svsdata.editing.plan import EditPlan
from svsdata.editing.plan_table import read_plan
from svsdata.editing.tables import PLAN_FILE
from svsdata.errors import EditPlanError, StoreError
from svsdata.pipelines.edited_videos import Video, planned_video
from svsdata.pipelines.label_streams import motion_of
from svsdata.store.format import STORE_FILE
from svsdata.store.reader import StoreReader
from svsdata.store.sidecars import EDITS, sidecar_path


@dataclass(frozen=True)
class EditedSequence:
    """A sequence that was made with edits."""

    sequence_id: str
    plan: EditPlan
    base: StoreReader
    motion: tuple[str, ...]
    """Layers beside its maps that tell how its pixels moved."""

    @property
    def video(self) -> Video:
        """The sequence as it would be made again, labels alone."""
        return planned_video(self.base, self.plan, self.sequence_id, layers=self.motion)


def edited_sequences(reader: StoreReader, base: Path | None = None) -> list[EditedSequence]:
    """Return the sequences of a store that have a plan, with the base that they were made from.

    Args:
        reader: Of the store.
        base: Where the base lies now; None: where the records say.

    Raises:
        EditPlanError: If no sequence has a plan, a plan is damaged, or they have several bases.
        StoreError: If the base cannot be read.
    """
    plans = edited_plans(reader)
    bases = {reader.sequence(one).details.get("base_store", "") for one in plans}
    if base is None and len(bases) > 1:
        raise EditPlanError(
            f"sequences of store '{reader.path}' have the bases {', '.join(sorted(bases))}; "
            "name one with --base"
        )
    place = base or Path(bases.pop())
    if base is None and not (place / STORE_FILE).exists():
        raise StoreError(
            f"the base of store '{reader.path}' is not at '{place}' any more; name it with --base"
        )
    opened = StoreReader(place)
    motion = motion_of(reader)
    return [EditedSequence(one, plan, opened, motion) for one, plan in plans.items()]


def edited_plans(reader: StoreReader) -> dict[str, EditPlan]:
    """Return the plans of a store's sequences that were made with edits.

    Raises:
        EditPlanError: If there is none, or one is damaged.
        CorruptShardError: If the bytes of one are not those that were written.
    """
    plans = {}
    for sequence_id in reader.sequence_ids:
        if reader.sequence(sequence_id).details.get("plan_hash"):
            plans[sequence_id] = read_plan(sidecar_path(reader.path, EDITS, sequence_id, PLAN_FILE))
    if not plans:
        raise EditPlanError(
            f"store '{reader.path}' has no plan: none of its sequences was made with edits"
        )
    return plans
