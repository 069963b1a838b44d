"""The whole line on recorded driving video: label, train, synthesize an unseen sequence, export.

    python benchmarks/real_run.py CITYSCAPES_SAMPLE WORK_FOLDER [--steps 900] [--preset finetune]

CITYSCAPES_SAMPLE holds ``leftImg8bit_sequence``, ``pseudo_labels`` and ``pseudo_instances``; its
last sequence is synthesized from its first frame, the others are learned from. Nothing of it may
be passed on, so WORK_FOLDER belongs outside the repository.
"""

import argparse
import json
import resource
import time
from pathlib import Path

import numpy as np

from svsdata.cli.progress import Lines
from svsdata.pipelines.configs.base import make_config
from svsdata.pipelines.configs.export import ExportConfig
from svsdata.pipelines.configs.label import LabelConfig
from svsdata.pipelines.configs.synthesize import SynthesizeConfig
from svsdata.pipelines.configs.train import TrainConfig
from svsdata.pipelines.export import run_export
from svsdata.pipelines.label import run_label
from svsdata.pipelines.synthesize import run_synthesize
from svsdata.pipelines.train import run_train
from svsdata.pipelines.train_presets import train_preset
from svsdata.records import Image
from svsdata.store.reader import StoreReader

SIZE_HW = (256, 512)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("work", type=Path)
    parser.add_argument("--steps", type=int, default=900)
    parser.add_argument("--preset", default="finetune")
    arguments = parser.parse_args()
    data, work = arguments.data, arguments.work
    progress = Lines()
    figures: dict[str, object] = {}

    # Label all but the last sequence for training, and the last one for the test
    frames = data / "leftImg8bit_sequence"
    names = sorted({path.name.rsplit("_", 2)[0] for path in frames.rglob("*_leftImg8bit.*")})
    for store, sequences in (("train", names[:-1]), ("test", names[-1:])):
        labelled = run_label(
            LabelConfig(
                source=str(data),
                store=str(work / store),
                sequences=tuple(sequences),
                segmenter="precomputed",
                semantic=str(data / "pseudo_labels"),
                instance=str(data / "pseudo_instances"),
                flow="dis",
            ),
            progress,
        )
        figures[f"label {store} frames/s"] = labelled.frames_per_s

    # Train a small model
    config = make_config(
        TrainConfig,
        train_preset(arguments.preset),
        {"store": work / "train", "run": work / "run", "steps": arguments.steps},
        {"ema_decay": 0.99},
    )
    began = time.monotonic()
    trained = run_train(config, progress)
    figures["train steps/s"] = trained.steps_done_now / (time.monotonic() - began)
    log = [json.loads(line) for line in (work / "run" / "stats.jsonl").read_text().splitlines()]
    for name in ("loss/pixel", "loss/warp", "loss/flow", "loss/image_adversarial"):
        told = [line[name] for line in log if name in line]
        if told:  # no motion is learned where all of it is given
            figures[f"{name} first and last"] = (told[0], told[-1])

    # Synthesize the unseen sequence from its first frame, along its flow and by labels alone
    motions = ("store", "labels") if config.given_motion else ("labels",)
    for motion in motions:
        out = work / f"synthetic-{motion}"
        request = {"store": work / "test", "checkpoint": work / "run", "out": out, "motion": motion}
        made = run_synthesize(make_config(SynthesizeConfig, request), progress)
        figures[f"synthesize frames/s, motion of the {motion}"] = made.frames_per_second
        figures[f"PSNR (dB), motion of the {motion}"] = _psnr_figures(work / "test", out)

    # Export it
    for form in ("cityscapes", "video"):
        request = {"store": work / f"synthetic-{motions[0]}", "format": form, "out": work / form}
        run_export(make_config(ExportConfig, request), progress)
    figures["peak memory MB"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps(figures, indent=2))


def _psnr_figures(real: Path, synthetic: Path) -> dict[str, float]:
    """Compare every generated frame, and the repeated first frame, with the real one."""
    pictures = [_images(StoreReader(store)) for store in (real, synthetic)]
    first = pictures[0][0]
    pairs = list(zip(*pictures, strict=True))[1:]
    return {
        "generated": float(np.mean([_psnr(a, b) for a, b in pairs])),
        "first frame repeated": float(np.mean([_psnr(a, first) for a, _ in pairs])),
        "generated, frame 2": _psnr(*pairs[0]),
        "generated, last frame": _psnr(*pairs[-1]),
    }


def _images(reader: StoreReader) -> list[Image]:
    (sequence,) = reader.sequence_ids
    frames = reader.read(
        sequence, 0, reader.sequence(sequence).num_frames, layers=("image",), size_hw=SIZE_HW
    )
    return [frame.image for frame in frames if frame.image is not None]


def _psnr(real: Image, other: Image) -> float:
    error = np.mean((real.astype(np.float64) - other) ** 2)
    return float(10 * np.log10(255**2 / error))


if __name__ == "__main__":
    main()
