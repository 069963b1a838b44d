"""What ``svsdata label`` may be told."""

from typing import Literal

from pydantic import Field

from svsdata.pipelines.configs.base import StageConfig

ONEFORMER = "shi-labs/oneformer_cityscapes_swin_large"


class LabelConfig(StageConfig):
    """Every choice of a labelling run."""

    source: str
    """A folder (Cityscapes' or KITTI-360's layout, frames, folders of frames, videos), a video
    file, or a street world such as ``street:seed=7,frames=1000,fps=10,size=512x256``."""
    store: str
    """The store to write; made where it is not there, gone on with where it is."""
    segmenter: Literal["oneformer", "precomputed", "exact"] | None = None
    """``oneformer``: a network of transformers. ``precomputed``: maps from ``semantic`` and
    ``instance``. ``exact``: what the street world knows. Left out: exact for a street world, else
    precomputed where ``semantic`` is given, else oneformer."""
    flow: Literal["dis", "exact", "none"] | None = None
    """``dis``: OpenCV's dense inverse search. ``exact``: what the street world knows. Left out:
    exact for a street world, else dis."""
    size: tuple[int, int] | None = None
    """Width and height of the stored frames, of the source's aspect ratio; left out, the
    source's own, and JPEG frames keep their bytes."""
    fps: float | None = Field(default=None, gt=0)
    """Frames a second of a folder of frames (10 where left out); other sources know theirs."""
    sequences: tuple[str, ...] = ()
    """Ids of the sequences to label; empty labels all."""
    label_set: Literal["cityscapes", "cityscapes_train", "kitti360"] | None = None
    """Ids that the store speaks. Left out: kitti360 for precomputed maps of KITTI-360's layout,
    else cityscapes."""
    skip_bad: bool = False
    """Leave unreadable frames out, and record them, instead of stopping at the first one."""

    semantic: str | None = None
    """``precomputed``: folder of the semantic maps; found by themselves in KITTI-360's layout."""
    instance: str | None = None
    """``precomputed``: folder of the instance maps."""
    encoding: Literal["label_ids", "train_ids"] = "label_ids"
    """``precomputed``: whether semantic maps hold ids of the label set or Cityscapes train ids."""

    weights: str = ONEFORMER
    """``oneformer``: a folder or hub name of a OneFormer, Mask2Former or SegFormer checkpoint."""
    download: bool = False
    """``oneformer``: fetch the checkpoint from the hub where the local cache lacks it."""
    input_height: int | None = Field(default=None, ge=32)
    """``oneformer``: height in pixels that the network sees; left out, the frames' own. The cost
    grows with its square: 1024 on 1024x512 frames, as published, takes four times as long."""
    batch_size: int = Field(default=1, ge=1)
    """``oneformer``: frames a batch."""
    precision: Literal["float32", "bfloat16", "float16"] = "float32"
    """``oneformer``: of the network's convolutions and products."""
    device: str = "auto"
    """``oneformer``: cpu, cuda, cuda:1, ...; auto takes a GPU where there is one."""

    flow_check: bool = True
    """``dis``: also estimate the forward flow; where the two disagree the pixel is occluded and
    its flow not valid."""
    part_frames: int = Field(default=64, ge=1)
    """Frames after which a stopped run can go on; rounded up to whole batches."""
