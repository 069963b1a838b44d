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
from svsdata.editing.fill import LOOK_AROUND, Hole, MapWindow, fill_hole
from svsdata.editing.occlusion import Rect
from svsdata.editing.painting import EditFrame, Maps, Painter
from svsdata.editing.plan import PROVENANCE_INFERRED, EditPlan, PlannedEdit
from svsdata.editing.regions import region_mask
from svsdata.editing.roadside import RoadsideMemory
from svsdata.editing.things import RIM_SHARE
from svsdata.errors import EditPlanError
from svsdata.labels import LabelSet, label_set_by_name
from svsdata.records import INSTANCE_BASE, Frame

_NUM_IDS = np.iinfo(np.uint16).max + 1
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
    painter = Painter(plan, label_set)
    needs_window = any(row.erases and row.fills_temporally for row in live)
    memory, motion = RoadsideMemory(plan, label_set), EditedFlow(plan, label_set)
    colours = plan.object_colours
    for window in _windows(frames, plan, LOOK_AROUND if needs_window else 0):
        frame = window.frame
        if frame.frame_index < first_frame - 1:
            continue
        maps = _own_maps(frame)
        present = [row for row in live if row.is_present(frame.frame_index)]
        hole = _hole([row for row in present if row.erases], maps, label_set)
        events = _erase(present, hole, window, maps, memory) if hole else []
        events += _relabel([row for row in present if row.op == "relabel"], frame, maps, plan)
        drawn = [row for row in present if row.draws and row.is_drawn(frame.frame_index)]
        events += painter.paint(drawn, frame, maps, hole)
        moved = motion.follow(frame, maps, hole, drawn, events)
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
            object_colours={**frame.object_colours, **colours},
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
    if frame.provenance is None:
        provenance = np.zeros(frame.semantic.shape, np.uint8)
    else:
        provenance = frame.provenance.copy()
    return Maps(frame.semantic.copy(), frame.instance.copy(), provenance)


def _erase(
    present: Sequence[PlannedEdit],
    hole: Hole,
    window: MapWindow,
    maps: Maps,
    memory: RoadsideMemory,
) -> list[EditFrame]:
    """Take objects out, all at once, so that none is filled with another that goes too."""
    rows = [row for row in present if row.erases]
    events = []
    for index, edit_id in sorted({row.index: row.edit_id for row in rows}.items()):
        own = hole.mask == index
        box, num_px = Rect.around(own), int(np.count_nonzero(own))
        if box is not None:
            events.append(
                EditFrame.of_area(
                    window.frame.frame_index, index, edit_id, box.within(hole.rect), num_px
                )
            )
    columns_only = not any(row.fills_temporally for row in rows)
    fill_hole(maps.semantic, hole, window, memory, columns_only=columns_only)
    inside = hole.rect.slices
    cv2.copyTo(maps.semantic[inside].astype(np.uint16), hole.mask, maps.instance[inside])
    inferred = np.full_like(hole.mask, PROVENANCE_INFERRED)
    cv2.copyTo(inferred, hole.mask, maps.provenance[inside])
    return events


def _hole(rows: Sequence[PlannedEdit], maps: Maps, label_set: LabelSet) -> Hole | None:
    """Find what edits take away, None if nothing; the mask holds the edit's index."""
    if not rows:
        return None
    index_of_class, index_of_id = np.zeros(256, np.uint8), np.zeros(_NUM_IDS, np.uint8)
    touched = set()
    for row in rows:
        if row.erased_class:
            index_of_class[label_set.label(row.erased_class).id] = row.index
        index_of_id[list(row.erased_ids)] = row.index
        touched |= {one // INSTANCE_BASE for one in row.erased_ids}
    gone = np.asarray(cv2.LUT(maps.semantic, index_of_class), np.uint8)
    for label_id in touched:
        is_touched = maps.semantic == label_id
        box = Rect.around(is_touched)
        if box is not None:
            instance = maps.instance[box.slices]
            own = is_touched[box.slices] * index_of_id.take(instance)
            loose = is_touched[box.slices] & (instance == label_id)
            if loose.any() and own.any():
                _take_rims(own, loose, is_touched[box.slices] & ~loose & (own == 0), maps)
            np.maximum(gone[box.slices], own, out=gone[box.slices])
    rect = Rect.around(gone)
    return None if rect is None else Hole(rect, gone[rect.slices])


def _take_rims(
    own: NDArray[np.uint8], loose: NDArray[np.bool_], others: NDArray[np.bool_], maps: Maps
) -> None:
    """Add the pixels of the class without an id that lie around what goes.

    Where ids come from another source than labels, they end a few pixels inside the object.

    Args:
        own: (h, w) index of the edit that takes the pixel, 0 for none; changed in place.
        loose: (h, w) pixels of the class that belong to no object.
        others: (h, w) pixels of objects that stay, which keep what is nearer to them.
        maps: Whose width says how broad rims are.
    """
    within = max(2.0, maps.semantic.shape[1] * RIM_SHARE)
    if others.any():
        within = np.minimum(within, _distance_to(others))
    taken = own.copy()
    for index in np.flatnonzero(np.bincount(own.ravel()))[1:]:
        taken[loose & (_distance_to(own == index) < within)] = index
    own[:] = taken


def _distance_to(mask: NDArray[np.bool_]) -> NDArray[np.float32]:
    """(h, w) pixels from each pixel to the nearest one of a mask."""
    outside = (~mask).view(np.uint8)
    return np.asarray(cv2.distanceTransform(outside, cv2.DIST_L2, 5), np.float32)


def _relabel(
    rows: Sequence[PlannedEdit], frame: Frame, maps: Maps, plan: EditPlan
) -> list[EditFrame]:
    label_set = label_set_by_name(plan.label_set_name)
    events = []
    for row in rows:
        found = region_mask(row, frame.frame_index, plan)
        if found is None:
            continue
        rect, region = found
        semantic = maps.semantic[rect.slices]
        is_source = np.zeros(semantic.shape, bool)
        for name in row.from_classes:
            is_source |= semantic == label_set.label(name).id
        changed = region & is_source
        box = Rect.around(changed)
        if box is None:
            continue
        label_id = label_set.label(row.class_name).id
        maps.write(rect, changed, label_id=label_id, instance_id=label_id, origin=row.index)
        num_px = int(np.count_nonzero(changed))
        events.append(
            EditFrame.of_area(frame.frame_index, row.index, row.edit_id, box.within(rect), num_px)
        )
    return events
