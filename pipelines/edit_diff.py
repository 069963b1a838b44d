"""The guarantee of provenance: an edited store made again from plan and base, byte for byte."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from svsdata.editing.operations import apply_plan
from svsdata.editing.tables import EDIT_FRAMES_FILE, EDITS_FILE, EditLog, edits_table
from svsdata.errors import CorruptShardError
from svsdata.flow_codec import flow_codes
from svsdata.pipelines.edited_store import EditedSequence, edited_sequences
from svsdata.progress import Progress
from svsdata.records import REPAIRED, Frame
from svsdata.store.files import sha256_of
from svsdata.store.format import FRAMES
from svsdata.store.reader import StoreReader
from svsdata.store.sidecars import EDITS, sidecar_path

_LAYERS = ("semantic", "instance", "flow", "occlusion", "provenance")
_FACTS = ("timestamp_us", "source", "source_frame", "plan_hash")


class EditDiffResult(BaseModel):
    """What a comparison found."""

    model_config = ConfigDict(frozen=True)

    store: Path
    sequences: tuple[str, ...]
    """Compared: those made with edits."""
    num_frames: int
    differences: tuple[str, ...]
    """The first of every sequence that differs; none: plan and base give these very maps."""


def run_edit_diff(store: Path, progress: Progress, *, base: Path | None = None) -> EditDiffResult:
    """Make the labels of an edited store again from plan and base, and compare.

    Maps, flow, the frames' times and sources and the tables of the edits are made again; pictures,
    which a generator drew, are compared with the hashes that were written when they were made.

    Args:
        store: Edited or synthesized.
        progress: Told every frame.
        base: Where the base lies now; None: where the store's records say.

    Raises:
        EditPlanError: If the store has no plan, a plan is damaged, or the base has changed.
        StoreError: If the store or its base cannot be read.
    """
    reader = StoreReader(store)
    edited = edited_sequences(reader, base)
    num_frames = sum(one.plan.num_frames for one in edited)
    progress.start("diff", num_frames)
    differences = []
    for one in edited:
        difference = _first_difference(reader, one, progress)
        if difference:
            differences.append(f"{one.sequence_id}: {difference}")
    return EditDiffResult(
        store=store,
        sequences=tuple(one.sequence_id for one in edited),
        num_frames=num_frames,
        differences=tuple(differences),
    )


def _first_difference(reader: StoreReader, one: EditedSequence, progress: Progress) -> str:
    """Say in words what differs first, or nothing."""
    record = reader.record(one.sequence_id)
    details = record.sequence.details
    if details["plan_hash"] != one.plan.hash:
        named = details["plan_hash"][:16]
        return f"its record names plan {named}, its plan is {one.plan.hash[:16]}"
    if record.sequence.num_frames != one.plan.num_frames:
        return f"has {record.sequence.num_frames} frames, its plan {one.plan.num_frames}"
    log = EditLog(one.sequence_id)
    layers = tuple(layer for layer in _LAYERS if layer in reader.info.modalities)
    labels = one.video.labels.frames(0, one.plan.num_frames)
    expected = apply_plan(one.plan, labels, record=log.add)
    try:
        written = reader.read(one.sequence_id, layers=layers)
        for was, again in zip(written, expected, strict=True):
            if difference := _frame_difference(was, again, layers):
                return f"frame {was.frame_index}: {difference}"
            progress.advance()
    except CorruptShardError as error:
        return str(error)
    return _table_difference(reader, one, log) or _part_difference(reader, one.sequence_id)


def _frame_difference(was: Frame, again: Frame, layers: tuple[str, ...]) -> str:
    for layer in layers:
        stored, made = (_comparable(frame, layer) for frame in (was, again))
        if stored is None or made is None:
            if stored is made:
                continue
            return f"{layer}: {'missing' if stored is None else 'not what plan and base give'}"
        if layer == "provenance" and (stored == REPAIRED).any():
            made = np.where(made != 0, REPAIRED, made)
        differs = stored != made
        if differs.any():
            differs = differs.any(axis=2) if differs.ndim == 3 else differs
            y, x = np.argwhere(differs)[0]
            return (
                f"{layer}: {int(differs.sum())} pixels differ, the first at ({x}, {y}): "
                f"{stored[y, x]}, plan and base give {made[y, x]}"
            )
    for fact in _FACTS:
        if getattr(was, fact) != getattr(again, fact):
            return f"{fact}: {getattr(was, fact)!r}, plan and base give {getattr(again, fact)!r}"
    return ""


def _comparable(frame: Frame, layer: str) -> NDArray[Any] | None:
    """Return a layer as it is stored; None where the frame has none."""
    if layer == "flow":
        return None if frame.flow is None else flow_codes(frame.flow, frame.flow_validity)
    value: NDArray[Any] | None = getattr(frame, layer)
    return value


def _table_difference(reader: StoreReader, one: EditedSequence, log: EditLog) -> str:
    edit_frames = log.table(one.plan.num_frames)
    model = reader.sequence(one.sequence_id).details.get("generator", "")
    edits = edits_table(one.sequence_id, one.plan, edit_frames, model=model)
    for name, made in ((EDIT_FRAMES_FILE, edit_frames), (EDITS_FILE, edits)):
        stored = pq.read_table(sidecar_path(reader.path, EDITS, one.sequence_id, name))
        if not stored.equals(made):
            return f"{name}: not what plan and base give"
    return ""


def _part_difference(reader: StoreReader, sequence_id: str) -> str:
    for part in reader.record(sequence_id).parts:
        path = reader.path / FRAMES / sequence_id / part.name
        if sha256_of(path) != part.sha256:
            return f"{path}: its SHA-256 is not the record's"
    return ""
