"""Where and how precisely the generator is run, and in how much memory."""

import resource
import sys
from typing import Literal

import torch

from svsdata.errors import ConfigError
from svsdata.tensors import computes_bf16


def chosen_device(name: str) -> torch.device:
    """Return the device of that name; ``auto`` is a GPU where there is one.

    Raises:
        ConfigError: If there is no such device here.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise ConfigError(
            f"device '{name}' cannot be used: {reason}; 'svsdata doctor' tells what is here, and "
            "--device cpu always works"
        ) from error
    return device


def chosen_dtype(
    precision: Literal["auto", "bf16", "fp16", "float32"], device: torch.device
) -> torch.dtype:
    """Return what the generator's features are computed in; ``auto``: bf16 where it is fast."""
    if precision == "auto":
        return torch.bfloat16 if computes_bf16(device) else torch.float32
    return {"bf16": torch.bfloat16, "fp16": torch.float16, "float32": torch.float32}[precision]


def peak_bytes(device: torch.device) -> int:
    """Return the most memory that this process has held: of the GPU's where it computes on one."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
