"""Where the weights of a new run come from, when they are not drawn from its seed."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from svsdata.checkpoints.tensor_files import load_fitting
from svsdata.checkpoints.training_state import read_networks
from svsdata.checkpoints.weights import generator_file, load_generator
from svsdata.errors import CheckpointError
from svsdata.labels import LabelSet
from svsdata.nets.video_generator import VideoGenerator
from svsdata.progress import Progress
from svsdata.training.objective import Networks

_NAMED = 3
"""Tensors that a note names; the rest it counts."""


def start_from(
    path: Path,
    networks: Networks,
    average: VideoGenerator[Any],
    label_set: LabelSet,
    progress: Progress,
) -> None:
    """Begin with the weights of an earlier run; optimisers begin anew.

    A generator file starts the generator, a checkpoint folder or run directory the discriminators
    too. Tensors that the networks have no place for, or have in another shape, are left out, and
    tensors that the file lacks keep the weights drawn from the seed; each case is told.

    Args:
        path: A generator file, a checkpoint folder, or a run directory (its newest checkpoint).
        networks: Changed in place.
        average: Changed in place: the averaged generator.
        label_set: Of the store; its ids must mean what they meant to the weights.
        progress: Hears what was taken and what was not.

    Raises:
        CheckpointError: If there is no checkpoint, it is damaged or of another label set, or
            fits less than half of a network.
    """
    file = generator_file(path)
    earlier, info = load_generator(file)
    if info.label_set != label_set:
        raise CheckpointError(
            f"'{file}' was trained on label set '{info.label_set.name}' "
            f"({info.label_set.num_classes} classes), the store holds '{label_set.name}' "
            f"({label_set.num_classes} classes); label the recording with '{info.label_set.name}', "
            "or leave start_from out (--preset carry begins with random weights)"
        )
    averaged = earlier.state_dict()
    # A folder also holds the weights that were being trained, behind the average
    trained = {} if file == path else read_networks(file.parent)
    _take(average, averaged, "generator", file, progress)
    load_fitting(networks.generator, trained.get("generator", averaged))
    for name, network in networks.by_name.items():
        if name in trained and network is not networks.generator:
            _take(network, trained[name], name, file.parent, progress)
    if not trained:
        progress.note("discriminators start anew: give a run directory to start from theirs too")


def _take(
    network: nn.Module, tensors: Mapping[str, Tensor], name: str, where: Path, progress: Progress
) -> None:
    faults = load_fitting(network, tensors)
    own = network.state_dict()
    left = sum(not fault.startswith("unexpected") for fault in faults)
    if 2 * left > len(own):
        raise CheckpointError(
            f"'{where}' does not fit the {name} of this run: only {len(own) - left} of its "
            f"{len(own)} tensors ({_listed(faults)}); train the model that it was made for, or "
            "leave start_from out"
        )
    told = f"{name} starts from '{where}': {len(own) - left} of {len(own)} tensors"
    progress.note(f"{told}; not taken: {_listed(faults)}" if faults else told)


def _listed(faults: Sequence[str]) -> str:
    more = f" and {len(faults) - _NAMED} more" if len(faults) > _NAMED else ""
    return ", ".join(faults[:_NAMED]) + more
