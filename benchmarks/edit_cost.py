"""What applying edits costs: python benchmarks/edit_cost.py WHAT

WHAT is one of

- ``time [FRAMES]``: milliseconds of one core a frame for applying a plan at 1024x512.
- ``flow [FRAMES]``: the same for frames that have flow, which the edit has to keep true.
- ``memory``: peak memory of applying a plan to 500 and to 10000 frames.
"""

import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from itertools import cycle, islice

import cv2
import numpy as np

from svsdata.editing.operations import apply_plan
from svsdata.editing.placement import RoadPath, ego_poses, seen_from
from svsdata.editing.plan import EditPlan, PlannedEdit
from svsdata.editing.shapes import OBJECT_KINDS
from svsdata.labels import CITYSCAPES
from svsdata.records import INSTANCE_BASE, Frame
from svsdata.street_world.scene import StreetWorld

SIZE_HW = (512, 1024)
FPS = 10.0
RUNS = 5
SEED = 7
# Class, metres ahead of frame 0 along the road, metres left of the ego's way, speed along the road.
OBJECTS = (
    ("truck", 30.0, -5.6, 0.0),
    ("car", 62.0, -5.6, 0.0),
    ("person", 45.0, -5.9, -1.2),
    ("bus", 130.0, 3.5, -8.5),
    ("car", 16.0, 0.0, 9.0),
)


def street_frame(world: StreetWorld, index: int) -> Frame:
    """Render the base of an edit, labels alone."""
    return replace(world.frame(index, image=False), flow=None, occlusion=None)


def flowing_frame(world: StreetWorld, index: int) -> Frame:
    """Render the base of an edit with its flow."""
    return world.frame(index, image=False)


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


def cases(plan: EditPlan) -> dict[str, EditPlan]:
    """Return what is timed: one object, all of them, and every car of the street taken out."""
    last = plan.num_frames - 1
    removal = PlannedEdit(
        1, "cars", 0, "remove", "car", "applied", erased_class="car", last_frame=last
    )
    rows = {"one object": plan.rows[:1], "five objects": plan.rows, "all cars removed": (removal,)}
    return {name: replace(plan, rows=chosen) for name, chosen in rows.items()}


def spent_time(num_frames: int, *, with_flow: bool) -> None:
    """Print processor time a frame at 1024x512, the least of some runs: others use the cores."""
    cv2.setNumThreads(1)
    world = StreetWorld(SEED, size_hw=SIZE_HW, fps=FPS)
    draw = flowing_frame if with_flow else street_frame
    frames = [draw(world, index) for index in range(num_frames)]
    for name, plan in cases(placed(world, num_frames)).items():
        spent = []
        for _ in range(RUNS):
            began = time.thread_time()
            for _ in apply_plan(plan, frames):
                pass
            spent.append(time.thread_time() - began)
        print(f"{name}: {1e3 * min(spent) / num_frames:.1f} ms of one core a frame, 1024x512")


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
    some = [street_frame(world, index) for index in range(20)]

    def frames() -> Iterator[Frame]:
        for index, frame in enumerate(islice(cycle(some), num_frames)):
            yield replace(frame, frame_index=index)

    for _ in apply_plan(plan, frames()):
        pass
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def main(what: str, *numbers: str) -> None:
    """Run one of the benchmarks."""
    count = int(numbers[0]) if numbers else 0
    if what in ("time", "flow"):
        spent_time(count or 60, with_flow=what == "flow")
    elif what == "peak":
        peak(count)
    elif what == "memory":
        memory()
    else:
        raise SystemExit(__doc__)


if __name__ == "__main__":
    main(*(sys.argv[1:] or ["help"]))
