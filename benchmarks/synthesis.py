"""Measure synthesis: frames a second, peak memory, and where the time of a frame goes.

    python benchmarks/synthesis.py STORE CHECKPOINT [--frames 200] [--edit add_truck] [--threads 2]
    python benchmarks/synthesis.py --rows 1 2 4 [--model C --width 0.25]
    python benchmarks/synthesis.py --key-frames 1 4 [--model C] [--motion labels]

The base sequence is the store's first; each length runs in a process of its own, so that its peak
memory is its own. Without STORE and CHECKPOINT a street of 40 frames and an untrained ``demo``
generator are made: its pictures mean nothing, its cost is that of a trained one. ``--rows`` tells
the processor time of the network alone, with so many videos in a batch, the best of three rounds.
``--key-frames`` tells that of the pictures alone, with a key frame in so many frames; the street
then brings its flow.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from svsdata.checkpoints.weights import CheckpointInfo, save_generator
from svsdata.images import encode_png
from svsdata.labels import CITYSCAPES
from svsdata.nets.svsgan.generator import Generator
from svsdata.nets.svsgan.presets import generator_config
from svsdata.pipelines.configs.synthesize import SynthesizeConfig
from svsdata.pipelines.synthesis_plan import prepare
from svsdata.pipelines.synthesize import run_synthesize
from svsdata.progress import Silent
from svsdata.store.format import StoreInfo
from svsdata.store.reader import StoreReader
from svsdata.store.writer import StoreWriter
from svsdata.street_world.scene import StreetWorld
from svsdata.synthesis.advancing import Take

SIZE_HW = (256, 512)


def make_inputs(folder: Path, model: str, width: float, *, flow: bool) -> tuple[Path, Path]:
    """Make a street store and an untrained checkpoint."""
    layers = ("image", "semantic", "instance") + ("flow", "occlusion") * flow
    info = StoreInfo(CITYSCAPES, SIZE_HW, 10.0, layers)
    world = StreetWorld(7, size_hw=SIZE_HW, fps=10.0)
    source = f"street:seed=7,frames=40,fps=10,size={SIZE_HW[1]}x{SIZE_HW[0]}"
    with StoreWriter(folder / "store", info).sequence("street-7", source=source, fps=10.0) as rows:
        for index in range(40):
            frame = world.frame(index)
            rows.append(frame if flow else replace(frame, flow=None, occlusion=None))
        rows.commit(instance_scope="sequence")
    torch.manual_seed(1)
    config = generator_config(model, CITYSCAPES.num_classes, edges=True, width=width)
    generator = Generator(config)
    checkpoint = CheckpointInfo(
        model=model,
        label_set=CITYSCAPES,
        size_hw=SIZE_HW,
        fps=10.0,
        pixel_counts={label.name: 1 for label in CITYSCAPES.labels},
        step=0,
        reference_free=False,
        uses_instances=True,
        store_id="benchmark",
        given_motion=flow,
    )
    save_generator(folder / "generator.safetensors", generator, checkpoint)
    return folder / "store", folder / "generator.safetensors"


def run_whole(config: SynthesizeConfig) -> dict[str, float]:
    """Run the stage as a user would, and tell its rate and this process's peak memory."""
    started = time.monotonic()
    result = run_synthesize(config, Silent())
    return {
        "frames_per_second": result.frames_per_second,
        "seconds": time.monotonic() - started,
        "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def in_own_process(arguments: list[str], *, frames: int) -> dict[str, float]:
    command = [sys.executable, __file__, *arguments, "--frames", str(frames), "--one-run"]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    figures: dict[str, float] = json.loads(output)
    return figures


def milliseconds(action: Callable[[], object], repeats: int) -> float:
    started = time.perf_counter()
    for _ in range(repeats):
        action()
    return (time.perf_counter() - started) / repeats * 1000


def measure_parts(config: SynthesizeConfig, frames: int = 48) -> dict[str, float]:
    """Time each link of the chain alone, in milliseconds a frame."""
    synthesis = prepare(config)
    stream, drawn = synthesis.videos[0].labels, synthesis.video_maker
    labelled = list(stream.frames(0, frames))
    list(drawn.render(labelled[:9], None))
    parts = {
        "labels": milliseconds(lambda: list(stream.frames(0, frames)), 1) / frames,
        "network": milliseconds(lambda: list(drawn.render(labelled, None)), 1) / (frames - 1),
    }
    image = labelled[0].image
    assert image is not None
    picture = np.ascontiguousarray(image)
    parts["image_png"] = milliseconds(lambda: encode_png(picture), 20)
    maps = [one for one in (labelled[0].semantic, labelled[0].instance) if one is not None]
    parts["map_pngs"] = milliseconds(lambda: [encode_png(one) for one in maps], 20)
    return parts


def measure_rows(config: SynthesizeConfig, rows: Sequence[int], frames: int = 9) -> None:
    """Print the milliseconds a frame and video of batches of several videos."""
    synthesis = prepare(config)
    labelled = list(synthesis.videos[0].labels.frames(0, frames))
    maker = synthesis.video_maker
    best = dict.fromkeys(rows, float("inf"))
    for _ in range(4):  # the first warms up
        for count in rows:
            started = time.process_time()
            list(maker.render_together([Take(labelled)] * count, rows=count))
            took = (time.process_time() - started) * 1000
            best[count] = min(best[count], took / count / (frames - 1))
    for count, took in best.items():
        print(f"{count} in a batch: {took:.1f} ms a frame, {best[rows[0]] / took:.2f} times")


def measure_key_frames(config: SynthesizeConfig, intervals: Sequence[int]) -> None:
    """Print the processor time of drawing and filling, with so many frames to a key frame."""
    synthesis = prepare(config)
    count = max(2 * synthesis.video_maker.chunk_length, *intervals)
    labelled = list(synthesis.videos[0].labels.frames(0, count))
    for interval in intervals:
        maker = replace(synthesis.video_maker, keyframe_interval=interval)
        took = []
        for _ in range(2):  # the first warms up
            started = time.process_time()
            drawn = [
                one.frame.models.get("image") == maker.name for one in maker.render(labelled, None)
            ]
            took.append((time.process_time() - started) * 1000)
        told = f"{sum(drawn)} of {count - 1} drawn, {min(took) / (count - 1):.1f} ms a frame"
        print(f"a key frame in {interval}: {told}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("store", nargs="?", type=Path)
    parser.add_argument("checkpoint", nargs="?", type=Path)
    parser.add_argument("--frames", type=int, default=200)
    parser.add_argument("--edit", action="append", default=[])
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--chunk-length", type=int, default=8)
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--rows", type=int, nargs="+", default=[], help="videos in a batch")
    parser.add_argument("--key-frames", type=int, nargs="+", default=[], help="frames to one")
    parser.add_argument("--motion", default="auto")
    parser.add_argument("--model", default="demo", help="of the untrained generator")
    parser.add_argument("--width", type=float, default=1.0)
    parser.add_argument("--one-run", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    with tempfile.TemporaryDirectory() as folder:
        if options.store is None:
            options.store, options.checkpoint = make_inputs(
                Path(folder), options.model, options.width, flow=bool(options.key_frames)
            )
        config = SynthesizeConfig(
            store=options.store,
            checkpoint=options.checkpoint,
            out=Path(folder) / "out",
            sequences=(StoreReader(options.store).sequence_ids[0],),
            frames=options.frames,
            presets=tuple(options.edit),
            chunk_length=options.chunk_length,
            precision=options.precision,
            motion=options.motion,
        )
        if options.key_frames:
            measure_key_frames(config, options.key_frames)
            return
        if options.rows:
            measure_rows(config, options.rows)
            return
        if options.one_run:
            print(json.dumps(run_whole(config)))
            return
        arguments = [str(options.store), str(options.checkpoint)]
        arguments += ["--threads", str(options.threads), "--precision", options.precision]
        arguments += ["--chunk-length", str(options.chunk_length)]
        arguments += [word for edit in options.edit for word in ("--edit", edit)]
        print("milliseconds a frame, each alone:", measure_parts(config))
        for frames in (100, options.frames):
            print(f"{frames} frames:", in_own_process(arguments, frames=frames))


if __name__ == "__main__":
    main()
