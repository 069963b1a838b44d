"""Writing a store: sequences of frames, committed one by one, safe against a kill at any moment."""

import os
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

from numpy.typing import NDArray

from svsdata.errors import SequenceTakenError, StoreError
from svsdata.records import Frame, Sequence, Track
from svsdata.store.card import CardEntry
from svsdata.store.columns import check_frame, encode_row
from svsdata.store.files import (
    local_folder,
    only_writer,
    put_if_absent,
    remove_folder,
    remove_leftovers,
    write_durably,
    writing,
)
from svsdata.store.format import (
    FRAMES,
    PART_BYTES,
    SEQUENCES,
    STAGING,
    STORE_FILE,
    SequenceRecord,
    StoreInfo,
    check_tracks,
    committed_ids,
    info_to_json,
    read_info,
    record_path,
    record_to_json,
)
from svsdata.store.parts import PartWriter, open_part
from svsdata.store.staging import Begun, StagedSequence, State, staged_ids
from svsdata.store.standing import check_info, has_no_frames, is_new

# A frame with flow takes 60 ms of a core; with more cores a GPU's labels come faster than that.
_ENCODING_THREADS = max(2, min(6, (os.cpu_count() or 2) // 3))
_QUEUE_FRAMES = _ENCODING_THREADS + 2
"""Frames encoded at the same time or waiting; bounds memory."""


class StoreWriter:
    """A store opened for writing, made if it is not there.

    Any number of writers, on any number of machines, may write different sequences at once.
    """

    def __init__(self, path: Path | str, info: StoreInfo) -> None:
        """Create the store or open it, and finish the commits that a kill interrupted.

        Raises:
            StoreFormatError: If the folder holds something else.
            StoreError: If the store was made with another info, naming the field.
        """
        self.path, self.info = local_folder(path), info
        self._card_entries: dict[str, CardEntry] = {}
        with writing(self.path):
            self._create()
            if read_info(self.path) != info:
                self._forget_stopped_beginnings()
            check_info(self.path, self.info)
            self._finish_interrupted_commits()

    @property
    def committed(self) -> set[str]:
        """Ids of the sequences that are whole and visible, whoever wrote them."""
        return set(committed_ids(self.path))

    @contextmanager
    def sequence(
        self,
        sequence_id: str,
        *,
        source: str,
        fps: float,
        stateful: bool = False,
        recipe: str = "",
    ) -> Iterator["SequenceWriter"]:
        """Begin a sequence, or go on with one that was stopped.

        Leaving the block without a commit keeps the closed parts in staging for the next run.

        Args:
            sequence_id: Letters, digits, ``.``, ``_`` and ``-``.
            source: What it is made from.
            fps: Its own frame rate.
            stateful: Parts end only where ``close_part`` is called with the state that going on
                needs; else they also end by themselves when they are large enough.
            recipe: Whatever else the frames depend on, such as settings and seeds; only compared.

        Raises:
            SequenceTakenError: If it is committed, or another process is writing it.
            StoreError: If it was begun as something else.
        """
        staged = StagedSequence(self.path, sequence_id, self._card_entries)
        folder = staged.folder
        with writing(folder):
            folder.mkdir(exist_ok=True)
        with only_writer(folder) as alone:
            if record_path(self.path, sequence_id).exists():
                if alone:  # committed between this writer's look and its lock
                    remove_folder(folder)
                raise SequenceTakenError(f"{self.path} already holds sequence '{sequence_id}'")
            if not alone:
                raise SequenceTakenError(f"{folder}: another process is writing this sequence")
            check_info(self.path, self.info)
            writer = SequenceWriter(staged, self.info, Begun(source, float(fps), stateful, recipe))
            try:
                yield writer
            finally:
                writer._stop()

    def _create(self) -> None:
        if is_new(self.path):
            self.path.mkdir(parents=True, exist_ok=True)
            put_if_absent(self.path / STORE_FILE, info_to_json(self.info))
        for folder in (FRAMES, SEQUENCES, STAGING):
            (self.path / folder).mkdir(exist_ok=True)

    def _forget_stopped_beginnings(self) -> None:
        """Make a store in which no frame was ever written, and nobody is writing, this one."""
        if not has_no_frames(self.path):
            return
        for sequence_id in staged_ids(self.path):
            folder = StagedSequence(self.path, sequence_id).folder
            with only_writer(folder) as alone:
                if not alone:
                    return
                remove_folder(folder)
        write_durably(self.path / STORE_FILE, info_to_json(self.info))

    def _finish_interrupted_commits(self) -> None:
        remove_leftovers(self.path / STAGING)
        for sequence_id in staged_ids(self.path):
            staged = StagedSequence(self.path, sequence_id)
            if not staged.record_path.exists():
                continue  # to lock it even for a moment could stop whoever is about to write it
            with only_writer(staged.folder) as alone:
                if alone and staged.record_path.exists():
                    staged.finish_commit(self.info)


class SequenceWriter:
    """Takes the frames of one sequence in order; made by ``StoreWriter.sequence``."""

    def __init__(self, staged: StagedSequence, info: StoreInfo, begun: Begun) -> None:
        self._staged, self._info, self._begun = staged, info, begun
        staged.begin(begun)
        receipts = staged.resume(begun)
        self._parts = [receipt.part for receipt in receipts]
        self.next_frame_index = sum(part.num_frames for part in self._parts)
        """Index of the frame to append next; more than 0 when an earlier run was stopped."""
        self.state: dict[str, NDArray[Any]] | None = staged.state(receipts)
        """What an earlier run saved with its last part."""
        self._open: PartWriter | None = None
        self._threads = ThreadPoolExecutor(_ENCODING_THREADS, "encode")
        self._rows: deque[Future[dict[str, Any]]] = deque()

    def append(self, frame: Frame) -> None:
        """Encode and write a frame; an error of encoding may come a few frames later.

        Raises:
            StoreError: If the frame does not fit the store, or cannot be written.
            LabelSetError: If a map holds ids outside the label set.
            ValueError: If the frame is not the next one.
        """
        if frame.frame_index != self.next_frame_index:
            raise ValueError(f"expected frame {self.next_frame_index}, got {frame.frame_index}")
        where = f"{self._staged.sequence_id} frame {frame.frame_index}"
        check_frame(frame, self._info, where)
        self._rows.append(
            self._threads.submit(encode_row, frame, self._staged.sequence_id, self._info)
        )
        self.next_frame_index += 1
        while len(self._rows) >= _QUEUE_FRAMES or (self._rows and self._rows[0].done()):
            self._write(self._rows.popleft().result())

    def close_part(self, state: State | None = None) -> None:
        """Make all frames so far durable; a stopped run goes on after them.

        Args:
            state: Arrays that going on needs, such as the last frame in float; given exactly
                when the sequence is stateful.
        """
        if (state is not None) != self._begun.stateful:
            raise ValueError("a state is given exactly when the sequence was begun stateful=True")
        self._close_part(state)

    def commit(
        self,
        tracks: Iterable[Track] = (),
        details: Mapping[str, str] | None = None,
        instance_scope: Literal["sequence", "frame", "none"] = "none",
    ) -> Sequence:
        """Make the sequence visible, whole, to every reader.

        Raises:
            StoreError: If it has no frames, or a track that does not fit them.
        """
        self._close_part(None)
        if not self._parts:
            raise StoreError(
                f"sequence '{self._staged.sequence_id}' has no frames; nothing to commit"
            )
        sequence = Sequence(
            sequence_id=self._staged.sequence_id,
            num_frames=self.next_frame_index,
            fps=self._begun.fps,
            size_hw=self._info.size_hw,
            source=self._begun.source,
            instance_scope=instance_scope,
            tracks=tuple(tracks),
            details=dict(details or {}),
        )
        check_tracks(sequence, self._info)
        with writing(self._staged.folder):
            record = record_to_json(self._record(sequence))
            write_durably(self._staged.record_path, record)
            self._staged.finish_commit(self._info)
        return sequence

    def _record(self, sequence: Sequence) -> SequenceRecord:
        columns = ["camera", "cam_T_vehicle", "calib_flag", "pose_flag", "is_synthetic"]
        with open_part(self._staged.part_path(0)) as part:
            first = part.read_row_group(0, columns=columns).slice(0, 1).to_pylist()[0]
        return SequenceRecord(
            sequence=sequence,
            parts=tuple(self._parts),
            intrinsics=first["camera"] and tuple(first["camera"]),
            cam_T_vehicle=first["cam_T_vehicle"] and tuple(first["cam_T_vehicle"]),
            calib_flag=first["calib_flag"],
            pose_flag=first["pose_flag"],
            is_synthetic=first["is_synthetic"],
            synthetic_frames=sum(self._synthetic_frames(k) for k in range(len(self._parts))),
        )

    def _synthetic_frames(self, part_index: int) -> int:
        with open_part(self._staged.part_path(part_index)) as part:
            flags = part.read(columns=["is_synthetic"]).column(0)
        return sum(flags.to_pylist())

    def _write(self, row: dict[str, Any]) -> None:
        if self._open is None:
            self._open = PartWriter(self._staged.part_path(len(self._parts)))
        group_written = self._open.append(row)
        if group_written and not self._begun.stateful and self._open.num_bytes >= PART_BYTES:
            self._finish_part(None)

    def _close_part(self, state: State | None) -> None:
        while self._rows:
            self._write(self._rows.popleft().result())
        if self._open is not None:
            self._finish_part(state)

    def _finish_part(self, state: State | None) -> None:
        assert self._open is not None
        part = self._open.close()
        self._open = None
        with writing(self._staged.folder):
            self._staged.add_receipt(len(self._parts), part, state)
        self._parts.append(part)

    def _stop(self) -> None:
        self._threads.shutdown(wait=True, cancel_futures=True)
        if self._open is not None:
            self._open.abort()
