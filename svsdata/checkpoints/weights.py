"""Generator weights on disk: one safetensors file whose header says what they were made for.

The header holds JSON under the key ``svsdata``: the network's config, the label set with its whole
table, size, rate, pixel counts a class, step. Nothing in it is code.
"""

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from svsdata.checkpoints.tensor_files import load_tensors, read_tensors, write_tensors
from svsdata.checkpoints.training_state import GENERATOR_FILE, checkpoint_folders
from svsdata.errors import CheckpointError
from svsdata.labels import Label, LabelSet
from svsdata.nets.svsgan.config import GeneratorConfig
from svsdata.nets.svsgan.generator import Generator

FORMAT_VERSION = 1
"""Of the JSON in the header."""


@dataclass(frozen=True)
class CheckpointInfo:
    """What a generator was trained for."""

    model: str
    """Name of the network, such as ``demo``."""
    label_set: LabelSet
    size_hw: tuple[int, int]
    fps: float
    """Frames a second of the training recordings."""
    pixel_counts: Mapping[str, int]
    """Training pixels by class name; a class at 0 was never seen and cannot be drawn."""
    step: int
    """Updates behind the weights; they are the running average."""
    reference_free: bool
    """Trained to make a first frame from labels alone."""
    uses_instances: bool
    """Trained with instance edges."""
    store_id: str
    """What identifies the training store's content: the hash over its sequence records."""
    svsdata_version: str = ""

    @property
    def known_classes(self) -> tuple[str, ...]:
        """Names of the classes that occurred in training."""
        return tuple(name for name, count in self.pixel_counts.items() if count)

    def require(self, label_set: LabelSet, size_hw: tuple[int, int], where: str) -> None:
        """Refuse data that the weights were not made for.

        Args:
            label_set: Of the data.
            size_hw: Frame size of the data; another size of the same shape is resized, and fits.
            where: What the message calls the data.

        Raises:
            CheckpointError: If the label set or the aspect ratio differs.
        """
        if label_set != self.label_set:
            raise CheckpointError(
                f"{where} has label set '{label_set.name}' ({label_set.num_classes} classes), the "
                f"checkpoint was trained on '{self.label_set.name}' "
                f"({self.label_set.num_classes} classes); label the recording with "
                f"'{self.label_set.name}' or train on this store"
            )
        if size_hw[0] * self.size_hw[1] != size_hw[1] * self.size_hw[0]:
            raise CheckpointError(
                f"{where} has frames of {_size_text(size_hw)}, the checkpoint was trained at "
                f"{_size_text(self.size_hw)}; the aspect ratios differ: crop the recording or "
                "train on this store"
            )


def save_generator(path: Path, generator: Generator, info: CheckpointInfo) -> None:
    """Write a generator's weights and description, atomically."""
    header = {
        "format_version": FORMAT_VERSION,
        "generator": dataclasses.asdict(generator.config),
        "info": dataclasses.asdict(info),
    }
    write_tensors(path, generator.state_dict(), {"svsdata": json.dumps(header)})


def load_generator(path: Path) -> tuple[Generator, CheckpointInfo]:
    """Load a generator in evaluation mode.

    Args:
        path: A generator file, a checkpoint folder, or a run directory (its newest checkpoint).

    Raises:
        CheckpointError: If there is none, it is damaged, of another format version, or its
            tensors are not exactly those of the network it describes.
    """
    file = generator_file(path)
    tensors, metadata = read_tensors(file)
    header = _parse_header(metadata, file)
    try:
        generator = Generator(GeneratorConfig(**_tuples(header["generator"])))
        info = _parse_info(header["info"])
    except (KeyError, TypeError, ValueError) as error:
        raise CheckpointError(
            f"the header of '{file}' does not describe a generator: {error}; "
            "it was written by another version of svsdata or damaged"
        ) from error
    load_tensors(generator, tensors, str(file))
    return generator.eval(), info


def generator_file(path: Path) -> Path:
    """Return the generator file that a path means.

    Raises:
        CheckpointError: If the path does not exist or is a folder without a checkpoint.
    """
    if path.is_file():
        return path
    if (path / GENERATOR_FILE).is_file():
        return path / GENERATOR_FILE
    folders = checkpoint_folders(path)
    if not folders:
        raise CheckpointError(
            f"no checkpoint at '{path}'; expected a {GENERATOR_FILE}, a checkpoint folder or a "
            "run directory of 'svsdata train'"
        )
    return folders[-1] / GENERATOR_FILE


def _parse_header(metadata: Mapping[str, str], file: Path) -> dict[str, Any]:
    if "svsdata" not in metadata:
        raise CheckpointError(
            f"'{file}' is no generator of svsdata: its header has no entry 'svsdata'; "
            "give a run directory or a file that 'svsdata train' wrote"
        )
    header: dict[str, Any] = json.loads(metadata["svsdata"])
    if header.get("format_version") != FORMAT_VERSION:
        raise CheckpointError(
            f"'{file}' has format version {header.get('format_version')}, this version reads "
            f"{FORMAT_VERSION}; train again or use the version of svsdata that wrote it"
        )
    return header


def _parse_info(values: dict[str, Any]) -> CheckpointInfo:
    table = values["label_set"]
    labels = tuple(Label(**_tuples(label)) for label in table["labels"])
    return CheckpointInfo(**_tuples(values) | {"label_set": LabelSet(table["name"], labels)})


def _tuples(values: Mapping[str, Any]) -> dict[str, Any]:
    """Turn JSON's lists back into the tuples of frozen records."""
    return {
        key: tuple(value) if isinstance(value, list) else value for key, value in values.items()
    }


def _size_text(size_hw: tuple[int, int]) -> str:
    return f"{size_hw[1]}x{size_hw[0]}"
