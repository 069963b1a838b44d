"""Autoregressive generation over any length: the state is a value, two videos never mix.

# B parallel sequences, T frames, H, W
"""

import copy
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn.utils.parametrize import is_parametrized, remove_parametrizations

from svsdata.nets.svsgan.generator import (
    Generator,
    GeneratorOutput,
    LabelFeatures,
    without_previous,
)


@dataclass(frozen=True)
class LabelMaps:
    """The labels of one time step."""

    semantic: Tensor
    """(B, H, W) integer ids."""
    edges: Tensor | None = None
    """(B, 1, H, W), for generators that take edges."""


@dataclass(frozen=True)
class RolloutState:
    """All that the next frame needs to know of the past."""

    image: Tensor
    """(B, 3, H, W) float32 in [-1, 1]; never the 8-bit picture."""
    labels: LabelMaps


def inference_copy(generator: Generator, dtype: torch.dtype = torch.float32) -> Generator:
    """Return a frozen copy made for speed: spectral norm folded, weights cast once, channels_last.

    Args:
        generator: Left as it is.
        dtype: Of weights and features; flow, warp and images stay float32.
    """
    # not deepcopy: parametrized copies share a class, and folding one would break the other
    with torch.device("meta"):
        fast = Generator(generator.config)
    state = {name: value.clone() for name, value in generator.state_dict().items()}
    fast.load_state_dict(state, assign=True)
    fast.eval().requires_grad_(requires_grad=False)
    for module in fast.modules():
        if is_parametrized(module, "weight"):
            remove_parametrizations(module, "weight", leave_parametrized=True)
    motion_head = copy.deepcopy(fast.motion.head)
    fast.to(dtype)
    fast.motion.head = motion_head
    fast.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return fast


def begin(generator: Generator, labels: LabelMaps) -> GeneratorOutput:
    """Generate a first frame from its labels alone.

    The model must have learned it: training with ``without_previous`` (vid2vid's no_first_img).
    """
    batch, height, width = labels.semantic.shape
    blank = torch.zeros(batch, 3, height, width, device=labels.semantic.device)
    everywhere = torch.ones(batch, dtype=torch.bool, device=blank.device)
    blank, features = without_previous(
        blank, _label_features(generator, [labels], [labels]), everywhere
    )
    return _render(generator, blank, features)


def step(
    generator: Generator, state: RolloutState, labels: LabelMaps
) -> tuple[RolloutState, GeneratorOutput]:
    """Generate the frame of ``labels``; any size, padded and cropped to what the net takes."""
    output = _render(generator, state.image, _label_features(generator, [state.labels], [labels]))
    return RolloutState(output.image, labels), output


def rollout(
    generator: Generator, state: RolloutState, labels: Iterable[LabelMaps], *, chunk: int = 8
) -> Iterator[GeneratorOutput]:
    """Generate frame after frame; memory does not grow with the length.

    Args:
        generator: In eval mode, best from ``inference_copy``.
        state: Reference image with its labels; its size may be any.
        labels: One entry per frame to make, each with as many sequences as the state.
        chunk: Frames whose label features are computed together; results do not depend on it
            beyond rounding.
    """
    upcoming = iter(labels)
    while current := list(islice(upcoming, chunk)):
        batched = _label_features(generator, [state.labels, *current[:-1]], current)
        batch = state.image.shape[0]
        for index, maps in enumerate(current):
            rows = batched.rows(index * batch, (index + 1) * batch)
            output = _render(generator, state.image, rows)
            state = RolloutState(output.image, maps)
            yield output


def is_cut(previous: Tensor, current: Tensor, *, threshold: float = 0.25) -> bool:
    """Tell whether two label maps (B, H, W) belong to different scenes.

    A rollout begins anew there. The measure is the intersection over union of equal pixels,
    averaged over the classes of either map; neighbours in a driving video stay far above
    ``threshold``.
    """
    overlaps = [
        ((previous == label) & (current == label)).sum()
        / ((previous == label) | (current == label)).sum()
        for label in torch.unique(torch.cat([previous.flatten(), current.flatten()]))
    ]
    return bool(torch.stack(overlaps).mean() < threshold)


def _label_features(
    generator: Generator, previous: list[LabelMaps], current: list[LabelMaps]
) -> LabelFeatures:
    """Compute the features of several time steps in one batch, time-major."""
    multiple = generator.config.size_multiple
    return generator.label_features(
        _batch([maps.semantic for maps in previous], multiple),
        _batch([maps.semantic for maps in current], multiple),
        previous_edges=_batch_edges(previous, multiple),
        edges=_batch_edges(current, multiple),
    )


def _render(
    generator: Generator, previous_image: Tensor, features: LabelFeatures
) -> GeneratorOutput:
    height, width = previous_image.shape[2:]
    padding = _padding(height, width, generator.config.size_multiple)
    output = generator.render(F.pad(previous_image, padding, mode="reflect"), features)
    return GeneratorOutput(
        *(
            picture[:, :, :height, :width]
            for picture in (
                output.image,
                output.warped,
                output.backward_flow,
                output.occlusion_mask,
            )
        )
    )


def _batch(maps: list[Tensor], multiple: int) -> Tensor:
    """Stack (B, H, W) maps over time and pad them by repeating their border."""
    joined = torch.cat(maps)
    padding = _padding(joined.shape[1], joined.shape[2], multiple)
    if not any(padding):
        return joined
    # replicate padding is written for floats; ids up to 255 survive the detour
    return F.pad(joined.float().unsqueeze(1), padding, mode="replicate").squeeze(1).to(joined.dtype)


def _batch_edges(maps: list[LabelMaps], multiple: int) -> Tensor | None:
    edges = [entry.edges.squeeze(1) for entry in maps if entry.edges is not None]
    return _batch(edges, multiple).unsqueeze(1) if edges else None


def _padding(height: int, width: int, multiple: int) -> tuple[int, int, int, int]:
    """Right and bottom padding up to the next multiple, as ``torch.nn.functional.pad`` takes it."""
    return (0, -width % multiple, 0, -height % multiple)
