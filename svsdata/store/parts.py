"""Parts: the Parquet files of a sequence, written once and read by row group."""

import os
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from svsdata.errors import CorruptShardError
from svsdata.store.columns import SCHEMA
from svsdata.store.files import TEMPORARY, sha256_of, sync_folder, writing
from svsdata.store.format import ROWS_PER_GROUP, VERIFY_ADVICE, Part


def _leaves(name: str, kind: pa.DataType) -> Iterator[str]:
    """Yield the Parquet names of a column's leaves."""
    if pa.types.is_struct(kind):
        for field in kind:
            yield from _leaves(f"{name}.{field.name}", field.type)
    elif pa.types.is_list(kind):
        yield from _leaves(f"{name}.list.element", kind.value_type)
    else:
        yield name


_LEAVES = tuple(leaf for column in SCHEMA for leaf in _leaves(column.name, column.type))
_SCALAR_LEAVES = [leaf for leaf in _LEAVES if not leaf.endswith(".bytes")]


class PartWriter:
    """A part while it is written: rows in, groups out, whole under its name only when closed."""

    def __init__(self, path: Path) -> None:
        self.num_frames = 0
        self._path = path
        self._temporary = path.with_name(path.name + TEMPORARY)
        self._rows: list[dict[str, Any]] = []
        with writing(path):
            self._file = self._temporary.open("wb")
        self._parquet = pq.ParquetWriter(
            self._file,
            SCHEMA,
            # PNG and JPEG do not shrink further, and zero-copy reads need them as they are.
            compression={leaf: "NONE" if leaf.endswith(".bytes") else "ZSTD" for leaf in _LEAVES},
            use_dictionary=_SCALAR_LEAVES,
            write_statistics=_SCALAR_LEAVES,
            write_page_checksum=True,
        )

    @property
    def num_bytes(self) -> int:
        """Bytes of the groups written so far."""
        return self._file.tell()

    def append(self, row: dict[str, Any]) -> bool:
        """Take a row; returns whether that completed a group."""
        self._rows.append(row)
        self.num_frames += 1
        if len(self._rows) < ROWS_PER_GROUP:
            return False
        self._write_group()
        return True

    def close(self) -> Part:
        """Write what is left and the footer, make it durable, and give it its name."""
        if self._rows:
            self._write_group()
        with writing(self._path):
            self._parquet.close()
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
            self._temporary.replace(self._path)
            sync_folder(self._path.parent)
            num_bytes, sha256 = self._path.stat().st_size, sha256_of(self._path)
        return Part(self._path.name, self.num_frames, num_bytes, sha256)

    def abort(self) -> None:
        """Drop what was written since the part began."""
        with suppress(OSError):  # the footer that nobody will read may not fit on a full disk
            self._parquet.close()
        with suppress(OSError):
            self._file.close()
        self._temporary.unlink(missing_ok=True)

    def _write_group(self) -> None:
        with writing(self._path):
            table = pa.Table.from_pylist(self._rows, schema=SCHEMA)
            self._parquet.write_table(table, row_group_size=ROWS_PER_GROUP)
        self._rows = []


@contextmanager
def open_part(path: Path, metadata: pq.FileMetaData | None = None) -> Iterator[pq.ParquetFile]:
    """Open a part memory-mapped, page checksums verified on every read.

    Raises:
        CorruptShardError: If it is missing, or whatever is read inside the block is damaged.
    """
    try:
        with pq.ParquetFile(
            path, metadata=metadata, memory_map=True, page_checksum_verification=True
        ) as file:
            if file.schema_arrow != SCHEMA:
                raise CorruptShardError(f"{path}: its columns are not those of this format version")
            yield file
    except (OSError, pa.ArrowException) as error:
        reason = str(error).strip().splitlines()[0]
        raise CorruptShardError(f"{path}: {reason}{VERIFY_ADVICE}") from error


def read_rows(
    file: pq.ParquetFile, wanted: Sequence[int], columns: list[str]
) -> Iterator[dict[str, Any]]:
    """Yield rows of an open part by their ascending numbers, holding one row group."""
    first = 0
    for group in range(file.num_row_groups):
        stop = first + file.metadata.row_group(group).num_rows
        inside = wanted[bisect_left(wanted, first) : bisect_left(wanted, stop)]
        if inside:
            table = file.read_row_group(group, columns=columns)
            rows = table.slice(inside[0] - first, inside[-1] - inside[0] + 1).to_pylist()
            for number in inside:
                yield rows[number - inside[0]]
        first = stop
