"""The page of the demo: what was made, what was measured, and how."""

import platform
from math import isnan
from pathlib import Path

import torch
from pydantic import BaseModel, ConfigDict

from svsdata.evaluation.page import picture_uri, video_uri, write_page
from svsdata.evaluation.segmentation import Confusion
from svsdata.pipelines.configs.demo import DemoConfig
from svsdata.records import Frame
from svsdata.store.reader import StoreReader

NONE = "-"


class DemoResult(BaseModel):
    """What the demo made and measured."""

    model_config = ConfigDict(frozen=True)

    page: Path
    frames: int
    shortened: bool
    """Whether the video has fewer frames than on a machine that computes in bf16."""
    label_frames_per_s: float
    synthesize_frames_per_s: float
    edited_frames_share: float
    """Share of frames in which something edited is visible."""
    pixel_accuracy: float
    """Of a segmenter on generated frames, against the labels they were made from."""
    mean_iou: float
    rendered_pixel_accuracy: float
    """Of the same segmenter on the street world's own frames: as good as it gets."""
    rendered_mean_iou: float
    peak_memory_mb: float
    seconds: float


def write_demo_page(
    config: DemoConfig,
    result: DemoResult,
    *,
    shown: int,
    generated: Confusion,
    rendered: Confusion,
) -> None:
    """Write ``result.page``.

    Args:
        config: What was asked for.
        result: What was measured.
        shown: Index of the frame that is shown with and without the edit.
        generated: Agreement of the segmenter with the labels of the generated frames.
        rendered: The same on the street world's own frames.
    """
    out = config.out
    reader = StoreReader(out / "synthetic")
    (sequence_id,) = reader.sequence_ids
    height, width = reader.info.size_hw
    seconds = result.frames / reader.info.fps
    write_page(
        result.page,
        "demo.html",
        {
            "title": f"Street video with the edit '{config.edit}'",
            "lead": (
                "Labels of a procedural street were edited by a script, and a small SVS-GAN drew "
                "the video from them: one reference frame, then label maps and their flow."
            ),
            "video": video_uri(out / "video" / f"{sequence_id}.mp4"),
            "video_caption": (
                f"{result.frames} frames, {seconds:.0f} s. Left: generated. Right: with the "
                f"labels it was made from, the edit '{config.edit}' among them."
            ),
            "numbers": _numbers(result, f"{width}x{height}"),
            "strips": _strips(out, shown),
            "agreement_text": (
                "A small SegFormer that learned on other streets segments every fifth frame; its "
                "answer is compared with the labels. The right column is the same on rendered "
                "frames, which bounds what the left one can reach."
            ),
            "classes": _classes(generated, rendered),
            "notes": [
                f"svsdata demo --set seed={config.seed} --set edit={config.edit}",
                f"{platform.machine()}, {torch.get_num_threads()} threads, "
                f"AMX: {_yes_no(torch.cpu._is_amx_tile_supported())}, "
                f"AVX-512 bf16: {_yes_no(torch.cpu._is_avx512_bf16_supported())}, "
                f"GPU: {_yes_no(torch.cuda.is_available())}, PyTorch {torch.__version__}",
                "Every frame beyond the first is the network's; it never sees the street's own "
                "pictures again. It keeps what the labels' flow shows of the frame before, draws a "
                "share of it anew, and all that is new.",
                "Folders for Cityscapes' tools: cityscapes/. Stores: store/, synthetic/.",
            ],
            "footer": "Generated content, marked as such in every exported file.",
        },
    )


def _numbers(result: DemoResult, size: str) -> list[dict[str, str]]:
    fps = result.synthesize_frames_per_s
    real = result.rendered_pixel_accuracy
    return [
        {"value": f"{fps:.1f}" if fps else NONE, "meaning": f"frames/s synthesized at {size}"},
        {
            "value": f"{result.pixel_accuracy:.1%}",
            "meaning": f"label agreement by pixel; rendered frames {real:.1%}",
        },
        {
            "value": f"{result.mean_iou:.3f}",
            "meaning": f"mean IoU of the same; rendered frames {result.rendered_mean_iou:.3f}",
        },
        {"value": f"{result.edited_frames_share:.0%}", "meaning": "of the frames show the edit"},
        {"value": f"{result.peak_memory_mb:.0f} MB", "meaning": "peak memory of the whole demo"},
        {"value": f"{result.seconds:.0f} s", "meaning": "from nothing to this page"},
    ]


def _strips(out: Path, shown: int) -> list[list[dict[str, str]]]:
    """Return labels and pictures of one frame, without and with the edit."""
    before, after = (_frame(out / store, shown) for store in ("unedited", "synthetic"))
    label_set = StoreReader(out / "synthetic").info.label_set
    strips: list[list[dict[str, str]]] = [[], []]
    for frame, words in ((before, "before"), (after, "after")):
        if frame.image is None or frame.semantic is None:
            raise ValueError("synthesized frames have images and labels")
        for strip, picture, what in (
            (strips[0], label_set.colorize(frame.semantic), "labels"),
            (strips[1], frame.image, "generated"),
        ):
            caption = f"frame {shown}, {what}, {words} the edit"
            strip.append({"source": picture_uri(picture), "caption": caption})
    return strips


def _frame(store: Path, index: int) -> Frame:
    reader = StoreReader(store)
    return next(reader.read(reader.sequence_ids[0], index, index + 1))


def _classes(generated: Confusion, rendered: Confusion) -> list[dict[str, str]]:
    shares, left, right = generated.true_share(), generated.iou(), rendered.iou()
    return [
        {
            "name": name,
            "share": f"{share:.2%}",
            "generated": _ratio(left[name]),
            "rendered": _ratio(right[name]),
        }
        for name, share in sorted(shares.items(), key=lambda item: -item[1])
        if share
    ]


def _ratio(value: float) -> str:
    return NONE if isnan(value) else f"{value:.3f}"


def _yes_no(value: bool) -> str:
    return "yes" if value else "no"
