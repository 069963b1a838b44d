"""What ``svsdata label`` may be told."""

from pathlib import Path
from typing import Any, Literal

from pydantic import Field, field_validator

from svsdata.pipelines.configs.base import StageConfig, width_height

CHECKPOINTS = {
    "oneformer": "shi-labs/oneformer_cityscapes_swin_large",
    "mask2former": "facebook/mask2former-swin-large-cityscapes-panoptic",
    "segformer": "nvidia/segformer-b0-finetuned-cityscapes-1024-1024",
}
"""What the short names of segmenters stand for on the Hugging Face hub."""


class LabelConfig(StageConfig):
    """Every choice of a labelling run."""

    source: str
    """A folder (Cityscapes' or KITTI-360's layout, frames, folders of frames, videos), a video
    file, or a street world such as ``street:seed=7,frames=1000,fps=10,size=512x256``."""
    store: str
    """The store to write; made where it is not there, gone on with where it is."""
    segmenter: str | None = None
    """``oneformer``, ``mask2former``, ``segformer``, or any checkpoint of these families by its
    folder or hub name: a network of transformers. ``precomputed``: maps from ``semantic`` and
    ``instance``. ``exact``: what the street world knows. Left out: exact for a street world, else
    precomputed where ``semantic`` is given or KITTI-360's own maps are there, else oneformer."""
    flow: Literal["dis", "flownet2", "exact", "none"] | None = None
    """``dis``: OpenCV's dense inverse search. ``flownet2``: a network, with ``flow_weights``;
    dozens of times slower. ``exact``: what the street world knows. Left out:
    exact for a street world, else dis."""
    size: tuple[int, int] | None = None
    """Width and height of the stored frames, as ``512x256`` or ``[512, 256]``, of the source's
    aspect ratio; left out, the source's own, and JPEG frames keep their bytes."""
    crop_rows: int | None = Field(default=None, ge=1)
    """Keep only this many rows of every frame, the lower ones, before anything is resized:
    352 makes KITTI-360's 1408x376 frames 4:1. Left out, all rows are kept."""
    fps: float | None = Field(default=None, gt=0)
    """Frames a second, where the source does not tell or tells it wrong: of frames (10 where left
    out), of Cityscapes' layout (17, or as exported), of videos (the file's). Times and speeds
    follow."""
    sequences: tuple[str, ...] = ()
    """Ids of the sequences to label; empty labels all."""
    label_set: Literal["cityscapes", "cityscapes_train", "kitti360"] | None = None
    """Ids that the store speaks. Left out: kitti360 for precomputed maps of KITTI-360's layout,
    else cityscapes."""
    camera: Literal["auto", "assumed"] = "auto"
    """Of recordings that bring no calibration. ``auto``: horizon and height estimated from the cars
    in frames of all of them, which therefore must share one camera; where too few cars are seen,
    and for ``assumed``, Cityscapes' camera. Rows are flagged ``estimated`` or ``assumed``."""
    camera_frames: int = Field(default=40, ge=1)
    """``camera`` auto: frames labelled once more beforehand, spread over the recordings."""
    skip_bad: bool = False
    """Leave unreadable frames, and videos of a folder that cannot be opened, out, and tell them,
    instead of stopping at the first one."""

    semantic: str | None = None
    """``precomputed``: folder of the semantic maps; found by themselves in KITTI-360's layout."""
    instance: str | None = None
    """``precomputed``: folder of the instance maps."""
    confidence: str | None = None
    """``precomputed``: folder of confidence maps of 8 or 16 bits, the greatest value being
    certain; found by themselves in KITTI-360's layout."""
    instance_scope: Literal["frame", "sequence"] | None = None
    """``precomputed``: whether ids of 16-bit instance maps are one object throughout the sequence,
    which makes them stay as they are, or hold for one frame each, which lets the tracker join
    them. Left out: sequence for KITTI-360's own, else frame."""
    encoding: Literal["label_ids", "train_ids"] | None = None
    """``precomputed``: whether semantic maps hold ids of the label set or Cityscapes train ids.
    Left out: label_ids, and maps that show a street in train ids alone stop the run."""
    first_map: int | None = Field(default=None, ge=0)
    """``precomputed``: number of the map of a video's first frame; FFmpeg counts from 1. Left out:
    0, and maps that begin with 1 stop the run."""

    download: bool = False
    """Networks: fetch the checkpoint from the hub where the local cache lacks it."""
    input_height: int | None = Field(default=None, ge=32)
    """Networks: height in pixels that the network sees; left out, the frames' own. The cost
    grows with its square: 1024 on 1024x512 frames, as published, takes four times as long."""
    batch_size: int = Field(default=1, ge=1)
    """Networks: frames a batch."""
    precision: Literal["float32", "bfloat16", "float16"] = "float32"
    """Networks: of their convolutions and products."""
    device: str = "auto"
    """Networks: cpu, cuda, cuda:1, ...; auto takes a GPU where there is one."""

    flow_check: bool = True
    """``dis``, ``flownet2``: also estimate the forward flow; where the two disagree the pixel is
    occluded and its flow not valid."""
    flow_ground: bool = True
    """``dis``: align the plane of roads and other flat ground between frames, and take its flow
    where it explains the picture no worse: single patches of asphalt tell little."""
    flow_weights: str = "flownet2"
    """``flownet2``: path of NVIDIA's FlowNet2_checkpoint.pth.tar, or the name that ``svsdata
    weights fetch`` keeps it under."""
    weights_folder: Path = Path("~/.cache/svsdata/weights")
    """``flownet2``: where ``svsdata weights fetch`` keeps weights."""
    flow_fit: Literal["pad", "resize"] = "pad"
    """``flownet2``: frames whose sides are no multiple of 64 are continued by their border, or
    resized there and back."""
    flow_precision: Literal["float32", "bfloat16"] = "float32"
    """``flownet2``: of the network's features; flows are float32."""
    flow_contrast: Literal["trained", "vid2vid"] = "trained"
    """``flownet2``: vid2vid feeds the network twice the contrast it was trained with, which
    changes the flow grossly; for comparisons with it only."""
    tracking: bool = True
    """Join the instances of single frames into objects whose ids last, where there is flow."""
    vote_classes: bool | None = None
    """Tracking: an object's class is that of most confidence so far, in the semantic map too. Left
    out: so for networks, while ``precomputed`` maps stay as they are, to the last pixel."""
    part_frames: int = Field(default=64, ge=1)
    """Frames after which a stopped run can go on; rounded up to whole batches."""

    @field_validator("size", mode="before")
    @classmethod
    def _width_height(cls, value: Any) -> Any:
        return width_height(value) if isinstance(value, str) else value
