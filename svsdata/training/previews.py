"""Pictures that show what a generator has learned."""

import torch
from torch import Tensor

from svsdata.labels import LabelSet
from svsdata.nets.svsgan.generator import Generator
from svsdata.nets.svsgan.rollout import LabelMaps, RolloutState, inference_copy, rollout
from svsdata.records import Image
from svsdata.tensors import edges, tensor_to_image
from svsdata.training.chunks import reference
from svsdata.training.clips import ClipBatch
from svsdata.training.run_log import preview_strip

_ROWS = 4


@torch.inference_mode()
def rollout_strip(
    generator: Generator, clip: ClipBatch, label_set: LabelSet, *, with_edges: bool
) -> Image:
    """Roll a generator out over one clip from its first frame.

    Args:
        generator: Left as it is.
        clip: B = 1.
        label_set: Of the clip's semantic maps.
        with_edges: Whether the generator sees instance borders.

    Returns:
        RGB picture, a row a time step from early to last: reference, labels, generated, real.
    """
    num_frames = clip.image.shape[1]
    maps = [_labels(clip, t, with_edges=with_edges) for t in range(num_frames)]
    begin = RolloutState(reference(clip)[:, 0], maps[0])
    outputs = rollout(inference_copy(generator), begin, maps[1:])
    # early frames show sharpness, late ones drift
    shown = sorted(
        {max(1, round((num_frames - 1) * (i / _ROWS) ** 2)) for i in range(1, _ROWS + 1)}
    )
    rows = []
    for t, output in enumerate(outputs, start=1):
        if t in shown:
            real = _picture(clip.image[0, t])
            labels = label_set.colorize(clip.semantic[0, t].cpu().numpy())
            first = _picture(clip.image[0, 0])
            rows.append((first, labels, tensor_to_image(output.image[0]), real))
    return preview_strip(rows)


def _labels(clip: ClipBatch, t: int, *, with_edges: bool) -> LabelMaps:
    borders = None
    if with_edges and clip.instance is not None:
        borders = edges(clip.instance[:, t])
    return LabelMaps(clip.semantic[:, t], borders)


def _picture(levels: Tensor) -> Image:
    """Turn (3, H, W) uint8 into (H, W, 3)."""
    picture: Image = levels.permute(1, 2, 0).cpu().numpy()
    return picture
