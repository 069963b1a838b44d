"""Reading a store: clips of frames by row group, only the layers asked for, in flat memory."""

import hashlib
from bisect import bisect_left
from collections import abc
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from svsdata.errors import CorruptShardError, SequenceNotFoundError, StoreError
from svsdata.flow import resize_flow
from svsdata.images import resize_image, resize_map
from svsdata.records import FRAME_LAYERS, Flow, Frame, Mask, Sequence
from svsdata.store.columns import ENCODED_IMAGE, SCALAR_COLUMNS, decode_row
from svsdata.store.files import local_folder, sha256_of
from svsdata.store.format import (
    FRAMES,
    STORE_FILE,
    VERIFY_ADVICE,
    SequenceRecord,
    StoreInfo,
    committed_ids,
    read_info,
    read_record,
    record_path,
)
from svsdata.store.parts import open_part, read_rows


class StoreReader:
    """A store opened for reading; may be pickled to other processes and used by threads."""

    def __init__(self, path: Path | str) -> None:
        """Open the store.

        Raises:
            StoreFormatError: If the folder is no store of this format version.
        """
        self.path = local_folder(path)
        self.info: StoreInfo = read_info(self.path)
        self._records: dict[str, SequenceRecord] = {}
        # Footers once read: opening a part again then costs nothing.
        self._footers: dict[Path, pq.FileMetaData] = {}

    @property
    def sequence_ids(self) -> list[str]:
        """Ids of the committed sequences, sorted; looked up anew each time."""
        return committed_ids(self.path)

    def __contains__(self, sequence_id: str) -> bool:
        """Tell whether a sequence is committed; looked up anew each time.

        Raises:
            StoreError: If the id could name no sequence.
        """
        return record_path(self.path, sequence_id).exists()

    def sequence(self, sequence_id: str) -> Sequence:
        """Return what is known of a sequence.

        Raises:
            SequenceNotFoundError: If the store has no such sequence.
        """
        return self.record(sequence_id).sequence

    def record(self, sequence_id: str) -> SequenceRecord:
        """Return the commit record of a sequence: its parts, camera and provenance too.

        Raises:
            SequenceNotFoundError: If the store has no such sequence.
        """
        if sequence_id not in self._records:
            path = record_path(self.path, sequence_id)
            if sequence_id not in self:
                raise SequenceNotFoundError(
                    f"store '{self.path}' has no sequence '{sequence_id}'; "
                    f"it has: {_shown(self.sequence_ids)}"
                )
            self._records[sequence_id] = read_record(path, sequence_id)
        return self._records[sequence_id]

    def content_hash(self, sequence_id: str) -> str:
        """Return what identifies a sequence's content: the sha256 of its record, in hex.

        The record holds the hashes of its parts.

        Raises:
            SequenceNotFoundError: If the store has no such sequence.
        """
        self.record(sequence_id)
        return sha256_of(record_path(self.path, sequence_id))

    def store_hash(self) -> str:
        """Return what identifies all that the store holds now, in hex."""
        digest = hashlib.sha256(sha256_of(self.path / STORE_FILE).encode())
        for name in self.sequence_ids:
            digest.update(f"\n{name} {self.content_hash(name)}".encode())
        return digest.hexdigest()

    def read(
        self,
        sequence_id: str,
        start: int = 0,
        stop: int | None = None,
        *,
        layers: tuple[str, ...] = ("image", "semantic"),
        size_hw: tuple[int, int] | None = None,
    ) -> Iterator[Frame]:
        """Read frames ``start`` to ``stop - 1``; what can be refused is refused at once.

        Args:
            sequence_id: Which sequence.
            start: First frame.
            stop: Frame after the last; None reads to the end.
            layers: Layers to decode, of ``FRAME_LAYERS``; ``encoded_image`` gives the image's
                stored bytes instead, at the store's own size only. A null is None in the frame.
            size_hw: Resample to this size: images by area, maps nearest, flow with two factors,
                the camera with them.

        Raises:
            SequenceNotFoundError: If there is no such sequence or no such frame.
            StoreError: If the store has no such layer, or ``size_hw`` has another aspect ratio.
            CorruptShardError: While reading, if bytes are damaged.
        """
        num_frames = self.record(sequence_id).sequence.num_frames
        stop = num_frames if stop is None else stop
        if not 0 <= start <= stop <= num_frames:
            raise SequenceNotFoundError(
                f"sequence '{sequence_id}' has frames 0..{num_frames - 1}, got {start}..{stop - 1}"
            )
        return self.pick(sequence_id, range(start, stop), layers=layers, size_hw=size_hw)

    def pick(
        self,
        sequence_id: str,
        wanted: abc.Sequence[int],
        *,
        layers: tuple[str, ...] = ("image", "semantic"),
        size_hw: tuple[int, int] | None = None,
    ) -> Iterator[Frame]:
        """Read single frames; no other frame is decoded.

        Args:
            sequence_id: Which sequence.
            wanted: Indices, ascending.
            layers: As of ``read``.
            size_hw: As of ``read``.

        Raises:
            As ``read``.
        """
        record = self.record(sequence_id)
        num_frames = record.sequence.num_frames
        if wanted and not 0 <= wanted[0] <= wanted[-1] < num_frames:
            raise SequenceNotFoundError(
                f"sequence '{sequence_id}' has frames 0..{num_frames - 1}, "
                f"got {wanted[0]}..{wanted[-1]}"
            )
        self._check_layers(layers, size_hw)
        return self._frames(record, wanted, layers, size_hw)

    def require_layers(self, *layers: str) -> None:
        """Refuse a store that lacks some of the layers.

        Raises:
            StoreError: If it does; names what it has.
        """
        for layer in layers:
            if layer not in self.info.modalities:
                raise StoreError(
                    f"store '{self.path}' has no {layer}; it has {', '.join(self.info.modalities)}"
                )

    def _check_layers(self, layers: tuple[str, ...], size_hw: tuple[int, int] | None) -> None:
        for layer in layers:
            if layer not in (*FRAME_LAYERS, ENCODED_IMAGE):
                raise ValueError(f"no layer '{layer}'; layers are {', '.join(FRAME_LAYERS)}")
        self.require_layers(*(layer.removeprefix("encoded_") for layer in layers))
        (height, width), wanted = self.info.size_hw, size_hw or self.info.size_hw
        if wanted[0] * width != wanted[1] * height or min(wanted) < 1:
            raise StoreError(
                f"store '{self.path}' holds frames of {width}x{height}, asked for "
                f"{wanted[1]}x{wanted[0]}: another aspect ratio; "
                f"choose {width / height:g} times as wide as high"
            )
        if ENCODED_IMAGE in layers and wanted != self.info.size_hw:
            raise ValueError("stored bytes cannot be resized; ask for 'image'")

    def _frames(
        self,
        record: SequenceRecord,
        wanted: abc.Sequence[int],
        layers: tuple[str, ...],
        size_hw: tuple[int, int] | None,
    ) -> Iterator[Frame]:
        stored = {"image" if layer == ENCODED_IMAGE else layer for layer in layers}
        rows = self._rows(record, wanted, [*SCALAR_COLUMNS, *stored])
        for index, row in zip(wanted, rows, strict=True):
            sequence_id = record.sequence.sequence_id
            if (row["sequence_id"], row["frame_index"]) != (sequence_id, index):
                raise CorruptShardError(
                    f"{self.path}: where frame {index} of '{sequence_id}' should be lies frame "
                    f"{row['frame_index']} of '{row['sequence_id']}'{VERIFY_ADVICE}"
                )
            frame = decode_row(row, layers, self.info)
            yield frame if size_hw is None else resize_frame(frame, self.info.size_hw, size_hw)

    def _rows(
        self, record: SequenceRecord, wanted: abc.Sequence[int], columns: list[str]
    ) -> Iterator[dict[str, Any]]:
        """Yield the wanted rows, holding one row group at a time."""
        first = 0
        for part in record.parts:
            stop = first + part.num_frames
            inside = wanted[bisect_left(wanted, first) : bisect_left(wanted, stop)]
            if inside:
                path = self.path / FRAMES / record.sequence.sequence_id / part.name
                with open_part(path, self._footers.get(path)) as file:
                    self._footers[path] = file.metadata
                    if file.metadata.num_rows != part.num_frames:
                        raise CorruptShardError(
                            f"{path}: holds {file.metadata.num_rows} frames, its record says "
                            f"{part.num_frames}{VERIFY_ADVICE}"
                        )
                    yield from read_rows(file, [number - first for number in inside], columns)
            first = stop


def resize_frame(frame: Frame, old_hw: tuple[int, int], size_hw: tuple[int, int]) -> Frame:
    """Resample every layer of a frame of ``old_hw``, and its camera, to ``size_hw``."""
    if size_hw == old_hw:
        return frame
    resized: dict[str, Any] = {
        layer: resize_map(value, size_hw)
        for layer in FRAME_LAYERS
        if layer not in ("image", "flow") and (value := getattr(frame, layer)) is not None
    }
    if frame.image is not None:
        resized["image"] = resize_image(frame.image, size_hw)
    if frame.flow is not None:
        resized["flow"], resized["flow_validity"] = _resize_flow(
            frame.flow, frame.flow_validity, size_hw
        )
    if frame.camera is not None:
        resized["camera"] = frame.camera.resized(size_hw)
    return replace(frame, **resized)


def _resize_flow(
    flow: Flow, validity: Mask | None, size_hw: tuple[int, int]
) -> tuple[Flow, Mask | None]:
    """Resample a flow field as the mean of the valid pixels under each new one."""
    resized = resize_flow(flow, size_hw)
    if validity is None or validity.all():
        return resized, validity if validity is None else np.ones(size_hw, np.uint8)
    share = resize_flow(np.repeat(validity[..., None], 2, axis=-1).astype(np.float32), size_hw)
    share = share[..., 0] * np.float32(flow.shape[1] / size_hw[1])
    valid = share >= 0.5
    return np.where(valid[..., None], resized / np.maximum(share, 0.5)[..., None], 0), valid.astype(
        np.uint8
    )


def _shown(ids: list[str]) -> str:
    return ", ".join(ids[:8]) + (f", ... ({len(ids)} in all)" if len(ids) > 8 else "") or "none"
