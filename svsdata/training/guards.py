"""What keeps a broken step from the weights: finite losses, measured and limited gradients."""

import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from svsdata.errors import NonFiniteLossError


def check_finite(terms: Mapping[str, Tensor], step: int) -> dict[str, float]:
    """Read the terms' values.

    Raises:
        NonFiniteLossError: If one is NaN or infinite; names it and shows all.
    """
    values = dict(zip(terms, torch.stack([*terms.values()]).float().tolist(), strict=True))
    broken = [name for name, value in values.items() if not math.isfinite(value)]
    if broken:
        shown = ", ".join(f"{name} {value:.4g}" for name, value in values.items())
        raise NonFiniteLossError(
            f"step {step}: {' and '.join(broken)} is not finite ({shown}); nothing was updated. "
            "Begin a new run with a lower learning rate or precision=float32; "
            "--set start_from=RUN lets it begin with the last checkpoint of this one"
        )
    return values


def gradient_norm(network: nn.Module, *, limit: float | None) -> Tensor:
    """Return the length of a network's gradient, and shorten it to ``limit`` where one is given.

    Returns:
        A scalar on the network's device; 0 where no gradient reached the network.
    """
    gradients = [p.grad for p in network.parameters() if p.grad is not None]
    if not gradients:
        return next(network.parameters()).new_zeros(())  # torch's 0 lies on the processor
    norm = nn.utils.get_total_norm(gradients)
    if limit is not None:
        nn.utils.clip_grads_with_norm_(network.parameters(), limit, norm)
    return norm
