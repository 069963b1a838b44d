"""Labels from OneFormer, Mask2Former and SegFormer.

OneFormer's semantic and instance labels come from one pass of backbone and pixel decoder: the
task enters only the transformer decoder behind them.
"""

from collections.abc import Sequence
from typing import Any, Literal, TypeAlias

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from svsdata.estimation.judging import Judgement, judgements
from svsdata.estimation.mask_postprocessing import confidence, instance_segments, semantic_scores
from svsdata.estimation.segmenter_checkpoints import Network
from svsdata.estimation.segmenters import Labels, fitting_instances
from svsdata.images import resize_image
from svsdata.labels import LabelSet
from svsdata.records import Image, SemanticMap

Precision: TypeAlias = Literal["float32", "bfloat16", "float16"]

_DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}

# Swin halves the size five times.
_SIZE_MULTIPLE = 32


class TransformersSegmenter:
    """A segmenter on a network of transformers.

    Args:
        network: From ``load_network``.
        label_set: The ids to speak: those ``load_network`` mapped the classes to.
        input_height: Height that the network sees, rounded to a multiple of 32, the width
            following; None takes the frames as they are. Cost grows with its square.
        precision: Of the network's convolutions and products; what follows is float32.
    """

    def __init__(
        self,
        network: Network,
        label_set: LabelSet,
        *,
        input_height: int | None = None,
        precision: Precision = "float32",
    ) -> None:
        self._network = network
        self._label_set = label_set
        self._input_height = input_height
        self._precision = precision

    @property
    def description(self) -> str:
        """See ``Segmenter``."""
        height = self._input_height or "frame"
        return f"{self._network.description} input_height={height} {self._precision}"

    @property
    def has_instances(self) -> bool:
        """See ``Segmenter``."""
        return bool(self._network.things)

    def segment(self, images: Sequence[Image]) -> list[Labels]:
        """See ``Segmenter``."""
        return self._labels(*self._scores(images))

    def judge(self, images: Sequence[Image], semantics: Sequence[SemanticMap]) -> list[Judgement]:
        """See ``Judge``; scores of mask queries count by their share of all scores."""
        scores, _ = self._scores(images)
        shares = scores / scores.sum(dim=1, keepdim=True).clamp_min(1e-12)
        return judgements(shares, self._network.to_label_id.tolist(), semantics)

    @torch.inference_mode()
    def _scores(self, images: Sequence[Image]) -> tuple[Tensor, tuple[Tensor, Tensor] | None]:
        """Return (B, K, H, W) class scores at the frames' size, and the queries of instances."""
        size_hw = images[0].shape[:2]
        pixels = self._pixels(images)
        device = pixels.device.type
        enabled = self._precision != "float32"
        with torch.autocast(device, _DTYPES[self._precision], enabled=enabled):
            if self._network.family == "segformer":
                logits = self._network.model(pixel_values=pixels).logits
                enlarged = F.interpolate(
                    logits.float(), size_hw, mode="bilinear", align_corners=False
                )
                return enlarged.softmax(dim=1), None
            outputs = (
                task_outputs(self._network, pixels)
                if self._network.family == "oneformer"
                else _taskless_outputs(self._network, pixels)
            )
        return semantic_scores(*outputs["semantic"], size_hw), outputs["instance"]

    def _pixels(self, images: Sequence[Image]) -> Tensor:
        """Return the (B, 3, h, w) float32 input of the network."""
        height, width = images[0].shape[:2]
        scale = (self._input_height or height) / height
        input_hw = (_rounded(height * scale), _rounded(width * scale))
        resized = np.stack([resize_image(image, input_hw) for image in images])
        mean, std = self._network.mean, self._network.std
        pixels = torch.from_numpy(resized).to(mean.device).permute(0, 3, 1, 2).float() / 255
        return (pixels - mean) / std

    def _labels(self, scores: Tensor, instances: tuple[Tensor, Tensor] | None) -> list[Labels]:
        size_hw = (scores.shape[-2], scores.shape[-1])
        best = scores.max(dim=1).indices  # equals argmax, in a third of its time on a processor
        semantic = self._network.to_label_id[best].cpu().numpy()
        certain = confidence(scores).cpu().numpy()
        if instances is None or not self._network.things:
            return [Labels(semantic[i], None, certain[i]) for i in range(len(semantic))]
        labels = []
        for i, (class_logits, mask_logits) in enumerate(zip(*instances, strict=True)):
            found = instance_segments(
                class_logits, mask_logits, size_hw, things=self._network.things
            )
            ids = [int(self._network.to_label_id[index]) for index in found.classes]
            segments = found.segments.cpu().numpy()
            instance = fitting_instances(semantic[i], segments, ids, self._label_set)
            labels.append(Labels(semantic[i], instance, certain[i]))
        return labels


def task_outputs(network: Network, pixels: Tensor) -> dict[str, tuple[Tensor, Tensor]]:
    """Run OneFormer's pixel level once and its decoder once a task.

    Args:
        network: A OneFormer.
        pixels: (B, 3, h, w) normalised input.

    Returns:
        By task: class logits (B, Q, K + 1) and mask logits (B, Q, h/4, w/4), equal bit for bit to
        two whole passes.
    """
    model: Any = network.model.model
    pixel_level = model.pixel_level_module(pixels)
    outputs = {}
    for task, tokens in network.task_tokens.items():
        decoded = model.transformer_module(
            multi_scale_features=pixel_level.decoder_features,
            mask_features=pixel_level.decoder_last_feature,
            task_token=model.task_encoder(tokens.expand(len(pixels), -1).to(model.dtype)),
        )
        outputs[task] = (decoded.prediction_class, decoded.prediction_masks)
    return outputs


def _taskless_outputs(network: Network, pixels: Tensor) -> dict[str, tuple[Tensor, Tensor]]:
    """Run Mask2Former, whose queries serve both tasks."""
    output = network.model(pixel_values=pixels)
    queries = (output.class_queries_logits, output.masks_queries_logits)
    return {"semantic": queries, "instance": queries}


def _rounded(side: float) -> int:
    return max(_SIZE_MULTIPLE, round(side / _SIZE_MULTIPLE) * _SIZE_MULTIPLE)
