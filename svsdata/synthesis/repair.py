"""The reference frame made to fit edited labels: what changed there is drawn by the generator."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from svsdata.nets.video_generator import VideoGenerator
from svsdata.records import Image, SemanticMap
from svsdata.synthesis.drift import class_colours
from svsdata.tensors import edges, image_to_tensor, tensor_to_image

_PASSES = 2
"""The second sees the first one's texture instead of flat colours."""


def repaired(
    generator: VideoGenerator[Any],
    image: Image,
    semantic: SemanticMap,
    instance: NDArray[np.uint16] | None,
    *,
    changed: NDArray[np.bool_],
) -> Image:
    """Draw the changed part of a frame anew from its labels; the rest keeps its bytes.

    The generator is told that the part is occluded in the previous frame, which is the frame
    itself with flat colours there: it was trained to fill exactly such parts.

    Args:
        generator: From ``inference_copy``.
        image: (H, W, 3) of the unchanged scene.
        semantic: (H, W) of the changed one.
        instance: (H, W) of the changed one, for generators that take instance borders.
        changed: (H, W), where the two differ.
    """
    height, width = semantic.shape
    multiple = generator.config.size_multiple
    bottom, right = -height % multiple, -width % multiple

    def padded(array: NDArray[Any]) -> NDArray[Any]:
        beyond = ((0, bottom), (0, right), *((0, 0),) * (array.ndim - 2))
        return np.pad(array, beyond, mode="edge")

    device = next(generator.parameters()).device
    labels = torch.from_numpy(padded(semantic))[None].to(device)
    borders = None
    if generator.config.edges:
        if instance is None:
            raise ValueError("the generator takes instance borders, the frame has no instances")
        borders = edges(torch.from_numpy(padded(instance).astype(np.int32))[None].to(device))
    seen = generator.config.context_frames
    features = generator.label_features(
        labels[:, None].repeat(1, seen, 1, 1),
        labels,
        previous_edges=None if borders is None else borders.repeat(1, seen, 1, 1),
        edges=borders,
    ).occluded(torch.from_numpy(padded(changed))[None, None].to(device))
    filled = np.where(changed[..., None], _flat_colours(image, semantic, changed), image)
    for _ in range(_PASSES):
        previous = image_to_tensor(padded(filled).astype(np.uint8))[None].to(device)
        drawn = tensor_to_image(generator.render(previous.repeat(1, seen, 1, 1), features).image[0])
        filled = np.where(changed[..., None], drawn[:height, :width], image)
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
