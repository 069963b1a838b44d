"""Checkpoints of a run: folders from which a stopped training continues bit for bit.

    RUN/checkpoints/checkpoint-000001000/
        generator.safetensors   the averaged generator (``weights.load_generator`` reads it)
        training.safetensors    networks, optimisers, and the frames carried through the clip
        training.json           step and the optimisers' settings

A folder is written under a name that starts with a dot and renamed when it is whole, so a
checkpoint that can be seen is complete.
"""

import json
import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from svsdata.checkpoints.tensor_files import (
    load_tensors,
    read_notes,
    read_tensors,
    write_tensors,
)
from svsdata.errors import CheckpointError
from svsdata.store.files import writing

GENERATOR_FILE = "generator.safetensors"
_TENSORS_FILE = "training.safetensors"
_RECORD_FILE = "training.json"
_FORMAT_VERSION = 1


@dataclass(frozen=True)
class TrainingState:
    """The objects of a run whose state a checkpoint holds; loading changes them in place."""

    networks: Mapping[str, nn.Module]
    optimizers: Mapping[str, Optimizer]


def checkpoint_folders(run: Path) -> list[Path]:
    """Return the complete checkpoints of a run, oldest first."""
    return sorted((run / "checkpoints").glob("checkpoint-*"))


def checkpoint_step(run: Path) -> int:
    """Return the steps done at a run's newest checkpoint; 0 where there is none."""
    folders = checkpoint_folders(run)
    return int(folders[-1].name.rpartition("-")[2]) if folders else 0


def save_checkpoint(
    run: Path,
    step: int,
    state: TrainingState,
    *,
    carried: Mapping[str, Tensor],
    write_generator: Callable[[Path], None],
    keep: int,
) -> Path:
    """Write a checkpoint, whole or not at all, and remove all but the newest.

    Args:
        run: The run directory.
        step: Updates done; the number of the next step.
        state: Networks and optimisers.
        carried: Tensors that the next step needs of the clip before it; empty between clips.
        write_generator: Writes the averaged generator to the path it is given.
        keep: Checkpoints to leave, this one included.

    Returns:
        The checkpoint's folder.

    Raises:
        StoreError: If it cannot be written.
    """
    folder = run / "checkpoints" / f"checkpoint-{step:09d}"
    partial = folder.with_name(f".{folder.name}.partial")
    with writing(folder):
        _clear(folder.parent)
        partial.mkdir(parents=True)
        write_generator(partial / GENERATOR_FILE)
        tensors = {f"carried/{name}": tensor for name, tensor in carried.items()}
        settings: dict[str, Any] = {}
        for name, network in state.networks.items():
            tensors |= {f"network/{name}/{key}": v for key, v in network.state_dict().items()}
        for name, optimizer in state.optimizers.items():
            record = optimizer.state_dict()
            settings[name] = record["param_groups"]
            for index, moments in record["state"].items():
                tensors |= {f"optimizer/{name}/{index}/{key}": v for key, v in moments.items()}
        write_tensors(partial / _TENSORS_FILE, tensors, {})
        (partial / _RECORD_FILE).write_text(
            json.dumps({"format_version": _FORMAT_VERSION, "step": step, "optimizers": settings})
        )
        _flush(partial)
        partial.rename(folder)
        _flush(folder.parent)
    for old in checkpoint_folders(run)[:-keep]:
        hidden = old.with_name(f".{old.name}.removed")
        old.rename(hidden)
        shutil.rmtree(hidden)
    return folder


def load_checkpoint(folder: Path, state: TrainingState) -> tuple[int, dict[str, Tensor]]:
    """Put networks and optimisers into the state of a checkpoint.

    Returns:
        The number of the next step, and the carried tensors.

    Raises:
        CheckpointError: If a file is damaged or was made for other networks.
    """
    go_on = (
        "delete the folder to go on from the checkpoint before it, or, where there is none, anew"
    )
    try:
        read_notes(folder / GENERATOR_FILE)  # what a finished run is kept for
        tensors, _ = read_tensors(folder / _TENSORS_FILE)
        record = json.loads((folder / _RECORD_FILE).read_text())
        step, settings = int(record["step"]), record["optimizers"]
    except CheckpointError as error:
        raise CheckpointError(f"{error} If not, {go_on}") from error
    except (FileNotFoundError, ValueError, KeyError) as error:
        raise CheckpointError(f"cannot read '{folder / _RECORD_FILE}': {error}; {go_on}") from error
    for name, network in state.networks.items():
        load_tensors(network, _under(tensors, f"network/{name}"), str(folder))
    for name, optimizer in state.optimizers.items():
        moments: dict[int, dict[str, Tensor]] = {}
        for key, value in _under(tensors, f"optimizer/{name}").items():
            index, moment = key.split("/")
            moments.setdefault(int(index), {})[moment] = value
        optimizer.load_state_dict({"state": moments, "param_groups": settings[name]})
        _match_layouts(optimizer)
    return step, _under(tensors, "carried")


def read_networks(folder: Path) -> dict[str, dict[str, Tensor]]:
    """Return the tensors of every network of a checkpoint, by the network's name.

    Returns:
        Nothing where the folder holds a generator alone.

    Raises:
        CheckpointError: If the file is damaged.
    """
    if not (folder / _TENSORS_FILE).exists():
        return {}
    tensors, _ = read_tensors(folder / _TENSORS_FILE)
    kept = _under(tensors, "network")
    return {name: _under(kept, name) for name in sorted({key.split("/")[0] for key in kept})}


def _match_layouts(optimizer: Optimizer) -> None:
    """Give moments their parameter's memory layout, which fused optimisers take for granted."""
    for parameter, moments in optimizer.state.items():
        for name, value in moments.items():
            if value.shape == parameter.shape:
                moments[name] = torch.empty_like(parameter).copy_(value)


def _under(tensors: Mapping[str, Tensor], name: str) -> dict[str, Tensor]:
    prefix = f"{name}/"
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}


def _clear(folder: Path) -> None:
    """Remove what a killed run left half written or half removed."""
    for leftover in folder.glob(".checkpoint-*"):
        shutil.rmtree(leftover)


def _flush(folder: Path) -> None:
    """Make a folder's entries durable."""
    for path in (*folder.iterdir(), folder):
        descriptor = os.open(path, os.O_RDONLY)
        os.fsync(descriptor)
        os.close(descriptor)
