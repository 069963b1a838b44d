"""Edited labels against the street really built so.

    python benchmarks/edit_truth.py WHAT [FRAMES [WORLDS]]

WHAT is one of

- ``flow``: flow and occlusion of inserted objects and of uncovered ground, against the street
  world's renderer with the same solids in it, or without the cars. Painting far faces first, that
  renderer does not always order those of a large object: where a ray through the pixel's centre
  meets another one first, it is left out, and so are objects that reach behind the camera.
- ``removal``: labels where cars were removed, against the street without cars.
"""

import sys
from collections import defaultdict
from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray
from ray_cast import true_depth
from scipy.spatial import ConvexHull

from svsdata.editing.edit_text import join_edits, load_preset
from svsdata.editing.exact_flow import stance_of
from svsdata.editing.operations import apply_plan
from svsdata.editing.plan import PROVENANCE_INFERRED, EditPlan, PlannedEdit
from svsdata.editing.planning import plan_edits
from svsdata.editing.scene import scan_scene
from svsdata.editing.shapes import OBJECT_KINDS
from svsdata.editing.surfaces import seen_from_camera
from svsdata.labels import CITYSCAPES
from svsdata.records import INSTANCE_BASE, Frame
from svsdata.street_world.appearance import MATERIALS
from svsdata.street_world.mesh import Face, Mesh, joined, mesh_of, placed
from svsdata.street_world.models import CAR_SHAPES
from svsdata.street_world.scene import StreetFrame, StreetWorld
from svsdata.street_world.traffic import Traffic

SIZE_HW = (256, 512)
FPS = 10.0
FIRST_SEED = 7
ADDED = ("add_truck", "add_bus", "add_pedestrian", "add_cyclist")
_LABELS = np.array([label.name for label in CITYSCAPES.labels])


def frames_of(world: StreetWorld, num_frames: int) -> list[Frame]:
    """Render the base of an edit, flow and all."""
    return [world.frame(index, image=False) for index in range(num_frames)]


def planned(presets: tuple[str, ...], frames: list[Frame], seed: int) -> EditPlan:
    """Plan presets on a street."""
    still = (replace(frame, flow=None) for frame in frames)
    scene = scan_scene(still, sequence_id="street", label_set=CITYSCAPES, fps=FPS)
    edits = join_edits((name, load_preset(name)) for name in presets)
    return plan_edits(edits, scene, seed)


class TrafficWithObjects:
    """The traffic of a world with the solids of a plan in it, for the world's own renderer."""

    def __init__(self, traffic: Traffic, world: StreetWorld, plan: EditPlan) -> None:
        self._traffic, self._world, self._plan = traffic, world, plan

    def place_actors(
        self, time_s: float, before_s: float
    ) -> tuple[Mesh, NDArray[np.float64], NDArray[np.float64]]:
        """See ``Traffic``."""
        mesh, motions, footprints = self._traffic.place_actors(time_s, before_s)
        index = round(time_s * FPS)
        for row in self._plan.rows:
            if row.is_live and row.draws and row.is_present(index):
                mesh, motions = self._with_object(mesh, motions, row, index)
        return mesh, motions, footprints

    def _with_object(
        self, mesh: Mesh, motions: NDArray[np.float64], row: PlannedEdit, index: int
    ) -> tuple[Mesh, NDArray[np.float64]]:
        now, then = (stance_of(row, one, self._plan) for one in (index, max(index - 1, 0)))
        place, place_before = (
            self._place(now.pose, index),
            self._place(then.pose, max(index - 1, 0)),
        )
        ego = self._world.ego_motion(index).world_T_vehicle
        rank = self._traffic._ego_u(index / FPS) + (np.linalg.inv(ego) @ place)[0, 3]
        names = OBJECT_KINDS[row.class_name].class_names
        meshes, moved = [mesh], [*motions]
        for part, before in zip(now.parts, then.parts, strict=True):
            corners = np.column_stack([part.points, np.ones(len(part.points))])
            swing = np.eye(4)
            swing[:3] = np.linalg.lstsq(corners, before.points, rcond=None)[0].T
            label = CITYSCAPES.label(part.class_name).id
            instance_id = row.instance_ids[names.index(part.class_name)]
            meshes.append(
                placed(
                    [mesh_of(hull_faces(part.points, label))],
                    place[None],
                    colors=np.zeros((1, 3), np.float32),
                    indices=np.array([instance_id % INSTANCE_BASE], np.uint16),
                    bodies=np.array([len(moved)]),
                    ranks=np.array([rank]),
                )
            )
            moved.append(place_before @ swing @ np.linalg.inv(place))
        return joined(meshes), np.stack(moved)

    def _place(self, pose: NDArray[np.float64], index: int) -> NDArray[np.float64]:
        x, y, heading = pose
        cosine, sine = np.cos(heading), np.sin(heading)
        in_vehicle = np.array(
            [[cosine, -sine, 0, x], [sine, cosine, 0, y], [0, 0, 1, 0], [0, 0, 0, 1.0]]
        )
        return self._world.ego_motion(index).world_T_vehicle @ in_vehicle


def hull_faces(points: NDArray[np.float64], label: int) -> list[Face]:
    """Return the triangles of the hull of (N, 3) points, counter-clockwise from outside."""
    faces, hull = [], ConvexHull(points)
    for triangle, (*normal, _) in zip(hull.simplices, hull.equations, strict=True):
        corners = points[triangle]
        outward = np.cross(corners[1] - corners[0], corners[2] - corners[0]) @ normal > 0
        faces.append(Face(corners if outward else corners[::-1], next(iter(MATERIALS)), label))
    return faces


def without_cars(seed: int) -> StreetWorld:
    """Return a world in which no car is."""
    world = StreetWorld(seed, size_hw=SIZE_HW, fps=FPS)
    actors = world._traffic.actors
    world._traffic.actors = lambda time_s: (a for a in actors(time_s) if a.kind not in CAR_SHAPES)
    return world


def flow(num_frames: int, worlds: int) -> None:
    """Print errors of flow and occlusion by class, over all worlds."""
    sums: dict[str, NDArray[np.float64]] = defaultdict(lambda: np.zeros(6))
    for seed in range(FIRST_SEED, FIRST_SEED + worlds):
        world = StreetWorld(seed, size_hw=SIZE_HW, fps=FPS)
        frames = frames_of(world, num_frames)
        plan = planned(ADDED, frames, seed)
        built = StreetWorld(seed, size_hw=SIZE_HW, fps=FPS)
        built._traffic = TrafficWithObjects(built._traffic, built, plan)
        for edited in apply_plan(plan, frames):
            truth = built.render(edited.frame_index, image=False)
            own = (edited.provenance > 0) & (edited.instance == truth.instance)
            for row in plan.rows:
                if row.is_live and is_before_camera(row, edited.frame_index, plan):
                    mask = own & np.isin(edited.instance, row.instance_ids)
                    mask &= in_order(truth, row, edited.frame_index, plan)
                    add_errors(sums, row.class_name, mask, edited, truth)
            background = (edited.provenance == 0) & (edited.semantic == truth.semantic)
            add_errors(sums, "of the base", background, edited, truth)
        gone = planned(("remove_cars",), frames, seed)
        empty = without_cars(seed)
        for edited in apply_plan(gone, frames):
            truth = empty.render(edited.frame_index, image=False)
            filled = (edited.provenance == PROVENANCE_INFERRED) & (edited.flow_validity == 1)
            filled &= edited.semantic == truth.semantic
            add_errors(sums, "uncovered ground", filled, edited, truth)
    print(f"{num_frames} frames of {SIZE_HW[1]}x{SIZE_HW[0]} of {worlds} worlds")
    print("| what | pixels | flow, mean px | error, mean px | inside | occlusion wrong |")
    print("|---|---|---|---|---|---|")
    for name, (pixels, length, error, inner, inner_error, wrong) in sums.items():
        figures = f"{length / pixels:.1f} | {error / pixels:.3f} | {inner_error / inner:.3f}"
        print(f"| {name} | {pixels:.0f} | {figures} | {wrong / pixels:.2%} |")


def in_order(
    truth: StreetFrame, row: PlannedEdit, frame_index: int, plan: EditPlan
) -> NDArray[np.bool_]:
    """Mark where the world's renderer shows the face of an object that a ray meets first."""
    depth = true_depth(plan.camera_at(frame_index), row, frame_index - row.first_frame)
    return np.isclose(truth.depth, depth, rtol=0.01)


def is_before_camera(row: PlannedEdit, frame_index: int, plan: EditPlan) -> bool:
    """Say whether an object is there and nothing of it reaches behind the camera."""
    if not row.is_present(frame_index):
        return False
    stance = stance_of(row, frame_index, plan)
    corners = np.concatenate([part.points for part in stance.parts])
    return bool(seen_from_camera(stance, corners)[:, 2].min() > 0.5)


def add_errors(
    sums: dict[str, NDArray[np.float64]],
    name: str,
    mask: NDArray[np.bool_],
    edited: Frame,
    truth: StreetFrame,
) -> None:
    """Add up the errors inside a mask, and off its border."""
    if edited.flow is None or not mask.any():
        return
    error = np.linalg.norm(edited.flow - truth.flow, axis=2)
    inner = cv2.erode(mask.astype(np.uint8), np.ones((3, 3)), borderValue=0) == 1
    length = np.linalg.norm(truth.flow, axis=2)
    wrong = edited.occlusion != truth.occlusion
    sums[name] += [
        mask.sum(), length[mask].sum(), error[mask].sum(), inner.sum(), error[inner].sum(),
        wrong[mask].sum(),
    ]  # fmt: skip


def removal(num_frames: int, worlds: int) -> None:
    """Print how well what cars hid is filled, by class and over all."""
    counts = np.zeros((256, 256), np.int64)
    things = np.isin(np.arange(256), list(CITYSCAPES.thing_ids))
    for seed in range(FIRST_SEED, FIRST_SEED + worlds):
        frames = frames_of(StreetWorld(seed, size_hw=SIZE_HW, fps=FPS), num_frames)
        empty, plan = without_cars(seed), planned(("remove_cars",), frames, seed)
        still = (replace(frame, flow=None) for frame in frames)
        for edited in apply_plan(plan, still):
            if edited.frame_index % 5:
                continue
            truth = empty.render(edited.frame_index, image=False).semantic
            judged = (edited.provenance == PROVENANCE_INFERRED) & ~things[truth]
            pairs = 256 * truth[judged].astype(np.intp) + edited.semantic[judged]
            counts += np.bincount(pairs, minlength=256**2).reshape(256, 256)
    right, true, drawn = np.diag(counts), counts.sum(axis=1), counts.sum(axis=0)
    shown = np.flatnonzero(true > 0.002 * true.sum())
    iou = right / np.maximum(true + drawn - right, 1)
    print(f"{num_frames} frames of {worlds} worlds, {true.sum()} filled pixels")
    print("| class | share | IoU | taken for |")
    print("|---|---|---|---|")
    for one in shown:
        others = np.argsort(-np.where(np.arange(256) == one, 0, counts[one]))[:2]
        wrong = ", ".join(f"{_LABELS[k]} {counts[one, k] / true[one]:.0%}" for k in others)
        print(f"| {_LABELS[one]} | {true[one] / true.sum():.1%} | {iou[one]:.3f} | {wrong} |")
    print(f"| all | right {right.sum() / true.sum():.1%} | {iou[shown].mean():.3f} | |")


def main(what: str, *numbers: str) -> None:
    """Run one of the benchmarks."""
    cv2.setNumThreads(1)
    num_frames, worlds = (int(it) for it in (*numbers, *("100", "3")[len(numbers) :]))
    if what == "flow":
        flow(num_frames, worlds)
    elif what == "removal":
        removal(num_frames, worlds)
    else:
        raise SystemExit(__doc__)


if __name__ == "__main__":
    main(*(sys.argv[1:] or ["help"]))
