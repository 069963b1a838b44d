"""Activations kept for the way back, or computed again there: less memory, a third more time."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from torch import nn
from torch.utils.checkpoint import checkpoint

Result = TypeVar("Result")


@dataclass(frozen=True)
class Recompute:
    """Calls a network, and keeps its activations or not."""

    enabled: bool

    def __call__(self, network: Callable[..., Result], *inputs: object) -> Result:
        """Return ``network(*inputs)``; both ways give the same gradients to the bit."""
        if not self.enabled:
            return network(*inputs)
        result: Result = checkpoint(network, *inputs, use_reentrant=False)
        return result


KEEP = Recompute(enabled=False)
"""Keeps activations, as torch does."""


def not_learning(network: nn.Module) -> Callable[..., Any]:
    """Return a call of the network that lets gradients pass without computing its weights' own."""

    def call(*inputs: object) -> Any:
        network.requires_grad_(requires_grad=False)
        try:
            return network(*inputs)
        finally:
            network.requires_grad_(requires_grad=True)

    return call
