"""Outlines of real objects, harvested from label maps, to be drawn in place of solids.

A library is one Parquet file with a row for each silhouette. What is drawn of it, and how, is
chosen in ``shape_matching``.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from svsdata.errors import EditPlanError, SourceError
from svsdata.images import decode_map
from svsdata.whole_files import whole_file

FORMAT_VERSION = 1
_VERSION_KEY = b"svsdata_shape_library"
_COLUMNS = {
    "class_name": pa.string(),
    "dataset": pa.string(),
    "sequence_id": pa.string(),
    "instance_id": pa.int32(),
    "licence": pa.string(),
    "height_m": pa.float64(),
    "frame_index": pa.int32(),
    "view_rad": pa.float64(),
    "depth_m": pa.float64(),
    "mask": pa.binary(),
}
_OF_TRACK = tuple(_COLUMNS)[:6]


@dataclass(frozen=True, eq=False)
class DonorTrack:
    """One real object, seen whole at m moments."""

    class_name: str
    dataset: str
    sequence_id: str
    instance_id: int
    licence: str
    """Terms of the store it was taken from."""
    height_m: float
    frame_index: NDArray[np.int64]
    """(m,) in its sequence, increasing."""
    view_rad: NDArray[np.float64]
    """(m,) heading minus bearing: 0 is seen from behind, pi/2 shows its right side."""
    depth_m: NDArray[np.float64]
    """(m,) z-depth of its nearest contact with the ground."""
    masks: tuple[bytes, ...]
    """m PNG files of 0 and 255, cut to the object."""

    @property
    def name(self) -> str:
        """What people and plans call it."""
        return f"{self.dataset}/{self.sequence_id}/{self.instance_id}"

    def mask(self, index: int) -> NDArray[np.uint8]:
        """Return the (h, w) silhouette of a moment, 255 inside."""
        return np.asarray(decode_map(self.masks[index], f"silhouette of {self.name}"), np.uint8)


@dataclass(frozen=True, eq=False)
class ShapeLibrary:
    """Donor tracks in a fixed order."""

    tracks: tuple[DonorTrack, ...]

    @cached_property
    def hash(self) -> str:
        """64 hex digits of everything in it."""
        digest = hashlib.sha256()
        for row in (row for track in self.tracks for row in _rows(track)):
            digest.update(repr(sorted(row.items())).encode())
        return digest.hexdigest()

    def track(self, name: str) -> DonorTrack:
        """Return a track by its name.

        Raises:
            EditPlanError: If there is none.
        """
        for track in self.tracks:
            if track.name == name:
                return track
        raise EditPlanError(
            f"the shape library has no object '{name}', which the plan draws; name the library "
            "that the plan was made with"
        )

    def merged(self, others: Sequence[DonorTrack]) -> "ShapeLibrary":
        """Return a library with these tracks too; of the same name the new one stays."""
        by_name = {track.name: track for track in (*self.tracks, *others)}
        return ShapeLibrary(tuple(by_name[name] for name in sorted(by_name)))


def write_library(path: Path, library: ShapeLibrary) -> None:
    """Write a library; the file appears whole or not at all. Equal libraries give equal bytes."""
    schema = pa.schema(list(_COLUMNS.items()), metadata={_VERSION_KEY: str(FORMAT_VERSION)})
    rows = [row for track in library.tracks for row in _rows(track)]
    path.parent.mkdir(parents=True, exist_ok=True)
    table = pa.Table.from_pylist(rows, schema=schema)
    with whole_file(path) as partial:
        pq.write_table(table, partial, compression="zstd", write_page_checksum=True)


def read_library(path: Path) -> ShapeLibrary:
    """Read a library.

    Raises:
        SourceError: If there is none, or it is damaged or of another version.
    """
    if not path.is_file():
        raise SourceError(
            f"there is no shape library '{path}'; "
            "'svsdata edit shapes harvest STORE LIBRARY' makes one"
        )
    try:
        table = pq.read_table(path, page_checksum_verification=True)
        version = int((table.schema.metadata or {})[_VERSION_KEY])
        rows = table.select(list(_COLUMNS)).to_pylist()
    except (OSError, pa.ArrowException, KeyError, ValueError) as error:
        raise SourceError(
            f"cannot read shape library '{path}': damaged, or another file ({error!r:.120}); "
            "'svsdata edit shapes harvest STORE LIBRARY' makes one"
        ) from error
    if version != FORMAT_VERSION:
        raise SourceError(
            f"shape library '{path}' has version {version}, this program reads {FORMAT_VERSION}; "
            "harvest it again"
        )
    groups: dict[tuple[object, ...], list[dict[str, object]]] = {}
    for row in rows:
        groups.setdefault(tuple(row[name] for name in _OF_TRACK), []).append(row)
    return ShapeLibrary(tuple(_track(group) for group in groups.values()))


def _rows(track: DonorTrack) -> list[dict[str, object]]:
    shared = {name: getattr(track, name) for name in _OF_TRACK}
    return [
        shared
        | {
            "frame_index": int(track.frame_index[k]),
            "view_rad": float(track.view_rad[k]),
            "depth_m": float(track.depth_m[k]),
            "mask": track.masks[k],
        }
        for k in range(len(track.masks))
    ]


def _track(rows: list[dict[str, object]]) -> DonorTrack:
    columns = {name: [row[name] for row in rows] for name in _COLUMNS}
    return DonorTrack(
        **{name: columns[name][0] for name in _OF_TRACK},  # type: ignore[arg-type]
        frame_index=np.array(columns["frame_index"], np.int64),
        view_rad=np.array(columns["view_rad"], np.float64),
        depth_m=np.array(columns["depth_m"], np.float64),
        masks=tuple(columns["mask"]),  # type: ignore[arg-type]
    )
