"""Apply a plan to a stream of label maps: one frame in, one frame out, no network, flat memory.

What a frame becomes depends on the plan and on the maps of at most ``LOOK_AROUND`` frames before
and after it, never on how the stream was cut.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from svsdata.editing.fill import LOOK_AROUND, MapWindow, fill_hole
from svsdata.editing.occlusion import Feet, GroundDepth, Rect, depth_of_labels, feet_of_things
from svsdata.editing.plan import PROVENANCE_INFERRED, EditPlan, PlannedEdit
from svsdata.editing.shapes import OBJECT_KINDS, Silhouette, silhouette
from svsdata.errors import EditPlanError
from svsdata.geometry.camera import camera_centre, pixel_rays, project
from svsdata.labels import LabelSet, label_set_by_name
from svsdata.records import Camera, Frame, InstanceMap, SemanticMap


@dataclass(frozen=True)
class EditFrame:
    """What one object or removal came to in one frame."""

    frame_index: int
    edit_index: int
    edit_id: str
    occurrence: int
    instance_id: int
    """Of the object; 0 for a removal."""
    box: Rect
    """Around the whole silhouette inside the frame, or around what was removed."""
    foot_uv: tuple[float, float]
    """Middle of the footprint in pixels, not rounded; NaN for a removal."""
    ahead_m: float
    left_m: float
    visible_px: int
    occluded_share: float
    """Of the silhouette inside the frame."""


@dataclass(frozen=True)
class _Maps:
    """The maps of one frame while they are edited."""

    semantic: SemanticMap
    instance: InstanceMap
    provenance: NDArray[np.uint8]


def apply_plan(
    plan: EditPlan,
    frames: Iterable[Frame],
    *,
    first_frame: int = 0,
    record: Callable[[EditFrame], None] | None = None,
) -> Iterator[Frame]:
    """Edit the maps of a sequence.

    Args:
        plan: What to do.
        frames: With semantic and instance maps, in order. To go on in the middle, begin
            ``LOOK_AROUND`` frames before ``first_frame`` (or at frame 0).
        first_frame: Frames before it are looked at but not yielded.
        record: Receives what every edit came to in every frame where it changes something.

    Yields:
        The frames with new semantic, instance and provenance maps and the plan's hash. Pictures
        and flow stay as they are: they show the base. Where the provenance of frame 0 is not 0,
        its picture needs repair.

    Raises:
        EditPlanError: If a frame is not covered by the plan, lacks a map, has another size, or
            already uses an id of the plan.
    """
    rows = [row for row in plan.rows if row.is_live]
    removals = [row for row in rows if row.erases]
    additions = [row for row in rows if row.draws]
    label_set = label_set_by_name(plan.label_set_name)
    ground = GroundDepth(plan.camera)
    for window in _windows(frames, plan, LOOK_AROUND if removals else 0):
        frame = window.frame
        if frame.frame_index < first_frame:
            continue
        maps = _own_maps(frame)
        events = [_remove(row, window, maps, plan, label_set) for row in removals]
        events += _add_all(additions, frame, maps, plan, ground)
        if record is not None:
            for event in events:
                if event is not None:
                    record(event)
        yield replace(
            frame,
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


def _own_maps(frame: Frame) -> _Maps:
    assert frame.semantic is not None
    assert frame.instance is not None
    provenance = frame.provenance
    if provenance is None:
        provenance = np.zeros(frame.semantic.shape, np.uint8)
    return _Maps(frame.semantic.copy(), frame.instance.copy(), provenance.copy())


def _remove(
    row: PlannedEdit, window: MapWindow, maps: _Maps, plan: EditPlan, label_set: LabelSet
) -> EditFrame | None:
    if row.erased_ids:
        hole = np.isin(maps.instance, row.erased_ids)
    else:
        hole = maps.semantic == label_set.label(row.erased_class).id
    rows, columns = np.flatnonzero(hole.any(axis=1)), np.flatnonzero(hole.any(axis=0))
    if not rows.size:
        return None
    fill_hole(maps.semantic, hole, window, plan, label_set)
    maps.instance[hole] = maps.semantic[hole]
    maps.provenance[hole] = PROVENANCE_INFERRED
    box = Rect(int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1)
    return EditFrame(
        window.frame.frame_index,
        row.index,
        row.edit_id,
        0,
        0,
        box,
        (np.nan, np.nan),
        np.nan,
        np.nan,
        int(hole.sum()),
        0.0,
    )


@dataclass(frozen=True)
class _Layer:
    """One object ready to be painted."""

    row: PlannedEdit
    pose: NDArray[np.float64]
    outline: Silhouette
    is_visible: NDArray[np.bool_]


def _add_all(
    additions: Sequence[PlannedEdit],
    frame: Frame,
    maps: _Maps,
    plan: EditPlan,
    ground: GroundDepth,
) -> list[EditFrame]:
    """Order every object against the base first, then paint from far to near."""
    label_set = label_set_by_name(plan.label_set_name)
    index = frame.frame_index
    present = [
        row
        for row in additions
        if row.first_frame <= index <= row.last_frame and row.is_shown[index - row.first_frame]
    ]
    if not present:
        return []
    sight = _Sight(maps, feet_of_things(maps.instance), plan.camera, ground, label_set)
    layers = [layer for row in present if (layer := _layer(row, index, sight, plan)) is not None]
    layers.sort(key=lambda layer: -float(np.hypot(*layer.pose[:2])))
    return [_paint(layer, frame, maps, plan.camera, label_set) for layer in layers]


@dataclass(frozen=True)
class _Sight:
    """The base of one frame as the order of inserts sees it."""

    maps: _Maps
    feet: Feet
    camera: Camera
    ground: GroundDepth
    label_set: LabelSet


def _layer(row: PlannedEdit, frame_index: int, sight: _Sight, plan: EditPlan) -> _Layer | None:
    step, maps = frame_index - row.first_frame, sight.maps
    kind, pose = OBJECT_KINDS[row.class_name], row.poses[step]
    parts = kind.build(*row.size_m, float(row.travelled_m[step]))
    outline = silhouette(sight.camera, parts, kind.class_names, pose)
    if outline is None:
        return None
    height, width = outline.part_index.shape
    rect = Rect(outline.x, outline.y, outline.x + width, outline.y + height)
    if any(instance_id in sight.feet for instance_id in row.instance_ids):
        raise EditPlanError(
            f"sequence '{plan.sequence_id}': id {row.instance_ids} of edit '{row.edit_id}' is "
            "used by the base; the base has changed since the plan was made: plan again"
        )
    base = depth_of_labels(
        maps.semantic,
        maps.instance,
        rect,
        feet=sight.feet,
        ground=sight.ground,
        label_set=sight.label_set,
    )
    own = footprint_depth(plan.camera, pose, row.size_m, np.arange(rect.x0, rect.x1))
    return _Layer(row, pose, outline, (outline.part_index > 0) & (own < base))


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


def _paint(
    layer: _Layer, frame: Frame, maps: _Maps, camera: Camera, label_set: LabelSet
) -> EditFrame:
    row, outline = layer.row, layer.outline
    height, width = outline.part_index.shape
    rect = Rect(outline.x, outline.y, outline.x + width, outline.y + height)
    names = OBJECT_KINDS[row.class_name].class_names
    for number, (name, instance_id) in enumerate(zip(names, row.instance_ids, strict=True), 1):
        is_part = layer.is_visible & (outline.part_index == number)
        maps.semantic[rect.slices][is_part] = label_set.label(name).id
        maps.instance[rect.slices][is_part] = instance_id
    maps.provenance[rect.slices][layer.is_visible] = row.index
    u, v, _ = project(camera, np.array([layer.pose[0], layer.pose[1], 0.0]))
    whole, visible = int(np.count_nonzero(outline.part_index)), int(layer.is_visible.sum())
    return EditFrame(
        frame_index=frame.frame_index,
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
    )
