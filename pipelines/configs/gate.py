"""What ``svsdata gate`` can be told."""

from pathlib import Path

from pydantic import Field

from svsdata.pipelines.configs.base import StageConfig


class GateConfig(StageConfig):
    """One judgement of a store's labels; what is rejected is decided when it is read."""

    store: Path
    """Whose pictures and labels are compared; the findings go into its folder ``gate``."""
    judge: str | None = None
    """The segmenter, which must be named: ``drn``, ``demo`` (of the built-in street), or a folder
    or hub name of a OneFormer, Mask2Former or SegFormer."""
    judge_height: int | None = Field(None, ge=32)
    """Height in pixels that the segmenter sees; None: the frames' own."""
    drn_weights: str = "drn-d-105"
    """Of the segmenter ``drn``, by name or path."""
    weights_folder: Path = Path("~/.cache/svsdata/weights")
    """Where weights are kept that go by name."""
    vote_frames: int = Field(5, ge=1, le=32)
    """Frames along a pixel's path that vote on it, this one and those before; 1: no vote."""
    first_frame: int = Field(1, ge=0)
    """First frame of each sequence that counts, as in ``svsdata evaluate``: 1 leaves the given
    reference frame out of the figures and of the class means that thresholds are multiples of.
    Frames before it are judged by what is found of the others."""
    device: str = "auto"
    """cpu, cuda, cuda:1, ...; auto takes a GPU where there is one."""
