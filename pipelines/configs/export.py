"""What ``svsdata export`` can be told."""

from pathlib import Path
from typing import Literal

from pydantic import Field

from svsdata.pipelines.configs.base import StageConfig


class ExportConfig(StageConfig):
    """One export of a store into another format."""

    store: Path
    """What is exported."""
    format: Literal["cityscapes", "video"]
    """``cityscapes``: folders of PNG files; ``video``: MP4 with the labels beside the frames."""
    out: Path
    """Folder to write."""
    sequences: tuple[str, ...] = ()
    """Which sequences; none named: all."""
    split: str = Field("train", pattern=r"^[A-Za-z0-9_-]+$")
    """Name of the split folder (cityscapes)."""
    image_folder: Literal["leftImg8bit_sequence", "leftImg8bit"] = "leftImg8bit_sequence"
    """Folder of the frames; tools that know no sequences look into ``leftImg8bit`` (cityscapes)."""
