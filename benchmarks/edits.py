"""How exactly edits are drawn, and what they cost: python benchmarks/edits.py WHAT

WHAT is one of

- ``calibration [WORLDS]``: error of the camera estimated from the cars of street worlds.
- ``accuracy [FRAMES]``: objects drawn by edits against the same objects rendered into the street
  world exactly, by distance, for right and wrong cameras, at rest and nodding.

The truth of ``accuracy`` is its own renderer, ``ray_cast.py``.
"""

import sys
from collections import defaultdict
from dataclasses import dataclass, replace
from itertools import pairwise

import cv2
import numpy as np
from numpy.typing import NDArray
from ray_cast import true_depth

from svsdata.editing.edit_text import join_edits, load_preset
from svsdata.editing.feet import Feet, feet_in
from svsdata.editing.occlusion import Layer, layers_of
from svsdata.editing.operations import apply_plan
from svsdata.editing.plan import EditPlan, PlannedEdit
from svsdata.editing.planning import plan_edits
from svsdata.editing.scene import scan_scene
from svsdata.editing.shapes import OBJECT_KINDS, silhouette
from svsdata.editing.things import things_in
from svsdata.editing.track_depths import track_depths
from svsdata.geometry.camera import (
    camera_centre,
    ground_points,
    horizon_row,
    project,
)
from svsdata.geometry.pitch import pitch_of_steps, pitch_step, pitched
from svsdata.geometry.self_calibration import HorizonFit, camera_of_horizon, car_boxes, fit_horizon
from svsdata.labels import CITYSCAPES
from svsdata.records import Camera, Frame
from svsdata.street_world.scene import StreetFrame, StreetWorld

SIZE_HW = (512, 1024)
COMPARED_HW = (256, 512)
FPS = 10.0
BINS_M = (0, 10, 20, 40, 80)
SEED = 7
PRESETS = ("add_truck", "add_pedestrian", "add_bus")
EVERY = 5
"""Frames between two that are compared."""


def street_frame(street: StreetFrame, index: int) -> Frame:
    """Turn a rendered frame into the base of an edit."""
    return Frame(index, index * 100_000, semantic=street.semantic, instance=street.instance)


def feet_of(frame: Frame) -> Feet:
    """Find the feet of the things of a frame."""
    return feet_in(frame, things_in(frame.instance), layers_of(CITYSCAPES) == Layer.FLAT)


def ordered_by(plan: EditPlan, feet: list[Feet]) -> EditPlan:
    """Let a plan order by the base's things as its own cameras see them."""
    depths = track_depths(Feet.joined(feet), plan.camera_at, plan.ego, plan.fps)
    return replace(plan, standing=depths)


def fitted(frames: list[StreetFrame]) -> HorizonFit:
    """Return the horizon that the cars of a world tell."""
    boxes = [car_boxes(frame.semantic, frame.instance, CITYSCAPES) for frame in frames]
    return fit_horizon(np.concatenate(boxes), frames[0].semantic.shape[0])


def calibration(worlds: int) -> None:
    """Print the errors of self-calibration, world by world."""
    print("| frames | world | cars | horizon, px | height |")
    print("|---|---|---|---|---|")
    for size_hw in (SIZE_HW, (256, 512)):
        for seed in range(1, worlds + 1):
            world = StreetWorld(seed, size_hw=size_hw, fps=FPS)
            frames = [world.render(index, image=False) for index in range(0, 600, 15)]
            fit = fitted(frames)
            camera = camera_of_horizon(fit, size_hw)
            rows = fit.horizon_row - horizon_row(world.camera)
            share = camera_centre(camera)[2] / camera_centre(world.camera)[2] - 1
            name = f"{size_hw[1]}x{size_hw[0]}"
            print(f"| {name} | {seed} | {fit.num_cars} | {rows:+.1f} | {share:+.1%} |")


def planned(world: StreetWorld, rendered: list[StreetFrame]) -> EditPlan:
    """Plan the presets that add something, with the world's own camera."""
    frames = [
        replace(street_frame(street, index), camera=world.camera, ego=street.ego)
        for index, street in enumerate(rendered)
    ]
    scene = scan_scene(frames, sequence_id="street", label_set=CITYSCAPES, fps=FPS)
    edits = join_edits((name, load_preset(name)) for name in PRESETS)
    plan = plan_edits(edits, scene, SEED)
    return replace(plan, rows=tuple(row for row in plan.rows if row.is_live))


def homography(camera: Camera, angle: float) -> NDArray[np.float64]:
    """Take pixels of a camera at rest to those of the same camera turned down."""
    turn = pitched(camera, angle).cam_T_vehicle @ np.linalg.inv(camera.cam_T_vehicle)
    return camera.intrinsics @ turn[:3, :3] @ np.linalg.inv(camera.intrinsics)


def nodded(street: StreetFrame, camera: Camera, before: float, now: float) -> StreetFrame:
    """Turn a frame's maps, depth and flow as a camera sees them that turned down."""
    height, width = camera.size_hw
    rows, columns = np.indices((height, width), dtype=np.float64)
    pixels = np.stack([columns, rows, np.ones_like(rows)], axis=-1)
    at_rest = pixels @ np.linalg.inv(homography(camera, now)).T
    at_rest = at_rest[..., :2] / at_rest[..., 2:]
    u, v = np.moveaxis(at_rest.astype(np.float32), -1, 0)

    def moved(layer: NDArray, how: int = cv2.INTER_NEAREST) -> NDArray:
        return cv2.remap(layer, u, v, how, borderMode=cv2.BORDER_REPLICATE)

    reached = at_rest + moved(street.flow, cv2.INTER_LINEAR)
    seen = np.concatenate([reached, pixels[..., 2:]], axis=-1) @ homography(camera, before).T
    flow = (seen[..., :2] / seen[..., 2:] - pixels[..., :2]).astype(np.float32)
    # The depth of a point changes as the camera's axis turns away from it.
    in_camera = np.concatenate([at_rest, pixels[..., 2:]], axis=-1)
    in_camera = in_camera @ np.linalg.inv(camera.intrinsics).T
    turn = pitched(camera, now).cam_T_vehicle @ np.linalg.inv(camera.cam_T_vehicle)
    depth = moved(street.depth) * (in_camera @ turn[2, :3]).astype(np.float32)
    return replace(
        street,
        semantic=moved(street.semantic),
        instance=moved(street.instance),
        depth=depth,
        flow=flow,
    )


@dataclass(frozen=True)
class Truth:
    """One frame as it really is, with every object rendered into it."""

    index: int
    street: StreetFrame
    camera: Camera
    whole: dict[int, NDArray[np.bool_]]
    """By the object's id."""
    visible: dict[int, NDArray[np.bool_]]


def truth_of(street: StreetFrame, camera: Camera, plan: EditPlan, index: int) -> Truth:
    """Render the plan's objects into a frame."""
    depths = {
        row.instance_ids[0]: true_depth(camera, row, index - row.first_frame)
        for row in plan.rows
        if row.is_present(index)
    }
    nearest = np.minimum.reduce([*depths.values(), street.depth.astype(np.float64)])
    whole = {one: np.isfinite(depth) for one, depth in depths.items()}
    visible = {one: whole[one] & (depth <= nearest) for one, depth in depths.items()}
    return Truth(index, street, camera, whole, visible)


def accuracy(num_frames: int) -> None:
    """Print intersection over union, foot errors and occlusion errors by distance."""
    world = StreetWorld(SEED, size_hw=COMPARED_HW, fps=FPS)
    rendered = [world.render(index, image=False) for index in range(num_frames)]
    plan = planned(world, rendered)
    far_frames = [world.render(index, image=False) for index in range(num_frames, 600, 15)]
    cameras = {
        "true": world.camera,
        "self-calibrated": camera_of_horizon(
            fitted([*rendered[::15], *far_frames]), world.camera.size_hw
        ),
        "0.5 degrees wrong": pitched(world.camera, np.deg2rad(0.5)),
    }
    seconds = np.arange(num_frames) / FPS
    nods = 0.35 * np.sin(2 * np.pi * 1.1 * seconds) + 0.25 * np.sin(2 * np.pi * 0.4 * seconds + 1)
    nods = np.deg2rad(nods - nods.mean())
    print(f"{num_frames} frames of 512x256, nodding {np.rad2deg(nods.std()):.2f} degrees rms")
    steps: dict[str, list[float]] = {name: [] for name in cameras}
    noise, at_rest, nodding = np.random.default_rng(0), [], []
    feet = [feet_of(street_frame(street, k)) for k, street in enumerate(rendered)]
    nodding_feet: list[Feet] = []
    for k, street in enumerate(rendered):
        turned = nodded(street, world.camera, nods[max(0, k - 1)], nods[k])
        nodding_feet.append(feet_of(street_frame(turned, k)))
        flow = turned.flow + noise.normal(0, 0.5, turned.flow.shape)
        for name, camera in cameras.items():
            steps[name].append(pitch_step(flow, None, camera) if k else 0.0)
        if k % EVERY == 0:
            at_rest.append(truth_of(street, world.camera, plan, k))
            nodding.append(truth_of(turned, pitched(world.camera, nods[k]), plan, k))
    drawn = {row.edit_id: sum(r.edit_id == row.edit_id for r in plan.rows) for row in plan.rows}
    print(f"objects: {drawn}")
    header = " | ".join(f"{a}-{b} m" for a, b in pairwise(BINS_M))
    print(f"| camera | frames | pitch, degrees rms off | what | {header} |")
    print("|---|---|---|---|" + "---|" * (len(BINS_M) - 1))
    for name, camera in cameras.items():
        found = pitch_of_steps(np.array(steps[name]))
        off = np.rad2deg(np.std(found - nods))
        still = replace(plan, camera=camera)
        report(ordered_by(still, feet), at_rest, f"| {name} | at rest | 0.00")
        report(
            ordered_by(still, nodding_feet),
            nodding,
            f"| {name} | nodding | {np.rad2deg(nods.std()):.2f}",
        )
        corrected = replace(still, pitch_rad=found)
        report(
            ordered_by(corrected, nodding_feet),
            nodding,
            f"| {name} | nodding, corrected | {off:.2f}",
        )


def report(plan: EditPlan, truths: list[Truth], title: str) -> None:
    """Apply a plan and print how far it is from the truth."""
    outlines, ious, feet, wrong, sizes = (defaultdict(list) for _ in range(5))
    events: list = []
    frames = (street_frame(truth.street, truth.index) for truth in truths)
    by_id = {row.instance_ids[0]: row for row in plan.rows}
    for truth, edited in zip(truths, apply_plan(plan, frames, record=events.append), strict=True):
        for event in events:
            one, row = event.instance_id, by_id[event.instance_id]
            depth = project(truth.camera, np.array([event.ahead_m, event.left_m, 0.0]))[2]
            place = int(np.digitize(depth, BINS_M)) - 1
            if not 0 <= place < len(BINS_M) - 1 or truth.whole[one].sum() < 20:
                continue
            outline, whole = silhouette_of(plan, row, truth.index), truth.whole[one]
            outlines[place].append((outline & whole).sum() / (outline | whole).sum())
            foot = ground_points(truth.camera, np.array(event.foot_uv))[:2]
            feet[place].append(100 * np.hypot(*(foot - (event.ahead_m, event.left_m))))
            drawn, real, both = edited.instance == one, truth.visible[one], whole & outline
            if real.sum() >= 20:
                ious[place].append((drawn & real).sum() / (drawn | real).sum())
            others = (edited.provenance > 0) & ~drawn
            others |= np.any([m for i, m in truth.visible.items() if i != one] or False, axis=0)
            judged = both & ~others
            wrong[place].append((judged & (drawn != real)).sum())
            sizes[place].append(both.sum())
        events.clear()
    for what, figures, form in (
        ("IoU of the outline, mean", outlines, "{:.3f}"),
        ("IoU of what is visible, mean", ious, "{:.3f}"),
        ("foot off, cm, median", feet, "{:.1f}"),
        ("wrongly hidden or shown, pixels, mean", wrong, "{:.0f}"),
        ("of pixels", sizes, "{:.0f}"),
    ):
        middle = np.median if "median" in what else np.mean
        cells = [
            form.format(middle(figures[k])) if figures[k] else "-" for k in range(len(BINS_M) - 1)
        ]
        print(f"{title} | {what} | {' | '.join(cells)} |", flush=True)


def silhouette_of(plan: EditPlan, row: PlannedEdit, index: int) -> NDArray[np.bool_]:
    """Return the (H, W) outline that the plan draws, occlusion aside."""
    kind = OBJECT_KINDS[row.class_name]
    step = index - row.first_frame
    parts = kind.build(*row.size_m, float(row.travelled_m[step]))
    drawn = silhouette(plan.camera_at(index), parts, kind.class_names, row.poses[step])
    mask = np.zeros(plan.size_hw, bool)
    if drawn is not None:
        height, width = drawn.part_index.shape
        mask[drawn.y : drawn.y + height, drawn.x : drawn.x + width] = drawn.part_index > 0
    return mask


def main(what: str, *numbers: str) -> None:
    """Run one of the benchmarks."""
    count = int(numbers[0]) if numbers else 0
    if what == "calibration":
        calibration(count or 6)
    elif what == "accuracy":
        accuracy(count or 120)
    else:
        raise SystemExit(__doc__)


if __name__ == "__main__":
    main(*(sys.argv[1:] or ["help"]))
