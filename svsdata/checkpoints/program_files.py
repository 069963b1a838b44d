"""A generator as a program that PyTorch runs without svsdata: a ``.pt2`` file of ``torch.export``.

Beside the program the file holds ``svsdata.json``, which says what it was made for.
"""

import io
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from pydantic import TypeAdapter

import svsdata
from svsdata.checkpoints.weights import CheckpointInfo
from svsdata.errors import CheckpointError
from svsdata.labels import LabelSet
from svsdata.nets.svsgan.frame_program import FrameProgram
from svsdata.nets.svsgan.generator import Generator
from svsdata.nets.video_generator import VideoGenerator
from svsdata.whole_files import whole_file

DESCRIPTION_FILE = "svsdata.json"
"""Name of the description among the file's ``extra_files``."""

_RANGES = {
    "previous_image": "RGB, -1 to 1",
    "previous_semantic": "ids of the label set",
    "semantic": "ids of the label set",
    "previous_instance": "any ids; a border is where neighbours differ",
    "instance": "any ids; a border is where neighbours differ",
    "object_colours": "RGB of each pixel's object, -1 to 1, and 1 = told; 0 where it is not",
    "guidance": "RGB that the standing world had when last seen, -1 to 1, and 1 = known; else 0",
    "backward_flow": "dx and dy in pixels, from this frame to the one before",
    "occlusion": "0 to 1, 1 = the previous frame does not show the pixel",
    "validity": "0 or 1, 1 = follow the flow, 0 = the labels tell the motion",
}


@dataclass(frozen=True)
class ProgramInput:
    """One tensor that a program takes, by name."""

    shape: tuple[int, ...]
    dtype: str
    range: str


@dataclass(frozen=True)
class ProgramDescription:
    """What a program takes, and where it comes from."""

    format_version: Literal[1]
    svsdata_version: str
    model: str
    """Name of the network, such as ``demo``."""
    checkpoint_hash: str
    label_set: LabelSet
    size_hw: tuple[int, int]
    fps: float
    """Frames a second of the training recordings."""
    follows_flow: bool
    inputs: dict[str, ProgramInput]


_DESCRIPTION = TypeAdapter(ProgramDescription)


def save_program(
    path: Path,
    generator: VideoGenerator[Any],
    info: CheckpointInfo,
    *,
    size_hw: tuple[int, int],
    checkpoint_hash: str,
) -> ProgramDescription:
    """Write a generator as a program of fixed size for one frame, whole or not at all.

    Raises:
        CheckpointError: If the generator is not SVS-GAN's, or cannot draw frames of the size.
        OSError: If the file cannot be written.
    """
    if not isinstance(generator, Generator):
        raise CheckpointError(
            f"a generator of model {info.model} cannot be exported: only SVS-GAN's can, not "
            "vid2vid's (A and B); train another model (see 'svsdata model table')"
        )
    least = 2 * generator.config.size_multiple
    if min(size_hw) < least:
        raise CheckpointError(
            f"the generator cannot draw frames of {size_hw[1]}x{size_hw[0]}: both sides must be at "
            f"least {least}; it was trained at {info.size_hw[1]}x{info.size_hw[0]}"
        )
    follows_flow = info.given_motion and generator.config.labels_tell_motion
    frame_program = FrameProgram(generator, follows_flow=follows_flow).eval()
    examples = frame_program.example_inputs(size_hw)
    description = ProgramDescription(
        1,
        svsdata.__version__,
        info.model,
        checkpoint_hash,
        info.label_set,
        size_hw,
        info.fps,
        follows_flow,
        {
            name: ProgramInput(
                tuple(tensor.shape), str(tensor.dtype).removeprefix("torch."), _RANGES[name]
            )
            for name, tensor in examples.items()
        },
    )
    with torch.no_grad():
        program = torch.export.export(frame_program, (), kwargs=examples, strict=False)
    told = _DESCRIPTION.dump_json(description).decode()
    content = io.BytesIO()  # torch's writer ends the process where a disk is full
    with warnings.catch_warnings():
        # said of every channels_last weight; they come back as they are
        warnings.filterwarnings("ignore", message="No complete tensor found in the group")
        torch.export.save(program, content, extra_files={DESCRIPTION_FILE: told})
    with whole_file(path) as partial:
        partial.write_bytes(content.getbuffer())
    return description
