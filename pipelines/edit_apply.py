"""Carry plans out on label maps: a store of edited labels, without pictures of them."""

from collections.abc import Collection, Iterable, Mapping
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from svsdata.editing.plan import EditPlan
from svsdata.errors import EditPlanError, did_you_mean
from svsdata.overlap import in_background
from svsdata.pipelines.edit_plan import plans_at
from svsdata.pipelines.edited_store import edited_sequences
from svsdata.pipelines.edited_videos import (
    EditOutcome,
    Video,
    outcomes_of,
    planned_video,
    plans_of,
)
from svsdata.pipelines.label_streams import motion_of
from svsdata.pipelines.run_dir import require_apart
from svsdata.pipelines.video_store import VideoRows, opened_store
from svsdata.progress import Progress
from svsdata.records import Frame
from svsdata.store.format import StoreInfo
from svsdata.store.reader import StoreReader
from svsdata.store.writer import StoreWriter

PART_FRAMES = 256
"""Frames after which a stopped run can go on: a part of maps is then a few megabytes."""
_AHEAD = 8


class EditApplyResult(BaseModel):
    """What carrying plans out left behind."""

    model_config = ConfigDict(frozen=True)

    out: Path
    sequences: tuple[str, ...]
    """Written by this run."""
    already_done: tuple[str, ...]
    """Left by an earlier run."""
    num_frames: int
    """Written by this run."""
    changed_frames: int
    """Of them, those in which an edit changed something."""
    edits: tuple[EditOutcome, ...]


def run_edit_apply(
    store: Path,
    plan: Path,
    out: Path,
    progress: Progress,
    *,
    overwrite: bool = False,
    part_frames: int = PART_FRAMES,
) -> EditApplyResult:
    """Carry plans out; run again it goes on where it stopped.

    Args:
        store: The base that the plans were made on.
        plan: A plan, or a folder of plans; each makes a sequence of the plan file's name.
        out: Store to write: maps, ids, provenance, flow where the base has it, and the tables of
            the edits.
        progress: Told every frame, and every edit that is not carried out as asked.
        overwrite: Set a store that was made otherwise aside, as ``OUT.old-N``.
        part_frames: Frames after which a stopped run can go on.

    Raises:
        EditPlanError: If a plan cannot be read, or its base has changed.
        StoreError: If the base cannot be read, or ``out`` holds something else.
    """
    require_apart(out, [store, plan])
    reader = StoreReader(store)
    plans = {path.stem: plan for path, plan in plans_at(plan)}
    writer, videos = _opened(reader, plans, out, overwrite=overwrite)
    return _applied(writer, videos, progress, part_frames)


def run_edit_undo(
    store: Path,
    out: Path,
    edit_ids: Collection[str],
    progress: Progress,
    *,
    base: Path | None = None,
    overwrite: bool = False,
) -> EditApplyResult:
    """Make an edited store anew without some of its edits; nothing is changed in place.

    Args:
        store: Whose edits are undone: of edited labels, or synthesized.
        out: Store to write, of labels.
        edit_ids: Edits to leave out, in every sequence that has them.
        progress: Told every frame.
        base: Where the base lies now; None: where the store's records say.
        overwrite: Set a store that was made otherwise aside, as ``OUT.old-N``.

    Raises:
        EditPlanError: If an edit is in no plan of the store, or the base has changed.
        StoreError: If the store or its base cannot be read, or ``out`` holds something else.
    """
    require_apart(out, [store, base])
    edited = edited_sequences(StoreReader(store), base)
    known = sorted({row.edit_id for one in edited for row in one.plan.rows})
    for edit_id in edit_ids:
        if edit_id not in known:
            raise EditPlanError(
                f"store '{store}' has no edit '{edit_id}'{did_you_mean(edit_id, known)}; "
                f"it has: {', '.join(known) or 'none'}"
            )
    plans = {}
    for one in edited:
        kept = tuple(row for row in one.plan.rows if row.edit_id not in edit_ids)
        plans[one.sequence_id] = replace(one.plan, rows=kept)
    writer, videos = _opened(edited[0].base, plans, out, overwrite=overwrite)
    return _applied(writer, videos, progress, PART_FRAMES)


def _opened(
    reader: StoreReader, plans: Mapping[str, EditPlan], out: Path, *, overwrite: bool
) -> tuple[StoreWriter, list[Video]]:
    """Lay out the videos of plans by name, and open the store for them."""
    motion = motion_of(reader)
    videos = [planned_video(reader, plan, name, layers=motion) for name, plan in plans.items()]
    info = _info(reader, plans.values())
    return opened_store(out, info, videos, overwrite=overwrite), videos


def _applied(
    writer: StoreWriter, videos: list[Video], progress: Progress, part_frames: int
) -> EditApplyResult:
    unfinished = [video for video in videos if video.sequence_id not in writer.committed]
    total, left = (sum(one.num_frames for one in group) for group in (videos, unfinished))
    progress.start("apply", total, done=total - left)
    written = changed = 0
    outcomes: list[EditOutcome] = []
    for video, plan in plans_of(unfinished):
        assert plan is not None
        outcomes += outcomes_of(video.sequence_id, plan, progress)
        with writer.sequence(
            video.sequence_id,
            source=f"edited:{plan.sequence_id}",
            fps=video.labels.sequence.fps,
            stateful=True,
            recipe=video.recipe,
        ) as rows:
            made = VideoRows(video, plan, store=writer, rows=rows, part_frames=part_frames)
            progress.skip(made.first_frame)
            labels = in_background(made.edited_labels(), capacity=_AHEAD)
            with closing(labels):  # type: ignore[type-var]
                for frame in labels:
                    row = edited_row(frame, video)
                    changed += bool(row.provenance is not None and row.provenance.any())
                    made.append(row, {})
                    progress.advance()
            made.commit({})
        written += video.num_frames - made.first_frame
    return EditApplyResult(
        out=writer.path,
        sequences=tuple(one.sequence_id for one in unfinished),
        already_done=tuple(one.sequence_id for one in videos if one not in unfinished),
        num_frames=written,
        changed_frames=changed,
        edits=tuple(outcomes),
    )


def edited_row(frame: Frame, video: Video) -> Frame:
    """Keep of an edited frame what holds for its new labels: no picture, no certainty.

    A frame that no edit changed is as synthetic as its base.
    """
    assert frame.provenance is not None
    base = video.labels.reader.record(video.labels.sequence.sequence_id)
    return replace(
        frame,
        image=None,
        confidence=None,
        is_synthetic=base.is_synthetic or bool(frame.provenance.any()),
        seed=video.seed,
    )


def _info(reader: StoreReader, plans: Iterable[EditPlan]) -> StoreInfo:
    sizes = {plan.size_hw for plan in plans}
    if len(sizes) > 1:
        raise EditPlanError(
            f"the plans are for frames of {', '.join(map(str, sorted(sizes)))} (height, width); "
            "a store holds one size: apply them to two stores"
        )
    info = reader.info
    layers = ("semantic", "instance", *motion_of(reader), "provenance")
    return StoreInfo(info.label_set, sizes.pop(), info.fps, layers, info.licences)
