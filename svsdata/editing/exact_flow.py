"""The flow layers of edited frames: what edits draw moves as their plan says.

Backward flow is known in closed form wherever an edit changed a frame: of an inserted object from
its solid, its way and the vehicle's; of uncovered ground from the vehicle's way alone. Elsewhere
the base's flow stays, but what an inserted object hid one frame before is occluded now.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from svsdata.editing.affine import affine_at, pixel_places
from svsdata.editing.fill import Hole
from svsdata.editing.flow_layers import FlowLayers, Places
from svsdata.editing.occlusion import Layer, Rect, layers_of
from svsdata.editing.painting import EditFrame, Maps
from svsdata.editing.placement import pose_step, seen_from, turned
from svsdata.editing.plan import PROVENANCE_INFERRED, EditPlan, PlannedEdit
from svsdata.editing.surfaces import (
    Stance,
    Surface,
    eyes_before,
    nearest_surface,
    part_motions,
    seen_before,
)
from svsdata.geometry.camera import ground_homography
from svsdata.labels import NO_LABEL, LabelSet
from svsdata.records import Frame, Mask

_NEAR_M = 0.3
# Flow on the ground is not told beyond: the horizon is near, and a pitch error turns it around.
_GROUND_WITHIN_M = 200.0
# Holes on both sides of a road are wide and mostly not hole: they are cut into bands.
_BAND_PX = 256


@dataclass(frozen=True)
class _Edited:
    """What is kept of one frame until the next."""

    index: int
    maps: Maps
    boxes: Mapping[tuple[int, int], Rect]
    """Around what is drawn, by number and occurrence of its edit."""
    stances: dict[tuple[int, int], Stance] = field(default_factory=dict)


class EditedFlow:
    """Follows a stream of edited frames and keeps their flow true; holds one frame's maps."""

    def __init__(self, plan: EditPlan, label_set: LabelSet) -> None:
        self._plan = plan
        self._is_flat = (layers_of(label_set) == Layer.FLAT).view(np.uint8)
        self._draws = np.zeros(256, np.uint8)
        self._draws[[row.index for row in plan.rows if row.is_live and row.draws]] = 1
        self._before: _Edited | None = None

    def follow(
        self,
        frame: Frame,
        maps: Maps,
        hole: Hole | None,
        drawn: Sequence[PlannedEdit],
        events: Sequence[EditFrame],
    ) -> Frame:
        """Return the frame with flow layers that hold after its edits; without flow as it is.

        Args:
            frame: Of the base.
            maps: The same, edited.
            hole: What was taken out of it and filled.
            drawn: Rows that are drawn in it.
            events: What they came to.
        """
        boxes = {(it.edit_index, it.occurrence): it.box for it in events if it.instance_id}
        now, before = _Edited(frame.frame_index, maps, boxes), self._before
        self._before = now
        if frame.flow is None or now.index == 0:
            return frame
        if before is not None and before.index != now.index - 1:
            before = None
        covered = self._covered(before)
        if hole is None and not boxes and not covered:
            return frame
        layers = FlowLayers.of(frame)
        if covered:
            layers.hide(covered)
        if hole is not None:
            is_filled = maps.provenance[hole.rect.slices] == PROVENANCE_INFERRED
            open_hole = Hole(hole.rect, hole.mask * is_filled)
            layers.forget(open_hole.mask, hole.rect)
            self._uncovered(layers, open_hole, now, before)
        for row in drawn:
            if (row.index, row.occurrence) in boxes:
                self._object(layers, row, now, before)
        return layers.put_into(frame)

    def _covered(self, before: _Edited | None) -> list[tuple[Rect, Mask]]:
        """Return where inserted objects covered the frame before, and the (h, w) pixels there."""
        covered: list[tuple[Rect, Mask]] = []
        if before is None:
            return covered
        for box in before.boxes.values():
            mask = np.asarray(cv2.LUT(before.maps.provenance[box.slices], self._draws), np.uint8)
            tight = Rect.around(mask)
            if tight is not None:
                covered.append((tight.within(box), mask[tight.slices]))
        return covered

    def _uncovered(
        self, layers: FlowLayers, hole: Hole, now: _Edited, before: _Edited | None
    ) -> None:
        """Let the ground that a removal uncovers move as the vehicle moves over it."""
        plan, index, maps = self._plan, now.index, now.maps
        camera, camera_before = plan.camera_at(index), plan.camera_at(index - 1)
        moved = pose_step(plan.ego[index], plan.ego[index - 1])
        to_ground = np.asarray(np.linalg.inv(ground_homography(camera)), np.float64)
        back = ground_homography(camera_before) @ moved @ to_ground
        for band in hole.rect.bands(_BAND_PX):
            flat = np.asarray(cv2.LUT(maps.semantic[band.slices], self._is_flat), np.uint8)
            flat &= hole.mask[:, band.x0 - hole.rect.x0 : band.x1 - hole.rect.x0] != 0
            tight = Rect.around(flat)
            if tight is None:
                continue
            rect, is_flat = tight.within(band), flat[tight.slices].view(bool)
            pixels = pixel_places(rect)
            there = affine_at(back, *pixels)
            # The third number of places on the ground is one over the depth.
            (inverse_depth,) = affine_at(to_ground[2:], *pixels)
            is_known = is_flat & (inverse_depth > 1 / _GROUND_WITHIN_M)
            is_known &= there[2] > _NEAR_M * inverse_depth
            places = Places.of(rect, there, is_known)
            is_seen = np.zeros(is_known.shape, bool)
            if before is not None:
                seen = places.look_up(before.maps.semantic, NO_LABEL)
                is_seen = seen == maps.semantic[rect.slices]
            layers.write(is_flat, places, is_seen)

    def _object(
        self, layers: FlowLayers, row: PlannedEdit, now: _Edited, before: _Edited | None
    ) -> None:
        """Let an inserted object move as its plan says."""
        key = (row.index, row.occurrence)
        box = now.boxes[key]
        own = _is_any(now.maps.instance[box.slices], row.instance_ids)
        own &= now.maps.provenance[box.slices] == row.index
        tight = Rect.around(own)
        if tight is None:
            return
        rect, own = tight.within(box), own[tight.slices]
        here = now.stances[key] = stance_of(row, now.index, self._plan)
        if before is not None and key in before.stances:
            there = before.stances[key]
        else:
            there = stance_of(row, now.index - 1, self._plan)
        motions = part_motions(here, there)
        shown = nearest_surface(here, rect, eyes_before(there, motions))
        shown = _without_gaps(shown, own)
        seen = seen_before(here, there, motions, rect, shown)
        is_known = (shown.inverse_depth > 0) & (seen[2] > _NEAR_M * shown.inverse_depth)
        places = Places.of(rect, seen, is_known)
        is_seen = np.zeros(own.shape, bool)
        if before is not None:
            is_seen = _is_any(places.look_up(before.maps.instance, 0), row.instance_ids)
            is_seen &= ~shown.was_turned
        if (own > is_known).any():
            layers.forget(own.view(np.uint8), rect)
        layers.write(own, places, is_seen)


def stance_of(row: PlannedEdit, frame_index: int, plan: EditPlan) -> Stance:
    """Return the solid of a row at a frame; before its first one it came as it goes on."""
    step = frame_index - row.first_frame
    if step >= 0:
        pose, travelled = row.poses[step], row.travelled_m[step]
    else:
        two = [0, min(1, len(row.poses) - 1)]
        ego, poses, way = plan.ego[row.first_frame + np.array(two)], row.poses[two], row.travelled_m
        places = ego[:, :2] + turned(poses[:, :2], ego[:, 2])
        world = np.column_stack([places, poses[:, 2] + ego[:, 2]])
        before = world[:1] + step * (world[1] - world[0])
        pose = seen_from(before, plan.ego[[frame_index]])[0]
        travelled = way[0] + step * (way[two[1]] - way[0])
    parts, rest = (row.solid(float(way)) for way in (travelled, 0.0))
    return Stance(plan.camera_at(frame_index), parts, rest, pose)


def _without_gaps(shown: Surface, own: NDArray[np.bool_]) -> Surface:
    """Give pixels beside the solid, which a borrowed outline has, what the nearest one shows.

    Args:
        shown: Of a rectangle.
        own: (h, w) which of its pixels count.
    """
    is_hit = shown.inverse_depth > 0
    is_gap = own & ~is_hit
    is_hit &= own
    if not is_gap.any() or not is_hit.any():
        return shown
    rows, columns = ndimage.distance_transform_edt(
        ~is_hit, return_distances=False, return_indices=True
    )
    source = rows[is_gap], columns[is_gap]
    for values in (shown.inverse_depth, shown.part, shown.was_turned):
        values[is_gap] = values[source]
    return shown


def _is_any(ids: NDArray[np.uint16], wanted: Sequence[int]) -> NDArray[np.bool_]:
    """Whether ids are among one or two; ``isin`` is several times as slow."""
    found = ids == wanted[0]
    for one in wanted[1:]:
        found |= ids == one
    return found
