"""Synthesize videos: label maps from a store, edited if asked, drawn frame after frame."""

import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from svsdata.editing.plan import EditPlan
from svsdata.errors import EditPlanError
from svsdata.overlap import in_background
from svsdata.pipelines.configs.synthesize import SynthesizeConfig
from svsdata.pipelines.edited_videos import EditOutcome, Planner, Video, outcomes_of
from svsdata.pipelines.synthesis_plan import Synthesis, prepare
from svsdata.pipelines.video_store import VideoRows, opened_store, require_same_recipes
from svsdata.progress import Progress
from svsdata.records import Frame
from svsdata.store.sharing import share
from svsdata.store.writer import StoreWriter
from svsdata.synthesis.long_video import Rendered, VideoState


class SynthesizeResult(BaseModel):
    """What a synthesis left behind."""

    model_config = ConfigDict(frozen=True)

    out: Path
    sequences: tuple[str, ...]
    """Written by this run."""
    already_done: tuple[str, ...]
    """Left by an earlier run."""
    elsewhere: tuple[str, ...]
    """Made by other processes meanwhile."""
    num_frames: int
    """Drawn by this run."""
    frames_per_second: float
    """Reading, editing, drawing and writing together; 0 where nothing was left to do."""
    edits: tuple[EditOutcome, ...]


def run_synthesize(
    config: SynthesizeConfig, progress: Progress, *, overwrite: bool = False
) -> SynthesizeResult:
    """Make every video that is asked for; run again it goes on where it stopped.

    Runs at the same time divide the videos among them.

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
    writer = opened_store(config.out, synthesis.info, videos, overwrite=overwrite)
    old_hw, (height, width) = videos[0].labels.reader.info.size_hw, synthesis.info.size_hw
    if old_hw != (height, width):
        progress.note(
            f"drawn at {width}x{height}, the checkpoint's size; the frames of '{config.store}' "
            f"are {old_hw[1]}x{old_hw[0]}"
        )
    committed = writer.committed
    unfinished = {one.sequence_id: one for one in videos if one.sequence_id not in committed}
    total, left = (sum(one.num_frames for one in group) for group in (videos, unfinished.values()))
    progress.start("synthesize", total, done=total - left)
    started, planner = time.monotonic(), Planner(videos)
    outcomes: dict[str, list[EditOutcome]] = {}

    def make(sequence_id: str) -> int | None:
        video = unfinished[sequence_id]
        plan = planner.plan(video)
        own = outcomes[sequence_id] = outcomes_of(sequence_id, plan, progress) if plan else []
        if own and all(one.status == "rejected" for one in own):
            progress.advance(video.num_frames)
            return None
        return _make(video, plan, synthesis, writer, progress)

    drawn = share(writer, unfinished, make, progress)
    require_same_recipes(writer, videos)  # of those that other processes made meanwhile
    made = {one: frames for one, frames in drawn.items() if frames is not None}
    told = tuple(outcome for one in drawn for outcome in outcomes[one])
    if len(drawn) == len(videos) and not made:
        raise EditPlanError(f"no edit can be applied to any sequence; {told[0].in_words()}")
    return SynthesizeResult(
        out=config.out,
        sequences=tuple(made),
        already_done=tuple(one.sequence_id for one in videos if one.sequence_id not in unfinished),
        elsewhere=tuple(one for one in unfinished if one not in drawn),
        num_frames=sum(made.values()),
        frames_per_second=sum(made.values()) / (time.monotonic() - started) if made else 0.0,
        edits=told,
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
    with writer.sequence(
        video.sequence_id,
        source=f"synthesized:{base.sequence_id}",
        fps=base.fps,
        stateful=True,
        recipe=video.recipe,
    ) as rows:
        made = VideoRows(video, plan, store=writer, rows=rows, part_frames=synthesis.part_frames)
        state = VideoState.from_arrays(rows.state) if rows.state else None
        progress.advance(made.first_frame)
        labels = in_background(made.edited_labels(), capacity=2 * video_maker.chunk_length)
        with closing(labels):  # type: ignore[type-var]
            for rendered in video_maker.render(labels, state):
                after = rendered.state.arrays() if rendered.state else None
                made.append(_row(rendered, video), after)
                progress.advance()
        made.commit({"generator": video_maker.name}, model=video_maker.name)
    return video.num_frames - made.first_frame


def _row(rendered: Rendered, video: Video) -> Frame:
    """Strip what does not hold for the new picture, and say how the row came to be."""
    frame, was_synthetic = rendered.frame, rendered.frame.is_synthetic
    if rendered.is_reference and (frame.provenance is None or not frame.provenance.any()):
        base = video.labels.reader.record(video.labels.sequence.sequence_id)
        was_synthetic = base.is_synthetic
    return replace(
        frame,
        is_synthetic=was_synthetic,
        seed=video.seed if frame.plan_hash else None,
    )
