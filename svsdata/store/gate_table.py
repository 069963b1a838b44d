"""The gate's sidecar: how well each frame shows its labels, in ``gate/`` beside the parts.

    gate/<sequence_id>.parquet   one row a frame, in order
    gate/<sequence_id>.json      its record, written last

Nothing is rejected here: losses are kept, and whoever reads them picks the threshold.
"""

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from functools import reduce
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from pydantic import TypeAdapter

from svsdata.errors import CorruptShardError, SourceError
from svsdata.images import decode_map, encode_png
from svsdata.store.files import TEMPORARY, sha256_of, sync_folder, write_durably, writing
from svsdata.store.format import ROWS_PER_GROUP, check_sequence_id, parse_json, to_json
from svsdata.store.reader import StoreReader

GATE = "gate"
NOT_JUDGED = 255
"""Code of pixels whose class the judge does not know, and of those without a label."""
NUM_CODES = 255
_CODES_PER_OCTAVE, _FINEST = 16, 32.0
_MAP_LEVEL = 6
_ADVICE = "; run 'svsdata gate' on the store"


@dataclass(frozen=True)
class ObjectView:
    """One object in one frame."""

    instance_id: int
    pixels: int
    agreement: float
    """Share of its pixels whose class the judge sees."""
    voted: float
    """The same, voted over the frames before."""


@dataclass(frozen=True)
class GateRow:
    """One frame."""

    frame_index: int
    loss_codes: NDArray[np.uint8]
    """(H, W) voted losses, see ``loss_code``; ``NOT_JUDGED`` where there is none."""
    objects: tuple[ObjectView, ...]


@dataclass(frozen=True)
class ClassTally:
    """One class over many frames."""

    pixels: int = 0
    agreeing: int = 0
    """Pixels whose class the judge sees."""
    loss_sum: float = 0.0
    """Of single frames' losses, nats."""
    histogram: tuple[int, ...] = (0,) * NUM_CODES
    """Pixels by code of the voted loss."""

    def __add__(self, other: "ClassTally") -> "ClassTally":
        return ClassTally(
            self.pixels + other.pixels,
            self.agreeing + other.agreeing,
            self.loss_sum + other.loss_sum,
            tuple(a + b for a, b in zip(self.histogram, other.histogram, strict=True)),
        )

    @property
    def mean_loss(self) -> float:
        """Nats a pixel; 0 without any."""
        return self.loss_sum / self.pixels if self.pixels else 0.0

    def rejected(self, ratio: float) -> int:
        """Return how many pixels have a voted loss of more than ``ratio`` times the mean."""
        return sum(self.histogram[int(loss_code(ratio * self.mean_loss)) + 1 :])


@dataclass(frozen=True)
class GateRecord:
    """What is known of a judged sequence as a whole."""

    sequence_id: str
    num_frames: int
    content_hash: str
    """Of the sequence at that time."""
    judge: str
    vote_frames: int
    first_frame: int = 0
    """The first that counts in ``classes``."""
    num_bytes: int = 0
    sha256: str = ""
    """Of the table."""
    classes: Mapping[str, ClassTally] = field(default_factory=dict)
    """By class name."""


_RECORD = TypeAdapter(GateRecord)
_PICTURE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
_OBJECT = pa.struct(
    [("instance_id", pa.int32()), ("pixels", pa.int64()), ("agreement", pa.float32()),
     ("voted", pa.float32())]
)  # fmt: skip
_SCHEMA = pa.schema(
    [
        pa.field("sequence_id", pa.string(), nullable=False),
        pa.field("frame_index", pa.int32(), nullable=False),
        pa.field("loss", _PICTURE, nullable=False),
        pa.field("objects", pa.list_(_OBJECT), nullable=False),
    ]
)


def loss_code(losses: NDArray[np.floating[Any]] | float) -> NDArray[np.uint8]:
    """Return losses of any shape as codes: 16 to the doubling, fine near 0, up to 254.

    The order of losses is kept, so thresholds may be compared as codes. NaN is ``NOT_JUDGED``.
    """
    values = np.asarray(losses, np.float32)
    codes = np.floor(_CODES_PER_OCTAVE * np.log2(1 + _FINEST * np.maximum(values, 0)))
    known = np.minimum(codes, NUM_CODES - 1)
    return np.where(np.isnan(values), NOT_JUDGED, known).astype(np.uint8)


def write_gate_table(store: Path, sequence_id: str, rows: Iterable[GateRow]) -> tuple[int, str]:
    """Write the table of a sequence from rows in order, as they come; the record follows.

    Returns:
        Its bytes and sha256, for the record.

    Raises:
        StoreError: If it cannot be written.
    """
    path = _table_path(store, sequence_id)
    temporary = path.with_name(path.name + TEMPORARY)
    remaining = (_to_columns(sequence_id, row) for row in rows)
    with writing(path):
        path.parent.mkdir(exist_ok=True)
        with temporary.open("wb") as file:
            with pq.ParquetWriter(
                file, _SCHEMA, compression="zstd", write_page_checksum=True
            ) as to:
                while group := list(islice(remaining, ROWS_PER_GROUP)):
                    to.write_table(pa.Table.from_pylist(group, _SCHEMA))
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
        sync_folder(path.parent)
        return path.stat().st_size, sha256_of(path)


def write_gate_record(store: Path, record: GateRecord) -> None:
    """Commit the table of a sequence."""
    path = _record_path(store, record.sequence_id)
    with writing(path):
        write_durably(path, to_json(_RECORD, record))


def read_gate_record(reader: StoreReader, sequence_id: str) -> GateRecord | None:
    """Return the record of a sequence; None if it was not judged, or has changed since.

    Raises:
        StoreFormatError: If it is damaged or of another format version.
    """
    path = _record_path(reader.path, sequence_id)
    if not path.exists():
        return None
    record = parse_json(_RECORD, path, missing="has no such record")
    return record if record.content_hash == reader.content_hash(sequence_id) else None


def read_gate_rows(store: Path, record: GateRecord) -> Iterator[GateRow]:
    """Yield the rows of a judged sequence in order, holding one group.

    Raises:
        CorruptShardError: If the table is not the record's, or damaged.
    """
    path = _table_path(store, record.sequence_id)
    try:
        if path.stat().st_size != record.num_bytes:
            raise CorruptShardError(f"{path}: its size is not the record's{_ADVICE}")
        with pq.ParquetFile(path, memory_map=True, page_checksum_verification=True) as file:
            if file.schema_arrow != _SCHEMA or file.metadata.num_rows != record.num_frames:
                raise CorruptShardError(
                    f"{path}: its columns or rows are not the record's{_ADVICE}"
                )
            for group in range(file.num_row_groups):
                for columns in file.read_row_group(group).to_pylist():
                    yield _from_columns(columns, path)
    except (OSError, pa.ArrowException) as error:
        reason = str(error).strip().splitlines()[0]
        raise CorruptShardError(f"{path}: {reason}{_ADVICE}") from error


def store_classes(records: Iterable[GateRecord]) -> dict[str, ClassTally]:
    """Add the classes of all sequences up."""
    records = list(records)
    names = dict.fromkeys(name for record in records for name in record.classes)
    return {
        name: reduce(ClassTally.__add__, (it.classes[name] for it in records if name in it.classes))
        for name in names
    }


def _to_columns(sequence_id: str, row: GateRow) -> dict[str, Any]:
    name = f"{sequence_id}_{row.frame_index:06d}_loss.png"
    return {
        "sequence_id": sequence_id,
        "frame_index": row.frame_index,
        "loss": {"bytes": encode_png(row.loss_codes, _MAP_LEVEL), "path": name},
        "objects": [asdict(view) for view in row.objects],
    }


def _from_columns(columns: Mapping[str, Any], path: Path) -> GateRow:
    where = f"{path}: frame {columns['frame_index']}"
    try:
        codes = decode_map(columns["loss"]["bytes"] or b"", where)
    except SourceError as error:
        raise CorruptShardError(f"{error}{_ADVICE}") from error
    views = tuple(ObjectView(**view) for view in columns["objects"])
    return GateRow(columns["frame_index"], np.asarray(codes, np.uint8), views)


def _table_path(store: Path, sequence_id: str) -> Path:
    return store / GATE / f"{check_sequence_id(sequence_id, str(store))}.parquet"


def _record_path(store: Path, sequence_id: str) -> Path:
    return store / GATE / f"{check_sequence_id(sequence_id, str(store))}.json"
