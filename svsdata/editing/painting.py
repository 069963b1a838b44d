"""Put planned objects into the maps of one frame, each behind what stands nearer."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import cv2
import numpy as np
from numpy.typing import NDArray

from svsdata.editing.fill import Hole
from svsdata.editing.footprint import CameraView, footprint_depth
from svsdata.editing.occlusion import Rect, Standing
from svsdata.editing.plan import EditPlan, PlannedEdit
from svsdata.editing.shapes import Silhouette, placed, silhouettes
from svsdata.editing.smooth_ways import SIGMA_PX
from svsdata.errors import EditPlanError
from svsdata.geometry.camera import project
from svsdata.labels import LabelSet
from svsdata.records import Frame, InstanceMap, SemanticMap

_FOOTPRINT = np.array([(0.0, 0.0, 0.0), *((x, y, 0.0) for x in (-0.5, 0.5) for y in (-0.5, 0.5))])
"""Middle and corners of a footprint, as shares of its length and width."""


@dataclass(frozen=True)
class EditFrame:
    """What one object, removal or region came to in one frame."""

    frame_index: int
    edit_index: int
    edit_id: str
    occurrence: int
    instance_id: int
    """Of what is drawn; 0 where nothing is."""
    box: Rect
    """Around the whole silhouette inside the frame, or around what was changed."""
    foot_uv: tuple[float, float]
    """Middle of the footprint in pixels, not rounded; NaN where nothing is drawn."""
    ahead_m: float
    left_m: float
    visible_px: int
    occluded_share: float
    """Of the silhouette inside the frame."""
    float_px: float = 0.0
    """Rows between its lowest pixel and the ground that its footprint covers."""
    above_horizon_px: float = 0.0
    """Rows by which its top lies above the horizon; negative below."""

    @classmethod
    def of_area(
        cls, frame_index: int, edit_index: int, edit_id: str, box: Rect, num_px: int
    ) -> "EditFrame":
        """Tell of pixels that were changed without anything being drawn."""
        nan = float("nan")
        return cls(frame_index, edit_index, edit_id, 0, 0, box, (nan, nan), nan, nan, num_px, 0.0)


@dataclass(frozen=True)
class Maps:
    """The maps of one frame while they are edited."""

    semantic: SemanticMap
    instance: InstanceMap
    provenance: NDArray[np.uint8]

    def write(
        self, rect: Rect, mask: NDArray[np.bool_], *, label_id: int, instance_id: int, origin: int
    ) -> None:
        """Write to the pixels of a (h, w) mask of a rectangle."""
        for values, value in (
            (self.semantic, label_id), (self.instance, instance_id), (self.provenance, origin)
        ):  # fmt: skip
            whole = np.full(mask.shape, value, values.dtype)
            cv2.copyTo(whole, mask.view(np.uint8), values[rect.slices])


@dataclass(frozen=True)
class Layer:
    """One object ready to be painted."""

    row: PlannedEdit
    pose: NDArray[np.float64]
    footprint: NDArray[np.float64]
    """(5, 3) u, v and z-depth of the middle and the corners of its footprint."""
    rect: Rect
    part_index: NDArray[np.uint8]
    """(h, w) of ``rect``, as of its silhouette."""
    is_visible: NDArray[np.bool_]
    """(h, w)."""


@dataclass(frozen=True)
class _Order:
    """What stands where in a frame, to order objects against."""

    now: Standing
    """Of the maps that are drawn into."""
    before: Standing
    """Of the base's maps."""
    is_filled: NDArray[np.bool_] | None
    """(H, W) where the two differ: something was taken out; None: nowhere."""

    def is_behind(
        self, rect: Rect, depth: NDArray[np.float64], reach_m: float
    ) -> NDArray[np.bool_]:
        """Return the (h, w) pixels that show something farther away than (w,) metres.

        What was behind an object that is gone is also behind whatever stands in its place, or up to
        ``reach_m`` behind it: the fill reaches down to there and would count as standing there.
        """
        before = self.before.depth(rect)
        if self.is_filled is None:
            return before.behind(depth)
        in_hole = self.now.depth(rect).behind(depth) | before.behind(depth - reach_m)
        return np.where(self.is_filled[rect.slices], in_hole, before.behind(depth))


class Painter:
    """Draws the objects of a plan; keeps what is the same from frame to frame."""

    def __init__(self, plan: EditPlan, label_set: LabelSet) -> None:
        self._plan, self._label_set = plan, label_set
        self._view = CameraView.of(plan.camera)
        # Plans from before depths of tracks draw as they did.
        self._slack_px = SIGMA_PX if len(plan.standing.frame) else 0.0

    def paint(
        self, rows: Sequence[PlannedEdit], frame: Frame, maps: Maps, hole: Hole | None
    ) -> list[EditFrame]:
        """Order every object against the frame first, then paint from far to near.

        Args:
            rows: What is drawn.
            frame: Of the base.
            maps: Its maps, changed in place.
            hole: What was taken out of them and filled.
        """
        if not rows:
            return []
        frame_index = frame.frame_index
        camera = self._plan.camera_at(frame_index)
        if camera is not self._view.camera:
            self._view = CameraView.of(camera)
        outlines = self._outlines(rows, frame_index)
        seen = [(row, outline) for row, outline in outlines if outline is not None]
        if not seen:
            return []
        order = self._order(frame, maps, hole)
        layers = [self._layer(row, frame_index, outline, order) for row, outline in seen]
        layers.sort(key=lambda layer: -float(np.hypot(*layer.pose[:2])))
        return [self._paint(layer, frame_index, maps) for layer in layers]

    def _outlines(
        self, rows: Sequence[PlannedEdit], frame_index: int
    ) -> list[tuple[PlannedEdit, Silhouette | None]]:
        """Draw the whole of objects; None out of view."""
        camera = self._view.camera
        steps = [frame_index - row.first_frame for row in rows]
        solids = [
            (row.solid(float(row.travelled_m[step])), row.class_names, row.poses[step])
            for row, step in zip(rows, steps, strict=True)
        ]
        own = iter(
            silhouettes(
                camera, [it for row, it in zip(rows, solids, strict=True) if row.shape is None]
            )
        )
        return [
            (row, next(own) if row.shape is None else row.shape.drawn(step, camera, parts, pose))
            for row, step, (parts, _, pose) in zip(rows, steps, solids, strict=True)
        ]

    def _order(self, frame: Frame, maps: Maps, hole: Hole | None) -> _Order:
        assert frame.semantic is not None
        assert frame.instance is not None
        standing = partial(
            Standing,
            ground=self._view.ground,
            label_set=self._label_set,
            depths=self._plan.standing.at(frame.frame_index),
            slack_px=self._slack_px,
        )
        now = standing(maps.semantic, maps.instance)
        if hole is None:
            return _Order(now, now, None)
        before = standing(frame.semantic, frame.instance)
        is_filled = np.zeros(maps.semantic.shape, bool)
        is_filled[hole.rect.slices] = hole.mask != 0
        return _Order(now, before, is_filled)

    def _layer(
        self, row: PlannedEdit, frame_index: int, outline: Silhouette, order: _Order
    ) -> Layer:
        """Find what of an object is visible."""
        for instance_id in row.instance_ids:
            if instance_id in order.now.instance_ids:
                raise EditPlanError(
                    f"sequence '{self._plan.sequence_id}': id {instance_id} of edit "
                    f"'{row.edit_id}' is used by the base; the base has changed since the plan was "
                    "made: plan again"
                )
        height, width = outline.part_index.shape
        rect = Rect(outline.x, outline.y, outline.x + width, outline.y + height)
        pose = row.poses[frame_index - row.first_frame]
        footprint = project(self._view.camera, placed(_FOOTPRINT * row.size_m, pose))
        columns = slice(rect.x0, rect.x1)
        own = footprint_depth(self._view, pose, row.size_m, columns, footprint[0, 2])
        reach_m = float(np.hypot(*row.size_m[:2]))
        is_visible = (outline.part_index > 0) & order.is_behind(rect, own, reach_m)
        return Layer(row, pose, footprint, rect, outline.part_index, is_visible)

    def _paint(self, layer: Layer, frame_index: int, maps: Maps) -> EditFrame:
        row, rect, is_visible = layer.row, layer.rect, layer.is_visible
        names = row.class_names
        for number, (name, instance_id) in enumerate(zip(names, row.instance_ids, strict=True), 1):
            is_part = is_visible & (layer.part_index == number) if len(names) > 1 else is_visible
            label_id = self._label_set.label(name).id
            maps.write(rect, is_part, label_id=label_id, instance_id=instance_id, origin=row.index)
        whole, visible = (int(np.count_nonzero(area)) for area in (layer.part_index, is_visible))
        return EditFrame(
            frame_index=frame_index,
            edit_index=row.index,
            edit_id=row.edit_id,
            occurrence=row.occurrence,
            instance_id=row.instance_ids[0],
            box=rect,
            foot_uv=(float(layer.footprint[0, 0]), float(layer.footprint[0, 1])),
            ahead_m=float(layer.pose[0]),
            left_m=float(layer.pose[1]),
            visible_px=visible,
            occluded_share=1 - visible / whole if whole else 1.0,
            float_px=_float_px(layer, self._view.camera.size_hw[0]),
            above_horizon_px=self._view.horizon_row - rect.y0,
        )


def _float_px(layer: Layer, num_rows: int) -> float:
    """Rows by which the lowest pixel misses those of the footprint; 0 where the frame cuts it."""
    lowest = layer.rect.y1 - 1
    _, rows, depths = layer.footprint[1:].T
    if lowest >= num_rows - 1 or depths.min() < 1.0:
        return 0.0
    return float(max(rows.min() - lowest - 1, lowest - rows.max(), 0.0))
