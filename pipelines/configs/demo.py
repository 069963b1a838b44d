"""What ``svsdata demo`` can be told."""

from pathlib import Path

from pydantic import Field

from svsdata.pipelines.configs.base import StageConfig


class DemoConfig(StageConfig):
    """One showing of the whole line on the street world."""

    out: Path
    """Folder to write; its ``index.html`` is what to look at."""
    frames: int | None = Field(None, ge=2)
    """Frames of the video. None: 1000 where the machine computes in bf16 (GPU, AMX, AVX-512
    BF16), fewer on slower processors."""
    edit: str = "add_truck"
    """Edit preset that is applied to the street's labels."""
    seed: int = Field(7, ge=0)
    """Of the street and of the edit's choices."""
