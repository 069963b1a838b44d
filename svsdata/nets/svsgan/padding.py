"""Maps of any size, made to fit a network: batched over time, and padded right and below.

# B batch, C channels, H, W
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor


def padding(height: int, width: int, multiple: int) -> tuple[int, int, int, int]:
    """Right and bottom padding up to the next multiple, as ``torch.nn.functional.pad`` takes it."""
    return (0, -width % multiple, 0, -height % multiple)


def padded(maps: Tensor, multiple: int) -> Tensor:
    """Pad (B, C, H, W) floats by repeating their border."""
    return F.pad(maps, padding(maps.shape[2], maps.shape[3], multiple), mode="replicate")


def batched(maps: Sequence[Tensor], multiple: int) -> Tensor:
    """Stack (B, H, W) maps over time and pad them by repeating their border."""
    joined = torch.cat(list(maps))
    if not any(padding(joined.shape[1], joined.shape[2], multiple)):
        return joined
    # replicate padding is written for floats; ids up to 255 survive the detour
    return padded(joined.float().unsqueeze(1), multiple).squeeze(1).to(joined.dtype)


def batched_edges(edges: Sequence[Tensor | None], multiple: int) -> Tensor | None:
    """Stack the (B, 1, H, W) instance borders that are there, and pad them; None without any."""
    known = [one.squeeze(1) for one in edges if one is not None]
    return batched(known, multiple).unsqueeze(1) if known else None
