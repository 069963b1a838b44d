"""Stores of videos: opened, and written row by row with objects and what edits came to."""

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from svsdata.editing.operations import LOOK_BACK, apply_plan
from svsdata.editing.plan import EditPlan
from svsdata.editing.plan_table import write_plan
from svsdata.editing.tables import (
    EDIT_FRAMES_FILE,
    EDITS_FILE,
    PLAN_FILE,
    EditLog,
    edits_table,
    write_table,
)
from svsdata.errors import StoreError
from svsdata.labeling.track_table import TrackTable
from svsdata.pipelines.edited_videos import Video
from svsdata.pipelines.run_dir import differences, require_apart, set_aside
from svsdata.records import INSTANCE_BASE, Frame, Track
from svsdata.store.format import StoreInfo
from svsdata.store.reader import StoreReader
from svsdata.store.sidecars import EDITS, seal_sidecar, sidecar_folder
from svsdata.store.staging import StagedSequence
from svsdata.store.standing import AWAY_FROM_OTHERS, Standing, standing
from svsdata.store.writer import SequenceWriter, StoreWriter
from svsdata.synthesis.provenance import with_known_identities


def opened_store(
    path: Path, info: StoreInfo, videos: Iterable[Video], *, overwrite: bool
) -> StoreWriter:
    """Make or open a store for videos, and refuse one that holds something else.

    Args:
        path: Of the store.
        info: Of what is to be written.
        videos: What is to be written.
        overwrite: Set another store aside, as ``PATH.old-N``, instead of refusing it.

    Raises:
        StoreError: If a store of another kind is there, or videos of the same names made otherwise.
        ConfigError: If the path is not apart from the store that they are made from.
    """
    videos = tuple(videos)
    require_apart(path, {video.labels.reader.path for video in videos})
    try:
        writer = StoreWriter(path, info)
        require_same_recipes(writer, videos)
    except StoreError:
        if not overwrite or not path.is_dir():
            raise
        set_aside(path)
        return StoreWriter(path, info)
    return writer


def videos_there(
    path: Path, info: StoreInfo, videos: Iterable[Video], *, overwrite: bool
) -> Standing:
    """Tell which videos ``opened_store`` would find there, without writing.

    Raises:
        As ``opened_store``.
    """
    videos = tuple(videos)
    require_apart(path, {video.labels.reader.path for video in videos})
    try:
        there = standing(path, info, [video.sequence_id for video in videos])
        if there.committed or there.begun_frames:
            require_same_recipes(StoreReader(path), videos)
    except StoreError:
        if not overwrite or not path.is_dir():
            raise
        return Standing(frozenset(), {})
    return there


def require_same_recipes(store: StoreWriter | StoreReader, videos: Iterable[Video]) -> None:
    """Refuse sequences of the same names that were made, or begun, otherwise.

    Raises:
        StoreError: Naming the first, and what differs.
    """
    written = StoreReader(store.path)
    committed = set(written.sequence_ids)
    for video in videos:
        if video.sequence_id in committed:
            earlier = written.sequence(video.sequence_id).details.get("recipe", "")
        elif begun := StagedSequence(store.path, video.sequence_id).begun():
            earlier = begun.recipe
        else:
            continue
        if earlier != video.recipe:
            raise StoreError(
                f"store '{store.path}' holds a '{video.sequence_id}' "
                f"{_made_otherwise(earlier, video.recipe)}; {AWAY_FROM_OTHERS}"
            )


def _made_otherwise(earlier: str, recipe: str) -> str:
    """Say in words what another recipe says; those of other commands and versions are no JSON."""
    try:
        return f"made with other settings ({differences(json.loads(earlier), json.loads(recipe))})"
    except json.JSONDecodeError:
        return "made by another command, or another version of this one"


class VideoRows:
    """Takes the finished frames of a video in order.

    Args:
        video: What is written.
        plan: Of its edits; None without.
        store: The store that is written.
        rows: Its writer of this sequence, begun stateful.
        part_frames: Frames after which a stopped run can go on.
    """

    def __init__(
        self,
        video: Video,
        plan: EditPlan | None,
        *,
        store: StoreWriter,
        rows: SequenceWriter,
        part_frames: int,
    ) -> None:
        self._video, self._plan = video, plan
        self._store, self._rows, self._part_frames = store, rows, part_frames
        self._tracks = TrackTable(rows.state)
        self._log = EditLog(video.sequence_id, rows.state)
        self.first_frame = self._part_start = rows.next_frame_index
        """More than 0 when an earlier run was stopped."""
        if plan is not None:
            write_plan(self._folder / PLAN_FILE, plan)

    def edited_labels(self) -> Iterator[Frame]:
        """Yield the labelled frames that are still to be written, edited."""
        labels, stop = self._video.labels, self._video.num_frames
        if self._plan is None:
            return labels.frames(self.first_frame, stop)
        begin = max(self.first_frame - LOOK_BACK, 0)
        return apply_plan(
            self._plan,
            labels.frames(begin, stop),
            first_frame=self.first_frame,
            record=self._log.add,
        )

    def append(self, frame: Frame, state: Mapping[str, NDArray[Any]] | None) -> None:
        """Write a frame.

        Args:
            frame: The next one.
            state: What going on after it needs beside the labels; None where that is impossible.
        """
        self._rows.append(frame)
        if frame.instance is not None:
            self._tracks.add(frame.instance, frame.frame_index)
        stop = frame.frame_index + 1
        if state is not None and stop - self._part_start >= self._part_frames:
            self._rows.close_part({**state, **self._tracks.state(), **self._log.state(stop)})
            self._part_start = stop

    def commit(self, details: Mapping[str, str], *, model: str = "") -> None:
        """Write the tables of the edits, and make the sequence visible.

        Args:
            details: Facts of the record beside those of base and plan.
            model: The generator that drew the pictures, or empty.
        """
        video, plan = self._video, self._plan
        base = video.labels.sequence
        lasting = (
            self._tracks.tracks(video.sequence_id) if base.instance_scope == "sequence" else ()
        )
        if plan is not None:
            self._write_tables(plan, model)
        self._rows.commit(
            with_known_identities(lasting, [*_added_tracks(plan), *base.tracks]),
            details={
                "base_store": str(video.labels.reader.path),
                "base_sequence": base.sequence_id,
                "base_hash": video.base_hash,
                "plan_hash": plan.hash if plan else "",
                "seed": str(plan.seed) if plan else "",
                "recipe": video.recipe,
                **details,
            },
            instance_scope=base.instance_scope,
        )

    def _write_tables(self, plan: EditPlan, model: str) -> None:
        edit_frames = self._log.table(self._video.num_frames)
        edits = edits_table(self._video.sequence_id, plan, edit_frames, model=model)
        write_table(self._folder / EDITS_FILE, edits)
        write_table(self._folder / EDIT_FRAMES_FILE, edit_frames)
        names = (PLAN_FILE, EDITS_FILE, EDIT_FRAMES_FILE)
        seal_sidecar(self._store.path, EDITS, self._video.sequence_id, names)

    @property
    def _folder(self) -> Path:
        return sidecar_folder(self._store.path, EDITS, self._video.sequence_id)


def _added_tracks(plan: EditPlan | None) -> list[Track]:
    return [
        Track(
            instance_id, instance_id // INSTANCE_BASE, row.first_frame, row.last_frame, row.track_id
        )
        for row in (plan.rows if plan else ())
        if row.is_live and row.draws and row.op in ("add", "replace")
        for instance_id in row.instance_ids
    ]
