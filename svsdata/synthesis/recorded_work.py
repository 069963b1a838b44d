"""A generator whose work on a frame is recorded once and repeated: CUDA graphs.

What a GPU does for a frame are hundreds of short pieces of work. Started one by one from Python
they may keep it waiting; recorded, they are started together, on the same memory every time.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import torch
from torch import Tensor

from svsdata.nets.video_generator import Features, GeneratorOutput, Motion, VideoGenerator

Work: TypeAlias = Callable[[], GeneratorOutput]
"""Computes from tensors that stay where they are; looks at no value of theirs."""

_WARM_UP = 3
"""Runs before one is recorded, as PyTorch asks for: libraries choose and reserve what they need."""


@dataclass(frozen=True)
class Recording:
    """Work that can be repeated on what its inputs then hold."""

    repeat: Callable[[], None]
    output: GeneratorOutput
    """What every repetition writes."""


def cuda_recording(work: Work) -> Recording:
    """Record work as a CUDA graph of the device of its output."""
    device = work().image.device
    with torch.cuda.device(device):
        beside = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        beside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(beside):
            for _ in range(_WARM_UP):
                work()
        torch.cuda.current_stream().wait_stream(beside)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            output = work()
    return Recording(graph.replay, output)


class RecordedGenerator(VideoGenerator[Features]):
    """Draws as another generator does, by recordings: one for each size and kind of input.

    Args:
        generator: Frozen, on its device.
        record: Makes a recording.
    """

    def __init__(
        self, generator: VideoGenerator[Features], record: Callable[[Work], Recording]
    ) -> None:
        super().__init__(generator.config)
        self.generator = generator
        self._record = record
        self._recorded: dict[Any, tuple[list[Tensor], Recording]] = {}

    def label_features(
        self,
        previous_semantic: Tensor,
        semantic: Tensor,
        *,
        previous_edges: Tensor | None = None,
        edges: Tensor | None = None,
        colours: Tensor | None = None,
        motion: Motion | None = None,
    ) -> Features:
        """Compute everything that depends on labels only, a chunk at once: not recorded."""
        return self.generator.label_features(
            previous_semantic,
            semantic,
            previous_edges=previous_edges,
            edges=edges,
            colours=colours,
            motion=motion,
        )

    def render(
        self, previous_images: Tensor, features: Features, detail: float = 1.0
    ) -> GeneratorOutput:
        """Generate the frame of some labels: repeat what was recorded of such inputs."""
        kind = (detail, _kind(previous_images), *map(_kind, vars(features).values()))
        if kind not in self._recorded:
            held = previous_images.clone(), features.map(torch.clone)
            recording = self._record(lambda: self.generator.render(*held, detail))
            self._recorded[kind] = (_tensors(*held), recording)
        places, recording = self._recorded[kind]
        for place, tensor in zip(places, _tensors(previous_images, features), strict=True):
            place.copy_(tensor)
        recording.repeat()
        return recording.output.map(torch.clone)

    def motion_of(self, features: Features) -> tuple[Tensor, Tensor]:
        """Return flow and occlusion mask, where labels decide them."""
        return self.generator.motion_of(features)

    @property
    def dtype(self) -> torch.dtype:
        """Type of weights and features."""
        return self.generator.dtype

    def cast(self, dtype: torch.dtype) -> None:
        """Set the type of weights and features; what was recorded is forgotten."""
        self.generator.cast(dtype)
        self._recorded.clear()


def _kind(inputs: Any) -> Any:
    """Return what recordings of some inputs are told apart by."""
    if isinstance(inputs, tuple):
        return tuple(map(_kind, inputs))
    return None if inputs is None else (inputs.shape, inputs.dtype)


def _tensors(previous_images: Tensor, features: Any) -> list[Tensor]:
    found = [previous_images]

    def noted(tensor: Tensor) -> Tensor:
        found.append(tensor)
        return tensor

    features.map(noted)
    return found
