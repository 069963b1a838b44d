"""Shifted objects against the street on which they really stand there.

    python benchmarks/edit_shift.py [FRAMES [WORLDS]]

All cars are moved, to the left and ahead, drawn as solids and with their own outlines; the truth is
the same street with these cars moved. Told is the intersection over union of what is visible of
them, by their distance, for cars of which own outlines are known, and the jumps of the silhouettes'
middles from frame to frame beyond those of the truth.
"""

import sys
from collections import defaultdict
from dataclasses import replace
from itertools import pairwise

import cv2
import numpy as np
from edit_truth import FIRST_SEED, FPS, SIZE_HW, frames_of
from numpy.typing import NDArray

from svsdata.editing.edit_text import parse_edits
from svsdata.editing.operations import apply_plan
from svsdata.editing.plan import EditPlan
from svsdata.editing.scene import Scene, scan_scene
from svsdata.editing.trial import plan_on_frames
from svsdata.labels import CITYSCAPES
from svsdata.records import Frame
from svsdata.street_world.scene import StreetWorld

BANDS_M = (0, 10, 20, 40, 80)
SHIFTS = ((0.0, 1.0), (0.0, -1.0), (5.0, 0.0))
"""Metres ahead and to the left."""
LEAST_PX = 60
EDIT = """
version: 1
edits:
  - {{id: moved, op: shift, target: {{class: car}}, by_m: {{ahead: {ahead}, left: {left}}},
     shape: {{from: {shape}}}, checks: {{collision: ignore, off_surface: ignore, jump_px: 99}}}}
"""


def moved_world(seed: int, indices: set[int], ahead_m: float, left_m: float) -> StreetWorld:
    """Return a world in which vehicles stand or drive elsewhere."""
    world = StreetWorld(seed, size_hw=SIZE_HW, fps=FPS)
    actors = world._traffic.actors

    def moved(time_s: float):
        for actor in actors(time_s):
            if actor.index in indices and actor.kind != "person":
                yield replace(actor, place=shifted(actor.place))
            else:
                yield actor

    def shifted(place):
        return lambda time_s: tuple(np.add(place(time_s), (ahead_m, left_m)))

    world._traffic.actors = moved
    return world


def planned(scene: Scene, frames: list[Frame], shape: str, by_m: tuple[float, float]) -> EditPlan:
    """Plan the shift of all cars."""
    text = EDIT.format(ahead=by_m[0], left=by_m[1], shape=shape)
    edits = parse_edits(text, "shift").edits
    return plan_on_frames(edits, scene, 0, lambda wanted: (frames[index] for index in wanted))


class Scores:
    """Agreement and jumps by distance."""

    def __init__(self) -> None:
        self.iou: dict[int, list[float]] = defaultdict(list)
        self.jump: dict[int, list[float]] = defaultdict(list)
        self._before: dict[int, tuple[int, NDArray[np.float64]]] = {}

    def add(self, index: int, instance_id: int, ahead_m: float, masks: list[NDArray]) -> None:
        """Compare the (H, W) masks of an object as it is drawn and as it is."""
        drawn, true = masks
        if true.sum() < LEAST_PX:
            return
        band = int(np.searchsorted(BANDS_M, ahead_m, side="right")) - 1
        self.iou[band].append(float((drawn & true).sum() / (drawn | true).sum()))
        if not drawn.any():
            return
        off = np.subtract(*(np.argwhere(mask).mean(axis=0) for mask in masks))
        frame, before = self._before.get(instance_id, (-2, off))
        if frame == index - 1:
            self.jump[band].append(float(np.linalg.norm(off - before)))
        self._before[instance_id] = index, off


def score(plan: EditPlan, frames: list[Frame], truth: list[NDArray], scores: Scores, ids) -> None:
    """Compare an edited street with the true one, for some objects of the base."""
    rows = [row for row in plan.rows if row.is_live and row.erased_ids[0] in ids]
    for edited in apply_plan(plan, frames):
        index = edited.frame_index
        for row in rows:
            if row.is_present(index) and row.is_drawn(index):
                ahead_m = float(row.poses[index - row.first_frame, 0])
                masks = [edited.instance == row.instance_ids[0], truth[index] == row.erased_ids[0]]
                scores.add(index, row.erased_ids[0], ahead_m, masks)


def main(num_frames: int = 60, worlds: int = 3) -> None:
    """Print both tables."""
    cv2.setNumThreads(1)
    scores = {shape: Scores() for shape in ("solid", "own")}
    known, cars = 0, 0
    for seed in range(FIRST_SEED, FIRST_SEED + worlds):
        world = StreetWorld(seed, size_hw=SIZE_HW, fps=FPS)
        frames = [replace(it, flow=None, occlusion=None) for it in frames_of(world, num_frames)]
        scene = scan_scene(iter(frames), sequence_id="s", label_set=CITYSCAPES, fps=FPS)
        for by_m in SHIFTS:
            plans = {shape: planned(scene, frames, shape, by_m) for shape in scores}
            live = [{row.erased_ids[0] for row in p.rows if row.is_live} for p in plans.values()]
            both = live[0] & live[1]
            own = {r.erased_ids[0] for r in plans["own"].rows if r.shape is not None} & both
            known, cars = known + len(own), cars + len(both)
            for shape, plan in plans.items():
                rows = tuple(row for row in plan.rows if row.is_live and row.erased_ids[0] in both)
                street = moved_world(seed, {one % 1000 for one in both}, *by_m)
                truth = [street.render(at, image=False).instance for at in range(num_frames)]
                score(replace(plan, rows=rows), frames, truth, scores[shape], own)
    print(f"{num_frames} frames of {worlds} worlds; own outlines of {known} of {cars} moved cars")
    spans = [f"{low}-{high} m" for low, high in pairwise(BANDS_M)]
    print(f"| drawn as | {' | '.join(spans)} | middle jumps, px |")
    print("|---|---|---|---|---|---|")
    for shape, it in scores.items():
        told = [f"{np.mean(it.iou[k]):.3f} ({len(it.iou[k])})" for k in range(len(spans))]
        jumps = np.concatenate([it.jump[k] for k in it.jump])
        tails = f"{np.mean(jumps):.2f}, 95 % under {np.percentile(jumps, 95):.1f}"
        print(f"| {shape} | {' | '.join(told)} | {tails} |")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
