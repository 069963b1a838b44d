"""The meta device in the place of a GPU: what would make the processor wait for it, or feed it.

A tensor there has a shape and no values, so what needs values fails or is answered with ones.
"""

from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves

_READS = frozenset(
    {
        "item", "tolist", "cpu", "numpy", "bincount", "isin", "masked_select", "nonzero", "unique",
        "__bool__", "__float__", "__index__", "__int__",
    }
)  # fmt: skip


class HostWatch(TorchFunctionMode):
    """Notes every call that crosses between the processor and the meta device.

    Attributes:
        reads: Names of the calls for whose values a GPU would be waited for.
        feeds: Names of the calls that put values of the processor there.
    """

    def __init__(self) -> None:
        super().__init__()
        self.reads: list[str] = []
        self.feeds: list[str] = []

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Call the function, or answer it with ones."""
        del types
        kwargs = kwargs or {}
        name, given = func.__name__, _tensors((args, kwargs))
        there = [tensor for tensor in given if tensor.is_meta]
        if name in _READS and there:
            self.reads.append(name)
            if name in ("item", "tolist", "__bool__"):
                return getattr(torch.ones(there[0].shape) * (name != "__bool__"), name)()
        made = func(*args, **kwargs)
        arrived = any(tensor.is_meta for tensor in _tensors(made))
        from_lists = name in ("tensor", "as_tensor", "new_tensor")
        of_values = any(not tensor.is_meta and tensor.ndim for tensor in given)
        if arrived and (from_lists or of_values):
            self.feeds.append(name)
        return made


def _tensors(tree: Any) -> list[Tensor]:
    return [leaf for leaf in tree_leaves(tree) if isinstance(leaf, Tensor)]
