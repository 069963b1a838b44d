"""From mask queries to maps, by the rules of Mask2Former's and OneFormer's own inference.

B batch, Q queries, K classes (the last class logit is "no object"), h, w the masks' size,
H, W the frame's.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor


@dataclass(frozen=True)
class Segments:
    """The segments of one frame, which do not overlap."""

    segments: Tensor
    """(H, W) int32; 1..N is a segment, 0 none."""
    classes: tuple[int, ...]
    """Class index of each segment."""
    scores: tuple[float, ...]
    """Class probability of each segment."""


def semantic_scores(class_logits: Tensor, mask_logits: Tensor, size_hw: tuple[int, int]) -> Tensor:
    """Combine the queries into class scores, then enlarge them to the frame.

    Args:
        class_logits: (B, Q, K + 1).
        mask_logits: (B, Q, h, w).
        size_hw: The frame's height and width.

    Returns:
        (B, K, H, W) float32, non-negative; not a distribution.
    """
    probabilities = class_logits.float().softmax(dim=-1)[..., :-1]
    scores = torch.einsum("bqk,bqhw->bkhw", probabilities, mask_logits.float().sigmoid())
    return F.interpolate(scores, size_hw, mode="bilinear", align_corners=False)


def confidence(scores: Tensor) -> Tensor:
    """Return the best class's share of all scores: (B, K, H, W) → (B, H, W) uint8, 255 = all."""
    share = scores.amax(dim=1) / scores.sum(dim=1).clamp_min(1e-12)
    return (share * 255).round().to(torch.uint8)


def instance_segments(
    class_logits: Tensor,
    mask_logits: Tensor,
    size_hw: tuple[int, int],
    *,
    things: tuple[int, ...],
    score_threshold: float = 0.8,
    overlap_threshold: float = 0.8,
) -> Segments:
    """Let the confident queries of thing classes compete for the pixels of their masks.

    Every pixel goes to the query with the highest score times mask probability, if it lies
    inside that query's own mask (probability at least 0.5). A query that keeps less than
    ``overlap_threshold`` of its mask is dropped. Defaults are OneFormer's for Cityscapes, whose
    own rule also counts what a query wins outside its mask: with stuff competing that is little,
    here it would be the whole background.

    Args:
        class_logits: (Q, K + 1) of one frame.
        mask_logits: (Q, h, w).
        size_hw: The frame's height and width.
        things: Class indices with instances.
        score_threshold: Least class probability of a query.
        overlap_threshold: Least share of a mask that must survive the others.
    """
    scores, classes = class_logits.float().softmax(dim=-1).max(dim=-1)
    of_things = torch.isin(classes, torch.tensor(things, device=classes.device))
    kept = torch.nonzero(of_things & (scores > score_threshold)).flatten()
    segments = torch.zeros(size_hw, dtype=torch.int32, device=classes.device)
    if not len(kept):
        return Segments(segments, (), ())
    masks = F.interpolate(
        mask_logits[kept].float()[None], size_hw, mode="bilinear", align_corners=False
    )[0].sigmoid()
    winner = (scores[kept, None, None] * masks).argmax(dim=0)
    found: list[int] = []
    for position, query in enumerate(kept.tolist()):
        inside = masks[position] >= 0.5
        won = (winner == position) & inside
        area = int(won.sum())
        if area and area >= overlap_threshold * int(inside.sum()):
            found.append(query)
            segments[won] = len(found)
    return Segments(segments, tuple(classes[found].tolist()), tuple(scores[found].tolist()))
