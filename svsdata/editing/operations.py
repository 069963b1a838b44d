"""Apply a plan to a stream of label maps: one frame in, one frame out, no network, flat memory.

What a frame becomes depends on the plan and on the maps of at most ``LOOK_AROUND`` frames before
and after it, never on how the stream was cut.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from svsdata.editing.exact_flow import EditedFlow
from svsdata.editing.fill import LOOK_AROUND, MapWindow, fill_hole
from svsdata.editing.occlusion import GroundDepth, Rect
from svsdata.editing.painting import EditFrame, Maps, Sight, paint_objects
from svsdata.editing.plan import PROVENANCE_INFERRED, EditPlan, PlannedEdit
from svsdata.editing.regions import region_mask, relabelled
from svsdata.editing.roadside import RoadsideMemory
from svsdata.errors import EditPlanError
from svsdata.labels import LabelSet, label_set_by_name
from svsdata.records import INSTANCE_BASE, Frame

LOOK_BACK = LOOK_AROUND + 1
"""Frames before the first one wanted that a stream must begin with: flow compares with the edited
frame before."""


def apply_plan(
    plan: EditPlan,
    frames: Iterable[Frame],
    *,
    first_frame: int = 0,
    record: Callable[[EditFrame], None] | None = None,
) -> Iterator[Frame]:
    """Edit the maps of a sequence: first what goes, then the ground, then what comes.

    Args:
        plan: What to do.
        frames: With semantic and instance maps, in order. To go on in the middle, begin
            ``LOOK_BACK`` frames before ``first_frame`` (or at frame 0).
        first_frame: Frames before it are looked at but not yielded.
        record: Receives what every edit came to in every frame where it changes something.

    Yields:
        The frames with new semantic, instance and provenance maps and the plan's hash. Where they
        have flow, it is that of the edited scene (``exact_flow``). Pictures stay as they are: they
        show the base. Where the provenance of frame 0 is not 0, its picture needs repair.

    Raises:
        EditPlanError: If a frame is not covered by the plan, lacks a map, has another size, or
            already uses an id of the plan.
    """
    live = [row for row in plan.rows if row.is_live]
    label_set = label_set_by_name(plan.label_set_name)
    needs_window = any(row.erases and row.fills_temporally for row in live)
    memory, motion = RoadsideMemory(plan, label_set), EditedFlow(plan, label_set)
    for window in _windows(frames, plan, LOOK_AROUND if needs_window else 0):
        frame = window.frame
        if frame.frame_index < first_frame - 1:
            continue
        maps = _own_maps(frame)
        present = [row for row in live if row.is_present(frame.frame_index)]
        events = _erase([row for row in present if row.erases], window, maps, memory)
        events += _relabel([row for row in present if row.op == "relabel"], frame, maps, plan)
        drawn = [row for row in present if row.draws and row.is_drawn(frame.frame_index)]
        if drawn:
            camera = plan.camera_at(frame.frame_index)
            sight = Sight(maps, camera, GroundDepth(camera), label_set)
            events += paint_objects(drawn, frame.frame_index, sight, plan)
        moved = motion.follow(frame, maps, drawn, events)
        if frame.frame_index < first_frame:
            continue
        if record is not None:
            for event in events:
                record(event)
        yield replace(
            moved,
            semantic=maps.semantic,
            instance=maps.instance,
            provenance=maps.provenance,
            plan_hash=plan.hash,
            is_synthetic=True,
        )


def _windows(frames: Iterable[Frame], plan: EditPlan, reach: int) -> Iterator[MapWindow]:
    """Each frame with up to ``reach`` frames on both sides."""
    held: list[Frame] = []
    current = 0
    for frame in frames:
        _check(frame, plan)
        held.append(frame)
        if len(held) - current > reach:
            yield MapWindow(held[current], tuple(held[:current]), tuple(held[current + 1 :]))
            current += 1
            if current > reach:
                held.pop(0)
                current -= 1
    while current < len(held):
        yield MapWindow(
            held[current],
            tuple(held[max(0, current - reach) : current]),
            tuple(held[current + 1 :]),
        )
        current += 1


def _check(frame: Frame, plan: EditPlan) -> None:
    where = f"sequence '{plan.sequence_id}', frame {frame.frame_index}"
    if frame.semantic is None or frame.instance is None:
        raise EditPlanError(f"{where}: edits need semantic and instance maps; label it with both")
    if frame.semantic.shape != plan.size_hw:
        raise EditPlanError(
            f"{where}: expected maps of {plan.size_hw}, got {frame.semantic.shape}; "
            "plan again at this size"
        )
    if frame.frame_index >= plan.num_frames:
        raise EditPlanError(f"{where}: the plan covers {plan.num_frames} frames; plan for more")


def _own_maps(frame: Frame) -> Maps:
    assert frame.semantic is not None
    assert frame.instance is not None
    provenance = frame.provenance
    if provenance is None:
        provenance = np.zeros(frame.semantic.shape, np.uint8)
    return Maps(frame.semantic.copy(), frame.instance.copy(), provenance.copy())


def _erase(
    rows: Sequence[PlannedEdit], window: MapWindow, maps: Maps, memory: RoadsideMemory
) -> list[EditFrame]:
    """Take objects out, all at once, so that none is filled with another that goes too."""
    if not rows:
        return []
    gone = _gone(rows, maps, memory.label_set)
    places = np.flatnonzero(gone)
    if not places.size:
        return []
    edit_ids = {row.index: row.edit_id for row in rows}
    owner = gone.ravel()[places]
    events = []
    for index in np.flatnonzero(np.bincount(owner)):
        down, across = np.divmod(places[owner == index], gone.shape[1])
        box = Rect(int(across.min()), int(down[0]), int(across.max()) + 1, int(down[-1]) + 1)
        name = edit_ids[int(index)]
        events.append(EditFrame.of_area(window.frame.frame_index, int(index), name, box, len(down)))
    columns_only = not any(row.fills_temporally for row in rows)
    fill_hole(maps.semantic, gone > 0, window, memory, columns_only=columns_only)
    maps.instance.ravel()[places] = maps.semantic.ravel()[places]
    maps.provenance.ravel()[places] = PROVENANCE_INFERRED
    return events


def _gone(rows: Sequence[PlannedEdit], maps: Maps, label_set: LabelSet) -> NDArray[np.uint8]:
    """(H, W) index of the edit that takes a pixel away; 0 where none does."""
    index_of_class = np.zeros(256, np.uint8)
    index_of_id = np.zeros(np.iinfo(np.uint16).max + 1, np.uint8)
    is_touched = np.zeros(256, np.uint8)
    for row in rows:
        if row.erased_class:
            index_of_class[label_set.label(row.erased_class).id] = row.index
        ids = np.array(row.erased_ids, np.intp)
        index_of_id[ids] = row.index
        is_touched[ids // INSTANCE_BASE] = 1
    gone = np.asarray(cv2.LUT(maps.semantic, index_of_class), np.uint8)
    if is_touched.any():
        places = np.flatnonzero(cv2.LUT(maps.semantic, is_touched))
        gone.ravel()[places] = np.maximum(
            gone.ravel()[places], index_of_id[maps.instance.ravel()[places]]
        )
    return gone


def _relabel(
    rows: Sequence[PlannedEdit], frame: Frame, maps: Maps, plan: EditPlan
) -> list[EditFrame]:
    label_set = label_set_by_name(plan.label_set_name)
    events = []
    for row in rows:
        mask = region_mask(row, frame.frame_index, plan)
        if mask is None:
            continue
        changed = relabelled(maps.semantic, mask, row, label_set)
        down, across = np.flatnonzero(changed.any(axis=1)), np.flatnonzero(changed.any(axis=0))
        if not down.size:
            continue
        label_id = label_set.label(row.class_name).id
        maps.semantic[changed] = label_id
        maps.instance[changed] = label_id
        maps.provenance[changed] = row.index
        box = Rect(int(across[0]), int(down[0]), int(across[-1]) + 1, int(down[-1]) + 1)
        events.append(
            EditFrame.of_area(frame.frame_index, row.index, row.edit_id, box, int(changed.sum()))
        )
    return events
