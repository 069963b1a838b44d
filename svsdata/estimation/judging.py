"""What a segmenter makes of labels that are written already: the judge's side of segmentation."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from svsdata.records import Image, SemanticMap

_LEAST_PROBABILITY = 1e-12


@dataclass(frozen=True)
class Judgement:
    """One frame's labels as a segmenter sees them."""

    semantic: SemanticMap
    """What it would have written itself, in ids of its label set."""
    loss: NDArray[np.float32]
    """(H, W) cross-entropy of the written label, nats; NaN where its class is unknown to it."""


class Judge(Protocol):
    """Compares images with labels that were written before."""

    @property
    def description(self) -> str:
        """Name, settings and hash of the weights."""

    def judge(self, images: Sequence[Image], semantics: Sequence[SemanticMap]) -> list[Judgement]:
        """Judge (H, W, 3) uint8 RGB images of one size by their (H, W) label maps."""


def judgements(
    probabilities: Tensor, class_ids: Sequence[int], semantics: Sequence[SemanticMap]
) -> list[Judgement]:
    """Read class probabilities as judgements.

    Args:
        probabilities: (B, K, h, w), a distribution over K; enlarged to the maps where they are
            larger.
        class_ids: Label id of each class.
        semantics: B maps of (H, W) label ids.
    """
    size_hw = semantics[0].shape
    if probabilities.shape[-2:] != size_hw:
        probabilities = F.interpolate(probabilities, size_hw, mode="bilinear", align_corners=False)
    index_of = torch.zeros(256, dtype=torch.int64)
    known = torch.zeros(256, dtype=torch.bool)
    ids = torch.tensor(class_ids)
    index_of[ids], known[ids] = torch.arange(len(class_ids)), True
    written = torch.from_numpy(np.stack(semantics)).long()
    places = index_of[written].to(probabilities.device)
    of_written = probabilities.gather(1, places.unsqueeze(1)).squeeze(1)
    losses = -of_written.float().clamp_min(_LEAST_PROBABILITY).log().cpu()
    losses[~known[written]] = torch.nan
    found = ids[probabilities.max(dim=1).indices.cpu()].to(torch.uint8)
    return [
        Judgement(semantic.numpy(), loss.numpy())
        for semantic, loss in zip(found, losses, strict=True)
    ]
