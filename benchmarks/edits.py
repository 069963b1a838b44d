"""How exactly edits are drawn, and what they cost: python benchmarks/edits.py WHAT

WHAT is one of

- ``calibration [WORLDS]``: error of the camera estimated from the cars of street worlds.
- ``accuracy [FRAMES]``: objects drawn by edits against the same objects rendered into the street
  world exactly, by distance, for right and wrong cameras, at rest and nodding.
- ``cost [FRAMES]``: milliseconds of one core a frame for applying a plan at 1024x512.
- ``memory``: peak memory of applying a plan to 500 and to 10000 frames.

The truth of ``accuracy`` is its own renderer: the ray of every pixel is cut with the planes of
every convex part, and compared with the depth of the street world. It shares no code with
``svsdata.editing``.
"""

import resource
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import cycle, islice, pairwise

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.spatial import ConvexHull

from svsdata.editing.edit_text import load_preset
from svsdata.editing.language import join_edits
from svsdata.editing.operations import apply_plan
from svsdata.editing.placement import RoadPath, ego_poses, seen_from
from svsdata.editing.plan import EditPlan, PlannedEdit
from svsdata.editing.planning import plan_edits
from svsdata.editing.scene import scan_scene
from svsdata.editing.shapes import OBJECT_KINDS, silhouette
from svsdata.geometry.camera import (
    camera_centre,
    ground_points,
    horizon_row,
    pixel_rays,
    project,
)
from svsdata.geometry.pitch import pitch_of_steps, pitch_step, pitched
from svsdata.geometry.self_calibration import camera_of_horizon, car_boxes, fit_horizon
from svsdata.labels import CITYSCAPES
from svsdata.records import INSTANCE_BASE, Camera, Frame
from svsdata.street_world.scene import StreetFrame, StreetWorld

SIZE_HW = (512, 1024)
FPS = 10.0
BINS_M = (0, 10, 20, 40, 80)
SEED = 7
PRESETS = ("add_truck", "add_pedestrian", "add_bus")
EVERY = 3
"""Frames between two that are compared."""
# Class, metres ahead of frame 0 along the road, metres left of the ego's way, speed along the road.
OBJECTS = (
    ("truck", 30.0, -5.6, 0.0),
    ("car", 62.0, -5.6, 0.0),
    ("person", 45.0, -5.9, -1.2),
    ("bus", 130.0, 3.5, -8.5),
    ("car", 16.0, 0.0, 9.0),
)


def street_frame(street: StreetFrame, index: int) -> Frame:
    """Turn a rendered frame into the base of an edit."""
    return Frame(index, index * 100_000, semantic=street.semantic, instance=street.instance)


def calibrated(world: StreetWorld, frames: list[StreetFrame]) -> Camera:
    """Return the camera that the world's cars tell."""
    boxes = [car_boxes(frame.semantic, frame.instance, CITYSCAPES) for frame in frames]
    height = world.camera.size_hw[0]
    return camera_of_horizon(fit_horizon(np.concatenate(boxes), height), world.camera.size_hw)


def calibration(worlds: int) -> None:
    """Print the errors of self-calibration, world by world."""
    print("| frames | world | cars | horizon, px | height |")
    print("|---|---|---|---|---|")
    for size_hw in (SIZE_HW, (256, 512)):
        for seed in range(1, worlds + 1):
            world = StreetWorld(seed, size_hw=size_hw, fps=FPS)
            frames = [world.render(index, image=False) for index in range(0, 600, 15)]
            boxes = [car_boxes(frame.semantic, frame.instance, CITYSCAPES) for frame in frames]
            fit = fit_horizon(np.concatenate(boxes), size_hw[0])
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
    edits = join_edits([load_preset(name) for name in PRESETS])
    plan = plan_edits(edits, scene, SEED)
    return replace(plan, rows=tuple(row for row in plan.rows if row.is_live))


def placed(world: StreetWorld, num_frames: int) -> EditPlan:
    """Put ``OBJECTS`` along the road without asking whether they fit."""
    ego = ego_poses([world.ego_motion(index) for index in range(num_frames)], FPS)
    path = RoadPath.of(ego)
    seconds = np.arange(num_frames) / FPS
    rows = []
    for number, (name, ahead_m, left_m, speed) in enumerate(OBJECTS, 1):
        kind = OBJECT_KINDS[name]
        size_m = tuple(sum(span) / 2 for span in (kind.length_m, kind.width_m, kind.height_m))
        places = path.poses(ahead_m + speed * seconds, np.full(num_frames, left_m))
        places[:, 2] += np.pi if speed < 0 else 0.0
        rows.append(
            PlannedEdit(
                number, f"{name}-{number}", 0, "add", name, "applied",
                instance_ids=(CITYSCAPES.label(name).id * INSTANCE_BASE + 990 + number,),
                size_m=size_m,
                last_frame=num_frames - 1,
                poses=seen_from(places, ego),
                travelled_m=np.abs(speed) * seconds,
                is_shown=np.ones(num_frames, bool),
            )
        )  # fmt: skip
    return EditPlan(
        "street", "", CITYSCAPES.name, world.camera.size_hw, FPS, num_frames, world.camera, 0, ego,
        tuple(rows),
    )  # fmt: skip


def true_depth(camera: Camera, row: PlannedEdit, step: int) -> NDArray[np.float64]:
    """Return the (H, W) z-depth of an object at every pixel's centre, infinite beside it."""
    height, width = camera.size_hw
    v, u = np.indices((height, width), dtype=np.float64)
    rays = pixel_rays(camera, np.stack([u, v], axis=-1)).reshape(-1, 3)
    x, y, heading = row.poses[step]
    cosine, sine = np.cos(heading), np.sin(heading)
    turn = np.array([[cosine, sine, 0.0], [-sine, cosine, 0.0], [0.0, 0.0, 1.0]])
    origin = turn @ (camera_centre(camera) - (x, y, 0.0))
    directions = rays @ turn.T
    nearest = np.full(len(rays), np.inf)
    parts = OBJECT_KINDS[row.class_name].build(*row.size_m, float(row.travelled_m[step]))
    for part in parts:
        enter, leave = np.zeros(len(rays)), np.full(len(rays), np.inf)
        for *normal, offset in np.unique(ConvexHull(part.points).equations.round(9), axis=0):
            along, beyond = directions @ normal, origin @ normal + offset
            with np.errstate(divide="ignore", invalid="ignore"):
                cut = -beyond / along
            enter = np.where(along < 0, np.maximum(enter, cut), enter)
            leave = np.where(along > 0, np.minimum(leave, cut), leave)
            leave[(along == 0) & (beyond > 0)] = -1
        hit = enter <= leave
        nearest[hit] = np.minimum(nearest[hit], enter[hit])
    return nearest.reshape(height, width)


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
    world = StreetWorld(SEED, size_hw=SIZE_HW, fps=FPS)
    rendered = [world.render(index, image=False) for index in range(num_frames)]
    plan = planned(world, rendered)
    far_frames = [world.render(index, image=False) for index in range(num_frames, 600, 15)]
    cameras = {
        "true": world.camera,
        "self-calibrated": calibrated(world, [*rendered[::15], *far_frames]),
        "0.5 degrees wrong": pitched(world.camera, np.deg2rad(0.5)),
    }
    seconds = np.arange(num_frames) / FPS
    nods = 0.35 * np.sin(2 * np.pi * 1.1 * seconds) + 0.25 * np.sin(2 * np.pi * 0.4 * seconds + 1)
    nods = np.deg2rad(nods - nods.mean())
    print(f"{num_frames} frames of 1024x512, nodding {np.rad2deg(nods.std()):.2f} degrees rms")
    steps: dict[str, list[float]] = {name: [] for name in cameras}
    noise, at_rest, nodding = np.random.default_rng(0), [], []
    for k, street in enumerate(rendered):
        turned = nodded(street, world.camera, nods[max(0, k - 1)], nods[k])
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
        report(still, at_rest, f"| {name} | at rest | 0.00")
        report(still, nodding, f"| {name} | nodding | {np.rad2deg(nods.std()):.2f}")
        corrected = replace(still, pitch_rad=found)
        report(corrected, nodding, f"| {name} | nodding, corrected | {off:.2f}")


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


def cost(num_frames: int) -> None:
    """Print processor time a frame of applying five objects at 1024x512."""
    world = StreetWorld(SEED, size_hw=SIZE_HW, fps=FPS)
    plan = placed(world, num_frames)
    frames = [street_frame(world.render(k, image=False), k) for k in range(num_frames)]
    list(apply_plan(plan, frames[:5]))
    began = time.process_time()
    for _ in apply_plan(plan, frames):
        pass
    spent = time.process_time() - began
    print(
        f"{1e3 * spent / num_frames:.1f} ms of one core a frame, {len(OBJECTS)} objects, 1024x512"
    )


def memory() -> None:
    """Print the peak memory of two processes that apply a plan to few and to many frames."""
    peaks = {}
    for num_frames in (500, 10_000):
        told = subprocess.run(
            [sys.executable, __file__, "peak", str(num_frames)],
            check=True, capture_output=True, text=True,
        )  # fmt: skip
        peaks[num_frames] = float(told.stdout)
        print(f"{num_frames} frames of 256x128: {peaks[num_frames]:.0f} MiB at most")
    print(f"{peaks[10_000] / peaks[500] - 1:+.1%}")


def peak(num_frames: int) -> None:
    """Apply a plan to a stream of frames that repeat, and print the peak memory in MiB."""
    world = StreetWorld(SEED, size_hw=(128, 256), fps=FPS)
    plan = placed(world, num_frames)
    some = [world.render(index, image=False) for index in range(20)]

    def frames() -> Iterator[Frame]:
        for index, street in enumerate(islice(cycle(some), num_frames)):
            yield street_frame(street, index)

    for _ in apply_plan(plan, frames()):
        pass
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def main(what: str, *numbers: str) -> None:
    """Run one of the benchmarks."""
    count = int(numbers[0]) if numbers else 0
    if what == "calibration":
        calibration(count or 6)
    elif what == "accuracy":
        accuracy(count or 120)
    elif what == "cost":
        cost(count or 60)
    elif what == "peak":
        peak(count)
    elif what == "memory":
        memory()
    else:
        raise SystemExit(__doc__)


if __name__ == "__main__":
    main(*(sys.argv[1:] or ["help"]))
