"""Exponential moving average of a network's weights."""

import torch
from torch import nn


def decay_at(step: int, *, decay: float, start: int) -> float:
    """Return the decay of a step (from 0): none before ``start``, so the average is a copy."""
    return decay if step >= start else 0.0


@torch.no_grad()
def update_average(average: nn.Module, source: nn.Module, *, decay: float) -> None:
    """Move an average towards its source: ``average = decay * average + (1 - decay) * source``.

    Buffers (running statistics, vectors of spectral norms) are copied.

    Args:
        average: Network of the same shape as ``source``; changed in place.
        source: Network being trained.
        decay: In [0, 1]; 0 copies.
    """
    torch._foreach_lerp_(list(average.parameters()), list(source.parameters()), 1.0 - decay)
    for kept, current in zip(average.buffers(), source.buffers(), strict=True):
        kept.copy_(current)
