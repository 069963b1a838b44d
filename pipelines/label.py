"""Label a recording: frames in, a store with labels, flow, camera and ego motion out."""

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from svsdata.errors import SourceError, StoreError
from svsdata.labeling.labelers import Labeler
from svsdata.labeling.labelled_frames import BadFrames, Start
from svsdata.labeling.sources.recording import Recording
from svsdata.labeling.track_table import TrackTable
from svsdata.labeling.tracking import TRACKED, InstanceTracker
from svsdata.pipelines.configs.label import LabelConfig
from svsdata.pipelines.label_choices import LabelRun, estimate_camera, prepare
from svsdata.pipelines.run_dir import set_aside
from svsdata.progress import Progress
from svsdata.store.reader import StoreReader
from svsdata.store.sharing import SharedWork
from svsdata.store.standing import AWAY_FROM_OTHERS
from svsdata.store.writer import SequenceWriter, StoreWriter


class LabelResult(BaseModel):
    """What a labelling run did."""

    model_config = ConfigDict(frozen=True)

    store: str
    source_kind: str
    sequences: int
    """Sequences finished by this run."""
    sequences_before: int
    """Sequences that were finished already."""
    sequences_elsewhere: int
    """Sequences that other processes finished meanwhile."""
    frames: int
    """Frames labelled by this run."""
    seconds: float
    frames_per_s: float
    skipped: dict[str, dict[int, str]]
    """By sequence: the source's number of each frame left out, and why."""


def run_label(config: LabelConfig, progress: Progress, *, overwrite: bool = False) -> LabelResult:
    """Label every sequence of the source that the store lacks.

    A run that was stopped goes on behind the last whole part of each sequence, and the result is
    the same, byte for byte. Runs at the same time divide the sequences among them.

    Args:
        config: What to label, and how.
        progress: Told every frame.
        overwrite: Set a store that holds these sequences labelled otherwise, or was made with other
            sizes, labels or layers, aside as ``STORE.old-N`` instead of stopping.

    Raises:
        SourceError: If the source, a frame or a map cannot be read.
        LabelSetError: If maps or a checkpoint's classes do not fit the label set.
        StoreError: If the store cannot be written, or was made as something else.
        ConfigError: If choices contradict each other.
        WeightsError: If the segmenter's checkpoint cannot be used.
    """
    run = prepare(config, progress)
    store = _opened(Path(config.store), run, overwrite=overwrite)
    committed = store.committed
    done = [it for it in run.recordings if it.sequence_id in committed]
    left = [it for it in run.recordings if it.sequence_id not in committed]
    if left:
        run = estimate_camera(run, config, progress)
    progress.start("label", total_frames(run.recordings), done=total_frames(done) or 0)
    began, skipped = time.monotonic(), dict[str, dict[int, str]]()
    by_id = {recording.sequence_id: recording for recording in left}
    work, frames = SharedWork(store, by_id, progress), dict[str, int]()
    for free in work.rounds():
        for sequence_id in free:
            bad = BadFrames(skip=config.skip_bad)
            with work.unless_taken(sequence_id):
                frames[sequence_id] = label_sequence(by_id[sequence_id], run, store, bad, progress)
            if bad.reasons:
                skipped[sequence_id] = dict(sorted(bad.reasons.items()))
                progress.note(f"{sequence_id}: {len(bad.reasons)} unreadable frames left out")
    check_same_labels(store.path, run)  # of those that other processes wrote meanwhile
    seconds = time.monotonic() - began
    return LabelResult(
        store=config.store,
        source_kind=run.source.kind,
        sequences=len(frames),
        sequences_before=len(done),
        sequences_elsewhere=len(work.elsewhere),
        frames=sum(frames.values()),
        seconds=round(seconds, 2),
        frames_per_s=round(sum(frames.values()) / max(seconds, 1e-9), 2),
        skipped=skipped,
    )


def _opened(path: Path, run: LabelRun, *, overwrite: bool) -> StoreWriter:
    try:
        store = StoreWriter(path, run.info)
        check_same_labels(store.path, run)
    except StoreError:
        if not overwrite or not path.is_dir():
            raise
        set_aside(path)
        return StoreWriter(path, run.info)
    return store


def check_same_labels(path: Path, run: LabelRun) -> None:
    """Refuse sequences of the same names that are of other recordings or labelled otherwise."""
    reader = StoreReader(path)
    committed = set(reader.sequence_ids)
    for recording in run.recordings:
        if recording.sequence_id not in committed:
            continue
        there = reader.sequence(recording.sequence_id)
        asked = _recipe(run, run.labeler_of(recording))
        # One folder may be given by several paths.
        is_same = Path(there.source).resolve() == Path(recording.source).resolve()
        source = there.source if is_same else recording.source
        made = {"source": there.source, "fps": there.fps, "recipe": there.details.get("recipe")}
        wanted = {"source": source, "fps": recording.fps, "recipe": asked}
        for what, was in made.items():
            if was not in (None, wanted[what]):
                raise StoreError(
                    f"store '{path}' holds a sequence '{there.sequence_id}' labelled with "
                    f"{what} '{was}', got '{wanted[what]}'; "
                    f"{_advice_if_moved(there.source, source)}{AWAY_FROM_OTHERS}"
                )


def _advice_if_moved(was: str, source: str) -> str:
    """Say how a recording that may lie elsewhere now is gone on with, or nothing."""
    if was == source or Path(was).exists() or not Path(source).exists():
        return ""
    return "if the recording was moved, link its old place to the new one and label that; "


def label_sequence(
    recording: Recording, run: LabelRun, store: StoreWriter, bad: BadFrames, progress: Progress
) -> int:
    """Write one sequence and commit it; returns the number of frames that were left to label."""
    labeler = run.labeler_of(recording)
    with store.sequence(
        recording.sequence_id,
        source=recording.source,
        fps=recording.fps,
        stateful=True,
        recipe=_recipe(run, labeler) + _camera_recipe(run, recording),
    ) as writer:
        start = _start(writer, bad)
        tracks = TrackTable(writer.state)
        tracker = (
            InstanceTracker(run.info.label_set, writer.state, renames=run.renames)
            if run.tracks
            else None
        )
        lasting_ids = run.lasting_ids or run.tracks
        progress.skip(start.row)
        for position, frame in run.chain.labelled_frames(recording, labeler, bad, start):
            if tracker is not None:
                frame = tracker.track(frame)
            writer.append(frame)
            if lasting_ids and frame.instance is not None:
                tracks.add(frame.instance, frame.frame_index)
            if writer.next_frame_index % run.part_frames == 0:
                state = _state(position, bad) | tracks.state()
                writer.close_part(state | (tracker.state() if tracker is not None else {}))
            progress.advance()
        if not writer.next_frame_index:
            reason = next(iter(bad.reasons.values()), "it has no frames")
            raise SourceError(
                f"{recording.source}: no readable frame in {recording.sequence_id}; {reason}"
            )
        scope: Literal["sequence", "frame"] = "sequence" if lasting_ids else "frame"
        writer.commit(
            tracks.tracks(recording.sequence_id),
            details=_details(run, recording, bad) | {"recipe": _recipe(run, labeler)},
            instance_scope=scope if "instance" in labeler.layers else "none",
        )
        return writer.next_frame_index - start.row


def _recipe(run: LabelRun, labeler: Labeler) -> str:
    """Tell what a sequence must have been made with to be this run's."""
    recipe = f"{labeler.description}; {run.chain.flow_description}; parts of {run.part_frames}"
    if run.tracks:
        recipe += f"; {TRACKED}{', classes voted' if run.renames else ''}"
    if run.maps:
        recipe += f"; maps of {run.maps}"
    return f"{recipe}; lower {run.chain.crop_rows} rows" if run.chain.crop_rows else recipe


def _camera_recipe(run: LabelRun, recording: Recording) -> str:
    """Tell the camera, which is estimated only where frames are left to label."""
    estimated = run.horizon is not None and recording.camera is None
    return f"; camera of {run.horizon}" if estimated else ""


def _state(position: int, bad: BadFrames) -> dict[str, NDArray[Any]]:
    """Return what going on needs: the last frame's position and what was left out so far."""
    reasons = json.dumps(bad.reasons).encode()
    return {"position": np.array(position), "skipped": np.frombuffer(reasons, np.uint8)}


def _start(writer: SequenceWriter, bad: BadFrames) -> Start:
    if writer.state is None:
        return Start()
    skipped = json.loads(writer.state["skipped"].tobytes())
    bad.reasons.update({int(frame): reason for frame, reason in skipped.items()})
    return Start(writer.next_frame_index, int(writer.state["position"]))


def _details(run: LabelRun, recording: Recording, bad: BadFrames) -> dict[str, str]:
    details = {"source_kind": run.source.kind}
    if run.horizon is not None and recording.camera is None:
        details["camera"] = f"estimated from {run.horizon.in_words()}"
    if run.chain.crop_rows:
        details["crop"] = f"lower {run.chain.crop_rows} rows of the source's frames"
    if bad.reasons:
        details["skipped"] = json.dumps(dict(sorted(bad.reasons.items())))
    return details


def total_frames(recordings: Sequence[Recording]) -> int | None:
    """Return the frames of recordings; None where only reading everything would tell."""
    counts = [recording.num_frames for recording in recordings]
    known = [count for count in counts if count is not None]
    return sum(known) if len(known) == len(counts) else None
