"""Put planned objects into the maps of one frame, each behind what stands nearer."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from svsdata.editing.occlusion import GroundDepth, Rect, depth_of_labels
from svsdata.editing.plan import EditPlan, PlannedEdit
from svsdata.editing.shapes import OBJECT_KINDS, Silhouette, silhouette
from svsdata.errors import EditPlanError
from svsdata.geometry.camera import camera_centre, horizon_row, pixel_rays, project
from svsdata.labels import LabelSet
from svsdata.records import Camera, InstanceMap, SemanticMap

_CORNERS = np.array([(x, y) for x in (-0.5, 0.5) for y in (-0.5, 0.5)])


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


@dataclass(frozen=True)
class Sight:
    """One frame as the order of inserts sees it."""

    maps: Maps
    camera: Camera
    ground: GroundDepth
    label_set: LabelSet


@dataclass(frozen=True)
class Layer:
    """One object ready to be painted."""

    row: PlannedEdit
    pose: NDArray[np.float64]
    outline: Silhouette
    is_visible: NDArray[np.bool_]

    @property
    def rect(self) -> Rect:
        """Where ``outline`` lies in the frame."""
        height, width = self.outline.part_index.shape
        return Rect(self.outline.x, self.outline.y, self.outline.x + width, self.outline.y + height)


def paint_objects(
    rows: Sequence[PlannedEdit], frame_index: int, sight: Sight, plan: EditPlan
) -> list[EditFrame]:
    """Order every object against the frame first, then paint from far to near."""
    layers = [layer for row in rows if (layer := _layer(row, frame_index, sight, plan)) is not None]
    layers.sort(key=lambda layer: -float(np.hypot(*layer.pose[:2])))
    return [_paint(layer, frame_index, sight) for layer in layers]


def _layer(row: PlannedEdit, frame_index: int, sight: Sight, plan: EditPlan) -> Layer | None:
    step, maps = frame_index - row.first_frame, sight.maps
    kind, pose = OBJECT_KINDS[row.class_name], row.poses[step]
    for instance_id in row.instance_ids:
        if (maps.instance == instance_id).any():
            raise EditPlanError(
                f"sequence '{plan.sequence_id}': id {instance_id} of edit '{row.edit_id}' is "
                "used by the base; the base has changed since the plan was made: plan again"
            )
    parts = kind.build(*row.size_m, float(row.travelled_m[step]))
    if row.shape is None:
        outline = silhouette(sight.camera, parts, kind.class_names, pose)
    else:
        outline = row.shape.drawn(step, sight.camera, parts, pose)
    if outline is None:
        return None
    height, width = outline.part_index.shape
    rect = Rect(outline.x, outline.y, outline.x + width, outline.y + height)
    base = depth_of_labels(
        maps.semantic, maps.instance, rect, ground=sight.ground, label_set=sight.label_set
    )
    own = footprint_depth(sight.camera, pose, row.size_m, np.arange(rect.x0, rect.x1))
    return Layer(row, pose, outline, (outline.part_index > 0) & (own < base))


def footprint_depth(
    camera: Camera,
    pose: NDArray[np.float64],
    size_m: tuple[float, float, float],
    columns: NDArray[np.intp],
) -> NDArray[np.float64]:
    """Return the z-depth at which each image column first meets an object's footprint.

    Args:
        camera: Where from.
        pose: (3,) x, y, heading in the vehicle frame.
        size_m: Length, width, height.
        columns: (n,) columns of the frame.

    Returns:
        (n,) metres; columns that pass beside the footprint get the depth of its middle.
    """
    centre = camera_centre(camera)
    middle = project(camera, np.array([pose[0], pose[1], 0.0]))
    pixels = np.stack([columns, np.full(len(columns), camera.intrinsics[1, 2])], axis=1)
    rays = pixel_rays(camera, pixels.astype(np.float64))[:, :2]
    cosine, sine = np.cos(pose[2]), np.sin(pose[2])
    to_object = np.array([[cosine, sine], [-sine, cosine]])
    origin = to_object @ (centre[:2] - pose[:2])
    directions = rays @ to_object.T
    directions = np.where(np.abs(directions) < 1e-9, 1e-9, directions)
    half = np.array(size_m[:2]) / 2
    one, other = (-half - origin) / directions, (half - origin) / directions
    enter = np.minimum(one, other).max(axis=1)
    leave = np.maximum(one, other).min(axis=1)
    depth = np.where((enter <= leave) & (leave > 0), enter, middle[2])
    return np.maximum(depth, 0.0)


def _paint(layer: Layer, frame_index: int, sight: Sight) -> EditFrame:
    row, outline, rect, maps = layer.row, layer.outline, layer.rect, sight.maps
    names = OBJECT_KINDS[row.class_name].class_names
    for number, (name, instance_id) in enumerate(zip(names, row.instance_ids, strict=True), 1):
        is_part = layer.is_visible & (outline.part_index == number)
        maps.semantic[rect.slices][is_part] = sight.label_set.label(name).id
        maps.instance[rect.slices][is_part] = instance_id
    maps.provenance[rect.slices][layer.is_visible] = row.index
    u, v, _ = project(sight.camera, np.array([layer.pose[0], layer.pose[1], 0.0]))
    whole, visible = int(np.count_nonzero(outline.part_index)), int(layer.is_visible.sum())
    return EditFrame(
        frame_index=frame_index,
        edit_index=row.index,
        edit_id=row.edit_id,
        occurrence=row.occurrence,
        instance_id=row.instance_ids[0],
        box=rect,
        foot_uv=(float(u), float(v)),
        ahead_m=float(layer.pose[0]),
        left_m=float(layer.pose[1]),
        visible_px=visible,
        occluded_share=1 - visible / whole if whole else 1.0,
        float_px=_float_px(layer, sight.camera),
        above_horizon_px=horizon_row(sight.camera) - rect.y0,
    )


def _float_px(layer: Layer, camera: Camera) -> float:
    """Rows by which the lowest pixel misses those of the footprint; 0 where the frame cuts it."""
    lowest = layer.rect.y1 - 1
    cosine, sine = np.cos(layer.pose[2]), np.sin(layer.pose[2])
    x, y = (_CORNERS * layer.row.size_m[:2]).T
    across = np.stack([cosine * x - sine * y, sine * x + cosine * y], axis=1) + layer.pose[:2]
    _, rows, depths = project(camera, np.column_stack([across, np.zeros(4)])).T
    if lowest >= camera.size_hw[0] - 1 or depths.min() < 1.0:
        return 0.0
    return float(max(rows.min() - lowest - 1, lowest - rows.max(), 0.0))
