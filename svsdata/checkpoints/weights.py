"""Generator weights on disk: one safetensors file whose header says what they were made for.

The header holds JSON under the key ``svsdata``: the network's config, the label set with its whole
table, size, rate, pixel counts a class, step. Nothing in it is code.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal, cast

from pydantic import Discriminator, Tag, TypeAdapter, ValidationError

from svsdata.checkpoints.tensor_files import load_tensors, read_tensors, write_tensors
from svsdata.checkpoints.training_state import GENERATOR_FILE, checkpoint_folders
from svsdata.crops import crop_advice
from svsdata.errors import CheckpointError
from svsdata.labels import LabelSet
from svsdata.nets.models import AnyConfig, build_generator
from svsdata.nets.svsgan.config import GeneratorConfig
from svsdata.nets.vid2vid.config import Vid2VidConfig
from svsdata.nets.video_generator import VideoGenerator

BUNDLED = Path(__file__).with_name("bundled")
"""Comes with the package, trained on the street world: a generator and ``demo-segmenter``."""
BUNDLED_GENERATOR = BUNDLED / "demo-generator.safetensors"

FORMAT_VERSION: Literal[1] = 1
"""Of the JSON in the header."""


@dataclass(frozen=True)
class CheckpointInfo:
    """What a generator was trained for."""

    model: str
    """Name of the network, such as ``demo``."""
    label_set: LabelSet
    size_hw: tuple[int, int]
    """Of the frames that it learned from last: what it draws."""
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
    given_motion: bool = False
    """Trained to follow a given flow too."""
    object_colours: Mapping[str, tuple[tuple[int, int, int], ...]] = field(default_factory=dict)
    """Colours that objects had in training by class name, RGB levels of 255; empty for a generator
    that sees none."""

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
                f"{_size_text(self.size_hw)}; the aspect ratios differ: "
                f"{crop_advice(size_hw, self.size_hw)}"
            )


def _family(config: Any) -> str:
    """Tell whose generator a config describes; SVS-GAN's do not say so."""
    told = config if isinstance(config, dict) else vars(config)
    return str(told.get("family", "svsgan"))


@dataclass(frozen=True)
class _Header:
    format_version: Literal[1]
    generator: Annotated[
        Annotated[GeneratorConfig, Tag("svsgan")] | Annotated[Vid2VidConfig, Tag("vid2vid")],
        Discriminator(_family),
    ]
    info: CheckpointInfo


_HEADER = TypeAdapter(_Header)
_KEY = "svsdata"


def save_generator(path: Path, generator: VideoGenerator[Any], info: CheckpointInfo) -> None:
    """Write a generator's weights and description, atomically."""
    header = _Header(FORMAT_VERSION, cast(AnyConfig, generator.config), info)
    write_tensors(path, generator.state_dict(), {_KEY: _HEADER.dump_json(header).decode()})


def load_generator(path: Path) -> tuple[VideoGenerator[Any], CheckpointInfo]:
    """Load a generator in evaluation mode.

    Args:
        path: A generator file, a checkpoint folder, or a run directory (its newest checkpoint).

    Raises:
        CheckpointError: If there is none, it is damaged, of another format version, or its
            tensors are not exactly those of the network it describes.
    """
    file = generator_file(path)
    tensors, metadata = read_tensors(file)
    if _KEY not in metadata:
        raise CheckpointError(
            f"'{file}' is no generator of svsdata: its header has no entry '{_KEY}'; "
            "give a run directory or a file that 'svsdata train' wrote"
        )
    try:
        header = _HEADER.validate_json(metadata[_KEY])
    except ValidationError as error:
        fault = error.errors()[0]
        raise CheckpointError(
            f"the header of '{file}' does not describe a generator that this version (format "
            f"{FORMAT_VERSION}) can build: {'.'.join(map(str, fault['loc']))}: {fault['msg']}; "
            "use the version of svsdata that wrote it"
        ) from error
    generator = build_generator(header.generator)
    load_tensors(generator, tensors, str(file))
    return generator.eval(), header.info


def generator_file(path: Path) -> Path:
    """Return the generator file that a path means; ``demo`` means the bundled one.

    Raises:
        CheckpointError: If the path does not exist or is a folder without a checkpoint.
    """
    if path.is_file():
        return path
    if (path / GENERATOR_FILE).is_file():
        return path / GENERATOR_FILE
    folders = checkpoint_folders(path)
    if folders:
        return folders[-1] / GENERATOR_FILE
    if path == Path("demo"):
        return BUNDLED_GENERATOR
    raise CheckpointError(
        f"no checkpoint at '{path}'; expected a {GENERATOR_FILE}, a checkpoint folder, a run "
        "directory of 'svsdata train', or the name demo"
    )


def _size_text(size_hw: tuple[int, int]) -> str:
    return f"{size_hw[1]}x{size_hw[0]}"
