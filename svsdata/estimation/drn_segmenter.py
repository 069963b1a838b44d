"""DRN-D-105 as a segmenter: the judge that papers report mIoU with."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from svsdata.estimation.judging import Judgement, judgements
from svsdata.estimation.segmenters import Labels
from svsdata.images import resize_image, resize_map
from svsdata.labels import CITYSCAPES_TRAIN, LabelSet, conversion_table
from svsdata.nets.features.drn import Drn105
from svsdata.records import Image, SemanticMap

_SIZE_MULTIPLE = 8
"""The network's scores are at an eighth of its input."""


class DrnSegmenter:
    """A segmenter on DRN-D-105.

    Args:
        network: With its weights.
        weights: What they are, for the description.
        label_set: The ids to speak.
        input_height: Height that the network sees, the width following; None takes the frames as
            they are. Published figures differ by it.
    """

    has_instances = False

    def __init__(
        self, network: Drn105, weights: str, label_set: LabelSet, *, input_height: int | None = None
    ) -> None:
        self._network = network
        self._input_height = input_height
        self._to_label_id = conversion_table(CITYSCAPES_TRAIN, label_set)
        height = input_height or "frame"
        self.description = f"drn-d-105 {weights} input_height={height}"

    def segment(self, images: Sequence[Image]) -> list[Labels]:
        """See ``Segmenter``."""
        height, width = images[0].shape[:2]
        best = self._log_probabilities(images).max(dim=1)
        classes = best.indices.to(torch.uint8).cpu().numpy()
        certain = (best.values.exp() * 255).round().to(torch.uint8).cpu().numpy()
        return [
            Labels(
                semantic=self._to_label_id[resize_map(found, (height, width))],
                confidence=np.asarray(resize_map(sure, (height, width)), np.uint8),
            )
            for found, sure in zip(classes, certain, strict=True)
        ]

    def judge(self, images: Sequence[Image], semantics: Sequence[SemanticMap]) -> list[Judgement]:
        """See ``Judge``."""
        class_ids = self._to_label_id[: CITYSCAPES_TRAIN.num_classes].tolist()
        return judgements(self._log_probabilities(images).exp(), class_ids, semantics)

    @torch.inference_mode()
    def _log_probabilities(self, images: Sequence[Image]) -> Tensor:
        """Return (B, 19, h, w) at the size that the network sees."""
        height, width = images[0].shape[:2]
        scale = (self._input_height or height) / height
        input_hw = (_rounded(height * scale), _rounded(width * scale))
        pixels = np.stack([resize_image(image, input_hw) for image in images])
        device = self._network.mean.device
        inputs = torch.from_numpy(pixels).to(device).permute(0, 3, 1, 2).float() / 255
        log_probabilities: Tensor = self._network(inputs)
        return log_probabilities


def _rounded(side: float) -> int:
    return max(_SIZE_MULTIPLE, round(side / _SIZE_MULTIPLE) * _SIZE_MULTIPLE)
