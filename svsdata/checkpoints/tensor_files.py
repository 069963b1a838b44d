"""Safetensors files: written atomically, read strictly."""

import os
import re
import struct
import zipfile
from collections.abc import Mapping
from pathlib import Path
from pickle import UnpicklingError

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from svsdata.errors import CheckpointError, WeightsError
from svsdata.whole_files import whole_file

_OF_FOREIGN_PICKLES = (
    *(UnpicklingError, EOFError, RuntimeError, struct.error),
    *(LookupError, ValueError, TypeError, AttributeError, zipfile.BadZipFile),
)
"""What torch's reader of plain pickles raises on bytes that are none."""


def load_tensors(
    module: nn.Module, tensors: Mapping[str, Tensor], where: str, *, assign: bool = False
) -> None:
    """Copy tensors into a module that must have exactly these names and shapes.

    Args:
        module: Whose parameters and buffers are set.
        tensors: By name.
        where: What messages call them.
        assign: Hand the tensors themselves over, which a module on the meta device needs.

    Raises:
        CheckpointError: Naming what is missing, unexpected or of another shape.
    """
    faults = misfits(module, tensors)
    if faults:
        more = f" and {len(faults) - 3} more" if len(faults) > 3 else ""
        raise CheckpointError(
            f"'{where}' does not fit {type(module).__name__}: {', '.join(faults[:3])}{more}; "
            "it was made for another network"
        )
    module.load_state_dict(dict(tensors), assign=assign)


def load_fitting(module: nn.Module, tensors: Mapping[str, Tensor]) -> list[str]:
    """Copy the tensors that a module has by name and shape, and leave its others as they are.

    Returns:
        What did not fit, as ``misfits`` words it.
    """
    own = module.state_dict()
    fitting = {
        name: tensor
        for name, tensor in tensors.items()
        if name in own and own[name].shape == tensor.shape
    }
    module.load_state_dict(fitting, strict=False)
    return misfits(module, tensors)


def misfits(module: nn.Module, tensors: Mapping[str, Tensor]) -> list[str]:
    """Return what keeps tensors from being a module's own: missing, unexpected, other shapes."""
    own = module.state_dict()
    faults = [f"missing {name}" for name in own if name not in tensors]
    faults += [f"unexpected {name}" for name in tensors if name not in own]
    faults += [
        f"{name} is {tuple(tensors[name].shape)}, expected {tuple(own[name].shape)}"
        for name in own
        if name in tensors and tensors[name].shape != own[name].shape
    ]
    return faults


def write_tensors(path: Path, tensors: Mapping[str, Tensor], metadata: dict[str, str]) -> None:
    """Write a safetensors file under a temporary name, flush it, and rename it.

    Raises:
        OSError: If it cannot be written.
    """
    contiguous = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    with whole_file(path) as partial:
        partial.touch()
        usual_mode = partial.stat().st_mode
        try:
            save_file(contiguous, partial, metadata)
        except SafetensorError as error:
            number = re.search(r"\(os error (\d+)\)", str(error))
            if number is None:
                raise
            raise OSError(int(number[1]), os.strerror(int(number[1])), str(path)) from error
        partial.chmod(usual_mode)  # safetensors makes a file that its owner alone may read
        with partial.open("rb") as file:
            os.fsync(file.fileno())


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Read a safetensors file and its metadata.

    Raises:
        CheckpointError: If it is missing or damaged.
    """
    try:
        with safe_open(path, framework="pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            return tensors, file.metadata() or {}
    except (OSError, SafetensorError) as error:
        raise CheckpointError(f"cannot read '{path}': {error}; is it complete?") from error


def read_notes(path: Path) -> dict[str, str]:
    """Read the metadata of a safetensors file alone.

    Raises:
        CheckpointError: If it is missing or damaged.
    """
    try:
        with safe_open(path, framework="pt") as file:
            return file.metadata() or {}
    except (OSError, SafetensorError) as error:
        raise CheckpointError(f"cannot read '{path}': {error}; is it complete?") from error


def read_state_dict(path: Path) -> dict[str, Tensor]:
    """Read the weights of a foreign network: safetensors, or a plain state dict of torch.

    Raises:
        WeightsError: If it is missing, damaged, or would need pickled code or TorchScript.
    """
    try:
        if path.suffix == ".safetensors":
            with safe_open(path, framework="pt") as file:
                return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        if _is_torchscript(path):
            raise WeightsError(
                f"weights '{path}' are a TorchScript program, and no file's program is run here; "
                "give a state dict of the network, or a name of 'svsdata weights list'"
            )
        state: dict[str, Tensor] = torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise WeightsError(f"cannot read weights '{path}': {error.strerror or error}") from error
    except (SafetensorError, *_OF_FOREIGN_PICKLES) as error:
        raise WeightsError(
            f"cannot read weights '{path}': no safetensors and no plain state dict of torch; "
            "damaged, or it would need pickled code: of a file that you trust, save its state dict "
            "alone"
        ) from error
    if not isinstance(state, dict):
        raise WeightsError(f"weights '{path}': no state dict, but a {type(state).__name__}")
    return state


def _is_torchscript(path: Path) -> bool:
    """Tell an archive of TorchScript from one of tensors."""
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return any(name.endswith("/constants.pkl") for name in archive.namelist())
