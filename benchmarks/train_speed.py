"""Measure training: seconds a step by network, and where the time of a step goes.

    python benchmarks/train_speed.py [--models demo fast] [--size 512x256] [--threads 2] [--ops 15]

A street of 12 frames is the store; a step is one frame of one clip, late enough in it that both
video discriminators have work. The first step warms up and is not counted. Processor time is told
beside wall time: on a shared machine only the former can be compared.
"""

import argparse
import tempfile
import time
from pathlib import Path

import torch
from torch.profiler import ProfilerActivity, profile

from svsdata.pipelines.configs.label import LabelConfig
from svsdata.pipelines.configs.train import LossWeights, TrainConfig
from svsdata.pipelines.label import run_label
from svsdata.pipelines.training_learner import build_learner
from svsdata.pipelines.training_plan import plan_training
from svsdata.pipelines.training_step import train_step
from svsdata.progress import Silent
from svsdata.training.chunks import chunk_of
from svsdata.training.clips import load_clips
from svsdata.training.schedules import Phase

FRAMES = 12
PARTS = ("generate", "judge", "judge, back", "compare", "compare and generate, back", "update")


def measure(model: str, store: Path, size_hw: tuple[int, int], *, steps: int, ops: int) -> None:
    config = TrainConfig(
        store=store, run=store / "none", model=model, precision="float32",
        phases=(Phase(1, FRAMES, size_hw, 1e-4),),
        loss_weights=LossWeights(pixel=10.0, perceptual=0.0),
    )  # fmt: skip
    plan = plan_training(config, Silent())
    learner = build_learner(config, plan, Silent(), extra_blocks=0)
    began = time.monotonic()
    clips = load_clips(plan.reader, [plan.sampler.clip(0, FRAMES, flips=False)], size_hw=size_hw)
    data_s = (time.monotonic() - began) / (FRAMES - 1)
    seen = learner.average.config.context_frames
    chunk = chunk_of(clips, FRAMES - 1, FRAMES, with_edges=plan.uses_edges, context_frames=seen)
    train_step(learner, chunk, chunk.past_real, 0, config)
    wall, processor = time.monotonic(), time.process_time()
    for step in range(steps):
        train_step(learner, chunk, chunk.past_real, step, config)
    wall, processor = time.monotonic() - wall, time.process_time() - processor
    with profile(activities=[ProfilerActivity.CPU]) as profiler:
        train_step(learner, chunk, chunk.past_real, 0, config)
    averages = profiler.key_averages()
    spent = {event.key: event.cpu_time_total for event in averages if event.key in PARTS}
    whole = sum(spent.values())
    print(
        f"{model}: {wall / steps:.2f} s a step ({processor / steps:.2f} s of processor time), "
        f"data {data_s:.3f} s a step beside it, in a thread"
    )
    print("  " + ", ".join(f"{part} {spent[part] / whole:.0%}" for part in PARTS))
    if ops:
        print(averages.table(sort_by="self_cpu_time_total", row_limit=ops))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", nargs="+", default=["demo"])
    parser.add_argument("--size", default="512x256")
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--ops", type=int, default=0, help="show the costliest operations")
    told = parser.parse_args()
    torch.set_num_threads(told.threads)
    width, height = map(int, told.size.split("x"))
    with tempfile.TemporaryDirectory() as folder:
        store = Path(folder) / "store"
        source = f"street:seed=7,frames={FRAMES}"
        run_label(LabelConfig(source=source, store=str(store)), Silent())
        for model in told.models:
            measure(model, store, (height, width), steps=told.steps, ops=told.ops)


if __name__ == "__main__":
    main()
