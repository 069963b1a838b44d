"""A small SegFormer trained from scratch on stores: the demo's judge and the measure of use.

It is an ordinary ``transformers`` model: a folder with ``config.json`` and safetensors, loaded by
the same adapter as the published segmenters, its classes named in ``id2label``.
"""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
import transformers
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F
from transformers import SegformerConfig, SegformerForSemanticSegmentation

from svsdata.labels import CITYSCAPES_TRAIN, conversion_table
from svsdata.progress import Progress, Silent
from svsdata.randomness import generator
from svsdata.records import Image, SemanticMap
from svsdata.store.reader import StoreReader
from svsdata.tensors import computes_bf16
from svsdata.training.clips import count_pixels
from svsdata.training.sampler import Recording

# ImageNet's, which SegFormer's image processors apply to RGB in [0, 1].
_MEAN = (0.485, 0.456, 0.406)
_STD = (0.229, 0.224, 0.225)
_HIGHEST_RATE = 1e-3


def small_segformer() -> SegformerForSemanticSegmentation:
    """Return an untrained SegFormer of 1.07 M parameters for the 19 evaluated classes."""
    names = {label.id: label.name for label in CITYSCAPES_TRAIN.labels}
    config = SegformerConfig(
        id2label=names,
        label2id={name: index for index, name in names.items()},
        hidden_sizes=[24, 48, 96, 160],
        depths=[1, 2, 2, 1],
        num_attention_heads=[1, 2, 4, 5],
        decoder_hidden_size=96,
    )
    return SegformerForSemanticSegmentation(config)


def training_frames(
    reader: StoreReader, *, seed: int, size_hw: tuple[int, int]
) -> Iterator[tuple[Image, SemanticMap]]:
    """Yield single frames of a store without end, in an order that is a function of the seed.

    Yields:
        (H, W, 3) uint8 RGB and (H, W) uint8 train ids (255 = not evaluated); every second frame is
        mirrored.
    """
    to_train_ids = conversion_table(reader.info.label_set, CITYSCAPES_TRAIN)
    places = [
        (sequence_id, index)
        for sequence_id in reader.sequence_ids
        for index in range(reader.sequence(sequence_id).num_frames)
    ]
    epoch = 0
    while True:
        random = generator(seed, "segmenter frames", epoch)
        for place in random.permutation(len(places)):
            sequence_id, index = places[place]
            [frame] = reader.read(sequence_id, index, index + 1, size_hw=size_hw)
            if frame.image is None or frame.semantic is None:
                raise ValueError("the reader was asked for images and semantic maps")
            step = -1 if random.random() < 0.5 else 1
            yield frame.image[:, ::step], to_train_ids[frame.semantic][:, ::step]
        epoch += 1


def train_segmenter(
    model: SegformerForSemanticSegmentation,
    frames: Iterator[tuple[Image, SemanticMap]],
    *,
    steps: int,
    batch_size: int,
    class_weights: Tensor | None,
    progress: Progress,
) -> None:
    """Train in place with cross-entropy, AdamW and linear decay after a short warm-up.

    Contrast varies a little from frame to frame, so that no exact shade is learned.

    Args:
        model: From ``small_segformer``, or any of its kind.
        frames: As ``training_frames`` yields them.
        steps: Updates.
        batch_size: Frames an update.
        class_weights: (19,) factor of each class's pixels, such as ``bounded_class_weights``; None
            counts all pixels alike.
        progress: Told every step.
    """
    optimizer = torch.optim.AdamW(model.parameters(), lr=_HIGHEST_RATE, weight_decay=0.01)
    warm_up = max(steps // 20, 1)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: min((step + 1) / warm_up, (steps - step) / steps)
    )
    model.train()
    progress.start("train segmenter", steps, unit="steps")
    for step in range(steps):
        images, targets = _batch(frames, batch_size)
        random = generator(step, "segmenter contrast")
        contrast = 0.85 + 0.3 * random.random((batch_size, 1, 1, 1), dtype=np.float32)
        with torch.autocast("cpu", torch.bfloat16, enabled=computes_bf16(torch.device("cpu"))):
            logits = model(pixel_values=_normalized(images) * torch.from_numpy(contrast)).logits
        loss = segmentation_loss(logits.float(), targets, class_weights)
        optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward([loss])
        optimizer.step()
        schedule.step()
        progress.advance(loss=loss.item())
    model.eval()


def bounded_class_weights(pixel_counts: NDArray[np.int64]) -> Tensor:
    """Weigh rare classes more, at most 50 times as much as one that fills every frame (ENet).

    Args:
        pixel_counts: (K,) pixels by class.

    Returns:
        (K,) float32: 1 / ln(1.02 + share); 0 for a class without pixels.
    """
    share = pixel_counts / max(pixel_counts.sum(), 1)
    return torch.from_numpy(np.where(pixel_counts > 0, 1 / np.log(1.02 + share), 0)).float()


def class_weights_of(reader: StoreReader) -> Tensor:
    """Return ``bounded_class_weights`` of a store's pixels, by train id."""
    recordings = [Recording(name, reader.sequence(name).num_frames) for name in reader.sequence_ids]
    counts = count_pixels(reader, recordings, Silent())
    train_ids = conversion_table(reader.info.label_set, CITYSCAPES_TRAIN)[: len(counts)]
    evaluated = np.bincount(train_ids, counts, minlength=256)[: CITYSCAPES_TRAIN.num_classes]
    return bounded_class_weights(evaluated.astype(np.int64))


def save_segmenter(model: SegformerForSemanticSegmentation, folder: Path) -> None:
    """Write a folder that ``estimation.segmenter_checkpoints.load_network`` reads."""
    transformers.utils.logging.disable_progress_bar()  # the library's bars ignore --quiet
    model.save_pretrained(folder)
    settings = {"image_mean": _MEAN, "image_std": _STD, "do_resize": False}
    (folder / "preprocessor_config.json").write_text(json.dumps(settings), encoding="utf-8")


def segmentation_loss(
    logits: Tensor, targets: Tensor, class_weights: Tensor | None = None
) -> Tensor:
    """Return the mean cross-entropy at full size.

    Args:
        logits: (B, K, h, w) at the network's own stride.
        targets: (B, H, W) int64 class indices, 255 = not counted.
        class_weights: (K,) as in ``train_segmenter``.
    """
    full = F.interpolate(logits, targets.shape[-2:], mode="bilinear", align_corners=False)
    return F.cross_entropy(full, targets, class_weights, ignore_index=255)


def _batch(frames: Iterator[tuple[Image, SemanticMap]], batch_size: int) -> tuple[Tensor, Tensor]:
    pairs = [next(frames) for _ in range(batch_size)]
    images = np.ascontiguousarray(np.stack([image for image, _ in pairs]).transpose(0, 3, 1, 2))
    targets = np.stack([semantic for _, semantic in pairs]).astype(np.int64)
    return torch.from_numpy(images), torch.from_numpy(targets)


def _normalized(images: Tensor) -> Tensor:
    mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in (_MEAN, _STD))
    return (images.float() / 255 - mean) / std
