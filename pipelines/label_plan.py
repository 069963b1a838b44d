"""What a labelling run will take, measured on its first frames; nothing is written."""

import time
from contextlib import closing
from itertools import islice
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from svsdata.errors import SourceError, StoreError
from svsdata.labeling.labelled_frames import BadFrames, Start
from svsdata.labeling.sources.recording import Recording
from svsdata.pipelines.configs.label import LabelConfig
from svsdata.pipelines.label import check_same_labels, total_frames
from svsdata.pipelines.label_choices import LabelRun, prepare
from svsdata.progress import Progress
from svsdata.records import FRAME_LAYERS
from svsdata.store.columns import encode_row
from svsdata.store.standing import Standing, standing

PROBED_FRAMES = 8
"""Frames that a dry run labels to measure speed and size."""


class LabelPlan(BaseModel):
    """What a labelling run would do; measured on the first frames."""

    model_config = ConfigDict(frozen=True)

    store: str
    source_kind: str
    sequences: int
    """Sequences that are left to label."""
    sequences_before: int
    """Sequences that are finished already."""
    frames: int | None
    """Frames that are left to label; None where only reading everything would tell."""
    size_hw: tuple[int, int]
    layers: tuple[str, ...]
    probed_frames: int
    bytes_per_frame: int
    frames_per_s: float
    """One frame written at a time; a run overlaps this with the rest. 0 where nothing is left."""
    disk_bytes: int | None
    seconds: float | None


def plan_label(config: LabelConfig, progress: Progress, *, overwrite: bool = False) -> LabelPlan:
    """Tell what a run would do, from the store and the first frames left; writes nothing.

    Args:
        config: What to label, and how.
        progress: Told what the source is and what is assumed.
        overwrite: Whether the run may set a store aside that is of something else.

    Raises:
        As ``run_label``.
    """
    run = prepare(config, progress)
    there = _there(Path(config.store), run, overwrite=overwrite)
    left = [it for it in run.recordings if it.sequence_id not in there.committed]
    began = time.monotonic()
    sizes = _probed_sizes(left[0], run, BadFrames(skip=config.skip_bad)) if left else []
    seconds_per_frame = (time.monotonic() - began) / max(len(sizes), 1)
    bytes_per_frame = sum(sizes) // max(len(sizes), 1)
    total = total_frames(left)
    frames = None if total is None else max(total - sum(there.begun_frames.values()), 0)
    return LabelPlan(
        store=config.store,
        source_kind=run.source.kind,
        sequences=len(left),
        sequences_before=len(run.recordings) - len(left),
        frames=frames,
        size_hw=run.info.size_hw,
        layers=run.info.modalities,
        probed_frames=len(sizes),
        bytes_per_frame=bytes_per_frame,
        frames_per_s=round(1 / seconds_per_frame, 2) if left else 0.0,
        disk_bytes=None if frames is None else frames * bytes_per_frame,
        seconds=None if frames is None else round(frames * seconds_per_frame, 1),
    )


def _probed_sizes(recording: Recording, run: LabelRun, bad: BadFrames) -> list[int]:
    """Label the first frames of a recording; returns their bytes."""
    sizes = []
    labelled = run.chain.labelled_frames(recording, run.labeler_of(recording), bad, Start())
    with closing(labelled) as rows:
        for _, frame in islice(rows, PROBED_FRAMES):
            row = encode_row(frame, recording.sequence_id, run.info)
            pictures = (row.get(layer) for layer in FRAME_LAYERS)
            sizes.append(sum(len(picture["bytes"]) for picture in pictures if picture))
    if not sizes:
        raise SourceError(f"{recording.source}: no readable frame in the first sequence")
    return sizes


def _there(path: Path, run: LabelRun, *, overwrite: bool) -> Standing:
    """Tell what ``run_label`` would find, without writing."""
    try:
        there = standing(path, run.info, [it.sequence_id for it in run.recordings])
        if there.committed:
            check_same_labels(path, run)
    except StoreError:
        if not overwrite or not path.is_dir():
            raise
        return Standing(frozenset(), {})
    return there
