"""Synthesize videos: label maps from a store, edited if asked, drawn frame after frame."""

import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, closing
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
from svsdata.store.sharing import SharedWork
from svsdata.store.writer import StoreWriter
from svsdata.synthesis.advancing import Take
from svsdata.synthesis.long_video import Rendered
from svsdata.synthesis.video_state import VideoState


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
    for note in synthesis.notes:
        progress.note(note)
    committed = writer.committed
    unfinished = {one.sequence_id: one for one in videos if one.sequence_id not in committed}
    total, left = (sum(one.num_frames for one in group) for group in (videos, unfinished.values()))
    progress.start("synthesize", total, done=total - left)
    started, planner = time.monotonic(), Planner(videos)
    work, made = SharedWork(writer, unfinished, progress), list[str]()
    outcomes: dict[str, list[EditOutcome]] = {}

    def begun(free: Iterable[str]) -> Iterator[_Making]:
        for sequence_id in free:
            video = unfinished[sequence_id]
            plan = planner.plan(video)
            own = outcomes_of(sequence_id, plan, progress) if plan else []
            if own and all(one.status == "rejected" for one in own):
                outcomes[sequence_id] = own
                progress.skip(video.num_frames)
                progress.note(f"{sequence_id}: not drawn, since all its edits are rejected")
                continue
            with work.unless_taken(sequence_id):
                making = _Making(video, plan, synthesis, writer)
                outcomes[sequence_id] = own
                made.append(sequence_id)
                yield making

    drawn = 0
    for free in work.rounds():
        drawn += _make(begun(free), synthesis, progress)
    require_same_recipes(writer, videos)  # of those that other processes made meanwhile
    told = tuple(outcome for own in outcomes.values() for outcome in own)
    if not made and len(outcomes) == len(videos):
        raise EditPlanError(f"no edit can be applied to any sequence; {told[0].in_words()}")
    return SynthesizeResult(
        out=config.out,
        sequences=tuple(made),
        already_done=tuple(one.sequence_id for one in videos if one.sequence_id not in unfinished),
        elsewhere=tuple(work.elsewhere),
        num_frames=drawn,
        frames_per_second=drawn / (time.monotonic() - started) if drawn else 0.0,
        edits=told,
    )


def _make(begun: Iterable["_Making"], synthesis: Synthesis, progress: Progress) -> int:
    """Draw and write videos, each from where an earlier run stopped; returns the frames drawn."""
    making: dict[int, _Making] = {}
    number = drawn = 0

    def streams() -> Iterator[Take]:
        nonlocal number
        for one in begun:
            progress.skip(one.num_written)
            if one.num_written == one.num_frames:
                one.finish()
                continue
            making[number] = one
            number += 1
            yield Take(one.labels, one.state, one.colour_seed, one.fps)

    together = synthesis.video_maker.render_together(streams(), rows=synthesis.parallel_videos)
    try:
        for which, rendered in together:
            making[which].append(rendered)
            progress.advance()
            drawn += 1
            if making[which].num_written == making[which].num_frames:
                making.pop(which).finish()
    finally:
        for one in making.values():
            one.close()
    return drawn


class _Making:
    """A video on its way into the store."""

    def __init__(
        self, video: Video, plan: EditPlan | None, synthesis: Synthesis, writer: StoreWriter
    ) -> None:
        self._video, self._model = video, synthesis.video_maker.name
        self.colour_seed = video.colour_seed
        self.num_frames = video.num_frames
        base = video.labels.sequence
        self.fps = base.fps
        with ExitStack() as opened:
            rows = opened.enter_context(
                writer.sequence(
                    video.sequence_id,
                    source=f"synthesized:{base.sequence_id}",
                    fps=self.fps,
                    stateful=True,
                    recipe=video.recipe,
                )
            )
            part_frames = synthesis.part_frames
            self._rows = VideoRows(video, plan, store=writer, rows=rows, part_frames=part_frames)
            self.num_written = self._rows.first_frame
            self.state = VideoState.from_arrays(rows.state) if rows.state else None
            ahead = 2 * synthesis.video_maker.chunk_frames
            self.labels = in_background(self._rows.edited_labels(), capacity=ahead)
            opened.enter_context(closing(self.labels))  # type: ignore[type-var]
            self._opened = opened.pop_all()

    def append(self, rendered: Rendered) -> None:
        """Write the next frame."""
        after = rendered.state.arrays() if rendered.state else None
        self._rows.append(_row(rendered, self._video), after)
        self.num_written += 1

    def finish(self) -> None:
        """Make the video visible."""
        with self._opened:
            self._rows.commit({"generator": self._model}, model=self._model)

    def close(self) -> None:
        """Keep what was closed of the video for the next run."""
        self._opened.close()


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
