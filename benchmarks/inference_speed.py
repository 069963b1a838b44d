"""Seconds a frame by network, within one run.

    python benchmarks/inference_speed.py [--size 1024x512] [--models C fast] [--dtype bfloat16]

Weights are random: the cost does not depend on them. ``A eager`` is vid2vid's network as PyTorch
runs it, frame by frame, in the same type; the others, A among them, are run as ``svsdata
synthesize`` runs them: copied for inference, what depends on labels alone computed ahead.
``--compile`` adds ``A compiled``: the eager one through ``torch.compile``, which needs a C++
compiler and minutes. All of them keep the memory that they free, as ``svsdata --keep-memory`` does.
The networks take turns, and the best turn of each counts; with ``--processor-time`` the processor's
seconds do, which other work on the machine hardly lengthens (meant for ``--threads 1``). The peak
is that of the machine's own convolutions: 3x3, 512 channels, at a 16th of the size.
"""

import argparse
import time
from collections.abc import Callable, Iterator
from itertools import repeat
from typing import Any

import torch
import torch.nn.functional as F

from svsdata.cli.memory import keep_freed_memory
from svsdata.labels import CITYSCAPES
from svsdata.nets.models import build_generator, model_config
from svsdata.nets.svsgan.rollout import LabelMaps, RolloutState, inference_copy, rollout, step
from svsdata.nets.video_generator import VideoGenerator
from svsdata.pipelines.model_table import model_table

BASE_HEIGHT = 256


def network(model: str, height: int) -> VideoGenerator[Any]:
    doublings = (height // BASE_HEIGHT).bit_length() - 1
    config = model_config(model, CITYSCAPES.num_classes, extra_blocks=doublings)
    torch.manual_seed(0)
    return build_generator(config).eval()


def as_pytorch_runs_it(model: str, height: int, dtype: torch.dtype) -> VideoGenerator[Any]:
    generator = network(model, height)
    generator.cast(dtype)
    return generator


def eager_frames(generator: VideoGenerator[Any], state: RolloutState) -> Iterator[None]:
    while True:
        state, _ = step(generator, state, state.labels)
        yield None


def frames_ahead(generator: VideoGenerator[Any], state: RolloutState, chunk: int) -> Iterator[None]:
    for _ in rollout(generator, state, repeat(state.labels), chunk=chunk):
        yield None


def seconds(call: Callable[[], object], clock: Callable[[], float]) -> float:
    began = clock()
    call()
    return clock() - began


def convolution_peak(
    height: int, width: int, dtype: torch.dtype, clock: Callable[[], float]
) -> float:
    """Return multiplications a second of a convolution that suits the machine."""
    x = torch.randn(1, 512, height // 16, width // 16, dtype=dtype)
    x = x.to(memory_format=torch.channels_last)
    weight = torch.randn(512, 512, 3, 3, dtype=dtype).to(memory_format=torch.channels_last)
    best = min(seconds(lambda: F.conv2d(x, weight, padding=1), clock) for _ in range(12))
    return weight.numel() * x[0, 0].numel() / best


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", default="1024x512")
    parser.add_argument("--models", nargs="+", default=["C", "fast"])
    parser.add_argument("--frames", type=int, default=3)
    parser.add_argument("--chunk", type=int, default=4)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--dtype", choices=("float32", "bfloat16"), default="float32")
    parser.add_argument("--processor-time", action="store_true")
    arguments = parser.parse_args()
    clock = time.process_time if arguments.processor_time else time.perf_counter
    keep_freed_memory()
    torch.set_num_threads(arguments.threads)
    width, height = (int(side) for side in arguments.size.split("x"))
    dtype = getattr(torch, arguments.dtype)

    image = torch.rand(1, 3, height, width) * 2 - 1
    start = RolloutState(image, LabelMaps(torch.full((1, height, width), 7, dtype=torch.uint8)))
    with torch.no_grad():
        runs = {"A eager": eager_frames(as_pytorch_runs_it("A", height, dtype), start)}
        if arguments.compile:
            compiled = as_pytorch_runs_it("A", height, dtype)
            for half in ("label_features", "render"):
                setattr(compiled, half, torch.compile(getattr(compiled, half)))
            runs["A compiled"] = eager_frames(compiled, start)
            took = seconds(lambda: [next(runs["A compiled"]) for _ in range(2)], clock)
            print(f"two frames of A compiled, compiling included: {took:.0f} s")
        for model in ("A", *arguments.models):
            copied = inference_copy(network(model, height), dtype)
            runs[model] = frames_ahead(copied, start, arguments.chunk)
        # A chunk's first frame also pays for the features of the others: whole chunks are timed.
        rounds = max(1, arguments.frames // arguments.chunk)
        best: dict[str, float] = {}
        for _ in range(rounds):
            for name, frames in runs.items():
                count = 1 if name in ("A eager", "A compiled") else arguments.chunk
                took = seconds(lambda: [next(frames) for _ in range(count)], clock) / count  # noqa: B023
                best[name] = min(took, best.get(name, took))
        peak = convolution_peak(height, width, dtype, clock)

    table = {line.model: line.gmac for line in model_table(("A", *arguments.models)).models}
    print(f"{arguments.size}, {arguments.dtype}, {arguments.threads} threads, torch", end=" ")
    print(f"{torch.__version__}; convolution peak {peak / 1e9:.0f} GMAC/s")
    for name, took in best.items():
        rate = table[name.split()[0]][arguments.size] / took
        ratio = best["A eager"] / took
        print(
            f"{name:8s} {took:7.2f} s a frame, {ratio:4.2f} times A eager, {rate:5.0f} GMAC/s, "
            f"{rate * 1e9 / peak:.0%} of the peak"
        )


if __name__ == "__main__":
    main()
