"""Measure training: seconds a step by network, and where the time of a step goes.

    python benchmarks/train_speed.py [--models C A] [--size 512x256] [--precision bf16] [--steps 3]

A street of 12 frames is the store; a step is one frame of one clip, late enough in it that both
video discriminators have work. The first step warms up and is not counted. ``--ops 15`` shows the
costliest operations. Processor time is told
beside wall time: on a shared machine only the former can be compared. The way back counts for the
part whose operations it undoes. The perceptual loss needs ``svsdata weights fetch vgg16``, or
``--perceptual none``.
"""

import argparse
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

import torch
from torch import nn
from torch.autograd.profiler_util import FunctionEvent
from torch.profiler import ProfilerActivity, profile, record_function

from svsdata.pipelines.configs.label import LabelConfig
from svsdata.pipelines.configs.train import LossWeights, TrainConfig
from svsdata.pipelines.label import run_label
from svsdata.pipelines.training_learner import Learner, build_learner
from svsdata.pipelines.training_plan import plan_training
from svsdata.pipelines.training_step import train_step
from svsdata.progress import Silent
from svsdata.training.chunks import chunk_of
from svsdata.training.clips import load_clips
from svsdata.training.schedules import Phase

FRAMES = 12
RANGES = ("generate", "judge", "judge, back", "compare", "compare and generate, back", "update")
"""What a step of training names for profilers."""
FORTH = 0
"""Scope of what is not gone back through, torch/csrc/autograd/record_function.h"""
BACK = "autograd::engine::evaluate_function"
REST = "losses and the rest"
Opened = list[record_function]


def measure(
    model: str,
    store: Path,
    size_hw: tuple[int, int],
    *,
    told: argparse.Namespace,
) -> None:
    perceptual = None if told.perceptual == "none" else told.perceptual
    config = TrainConfig(
        store=store, run=store / "none", model=model, precision=told.precision,
        phases=(Phase(1, FRAMES, size_hw, 1e-4),),
        perceptual_weights=perceptual,
        loss_weights=LossWeights(pixel=10.0, perceptual=10.0 if perceptual else 0.0),
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
    for step in range(told.steps):
        train_step(learner, chunk, chunk.past_real, step, config)
    wall, processor = time.monotonic() - wall, time.process_time() - processor
    parts = name_parts(learner)
    with profile(activities=[ProfilerActivity.CPU]) as profiler:
        train_step(learner, chunk, chunk.past_real, 0, config)
    spent = time_by_part(profiler.events(), {*parts, "generate", "update"})
    whole = sum(spent.values())
    print(
        f"{model}: {wall / told.steps:.2f} s a step ({processor / told.steps:.2f} s of processor "
        f"time), data {data_s:.3f} s a step beside it, in a thread"
    )
    for part, took in spent.items():
        print(f"  {part:24s} {wall / told.steps * took / whole:6.2f} s {took / whole:4.0%}")
    if told.ops:
        print(profiler.key_averages().table(sort_by="self_cpu_time_total", row_limit=told.ops))


def name_parts(learner: Learner) -> tuple[str, ...]:
    """Let profilers see when each judging network computes; return the names they see."""
    networks = learner.networks
    judging: dict[str, tuple[nn.Module, ...]] = {
        "image discriminator": (networks.image_judge.network,),
        "video discriminators": networks.video_discriminators,
    }
    if learner.objective.perceptual_net is not None:
        judging["perceptual"] = (learner.objective.perceptual_net,)
    for name, modules in judging.items():
        for module in modules:
            opened: list[record_function] = []

            def enter(_: nn.Module, __: object, name: str = name, opened: Opened = opened) -> None:
                opened.append(record_function(name))
                opened[-1].__enter__()

            def leave(_: nn.Module, __: object, ___: object, opened: Opened = opened) -> None:
                opened.pop().__exit__(None, None, None)

            module.register_forward_pre_hook(enter)
            module.register_forward_hook(leave)
    return tuple(judging)


def time_by_part(events: Iterable[FunctionEvent], parts: set[str]) -> dict[str, float]:
    """Return microseconds by part, longest first, forth and back; all others are ``REST``."""
    ordered = sorted(events, key=lambda event: event.time_range.start)
    spans = [event for event in ordered if event.name in parts]
    spent = dict.fromkeys([REST, *(span.name for span in spans)], 0.0)
    spent[REST] = sum(event.cpu_time_total for event in ordered if event.name in RANGES)
    part_of_node: dict[int, str] = {}
    for event in ordered:
        part, took = None, event.cpu_time_total
        if event.name.startswith(BACK):
            part = part_of_node.get(event.sequence_nr)
        elif event.name in parts:
            part = event.name
        elif event.sequence_nr >= 0 and event.scope == FORTH:
            at = event.time_range.start
            within = [s.name for s in spans if s.time_range.start <= at <= s.time_range.end]
            part_of_node[event.sequence_nr] = within[-1] if within else REST
        if part not in (None, REST):
            spent[part] += took
            spent[REST] -= took
    return dict(sorted(spent.items(), key=lambda part: -part[1]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", nargs="+", default=["demo"])
    parser.add_argument("--size", default="512x256")
    parser.add_argument("--precision", choices=("float32", "bf16"), default="float32")
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--perceptual", default="vgg16", help="weights, or none")
    parser.add_argument("--ops", type=int, default=0, help="show the costliest operations")
    told = parser.parse_args()
    torch.set_num_threads(told.threads)
    width, height = map(int, told.size.split("x"))
    with tempfile.TemporaryDirectory() as folder:
        store = Path(folder) / "store"
        source = f"street:seed=7,frames={FRAMES}"
        run_label(LabelConfig(source=source, store=str(store)), Silent())
        for model in told.models:
            measure(model, store, (height, width), told=told)


if __name__ == "__main__":
    main()
