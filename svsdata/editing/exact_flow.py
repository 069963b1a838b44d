"""The flow layers of edited frames: what edits draw moves as their plan says.

Backward flow is known in closed form wherever an edit changed a frame: of an inserted object from
its solid, its way and the vehicle's; of uncovered ground from the vehicle's way alone. Elsewhere
the base's flow stays, but what an inserted object hid one frame before is occluded now.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from svsdata.editing.occlusion import Layer, Rect, layers_of
from svsdata.editing.painting import EditFrame, Maps
from svsdata.editing.placement import pose_step, seen_from, turned
from svsdata.editing.plan import PROVENANCE_INFERRED, EditPlan, PlannedEdit
from svsdata.editing.shapes import OBJECT_KINDS
from svsdata.editing.surfaces import (
    Stance,
    Surface,
    faces_camera,
    moved_points,
    nearest_surface,
    object_points,
    seen_from_camera,
)
from svsdata.flow import warp
from svsdata.geometry.camera import ground_homography
from svsdata.labels import NO_LABEL, LabelSet
from svsdata.records import Flow, Frame, Mask

Number = TypeVar("Number", np.uint8, np.uint16)

_NEAR_M = 0.3
# Flow on the ground is not told beyond: the horizon is near, and a pitch error turns it around.
_GROUND_WITHIN_M = 200.0


@dataclass(frozen=True)
class FlowLayers:
    """The motion of one frame, being changed."""

    flow: Flow
    validity: Mask
    occlusion: Mask

    @classmethod
    def of(cls, frame: Frame) -> "FlowLayers":
        """Copy those of a frame that has flow; what it does not say is valid and visible."""
        assert frame.flow is not None
        size_hw = frame.flow.shape[:2]
        validity, occlusion = frame.flow_validity, frame.occlusion
        return cls(
            frame.flow.copy(),
            np.ones(size_hw, np.uint8) if validity is None else validity.copy(),
            np.zeros(size_hw, np.uint8) if occlusion is None else occlusion.copy(),
        )

    def write(self, rows: NDArray[np.intp], columns: NDArray[np.intp], there: "Places") -> None:
        """Set pixels to what moved there from elsewhere."""
        here = np.stack([columns, rows], axis=1)
        vectors = np.where(there.is_known[:, None], there.uv - here, 0.0)
        self.flow[rows, columns] = vectors
        self.validity[rows, columns] = there.is_known
        self.occlusion[rows, columns] = ~(there.is_known & there.is_seen)


@dataclass(frozen=True)
class Places:
    """Where points were one frame before; (N,)."""

    uv: NDArray[np.float64]
    """(N, 2) pixels."""
    is_known: NDArray[np.bool_]
    is_seen: NDArray[np.bool_]
    """Inside that frame, and nothing hid them."""


class EditedFlow:
    """Follows a stream of edited frames and keeps their flow true; holds one frame's maps."""

    def __init__(self, plan: EditPlan, label_set: LabelSet) -> None:
        self._plan = plan
        self._layers = layers_of(label_set)
        self._draws = np.zeros(256, bool)
        self._draws[[row.index for row in plan.rows if row.is_live and row.draws]] = True
        self._before: tuple[int, Maps] | None = None

    def follow(
        self,
        frame: Frame,
        maps: Maps,
        drawn: Sequence[PlannedEdit],
        events: Sequence[EditFrame],
    ) -> Frame:
        """Return the frame with flow layers that hold after its edits; without flow as it is.

        Args:
            frame: Of the base.
            maps: The same, edited.
            drawn: Rows that are drawn in it.
            events: What they came to.
        """
        index, before = frame.frame_index, self._before
        self._before = (index, maps)
        if frame.flow is None or index == 0:
            return frame
        known = before[1] if before is not None and before[0] == index - 1 else None
        layers = FlowLayers.of(frame)
        self._hide_what_was_covered(layers, known)
        self._uncovered(layers, index, maps, known)
        boxes = {(it.edit_index, it.occurrence): it.box for it in events if it.instance_id}
        for row in drawn:
            box = boxes.get((row.index, row.occurrence))
            if box is not None:
                self._object(layers, row, index, (maps, known), box)
        if frame.occlusion is not None:
            return replace(
                frame,
                flow=layers.flow,
                flow_validity=layers.validity,
                occlusion=layers.occlusion,
            )
        # Without a layer for it, what was hidden is said to be unknown.
        layers.validity[layers.occlusion == 1] = 0
        layers.flow[layers.validity == 0] = 0.0
        return replace(frame, flow=layers.flow, flow_validity=layers.validity)

    def _hide_what_was_covered(self, layers: FlowLayers, before: Maps | None) -> None:
        """Occlude what comes out from behind an inserted object."""
        if before is None:
            return
        covered = self._draws[before.provenance]
        if covered.any():
            hidden = warp(covered.astype(np.uint8), layers.flow, nearest=True)
            np.maximum(layers.occlusion, hidden, out=layers.occlusion)

    def _uncovered(self, layers: FlowLayers, index: int, maps: Maps, before: Maps | None) -> None:
        """Let the ground that a removal uncovers move as the vehicle moves over it."""
        rows, columns = np.nonzero(maps.provenance == PROVENANCE_INFERRED)
        if not len(rows):
            return
        plan = self._plan
        now, then = plan.camera_at(index), plan.camera_at(index - 1)
        moved = pose_step(plan.ego[index], plan.ego[index - 1])
        pixels = np.column_stack([columns, rows, np.ones(len(rows))]).astype(np.float64)
        on_ground = pixels @ np.linalg.inv(ground_homography(now)).T
        there = on_ground @ (ground_homography(then) @ moved).T
        is_flat = self._layers[maps.semantic[rows, columns]] == Layer.FLAT
        # The third number of ``on_ground`` is one over the depth.
        is_known = is_flat & (on_ground[:, 2] > 1 / _GROUND_WITHIN_M)
        is_known &= there[:, 2] > _NEAR_M * on_ground[:, 2]
        uv = there[:, :2] / np.where(is_known, there[:, 2], 1.0)[:, None]
        is_seen = np.zeros(len(rows), bool)
        if before is not None:
            label = _nearest(before.semantic, uv, outside=NO_LABEL)
            is_seen = label == maps.semantic[rows, columns]
        layers.write(rows, columns, Places(uv, is_known, is_seen))

    def _object(
        self,
        layers: FlowLayers,
        row: PlannedEdit,
        index: int,
        maps: tuple[Maps, Maps | None],
        box: Rect,
    ) -> None:
        """Let an inserted object move as its plan says."""
        edited, before = maps
        own = np.isin(edited.instance[box.slices], row.instance_ids)
        own &= edited.provenance[box.slices] == row.index
        if not own.any():
            return
        down, across = np.nonzero(own)
        rows, columns = down + box.y0, across + box.x0
        now, then = (stance_of(row, one, self._plan) for one in (index, index - 1))
        pixels = np.column_stack([columns, rows]).astype(np.float64)
        shown = _without_gaps(nearest_surface(now, pixels), own)
        is_known = np.isfinite(shown.depth)
        points = object_points(now, pixels, np.where(is_known, shown.depth, 0.0))
        points = moved_points(points, shown.part, now.parts, then.parts)
        there = seen_from_camera(then, points)
        is_known &= there[:, 2] > _NEAR_M
        uv, is_seen = np.where(is_known[:, None], there[:, :2], -1.0), np.zeros(len(rows), bool)
        if before is not None:
            ids = _nearest(before.instance, uv, outside=0)
            is_seen = np.isin(ids, row.instance_ids) & faces_camera(then, points, shown.normal)
        layers.write(rows, columns, Places(uv, is_known, is_seen))


def stance_of(row: PlannedEdit, frame_index: int, plan: EditPlan) -> Stance:
    """Return the solid of a row at a frame; before its first one it came as it goes on."""
    step, kind = frame_index - row.first_frame, OBJECT_KINDS[row.class_name]
    if step >= 0:
        pose, travelled = row.poses[step], float(row.travelled_m[step])
    else:
        two = [0, min(1, len(row.poses) - 1)]
        ego, poses, way = plan.ego[row.first_frame + np.array(two)], row.poses[two], row.travelled_m
        places = ego[:, :2] + turned(poses[:, :2], ego[:, 2])
        world = np.column_stack([places, poses[:, 2] + ego[:, 2]])
        before = world[:1] + step * (world[1] - world[0])
        pose = seen_from(before, plan.ego[[frame_index]])[0]
        travelled = float(way[0] + step * (way[two[1]] - way[0]))
    return Stance(plan.camera_at(frame_index), kind.build(*row.size_m, travelled), pose)


def _without_gaps(shown: Surface, own: NDArray[np.bool_]) -> Surface:
    """Give pixels beside the solid, which a borrowed outline has, what the nearest one shows.

    Args:
        shown: Of N pixels.
        own: (h, w) where they lie.
    """
    is_hit = np.isfinite(shown.depth)
    if is_hit.all() or not is_hit.any():
        return shown
    number = np.full(own.shape, -1)
    number[own] = np.where(is_hit, np.arange(len(is_hit)), -1)
    rows, columns = ndimage.distance_transform_edt(
        number < 0, return_distances=False, return_indices=True
    )
    source = number[rows, columns][own]
    return Surface(shown.depth[source], shown.part[source], shown.normal[source])


def _nearest(values: NDArray[Number], uv: NDArray[np.float64], outside: int) -> NDArray[Number]:
    """Return (N,) of a (H, W) map at the pixels nearest to (N, 2) places."""
    height, width = values.shape
    u, v = uv.T
    inside = (u >= 0) & (u <= width - 1) & (v >= 0) & (v <= height - 1)
    found = np.full(len(uv), outside, values.dtype)
    rows, columns = np.rint(v[inside]).astype(np.intp), np.rint(u[inside]).astype(np.intp)
    found[inside] = values[rows, columns]
    return found
