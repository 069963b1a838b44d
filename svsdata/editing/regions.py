"""Regions of the ground that become another class: planned once, painted frame by frame."""

from collections.abc import Sequence
from itertools import combinations

import cv2
import numpy as np
from numpy.typing import NDArray

from svsdata.editing.language import Edit
from svsdata.editing.occlusion import FLAT_NAMES, Rect
from svsdata.editing.placement import seen_from, turned
from svsdata.editing.plan import EditPlan, PlannedEdit
from svsdata.editing.selection import label_of
from svsdata.editing.setting import Setting
from svsdata.errors import EditPlanError
from svsdata.geometry.camera import project
from svsdata.labels import LabelSet
from svsdata.records import Camera

# Nearer the ground is below every picture; beyond, a region is a row of pixels.
_NEAR_M, _FAR_M = 0.5, 200.0
_SUBPIXEL_BITS = 4
# Borders of strips beside each other may cross by millimetres in a bend.
_SHARED = 0.01
_GRID = 96


def plan_region(index: int, edit: Edit, setting: Setting) -> PlannedEdit:
    """Resolve a relabelling.

    Raises:
        EditPlanError: If a class is not of the ground.
    """
    assert edit.region is not None
    label_set, num_frames = setting.scene.label_set, setting.scene.num_frames
    names = require_ground(edit, (*edit.from_classes, str(edit.to_class)), label_set)
    first = 0 if edit.frames.start == "auto" else edit.frames.start
    last = num_frames - 1 if edit.frames.end == "end" else min(edit.frames.end, num_frames - 1)
    is_late = first > last
    return PlannedEdit(
        index=index,
        edit_id=edit.id,
        occurrence=0,
        op="relabel",
        class_name=names[-1],
        status="rejected" if is_late else "applied",
        reason="TOO_SHORT" if is_late else "",
        note=f"would start at frame {first}, the sequence has {num_frames}" if is_late else "",
        from_classes=names[:-1],
        region=np.round(_corners(edit, setting, min(first, num_frames - 1)), 6),
        first_frame=first,
        last_frame=last,
        checks=edit.checks,
    )


def require_ground(edit: Edit, names: Sequence[str], label_set: LabelSet) -> tuple[str, ...]:
    """Return the names of ground classes as the label set has them.

    Raises:
        EditPlanError: If one is not of the ground, naming those that are, or if there is no such
            class.
    """
    known = tuple(label_of(edit, name, label_set).name for name in names)
    for name in known:
        if name not in FLAT_NAMES:
            does = "relabels the ground" if edit.op == "relabel" else "stands on the ground"
            raise EditPlanError(
                f"edit '{edit.id}' {does}; '{name}' is not of it, "
                f"these are: {', '.join(n for n in FLAT_NAMES if n in label_set.by_name)}"
            )
    return known


def refuse_contradicting_regions(rows: Sequence[PlannedEdit]) -> None:
    """Refuse two relabellings that turn the same ground into different classes.

    Raises:
        EditPlanError: Naming both.
    """
    regions = [row for row in rows if row.is_live and row.op == "relabel"]
    for one, other in combinations(regions, 2):
        shared = [name for name in one.from_classes if name in other.from_classes]
        is_at_once = one.first_frame <= other.last_frame and other.first_frame <= one.last_frame
        if not (shared and is_at_once) or one.class_name == other.class_name:
            continue
        if _overlap(one.region, other.region):
            raise EditPlanError(
                f"edits '{one.edit_id}' and '{other.edit_id}' (relabel) contradict: the same "
                f"{shared[0]} would become {one.class_name} and {other.class_name}; "
                "keep one, or part their regions or frames"
            )


def _overlap(one: NDArray[np.float64], other: NDArray[np.float64]) -> bool:
    """Whether two polygons share more than the share ``_SHARED`` of the smaller one."""
    low = np.maximum(one.min(axis=0), other.min(axis=0))
    high = np.minimum(one.max(axis=0), other.max(axis=0))
    if (low >= high).any():
        return False
    steps = (np.arange(_GRID) + 0.5) / _GRID
    points = low + np.stack(np.meshgrid(steps, steps), axis=-1).reshape(-1, 2) * (high - low)
    shared = float((_inside(points, one) & _inside(points, other)).mean() * np.prod(high - low))
    areas = [cv2.contourArea(corners.astype(np.float32)) for corners in (one, other)]
    return shared > _SHARED * min(areas)


def _inside(points: NDArray[np.float64], corners: NDArray[np.float64]) -> NDArray[np.bool_]:
    """(P,) whether points lie in a polygon: a line to the right crosses its border oddly often."""
    is_in = np.zeros(len(points), bool)
    for (x0, y0), (x1, y1) in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        if y0 != y1:
            is_beside = (points[:, 1] < y0) != (points[:, 1] < y1)
            is_in ^= is_beside & (points[:, 0] < x0 + (points[:, 1] - y0) * (x1 - x0) / (y1 - y0))
    return is_in


def _corners(edit: Edit, setting: Setting, first: int) -> NDArray[np.float64]:
    """(n, 2) plan frame."""
    region = edit.region
    assert region is not None
    pose = setting.ego[first]
    if region.along_m is None or region.left_m is None:
        corners = np.array(region.polygon_ground_m, np.float64)
        return turned(corners, np.full(len(corners), pose[2])) + pose[:2]
    start, stop = region.along_m
    along = np.linspace(start, stop, max(2, int(np.ceil(stop - start)) + 1))
    along = setting.path.at_frame_m[first] + along
    right, left = (setting.path.poses(along, np.full(len(along), m))[:, :2] for m in region.left_m)
    return np.concatenate([right, left[::-1]])


def region_mask(
    row: PlannedEdit, frame_index: int, plan: EditPlan
) -> tuple[Rect, NDArray[np.bool_]] | None:
    """Return a rectangle and its (h, w) pixels whose ground lies in a region, or None."""
    height, width = plan.size_hw
    flat = np.column_stack([row.region, np.zeros(len(row.region))])
    ego = np.repeat(plan.ego[frame_index : frame_index + 1], len(flat), axis=0)
    corners = seen_from(flat, ego)[:, :2]
    camera = plan.camera_at(frame_index)
    outline = _before_camera(corners, camera)
    if len(outline) < 3:
        return None
    pixels = project(camera, np.column_stack([outline, np.zeros(len(outline))]))[:, :2]
    pixels = np.clip(pixels, -1e5, 1e5)
    # Lines are drawn half a pixel beyond the corners.
    x0, y0 = np.maximum(np.floor(pixels.min(axis=0)).astype(int) - 1, 0)
    x1, y1 = np.minimum(np.ceil(pixels.max(axis=0)).astype(int) + 2, (width, height))
    if x0 >= x1 or y0 >= y1:
        return None
    mask = np.zeros((y1 - y0, x1 - x0), np.uint8)
    scaled = np.rint((pixels - (x0, y0)) * 2**_SUBPIXEL_BITS).astype(np.int32)
    cv2.fillPoly(mask, [scaled], 1, shift=_SUBPIXEL_BITS)
    return Rect(int(x0), int(y0), int(x1), int(y1)), mask.view(bool)


def _before_camera(corners: NDArray[np.float64], camera: Camera) -> NDArray[np.float64]:
    """Cut a polygon of the ground to what lies before the camera and not too far away."""
    forward = camera.cam_T_vehicle[2]

    def depth(points: NDArray[np.float64]) -> NDArray[np.float64]:
        return points @ forward[:2] + forward[3]

    for sign, limit in ((1.0, _NEAR_M), (-1.0, -_FAR_M)):
        here = sign * depth(corners) - limit
        after, there = np.roll(corners, -1, axis=0), np.roll(here, -1)
        crosses = (here >= 0) != (there >= 0)
        fall = np.where(crosses, here - there, 1.0)[:, None]
        cuts = corners + (after - corners) * here[:, None] / fall
        # Each corner that stays, then where the border to the next one is cut.
        kept = np.stack([here >= 0, crosses], axis=1).ravel()
        corners = np.stack([corners, cuts], axis=1).reshape(-1, 2)[kept]
    return corners
