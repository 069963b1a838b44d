"""Show the whole line on the street world: label, edit, synthesize, export, measure, one page."""

import time
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from svsdata.checkpoints.weights import BUNDLED, BUNDLED_GENERATOR
from svsdata.estimation.segmenter_checkpoints import load_network
from svsdata.estimation.transformers_segmenter import TransformersSegmenter
from svsdata.evaluation.segmentation import Confusion
from svsdata.labels import CITYSCAPES
from svsdata.pipelines.configs.demo import DemoConfig
from svsdata.pipelines.configs.export import ExportConfig
from svsdata.pipelines.configs.label import LabelConfig
from svsdata.pipelines.configs.synthesize import SynthesizeConfig
from svsdata.pipelines.demo_page import DemoResult, write_demo_page
from svsdata.pipelines.export import run_export
from svsdata.pipelines.label import run_label
from svsdata.pipelines.run_dir import open_run_dir
from svsdata.pipelines.synthesize import run_synthesize
from svsdata.progress import Progress
from svsdata.store.reader import StoreReader
from svsdata.synthesis.compute import chosen_device, peak_bytes
from svsdata.tensors import computes_bf16

FRAMES = 1000
FRAMES_ON_SLOW_PROCESSORS = 300
RECORDED_FRAMES = 100
"""Frames of the street that are labelled; synthesis renders its labels on beyond them."""
BEFORE_AFTER_WITHIN = 200
"""The frames that are also drawn without the edit, to show what it changed."""
VISIBLE_SHARE = 0.001
"""Of a frame's pixels, from which on an edit counts as visible."""
SHOWN_SHARE = 0.1
"""Of a frame's pixels that the edit may cover where it is shown; more would hide the street."""
JUDGED_EVERY = 5
"""Frames between two that the segmenter judges."""


def run_demo(config: DemoConfig, progress: Progress, *, overwrite: bool = False) -> DemoResult:
    """Make the demo; run again it goes on where it stopped.

    Args:
        config: How long, and of what.
        progress: Told every frame of every stage.
        overwrite: Set a folder that holds something else aside, as ``OUT.old-N``.

    Raises:
        SvsDataError: Of any kind that its stages raise.
    """
    began = time.monotonic()
    out = config.out
    open_run_dir(out, config, overwrite=overwrite, may_differ={"out"})
    num_frames = config.frames or affordable_frames(progress)

    # Record a stretch of street, with its exact labels
    source = f"street:seed={config.seed},frames={min(RECORDED_FRAMES, num_frames)}"
    labelled = run_label(LabelConfig(source=source, store=str(out / "store")), progress)

    # Edit its labels and draw the video, far beyond what was recorded
    request = SynthesizeConfig(
        store=out / "store",
        checkpoint=BUNDLED_GENERATOR,
        out=out / "synthetic",
        frames=num_frames,
        presets=(config.edit,),
        seed=config.seed,
    )
    synthesized = run_synthesize(request, progress)
    edited = _edited_shares(out / "synthetic")
    shown = telling_frame(edited[:BEFORE_AFTER_WITHIN])
    unedited = {"out": out / "unedited", "frames": max(shown + 1, 2), "presets": ()}
    run_synthesize(request.model_copy(update=unedited), progress)

    # Hand it over as people use it
    run_export(
        ExportConfig(store=out / "synthetic", format="cityscapes", out=out / "cityscapes"),
        progress,
    )
    run_export(ExportConfig(store=out / "synthetic", format="video", out=out / "video"), progress)

    # Ask a segmenter whether the pictures show what the labels say
    network = load_network(str(BUNDLED / "demo-segmenter"), CITYSCAPES)
    judge = TransformersSegmenter(network, CITYSCAPES)
    generated = _agreement(out / "synthetic", judge, progress)
    rendered = _agreement(out / "store", judge, progress)

    # Tell it on one page
    result = DemoResult(
        page=out / "index.html",
        frames=num_frames,
        shortened=num_frames < FRAMES,
        label_frames_per_s=labelled.frames_per_s,
        synthesize_frames_per_s=round(synthesized.frames_per_second, 2),
        edited_frames_share=round(float(np.mean(edited > VISIBLE_SHARE)), 4),
        pixel_accuracy=round(generated.pixel_accuracy(), 4),
        mean_iou=round(generated.mean_iou(), 4),
        rendered_pixel_accuracy=round(rendered.pixel_accuracy(), 4),
        rendered_mean_iou=round(rendered.mean_iou(), 4),
        peak_memory_mb=round(peak_bytes(torch.device("cpu")) / 2**20, 1),
        seconds=round(time.monotonic() - began, 1),
    )
    write_demo_page(config, result, shown=shown, generated=generated, rendered=rendered)
    return result


def telling_frame(edited: NDArray[np.float64]) -> int:
    """Return the frame to show an edit in: where it is largest, or has shrunk enough since.

    Args:
        edited: (N,) share of each frame's pixels that the edit has set.
    """
    largest = int(np.argmax(edited))
    fitting = np.flatnonzero(edited[largest:] <= SHOWN_SHARE)
    return largest + int(fitting[0]) if fitting.size else largest


def affordable_frames(progress: Progress) -> int:
    """Return how many frames three minutes hold on this machine; told where they are fewer."""
    if computes_bf16(chosen_device("auto")):
        return FRAMES
    progress.note(
        "no GPU, and a processor that does not compute in bf16: the video is shortened to "
        f"{FRAMES_ON_SLOW_PROCESSORS} of {FRAMES} frames; 'svsdata demo FOLDER --frames {FRAMES}' "
        "makes all of them, in another folder"
    )
    return FRAMES_ON_SLOW_PROCESSORS


def _edited_shares(store: Path) -> NDArray[np.float64]:
    """Return each frame's share of pixels that an edit has set."""
    reader = StoreReader(store)
    (sequence_id,) = reader.sequence_ids
    stop = reader.sequence(sequence_id).num_frames
    frames = reader.read(sequence_id, 0, stop, layers=("provenance",))
    return np.array([0.0 if it.provenance is None else np.mean(it.provenance > 0) for it in frames])


def _agreement(store: Path, judge: TransformersSegmenter, progress: Progress) -> Confusion:
    """Count how every few frames of a store are segmented, against their labels."""
    reader = StoreReader(store)
    (sequence_id,) = reader.sequence_ids
    places = range(0, reader.sequence(sequence_id).num_frames, JUDGED_EVERY)
    total = Confusion.empty(reader.info.label_set)
    progress.start(f"judge {store.name}", len(places))
    for index in places:
        for frame in reader.read(sequence_id, index, index + 1):
            if frame.image is not None and frame.semantic is not None:
                (labels,) = judge.segment([frame.image])
                total += Confusion.of(frame.semantic, labels.semantic, reader.info.label_set)
        progress.advance()
    return total
