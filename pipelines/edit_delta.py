"""An edited store without its base, to share it with those who have the base.

DELTA/store.json, sequences/, edits/     copied from the store
DELTA/deltas/<sequence_id>.parquet       a row a frame: changed rectangles, drawn pictures
"""

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import BaseModel, ConfigDict

from svsdata.editing.delta import DELTA_SCHEMA, delta_row, require_base, restored
from svsdata.editing.plan import EditPlan
from svsdata.errors import EditPlanError
from svsdata.pipelines.edited_store import edited_plans, edited_sequences
from svsdata.pipelines.label_streams import label_stream, motion_of
from svsdata.pipelines.run_dir import require_apart, set_aside
from svsdata.progress import Progress
from svsdata.records import REPAIRED, EncodedImage, Frame
from svsdata.store.columns import ENCODED_IMAGE
from svsdata.store.files import writing
from svsdata.store.format import SEQUENCES, STORE_FILE, record_path
from svsdata.store.reader import StoreReader
from svsdata.store.sidecars import (
    EDITS,
    RECORD_FILE,
    require_sidecar,
    sidecar_faults,
    sidecar_folder,
)
from svsdata.store.writer import StoreWriter
from svsdata.synthesis.label_stream import LabelStream
from svsdata.whole_files import whole_file

DELTAS = "deltas"
_ROWS_PER_GROUP = 8


class EditDeltaResult(BaseModel):
    """What a delta holds."""

    model_config = ConfigDict(frozen=True)

    out: Path
    sequences: tuple[str, ...]
    num_frames: int
    delta_bytes: int
    store_bytes: int
    """Of the same sequences whole."""


class EditRestoreResult(BaseModel):
    """What a restoration left behind."""

    model_config = ConfigDict(frozen=True)

    out: Path
    sequences: tuple[str, ...]
    num_frames: int
    byte_identical: bool
    """Every part and table has the hash of the original's. Otherwise a table is damaged, which
    ``svsdata store verify`` tells, or only the coding differs, as another version of pyarrow or
    OpenCV may: every pixel is the same."""


def run_edit_delta(
    store: Path, out: Path, progress: Progress, *, base: Path | None = None, overwrite: bool = False
) -> EditDeltaResult:
    """Keep of an edited store what its base does not have.

    Labels are kept as changed rectangles, pictures where a generator drew them, and of a repaired
    reference frame the repaired pixels. No pixel of the base is among it.

    Args:
        store: Edited or synthesized.
        out: Folder to write.
        progress: Told every frame.
        base: Where the base lies now; None: where the store's records say.
        overwrite: Set a folder that is there aside, as ``OUT.old-N``.

    Raises:
        EditPlanError: If the store has no plan, or ``out`` is there already.
        StoreError: If the store or its base cannot be read.
        CorruptShardError: If a table of its edits is not as it was written.
    """
    reader = StoreReader(store)
    edited = edited_sequences(reader, base)
    require_apart(out, {store, *(one.base.path for one in edited)})
    for one in edited:
        require_sidecar(reader.path, EDITS, one.sequence_id)
    _make_folder(out, overwrite=overwrite)
    num_frames = sum(one.plan.num_frames for one in edited)
    progress.start("delta", num_frames)
    for one in edited:
        stream = _base_stream(one.base, reader, one.plan)
        rows = _delta_rows(reader, one.sequence_id, stream)
        with writing(out):
            _write_rows(out / DELTAS / f"{one.sequence_id}.parquet", rows, progress)
            source = record_path(reader.path, one.sequence_id)
            shutil.copyfile(source, out / SEQUENCES / source.name)
            tables = sidecar_folder(reader.path, EDITS, one.sequence_id)
            shutil.copytree(tables, out / EDITS / one.sequence_id)
    with writing(out):
        # Last: without it the folder is no delta.
        shutil.copyfile(reader.path / STORE_FILE, out / STORE_FILE)
    ids = tuple(one.sequence_id for one in edited)
    return EditDeltaResult(
        out=out,
        sequences=ids,
        num_frames=num_frames,
        delta_bytes=sum(path.stat().st_size for path in out.rglob("*") if path.is_file()),
        store_bytes=sum(part.num_bytes for one in ids for part in reader.record(one).parts),
    )


def run_edit_restore(base: Path, delta: Path, out: Path, progress: Progress) -> EditRestoreResult:
    """Put a delta onto its base: the store that it was made from; run again it goes on.

    Args:
        base: Store with the sequences that were edited.
        delta: What ``run_edit_delta`` wrote.
        out: Store to write.
        progress: Told every frame.

    Raises:
        EditPlanError: If the delta is none or damaged, or was made on another base.
        StoreError: If the base cannot be read, or ``out`` holds something else.
        CorruptShardError: If a table of the edits is not as it was written.
    """
    base_reader, kept = StoreReader(base), StoreReader(delta)
    if not (delta / DELTAS).is_dir():
        raise EditPlanError(f"'{delta}' is no delta; 'svsdata edit delta' makes one of a store")
    plans = edited_plans(kept)
    for sequence_id, plan in plans.items():
        _check(base_reader, kept, sequence_id, plan)
    writer = StoreWriter(out, kept.info)
    num_frames = sum(plan.num_frames for plan in plans.values())
    progress.start("restore", num_frames)
    for sequence_id, plan in plans.items():
        if sequence_id in writer.committed:
            progress.skip(plan.num_frames)
            continue
        stream = _base_stream(base_reader, kept, plan)
        _restore(kept, sequence_id, stream, writer, progress)
    return EditRestoreResult(
        out=out,
        sequences=tuple(plans),
        num_frames=num_frames,
        byte_identical=all(_is_identical(out, kept.path, one) for one in plans),
    )


def _check(base: StoreReader, kept: StoreReader, sequence_id: str, plan: EditPlan) -> None:
    """Refuse a damaged delta and another base before anything is written."""
    require_sidecar(kept.path, EDITS, sequence_id)
    rows = _read_rows(kept.path / DELTAS / f"{sequence_id}.parquet", 0, plan.num_frames)
    if base.content_hash(plan.sequence_id) == plan.base_hash:
        for _ in rows:
            pass
        return
    # Coded by another version of a library it may still have every pixel.
    frames = _base_stream(base, kept, plan).frames(0, plan.num_frames)
    for frame, row in zip(frames, rows, strict=True):
        require_base(replace(frame, image=None if row["image"] else frame.image), row)


def _is_identical(out: Path, kept: Path, sequence_id: str) -> bool:
    """Whether the records of a restored sequence and its tables are the original's, and hold."""
    places = [record_path(store, sequence_id) for store in (out, kept)]
    tables = [sidecar_folder(store, EDITS, sequence_id) / RECORD_FILE for store in (out, kept)]
    are_same = all(one.read_bytes() == other.read_bytes() for one, other in (places, tables))
    return are_same and not any(sidecar_faults(out, EDITS, sequence_id))


def _base_stream(base: StoreReader, made: StoreReader, plan: EditPlan) -> LabelStream:
    """Return the base's frames as they were when the store was made."""
    sequence = base.sequence(plan.sequence_id)
    pictures = ("image",) * ("image" in made.info.modalities)
    motion = [layer for layer in motion_of(made) if layer in base.info.modalities]
    return label_stream(base, sequence, size_hw=made.info.size_hw, layers=(*motion, *pictures))


def _delta_rows(
    reader: StoreReader, sequence_id: str, stream: LabelStream
) -> Iterator[dict[str, Any]]:
    num_frames = reader.sequence(sequence_id).num_frames
    pictures = (ENCODED_IMAGE, "image") if "image" in reader.info.modalities else ()
    layers = tuple(it for it in reader.info.modalities if it != "image")
    made = reader.read(sequence_id, layers=(*layers, *pictures))
    for base, frame in zip(stream.frames(0, num_frames), made, strict=True):
        is_drawn = "image" in frame.models and not _is_repaired(frame)
        drawn: EncodedImage | None = frame.encoded_image if is_drawn else None
        yield delta_row(
            replace(base, image=None if is_drawn else base.image),
            replace(frame, image=None if is_drawn else frame.image),
            drawn,
        )


def _is_repaired(frame: Frame) -> bool:
    return frame.provenance is not None and bool((frame.provenance == REPAIRED).any())


def _restore(
    kept: StoreReader,
    sequence_id: str,
    stream: LabelStream,
    writer: StoreWriter,
    progress: Progress,
) -> None:
    record = kept.record(sequence_id)
    sequence = record.sequence
    ends, end = set(), 0
    for part in record.parts:
        end += part.num_frames
        ends.add(end)
    with writer.sequence(
        sequence_id,
        source=sequence.source,
        fps=sequence.fps,
        stateful=True,
        recipe=sequence.details.get("recipe", ""),
    ) as rows:
        first = rows.next_frame_index
        progress.skip(first)
        kept_rows = _read_rows(
            kept.path / DELTAS / f"{sequence_id}.parquet", first, sequence.num_frames
        )
        frames = stream.frames(first, sequence.num_frames)
        for base, row in zip(frames, kept_rows, strict=True):
            known = replace(base, image=None if row["image"] else base.image)
            rows.append(restored(known, row, kept.info.modalities))
            if row["frame_index"] + 1 in ends:
                rows.close_part({})
            progress.advance()
        with writing(writer.path):
            tables = sidecar_folder(writer.path, EDITS, sequence_id)
            shutil.copytree(kept.path / EDITS / sequence_id, tables, dirs_exist_ok=True)
        rows.commit(sequence.tracks, sequence.details, sequence.instance_scope)


def _make_folder(out: Path, *, overwrite: bool) -> None:
    if out.exists() and any(out.iterdir()):
        if not overwrite:
            raise EditPlanError(f"'{out}' is not empty; name another folder, or add --overwrite")
        set_aside(out)
    with writing(out):
        for folder in (DELTAS, SEQUENCES, EDITS):
            (out / folder).mkdir(parents=True, exist_ok=True)


def _write_rows(path: Path, rows: Iterator[dict[str, Any]], progress: Progress) -> None:
    held: list[dict[str, Any]] = []
    with (
        whole_file(path) as partial,
        pq.ParquetWriter(
            partial, DELTA_SCHEMA, compression="zstd", write_page_checksum=True
        ) as file,
    ):
        for row in rows:
            held.append(row)
            if len(held) == _ROWS_PER_GROUP:
                file.write_table(pa.Table.from_pylist(held, schema=DELTA_SCHEMA))
                held.clear()
            progress.advance()
        if held:
            file.write_table(pa.Table.from_pylist(held, schema=DELTA_SCHEMA))


def _read_rows(path: Path, first: int, num_frames: int) -> Iterator[dict[str, Any]]:
    try:
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            if file.metadata.num_rows != num_frames or file.schema_arrow != DELTA_SCHEMA:
                raise EditPlanError(f"delta '{path}' is not of {num_frames} frames; fetch it again")
            for batch in file.iter_batches(_ROWS_PER_GROUP):
                yield from (row for row in batch.to_pylist() if row["frame_index"] >= first)
    except (OSError, pa.ArrowException) as error:
        raise EditPlanError(f"cannot read delta '{path}': {error}; fetch it again") from error
