"""What ``svsdata synthesize`` can be told."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from svsdata.pipelines.configs.base import StageConfig


class SynthesizeConfig(StageConfig):
    """One synthesis of videos from the label maps of a store."""

    store: Path
    """Where labels and reference frames come from."""
    checkpoint: Path
    """A run directory, a checkpoint folder or a generator file."""
    out: Path
    """Store to write."""
    sequences: tuple[str, ...] = ()
    """Which sequences; none named: all."""
    frames: int | None = Field(None, ge=1)
    """Frames a video, the reference frame included; None: as many as the sequence has."""
    presets: tuple[str, ...] = ()
    """Edit presets by name, as ``--edit`` gives them."""
    edit_files: tuple[Path, ...] = ()
    """Files in the edit language."""
    edits: Mapping[str, Mapping[str, Any]] = Field(default_factory=dict)
    """Changes to single edits: fields of the edit language by edit id, such as
    ``edits.truck.at.left_m = -3.5``."""
    variants: int = Field(1, ge=1)
    """Videos a sequence, each with edits drawn anew."""
    seed: int = Field(0, ge=0)
    """Of the edits' choices; the network draws nothing."""
    allow_unseen: bool = False
    """Accept edits whose classes the checkpoint never saw in training."""
    chunk_length: int = Field(4, ge=1, le=64)
    """Frames whose label features are computed in one batch; results depend on it by rounding."""
    part_frames: int = Field(64, ge=1)
    """Frames after which a stopped run can go on, rounded up to whole chunks."""
    cut_below: float = Field(0.0, ge=0, le=1)
    """Label agreement (mean IoU) of neighbours under which the recording's own frame begins the
    video anew; 0: never. Around 0.25 finds the cuts of driving videos."""
    colour_pull: float = Field(0.0, ge=0, le=1)
    """How far colours go back to the reference frame's, by class, every chunk; against drift over
    thousands of frames. 0: off; 0.02 is slow."""
    precision: Literal["auto", "bf16", "float32"] = "auto"
    """``auto``: bf16 where the processor computes in bf16, else float32."""
    device: str = "auto"
    """``auto``: a GPU where there is one, else ``cpu``."""
