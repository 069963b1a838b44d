"""What ``svsdata export`` can be told."""

from pathlib import Path
from typing import Literal, TypeAlias, get_args

from pydantic import Field

from svsdata.pipelines.configs.base import StageConfig

Format: TypeAlias = Literal["cityscapes", "kitti360", "coco-panoptic", "webdataset", "video"]
FORMATS: tuple[Format, ...] = get_args(Format)


class ExportConfig(StageConfig):
    """One export of a store into another format."""

    store: Path
    """What is exported."""
    format: Format
    """``cityscapes``, ``kitti360``: folders of PNG files in those data sets' layout;
    ``coco-panoptic``: pictures of segments and one JSON; ``webdataset``: tar files of samples;
    ``video``: MP4 with the labels beside the frames."""
    out: Path
    """Folder to write."""
    sequences: tuple[str, ...] = ()
    """Which sequences; none named: all."""
    split: str = Field("train", pattern=r"^[A-Za-z0-9_-]+$")
    """Name of the split folder (all but video)."""
    gate_loss_ratio: float | None = Field(None, gt=0)
    """Blank pixels whose loss at the gate exceeds so many times the mean of their class; FreeMask
    takes 1.25. None: none; else ``svsdata gate`` must have judged the store."""
    gate_object_agreement: float | None = Field(None, ge=0, le=1)
    """Blank objects that the gate's judge sees as their class on a smaller share of their pixels.
    None: none."""
    image_folder: Literal["leftImg8bit_sequence", "leftImg8bit"] = "leftImg8bit_sequence"
    """Folder of the frames; tools that know no sequences look into ``leftImg8bit`` (cityscapes)."""
