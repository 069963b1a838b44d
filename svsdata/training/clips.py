"""Clips for training, as tensors; ``sampler`` says which, and in what order."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from svsdata.object_colours import mean_colours
from svsdata.progress import Progress
from svsdata.randomness import generator
from svsdata.records import Frame
from svsdata.store.reader import StoreReader
from svsdata.tensors import leaves_frame
from svsdata.training.footage import Footage
from svsdata.training.guidance import recorded_guidance
from svsdata.training.sampler import Clip, ClipSampler, Recording
from svsdata.training.strides import every

# B clips, T frames, H, W

_UNTOLD_CLIPS = 0.1
"""Share of the clips of which no object's colour is told: a network learns to do without."""
_UNTOLD_OBJECTS = 0.15
"""Share of the objects of the other clips whose colour is not told."""

Item = TypeVar("Item")
Loaded = TypeVar("Loaded")


@dataclass(frozen=True)
class ClipBatch:
    """The frames of B clips of equal length; None is a layer that the store lacks."""

    image: Tensor
    """(B, T, 3, H, W) uint8."""
    semantic: Tensor
    """(B, T, H, W) uint8 ids."""
    instance: Tensor | None
    """(B, T, H, W) int32 ids; a frame without them has its class ids here."""
    flow: Tensor | None
    """(B, T, 2, H, W) float32 backward flow in pixels."""
    flow_validity: Tensor | None
    """(B, T, 1, H, W) uint8, 1 = the flow is known; zero in a frame without flow."""
    occlusion: Tensor | None
    """(B, T, 1, H, W) uint8, 1 = occluded."""
    guidance: Tensor | None = None
    """(B, T, 4, H, W) uint8, where it was asked for: RGB of what the clip has shown before of the
    standing world, and 1 where that is known."""
    colours: Tensor | None = None
    """(B, NUM_IDS, 4) float32, where they were asked for: the colours of the clip's objects that
    are told."""


@dataclass(frozen=True)
class Source:
    """Footage, and the clips that are drawn of it."""

    footage: Footage
    sampler: ClipSampler


def load_clips(
    footage: Footage,
    clips: Sequence[Clip],
    *,
    size_hw: tuple[int, int],
    crop_hw: tuple[int, int] | None = None,
    guided: bool = False,
    coloured: bool = False,
) -> ClipBatch:
    """Read clips of equal length, resized to ``size_hw``.

    Args:
        footage: Which holds them.
        clips: Which.
        size_hw: Of whole frames.
        crop_hw: What is cut from each frame at its clip's corner; None: all of it. What comes from
            outside the cut is occluded, where the footage tells of occlusion.
        guided: Tell what frames should repeat; needs flow, and neighbouring frames.
        coloured: Tell most of the objects' colours, where the footage has instances.

    Raises:
        StoreError: If a frame is damaged or has another aspect ratio.
    """
    wanted = ("image", "semantic", "instance", "flow", "occlusion")
    layers = tuple(layer for layer in wanted if layer in footage.info.modalities)
    columns: list[dict[str, NDArray[Any]]] = []
    for clip in clips:
        frames = every(
            footage.read(clip.sequence_id, clip.start, clip.stop, layers=layers, size_hw=size_hw),
            clip.frame_stride,
        )
        arrays: Iterable[dict[str, NDArray[Any]]]
        if guided:
            fps = _fps(footage, clip.sequence_id)
            pairs = recorded_guidance(frames, footage.info.label_set, fps)
            arrays = (_frame_arrays(frame, layers) | {"guidance": it} for frame, it in pairs)
        else:
            arrays = (_frame_arrays(frame, layers) for frame in frames)
        columns.append(_stacked(arrays, clip, crop_hw or size_hw))

    def batch(layer: str) -> Tensor:
        return torch.from_numpy(np.stack([column[layer] for column in columns]))

    has_flow = "flow" in layers
    occlusion = batch("occlusion") if "occlusion" in layers else None
    if crop_hw is not None and has_flow and occlusion is not None:
        cut_off = leaves_frame(batch("flow").flatten(0, 1)).view(occlusion.shape)
        occlusion = occlusion.maximum(cut_off.to(occlusion.dtype))
    return ClipBatch(
        image=batch("image"),
        semantic=batch("semantic"),
        instance=batch("instance") if "instance" in layers else None,
        flow=batch("flow") if has_flow else None,
        flow_validity=batch("flow_validity") if has_flow else None,
        occlusion=occlusion,
        guidance=batch("guidance") if guided else None,
        colours=told_colours(clips, columns) if coloured and "instance" in layers else None,
    )


def _fps(footage: Footage, sequence_id: str) -> float:
    """Return the frames a second of a sequence; a store's are nominal."""
    if isinstance(footage, StoreReader):
        return footage.sequence(sequence_id).fps
    return footage.info.fps


def prefetched(
    load: Callable[[Item], Loaded], items: Iterable[Item]
) -> Iterator[tuple[Item, Loaded]]:
    """Yield each item with what ``load`` makes of it, the next one loading in a thread."""
    with ThreadPoolExecutor(max_workers=1) as pool:
        pending: tuple[Item, Any] | None = None
        for item in items:
            following = (item, pool.submit(load, item))
            if pending is not None:
                yield pending[0], pending[1].result()
            pending = following
        if pending is not None:
            yield pending[0], pending[1].result()


def count_pixels(
    reader: StoreReader, recordings: Iterable[Recording], progress: Progress
) -> NDArray[np.int64]:
    """Count the pixels of each class over whole recordings.

    Returns:
        (num_classes,) int64 by id.
    """
    counts = np.zeros(256, np.int64)
    for recording in recordings:
        for frame in reader.read(
            recording.sequence_id, 0, recording.num_frames, layers=("semantic",)
        ):
            assert frame.semantic is not None  # every store has this layer
            counts += np.bincount(frame.semantic.ravel(), minlength=256)
            progress.advance()
    return counts[: reader.info.label_set.num_classes]


def _stacked(
    frames: Iterable[dict[str, NDArray[Any]]], clip: Clip, seen_hw: tuple[int, int]
) -> dict[str, NDArray[Any]]:
    """Stack the layers of a clip over time, channels before rows, as far as they are seen."""
    (top, left), (height, width) = clip.corner, seen_hw
    arrays = [
        {name: layer[..., top : top + height, left : left + width] for name, layer in frame.items()}
        for frame in frames
    ]
    stacked = {name: np.stack([array[name] for array in arrays]) for name in arrays[0]}
    if clip.flip:
        stacked = {name: values[..., ::-1] for name, values in stacked.items()}
        if "flow" in stacked:
            stacked["flow"] = stacked["flow"] * _MIRRORED
    return stacked


_MIRRORED = np.array([-1.0, 1.0], np.float32).reshape(2, 1, 1)
"""What a mirror does to dx and dy."""


def told_colours(clips: Sequence[Clip], columns: Sequence[Mapping[str, NDArray[Any]]]) -> Tensor:
    """Measure the objects' colours over each clip, and leave some out: (B, NUM_IDS, 4)."""
    tables = []
    for clip, column in zip(clips, columns, strict=True):
        images = column["image"].transpose(0, 2, 3, 1)
        table = mean_colours(zip(images, column["instance"], strict=True))
        if clip.untold is not None:
            draws = generator(clip.untold, "untold")
            share = 1.0 if draws.random() < _UNTOLD_CLIPS else _UNTOLD_OBJECTS
            table[draws.random(len(table)) < share] = 0.0
        tables.append(torch.from_numpy(table))
    return torch.stack(tables)


def _frame_arrays(frame: Frame, layers: Sequence[str]) -> dict[str, NDArray[Any]]:
    assert frame.image is not None  # both layers are in every store
    assert frame.semantic is not None
    size_hw = frame.semantic.shape
    arrays: dict[str, NDArray[Any]] = {
        "image": frame.image.transpose(2, 0, 1),
        "semantic": frame.semantic,
    }
    if "instance" in layers:
        instance = frame.semantic if frame.instance is None else frame.instance
        arrays["instance"] = instance.astype(np.int32)
    if "flow" in layers:
        known = frame.flow is not None
        validity = frame.flow_validity if known else np.zeros(size_hw, np.uint8)
        flow = frame.flow if frame.flow is not None else np.zeros((*size_hw, 2), np.float32)
        arrays["flow"] = flow.transpose(2, 0, 1)
        arrays["flow_validity"] = (np.ones(size_hw, np.uint8) if validity is None else validity)[
            None
        ]
    if "occlusion" in layers:
        occlusion = frame.occlusion if frame.occlusion is not None else np.zeros(size_hw, np.uint8)
        arrays["occlusion"] = occlusion[None]
    return arrays
