"""Does it learn? Overfit one clip, synthesize an unseen one beside vid2vid, and drift for long.

    python benchmarks/learning.py CITYSCAPES_SAMPLE WORK_FOLDER overfit|unseen|drift

``overfit`` trains SVS-GAN on the first sequence alone and draws it from its first frame;
``unseen`` trains SVS-GAN and vid2vid (``--models C A``) on all sequences but the last and draws
that one, by labels alone, and by the recording's motion where the model learned to follow it;
``drift`` draws a long street with the bundled network, and does not read the sample.
Everything computes in one thread; run again, it goes on where it stopped. Perceptual loss and LPIPS
need ``svsdata weights fetch vgg16`` and ``lpips-alex``. Nothing of the sample may be passed on, so
WORK_FOLDER belongs outside the repository.
"""

import argparse
import json
from collections.abc import Sequence
from dataclasses import replace
from importlib.resources import as_file, files
from itertools import chain
from pathlib import Path

import cv2
import torch
from baselines import LAYERS, write_baselines, write_sequence

from svsdata.checkpoints.training_state import checkpoint_folders
from svsdata.cli.progress import Lines
from svsdata.estimation.segmenter_checkpoints import load_network
from svsdata.estimation.transformers_segmenter import TransformersSegmenter
from svsdata.evaluation.clip_figures import Clip, Judges, StoreFigures
from svsdata.pipelines.configs.base import make_config
from svsdata.pipelines.configs.evaluate import EvaluateConfig
from svsdata.pipelines.configs.label import LabelConfig
from svsdata.pipelines.configs.synthesize import SynthesizeConfig
from svsdata.pipelines.configs.train import TrainConfig
from svsdata.pipelines.evaluate import run_evaluate
from svsdata.pipelines.label import run_label
from svsdata.pipelines.synthesize import run_synthesize
from svsdata.pipelines.train import run_train
from svsdata.progress import Progress
from svsdata.store.reader import StoreReader
from svsdata.training.schedules import Phase

SIZE_HW, _HALF_HW = (128, 256), (64, 128)
TRAINING = {
    "phases": (
        Phase(0.12 / 5, 6, _HALF_HW, 4e-4),
        Phase(0.12 / 11, 12, _HALF_HW, 4e-4),
        Phase(0.16 / 11, 12, SIZE_HW, 4e-4),
        Phase(0.6 / 29, 30, SIZE_HW, 4e-4, 4e-5),
    ),
    "steps": 1000,
    "perceptual_weights": "vgg16",
    "max_class_weight": 20.0,
    "reference_free": 0.0,
    "ema_decay": 0.98,
    "ema_start": 50,
    "checkpoint_steps": 20,
    "keep_checkpoints": 50,
    "preview_steps": 100,
}
"""The paper's losses and weights; clips and frames grow."""

_MOTION_FIRST = (
    Phase(0.15 * 4, 2, _HALF_HW, 1e-3, 3e-4, batch_size=4, learns="motion"),
    Phase(0.08 / 5, 6, _HALF_HW, 4e-4),
    Phase(0.08 / 11, 12, _HALF_HW, 4e-4),
    Phase(0.10 * 4, 2, SIZE_HW, 5e-4, 2e-4, batch_size=4, learns="motion"),
    Phase(0.14 / 11, 12, SIZE_HW, 4e-4),
    Phase(0.45 / 29, 30, SIZE_HW, 4e-4, 4e-5),
)
VARIANTS: dict[str, dict[str, object]] = {
    "C": {"model": "C"},
    "A": {"model": "A"},
    "C-mask": {"model": "C", "loss_weights": {"occlusion": 10.0}},
    "C-motion": {
        "model": "C",
        "loss_weights": {"occlusion": 10.0},
        "phases": _MOTION_FIRST,
        "given_motion": 0.5,
    },
}
"""What ``unseen`` compares: SVS-GAN, vid2vid, SVS-GAN whose occlusion mask is taught more, and
SVS-GAN that learns motion first and is given the recording's in half of the clips."""

STREET = "street:seed=7,frames=1000"
SWITCHES: dict[str, dict[str, object]] = {
    "occlusion not forced outside the frame": {"redraw_outside": False},
    "colour pull 0.02": {"colour_pull": 0.02},
    "colour pull 0.1": {"colour_pull": 0.1},
}
_SWITCHED_FRAMES = 201
_SCENE_FRAMES = 60
_JUDGED_EVERY = 10


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sample", type=Path)
    parser.add_argument("work", type=Path)
    parser.add_argument("what", choices=("overfit", "unseen", "drift"))
    parser.add_argument(
        "--models", nargs="+", choices=VARIANTS, default=["C", "A"], help="of unseen"
    )
    parser.add_argument("--width", type=float, default=0.25, help="share of the paper's channels")
    parser.add_argument("--at", type=int, help="measure the checkpoints of this step; no training")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    if arguments.what == "overfit":
        overfit(arguments.sample, arguments.work, arguments.width, arguments.at)
    elif arguments.what == "unseen":
        variants = {name: {**VARIANTS[name], "width": arguments.width} for name in arguments.models}
        unseen(arguments.sample, arguments.work, variants, arguments.at)
    else:
        drift(arguments.work)


def overfit(sample: Path, work: Path, width: float, at: int | None) -> None:
    """Learn one clip by heart, and draw it from its first frame."""
    progress = Lines()
    store = work / "clip"
    label(sample, store, sequence_names(sample)[:1], progress)
    run = work / "overfit"
    changes = {"store": store, "flips": False, "width": width}
    checkpoint = trained(run, changes, at, progress)
    drawn = synthesize(store, checkpoint, work / f"{run.name}-{checkpoint.name}", {}, progress)
    measure(f"overfit, {checkpoint.name}", store, drawn, progress)
    for name, baseline in write_baselines(store).items():
        measure(name, store, baseline, progress)


def unseen(
    sample: Path, work: Path, variants: dict[str, dict[str, object]], at: int | None
) -> None:
    """Learn all sequences but the last; draw that one, beside what needs no learning."""
    progress = Lines()
    names = sequence_names(sample)
    learned, kept_back = work / "train", work / "test"
    label(sample, learned, names[:-1], progress)
    label(sample, kept_back, names[-1:], progress)
    for name, baseline in write_baselines(kept_back).items():
        measure(name, kept_back, baseline, progress)
    for model, choices in variants.items():
        run = work / f"unseen-{model}"
        checkpoint = trained(run, {"store": learned, **choices}, at, progress)
        for motion in ("labels", "store") if "given_motion" in choices else ("labels",):
            out = work / f"{run.name}-{checkpoint.name}-{motion}"
            drawn = synthesize(kept_back, checkpoint, out, {"motion": motion}, progress)
            told = f"model {model}, {checkpoint.name}, motion of the {motion}"
            measure(told, kept_back, drawn, progress)


def drift(work: Path) -> None:
    """Draw 1000 frames of a street from one, fewer with each remedy changed, and a cut."""
    progress = Lines()
    street = work / "street"
    run_label(LabelConfig(source=STREET, store=str(street)), progress)
    cut = write_cut(work, progress)
    with as_file(files("svsdata.checkpoints") / "bundled" / "demo-generator.safetensors") as net:
        drawn = synthesize(street, net, work / "street-long", {}, progress)
        judge("1000 frames", street, drawn, range(_JUDGED_EVERY, 1000, _JUDGED_EVERY), 100)
        places = range(_JUDGED_EVERY, _SWITCHED_FRAMES, _JUDGED_EVERY)
        judge("its first 201", street, drawn, places, 50)
        for number, (name, changes) in enumerate(SWITCHES.items()):
            changes = {**changes, "frames": _SWITCHED_FRAMES}
            drawn = synthesize(street, net, work / f"street-{number}", changes, progress)
            judge(name, street, drawn, places, 50)
        for threshold in (0.0, 0.25):
            cutting: dict[str, object] = {"cut_below": threshold}
            drawn = synthesize(cut, net, work / f"cut-{threshold}", cutting, progress)
            # the cut's own frame is given, not drawn
            second = range(_SCENE_FRAMES + 1, 2 * _SCENE_FRAMES, 2)
            judge(f"cut_below {threshold}, after the cut", cut, drawn, second, 15)


def sequence_names(sample: Path) -> list[str]:
    """Return the sample's sequences, in order."""
    frames = (sample / "leftImg8bit_sequence").rglob("*_leftImg8bit.*")
    return sorted({path.name.rsplit("_", 2)[0] for path in frames})


def label(sample: Path, store: Path, sequences: list[str], progress: Progress) -> None:
    """Put sequences with their predicted maps and DIS flow into a store."""
    config = LabelConfig(
        source=str(sample),
        store=str(store),
        sequences=tuple(sequences),
        size=(SIZE_HW[1], SIZE_HW[0]),
        segmenter="precomputed",
        semantic=str(sample / "pseudo_labels"),
        instance=str(sample / "pseudo_instances"),
        flow="dis",
    )
    run_label(config, progress)


def trained(run: Path, changes: dict[str, object], at: int | None, progress: Progress) -> Path:
    """Train and return the checkpoint, or only return that of a step."""
    if at is not None:
        (checkpoint,) = (one for one in checkpoint_folders(run) if int(one.name[11:]) == at)
        return checkpoint
    config = make_config(TrainConfig, TRAINING, {"run": run, **changes})
    return run_train(config, progress).checkpoint


def synthesize(
    store: Path, checkpoint: Path, out: Path, changes: dict[str, object], progress: Progress
) -> Path:
    """Draw a store's sequences, each from its first frame."""
    request = {"store": store, "checkpoint": checkpoint, "out": out}
    run_synthesize(make_config(SynthesizeConfig, request, changes), progress)
    return out


def measure(name: str, real: Path, drawn: Path, progress: Progress) -> None:
    """Compare with the recording; print means beside the recording's own, and curves."""
    config = EvaluateConfig(
        real=real,
        synthetic=drawn,
        out=drawn.with_name(f"{drawn.name}-report"),
        metrics=("psnr", "ssim", "lpips", "warping_error", "drift"),
        curve_frames=5,
    )
    result = run_evaluate(config, progress)
    report = json.loads(result.report.read_text())
    print(f"\n{name}")
    for figure, found in report["measures"].items():
        tell(figure, found["value"], found["real"], report["curves"][figure]["synthetic"])


def tell(figure: str, mean: float, real: float | None, curve: Sequence[tuple[int, float]]) -> None:
    """Print a figure, the recording's own where it has one, and the curve over the frames."""
    beside = "" if real is None else f", recorded {real:.4f}"
    points = " ".join(f"{first}:{value:.3f}" for first, value in curve)
    print(f"  {figure} {mean:.4f}{beside} [{points}]", flush=True)


def judge(name: str, real: Path, drawn: Path, places: range, bin_frames: int) -> None:
    """Print PSNR, SSIM, colour distance and label agreement of some frames, in bins."""
    recorded, made = StoreReader(real), StoreReader(drawn)
    (sequence,) = made.sequence_ids
    label_set = made.info.label_set
    bundled = files("svsdata.checkpoints") / "bundled" / "demo-segmenter"
    segmenter = TransformersSegmenter(load_network(str(bundled), label_set), label_set)
    judges = Judges(segmenter=segmenter, wanted=frozenset(("psnr", "ssim", "drift")))
    truth = [next(recorded.read(sequence, place, place + 1)) for place in places]
    frames = [next(made.read(sequence, place, place + 1)) for place in places]
    of_real = StoreFigures(label_set, judges, bin_frames)
    of_real.add(Clip(sequence, truth, None))
    figures = StoreFigures(label_set, judges, bin_frames)
    figures.add(Clip(sequence, frames, None, truth))
    figures.compare_colors(of_real.colors.usual())
    print(f"\n{name}")
    for figure, curve in figures.curves.items():
        real_curve = of_real.curves.get(figure)
        tell(figure, curve.mean, real_curve and real_curve.mean, curve.points())


def write_cut(work: Path, progress: Progress) -> Path:
    """Write one recording of two streets, one after the other."""
    streets = work / "two-streets"
    for seed in (7, 8):
        source = f"street:seed={seed},frames={_SCENE_FRAMES}"
        run_label(LabelConfig(source=source, store=str(streets)), progress)
    reader = StoreReader(streets)
    scenes = [reader.read(name, layers=LAYERS) for name in reader.sequence_ids]
    joined = (
        replace(frame, frame_index=index, timestamp_us=index * 100_000)
        for index, frame in enumerate(chain(*scenes))
    )
    write_sequence(work / "cut", reader, "cut", joined)
    return work / "cut"


if __name__ == "__main__":
    main()
