"""How often what edits draw changes its order: python benchmarks/edit_order.py STORE PLANS

Counts, for every object that the plans of a folder draw as a solid and everything recorded that
overlaps it, how often it is before that in one frame and behind it in the next, and how often of
these it was so before: it popped. Recorded things and the classes of what has no track (houses,
fences, poles) are told apart, each for the foot of the moment and for the track.
"""

import sys
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from svsdata.editing.occlusion import Layer, layers_of
from svsdata.editing.operations import apply_plan
from svsdata.editing.plan import EditPlan
from svsdata.editing.plan_table import read_plan
from svsdata.editing.shapes import silhouette
from svsdata.editing.track_depths import TrackDepths
from svsdata.labels import label_set_by_name
from svsdata.records import INSTANCE_BASE, Frame
from svsdata.store.reader import StoreReader

LEAST_PX = 10
"""Smaller overlaps do not count."""
Overlap = tuple[bool, int]
"""Whether the object is before the thing, and how many pixels they share."""


def overlaps(plan: EditPlan, base: Sequence[Frame]) -> dict[tuple[str, int, int], list[Overlap]]:
    """Return what objects and what is recorded share in frame after frame.

    By edit, occurrence, and instance id of a thing or class id of what stands and has no track.
    """
    found = defaultdict(list)
    layers = layers_of(label_set_by_name(plan.label_set_name))
    stands = np.isin(layers, (Layer.UPRIGHT, Layer.THIN))
    solids = [row for row in plan.rows if row.is_live and row.draws and row.shape is None]
    for frame, edited in zip(base, apply_plan(plan, base), strict=True):
        k = frame.frame_index
        for row in solids:
            if not (row.first_frame <= k <= row.last_frame and row.is_drawn(k)):
                continue
            step = k - row.first_frame
            parts = row.solid(float(row.travelled_m[step]))
            drawn = silhouette(plan.camera_at(k), parts, row.class_names, row.poses[step])
            if drawn is None:
                continue
            height, width = drawn.part_index.shape
            box = slice(drawn.y, drawn.y + height), slice(drawn.x, drawn.x + width)
            recorded = frame.instance[box][drawn.part_index > 0]
            now = edited.instance[box][drawn.part_index > 0]
            is_own = np.isin(now, row.instance_ids)
            for one in np.unique(recorded).tolist():
                if one < INSTANCE_BASE and not stands[one]:
                    continue
                # Where another drawn object covers both, nothing is told.
                shared: NDArray[np.bool_] = (recorded == one) & (is_own | (now == one))
                if one not in row.erased_ids and shared.sum() >= LEAST_PX:
                    is_before = bool(is_own[shared].mean() > 0.5)
                    key = row.edit_id, row.occurrence, one
                    found[key].append((is_before, int(shared.sum())))
    return found


def changes(plan: EditPlan, base: Sequence[Frame]) -> NDArray[np.int64]:
    """Return (2, 3) changes of order, those there and back, and the pixels that change.

    First with recorded things, then with what has no track.
    """
    told = np.zeros((2, 3), np.int64)
    for (_, _, one), seen in overlaps(plan, base).items():
        at = [min(a[1], b[1]) for a, b in pairwise(seen) if a[0] != b[0]]
        told[int(one < INSTANCE_BASE)] += len(at), max(0, len(at) - 1), sum(at)
    return told


def main(store: str, plans: str) -> None:
    """Count over all plans of a folder and the folders in it."""
    reader, told = StoreReader(store), np.zeros((2, 2, 3), np.int64)
    for path in sorted(Path(plans).rglob("*.parquet")):
        plan = read_plan(path)
        source = plan.sequence_id.split(".")[0]
        base = list(reader.read(source, layers=("semantic", "instance")))
        told += changes(replace(plan, standing=TrackDepths()), base), changes(plan, base)
    for name, both in zip(("foot of the moment", "track"), told, strict=True):
        for what, (count, back, pixels) in zip(("things", "without track"), both, strict=True):
            print(
                f"{name}, {what}: {count} changes, {back} of them there and back, {pixels} pixels"
            )


if __name__ == "__main__":
    if len(sys.argv) != 3:
        raise SystemExit(__doc__)
    main(*sys.argv[1:])
