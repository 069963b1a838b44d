"""What ``svsdata evaluate`` can be told."""

import re
from pathlib import Path
from typing import Literal, TypeAlias

from pydantic import Field, field_validator

from svsdata.pipelines.configs.base import StageConfig

Metric: TypeAlias = Literal[
    "fid", "fvd_i3d", "fvd_cd", "miou", "lpips", "psnr", "ssim", "warping_error", "flow_epe",
    "drift", "identity",
]  # fmt: skip

ALL_METRICS: tuple[Metric, ...] = (
    "fid", "fvd_i3d", "fvd_cd", "miou", "lpips", "psnr", "ssim", "warping_error", "flow_epe",
    "drift", "identity",
)  # fmt: skip


class JudgeWeights(StageConfig):
    """Weights by name (``svsdata weights list``) or by path."""

    inception: str = "inception-fid"
    """Of FID."""
    i3d: str = "i3d-kinetics400"
    """Of FVD."""
    lpips: str | None = None
    """Of LPIPS; left out, those named after ``lpips_trunk``."""
    videomae: str = "videomae-v2-g"
    """Of content-debiased FVD."""
    drn: str = "drn-d-105"
    """Of the judge ``drn``."""


class EvaluateConfig(StageConfig):
    """One comparison of a synthetic store with a real one."""

    real: Path
    """Store of recordings."""
    synthetic: Path
    """Store of synthesized videos, of the same label set and shape of frames; the real
    ones are read at their size."""
    out: Path
    """Folder of report.json and report.html."""
    metrics: tuple[Metric, ...] = Field(ALL_METRICS, min_length=1)
    """What to measure; what lacks its weights is told and left out."""
    first_frame: int = Field(1, ge=0)
    """First frame of each sequence that counts; 1 leaves the given reference frame out."""
    clip_frames: int = Field(16, ge=9)
    """Frames of a clip, one after the other and without overlap; FVD_cd needs 16."""
    clips_per_sequence: int | None = Field(None, ge=1)
    """Count the first so many clips of each sequence alone; None counts all frames."""
    fid_variant: Literal["pytorch-fid", "clean-fid"] = "pytorch-fid"
    """Whose resizing comes before Inception."""
    fvd_framing: Literal["squash", "crop"] = "squash"
    """What FVD sees of a frame: all of it, squashed to a square, as cd-fvd takes arrays, or the
    square in its middle, as cd-fvd's loaders of videos cut it."""
    fvd_ddof: Literal[0, 1] = 0
    """Of FVD's covariances; 0 as cd-fvd, 1 as most others."""
    lpips_trunk: Literal["alex", "vgg"] = "alex"
    """Network of LPIPS."""
    judge: str | None = None
    """Segmenter of mIoU and label agreement: ``drn``, ``demo`` (of the built-in street), or a
    folder or hub name of a OneFormer, Mask2Former or SegFormer; None leaves both out."""
    judge_height: int | None = Field(None, ge=32)
    """Height in pixels that the segmenter sees; None: the frames' own."""
    weights: JudgeWeights = JudgeWeights()
    """Where the networks' weights are."""
    weights_folder: Path = Path("~/.cache/svsdata/weights")
    """Where weights are kept that go by name."""
    kept_figures: Path | None = Path("~/.cache/svsdata/figures")
    """Folder of what was measured of real stores, so that the next evaluation beside the same
    recordings takes it up instead of measuring it again. None, ``none`` in words, keeps nothing
    and takes nothing up."""
    part: str | None = None
    """Measure a part of the sequences alone, ``2/4`` the second of every four, and keep its figures
    in ``kept_figures`` instead of writing a report. The same evaluation without it joins them."""
    precision: Literal["auto", "bf16", "float32"] = "auto"
    """Of the networks of FID, FVD and LPIPS. ``auto``: float32; for LPIPS with AlexNet, which it
    moves by less than 0.1 %, bf16 where the processor computes in it."""
    curve_frames: int = Field(10, ge=1)
    """Frames of a point of the curves over the frame index; where a video would fill more than 256
    points, twice as many, and so on."""
    gallery_clips: int = Field(3, ge=0)
    """Worst and best clips on the page, each."""
    device: str = "auto"
    """cpu, cuda, cuda:1, ...; auto takes a GPU where there is one."""

    @field_validator("part")
    @classmethod
    def _is_one_of(cls, part: str | None) -> str | None:
        if part is None:
            return None
        found = re.fullmatch(r"([1-9]\d*)/([1-9]\d*)", part)
        if not found or int(found[1]) > int(found[2]):
            raise ValueError("expected I/N, one of N parts: 1/4, 2/4, 3/4 or 4/4")
        return part
