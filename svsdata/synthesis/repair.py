"""The reference frame made to fit edited labels: what changed there is drawn by the generator."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from svsdata.nets.svsgan.rollout import LabelMaps, redrawn
from svsdata.nets.video_generator import VideoGenerator
from svsdata.records import Image, SemanticMap
from svsdata.synthesis.drift import class_colours
from svsdata.tensors import image_to_tensor, tensor_to_image

_PASSES = 2
"""The second sees the first one's texture instead of flat colours."""


def repaired(
    generator: VideoGenerator[Any],
    image: Image,
    labels: LabelMaps,
    *,
    changed: NDArray[np.bool_],
) -> Image:
    """Draw the changed part of a frame anew from its labels; the rest keeps its bytes.

    The generator is told that the part is occluded in the previous frame, which is the frame
    itself with flat colours there: it was trained to fill exactly such parts.

    Args:
        generator: From ``inference_copy``.
        image: (H, W, 3) of the unchanged scene.
        labels: Of the changed one, B = 1, on the generator's device.
        changed: (H, W), where the two differ.
    """
    semantic = labels.semantic[0].cpu().numpy()
    where = torch.from_numpy(changed)[None, None].to(labels.semantic.device)
    filled = np.where(changed[..., None], _flat_colours(image, semantic, changed), image)
    for _ in range(_PASSES):
        previous = image_to_tensor(filled.astype(np.uint8))[None].to(where.device)
        drawn = tensor_to_image(redrawn(generator, previous, labels, where)[0])
        filled = np.where(changed[..., None], drawn, image)
    return filled


def _flat_colours(image: Image, semantic: SemanticMap, changed: NDArray[np.bool_]) -> Image:
    """Paint each class in the mean colour that it has where nothing changed."""
    num_classes = int(semantic.max()) + 2
    elsewhere = np.where(changed, num_classes - 1, semantic).astype(np.uint8)
    values = np.moveaxis(image, -1, 0).astype(np.float32)
    colours = class_colours(values, elsewhere, num_classes)
    known = colours.num_pixels[:-1] > 0
    overall = values[:, ~changed].mean(axis=1) if not changed.all() else np.full(3, 127.5)
    table = np.where(known[:, None], colours.mean[:-1], overall)
    return table.round().astype(np.uint8)[semantic]
