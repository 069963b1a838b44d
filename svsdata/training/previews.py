"""Pictures that show what a generator has learned."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from svsdata.labels import LabelSet
from svsdata.nets.svsgan.rollout import LabelMaps, RolloutState, inference_copy, rollout
from svsdata.nets.video_generator import VideoGenerator
from svsdata.records import Image
from svsdata.tensors import tensor_to_image
from svsdata.training.chunks import Chunk, chunk_of, reference
from svsdata.training.clips import ClipBatch

PREVIEW_FRAMES = 25
"""Frames of a recording that a preview shows, the reference included."""

_ROWS = 4
_TOGETHER = 2
"""Frames whose labels are encoded at once, in float32 beside a training's own memory."""


@dataclass(frozen=True)
class Preview:
    """One rollout, to look at."""

    strip: Image
    """A row a time step from early to last: reference, labels, generated, real."""
    frames: list[Image]
    """Labels, generated and real side by side, from the first generated frame on."""


@torch.inference_mode()
def roll_out(
    generator: VideoGenerator[Any],
    clip: ClipBatch,
    label_set: LabelSet,
    *,
    with_edges: bool,
    gives_motion: bool,
) -> Preview:
    """Roll a generator out over one clip from its first frame.

    Args:
        generator: Left as it is.
        clip: B = 1, two frames or more.
        label_set: Of the clip's semantic maps.
        with_edges: Whether the generator sees instance borders.
        gives_motion: Whether it follows the store's flow.
    """
    num_frames = clip.image.shape[1]
    maps = (
        _labels(chunk_of(clip, t, t + 1, with_edges=with_edges, gives_motion=gives_motion))
        for t in range(num_frames)
    )
    first = _picture(clip.image[0, 0])
    begin = RolloutState(reference(clip)[:, 0], next(maps))
    outputs = rollout(inference_copy(generator), begin, maps, chunk=_TOGETHER)
    # early frames show sharpness, late ones drift
    shown = {max(1, round((num_frames - 1) * (i / _ROWS) ** 2)) for i in range(1, _ROWS + 1)}
    rows, frames = [], []
    for t, output in enumerate(outputs, start=1):
        labels = label_set.colorize(clip.semantic[0, t].cpu().numpy())
        row = (labels, tensor_to_image(output.image[0]), _picture(clip.image[0, t]))
        frames.append(np.concatenate(row, axis=1))
        if t in shown:
            rows.append((first, *row))
    return Preview(preview_strip(rows), frames)


def preview_strip(rows: Sequence[Sequence[NDArray[np.uint8]]]) -> Image:
    """Lay pictures of equal size out as a table.

    Args:
        rows: Each a sequence of (H, W, 3) uint8 RGB pictures, such as reference, label colours,
            generated and real frame of one time step.
    """
    return np.concatenate([np.concatenate(row, axis=1) for row in rows], axis=0)


def _labels(chunk: Chunk) -> LabelMaps:
    guide = None if chunk.guidance is None else partial(_recorded, chunk.guidance)
    borders = chunk.edges.get("edges")
    return LabelMaps(chunk.semantic, borders, chunk.colours, chunk.motion, guide)


def _recorded(guidance: Tensor, previous_image: Tensor) -> Tensor:
    """Return the guidance of recorded frames, whatever was drawn."""
    return guidance.to(previous_image.device)


def _picture(levels: Tensor) -> Image:
    """Turn (3, H, W) uint8 into (H, W, 3)."""
    picture: Image = levels.permute(1, 2, 0).cpu().numpy()
    return picture
