"""Synthesize videos: label maps from a store, edited if asked, drawn frame after frame."""

import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from svsdata.editing.fill import LOOK_AROUND
from svsdata.editing.operations import apply_plan
from svsdata.editing.plan import EditPlan
from svsdata.editing.plan_table import write_plan
from svsdata.errors import EditPlanError, StoreError
from svsdata.labeling.overlap import in_background
from svsdata.labeling.track_table import TrackTable
from svsdata.pipelines.configs.synthesize import SynthesizeConfig
from svsdata.pipelines.run_dir import set_aside
from svsdata.pipelines.synthesis_plan import Synthesis, Video, prepare
from svsdata.progress import Progress
from svsdata.records import Frame, Track
from svsdata.store.reader import StoreReader
from svsdata.store.writer import SequenceWriter, StoreWriter
from svsdata.synthesis.long_video import LongVideo, Rendered, VideoState
from svsdata.synthesis.provenance import with_known_identities


class EditOutcome(BaseModel):
    """What became of one edit in one video."""

    model_config = ConfigDict(frozen=True)

    sequence_id: str
    edit: str
    status: str
    reason: str
    """Code of what is wrong; empty where it was applied as asked."""
    note: str

    def in_words(self) -> str:
        """Tell it in one line."""
        return f"{self.sequence_id}: edit '{self.edit}' {self.status}: {self.reason}, {self.note}"


class SynthesizeResult(BaseModel):
    """What a synthesis left behind."""

    model_config = ConfigDict(frozen=True)

    out: Path
    sequences: tuple[str, ...]
    """Written by this run."""
    already_done: tuple[str, ...]
    """Left by an earlier run."""
    num_frames: int
    """Drawn by this run."""
    frames_per_second: float
    """Reading, editing, drawing and writing together; 0 where nothing was left to do."""
    edits: tuple[EditOutcome, ...]


def run_synthesize(
    config: SynthesizeConfig, progress: Progress, *, overwrite: bool = False
) -> SynthesizeResult:
    """Make every video that is asked for; run again it goes on where it stopped.

    Args:
        config: What to make.
        progress: Told every frame and every edit that was rejected.
        overwrite: Set an output that was made otherwise aside, as ``OUT.old-N``, instead of
            stopping.

    Raises:
        StoreError: If the base cannot be read or is too short, or the output holds another
            synthesis.
        CheckpointError: If the checkpoint is not for this store or these edits.
        EditPlanError: If an edit is unknown, or none can be applied to any sequence.
    """
    synthesis = prepare(config)
    videos = synthesis.videos
    writer = _opened(config.out, synthesis, overwrite=overwrite)
    unfinished = [video for video in videos if video.sequence_id not in writer.committed]
    total, left = (sum(video.num_frames for video in group) for group in (videos, unfinished))
    progress.start("synthesize", total, done=total - left)
    started, drawn = time.monotonic(), 0
    made: list[str] = []
    outcomes: list[EditOutcome] = []
    for video in unfinished:
        plan = video.plan()
        own = _outcomes(video, plan, progress)
        outcomes += own
        if own and all(one.status == "rejected" for one in own):
            continue
        drawn += _make(video, plan, synthesis, writer, progress)
        made.append(video.sequence_id)
    if unfinished and not made:
        raise EditPlanError(f"no edit can be applied to any sequence; {outcomes[0].in_words()}")
    return SynthesizeResult(
        out=config.out,
        sequences=tuple(made),
        already_done=tuple(one.sequence_id for one in videos if one not in unfinished),
        num_frames=drawn,
        frames_per_second=drawn / (time.monotonic() - started) if drawn else 0.0,
        edits=tuple(outcomes),
    )


def _make(
    video: Video,
    plan: EditPlan | None,
    synthesis: Synthesis,
    writer: StoreWriter,
    progress: Progress,
) -> int:
    """Draw and write one video from where an earlier run stopped; returns the frames drawn."""
    base, video_maker = video.labels.sequence, synthesis.video_maker
    if plan is not None:
        write_plan(writer.path / "edits" / f"{video.sequence_id}.parquet", plan)
    with writer.sequence(
        video.sequence_id,
        source=f"synthesized:{base.sequence_id}",
        fps=base.fps,
        stateful=True,
        recipe=video.recipe,
    ) as rows:
        first = part_start = rows.next_frame_index
        state, tracks = _restored(rows)
        progress.advance(first)
        labels = in_background(
            _edited_labels(video, plan, first), capacity=2 * video_maker.chunk_length
        )
        with closing(labels):  # type: ignore[type-var]
            for rendered in video_maker.render(labels, state):
                frame = _row(rendered, video)
                rows.append(frame)
                if frame.instance is not None:
                    tracks.add(frame.instance, frame.frame_index)
                progress.advance()
                if rendered.state and frame.frame_index + 1 - part_start >= synthesis.part_frames:
                    rows.close_part(rendered.state.arrays() | tracks.state())
                    part_start = frame.frame_index + 1
        lasting = tracks.tracks(video.sequence_id) if base.instance_scope == "sequence" else ()
        rows.commit(
            with_known_identities(lasting, _known_tracks(video, plan)),
            details=_details(video, plan, video_maker),
            instance_scope=base.instance_scope,
        )
    return video.num_frames - first


def _edited_labels(video: Video, plan: EditPlan | None, first: int) -> Iterator[Frame]:
    if plan is None:
        return video.labels.frames(first, video.num_frames)
    begin = max(first - LOOK_AROUND, 0)
    return apply_plan(plan, video.labels.frames(begin, video.num_frames), first_frame=first)


def _row(rendered: Rendered, video: Video) -> Frame:
    """Strip what does not hold for the new picture, and say how the row came to be."""
    frame, was_synthetic = rendered.frame, rendered.frame.is_synthetic
    if rendered.is_reference and (frame.provenance is None or not frame.provenance.any()):
        base = video.labels.reader.record(video.labels.sequence.sequence_id)
        was_synthetic = base.is_synthetic
    return replace(
        frame,
        flow=None,
        flow_validity=None,
        occlusion=None,
        is_synthetic=was_synthetic,
        seed=video.seed if video.edits else None,
    )


def _restored(rows: SequenceWriter) -> tuple[VideoState | None, TrackTable]:
    state = VideoState.from_arrays(rows.state) if rows.state else None
    return state, TrackTable(rows.state)


def _opened(path: Path, synthesis: Synthesis, *, overwrite: bool) -> StoreWriter:
    """Make or open the output store, and refuse one that holds something else."""
    try:
        writer = StoreWriter(path, synthesis.info)
        _check_recipes(writer, synthesis.videos)
    except StoreError:
        if not overwrite or not path.is_dir():
            raise
        set_aside(path)
        return StoreWriter(path, synthesis.info)
    return writer


def _check_recipes(writer: StoreWriter, videos: tuple[Video, ...]) -> None:
    """Refuse sequences of the same names that were made otherwise."""
    written, committed = StoreReader(writer.path), writer.committed
    for video in videos:
        if video.sequence_id not in committed:
            continue
        if written.sequence(video.sequence_id).details.get("recipe") != video.recipe:
            raise StoreError(
                f"store '{writer.path}' holds a '{video.sequence_id}' made from other labels, "
                "edits, weights or settings; write to another folder, or add --overwrite to set "
                "it aside"
            )


def _outcomes(video: Video, plan: EditPlan | None, progress: Progress) -> list[EditOutcome]:
    """Return what became of each edit, and tell of those that were not applied as asked."""
    outcomes = [
        EditOutcome(
            sequence_id=video.sequence_id,
            edit=row.edit_id,
            status=row.status,
            reason=row.reason,
            note=row.note,
        )
        for row in (plan.rows if plan else ())
    ]
    for outcome in outcomes:
        if outcome.reason:
            progress.note(outcome.in_words())
    return outcomes


def _known_tracks(video: Video, plan: EditPlan | None) -> list[Track]:
    added = [
        Track(instance_id, instance_id // 1000, row.first_frame, row.last_frame, row.track_id)
        for row in (plan.rows if plan else ())
        if row.is_live and row.draws and row.op in ("add", "replace")
        for instance_id in row.instance_ids
    ]
    return [*added, *video.labels.sequence.tracks]


def _details(video: Video, plan: EditPlan | None, video_maker: LongVideo) -> dict[str, str]:
    return {
        "base_store": str(video.labels.reader.path),
        "base_sequence": video.labels.sequence.sequence_id,
        "base_hash": video.base_hash,
        "generator": video_maker.name,
        "plan_hash": plan.hash if plan else "",
        "seed": str(video.seed) if plan else "",
        "recipe": video.recipe,
    }
