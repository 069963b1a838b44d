"""Autoregressive generation over any length: the state is a value, two videos never mix.

# B parallel sequences, T frames, H, W
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import groupby, islice
from typing import TypeAlias

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn.utils.parametrize import is_parametrized, remove_parametrizations

from svsdata.nets.svsgan.padding import batched, batched_edges, padded, padding
from svsdata.nets.video_generator import (
    Features,
    GeneratorOutput,
    Motion,
    VideoGenerator,
    without_previous,
)

Guide: TypeAlias = Callable[[Tensor], Tensor]
"""Makes of the image before a frame, (B, 3, H, W), what the frame should repeat: (B, 4, H, W) as
``LabelFeatures.guided`` takes it."""


@dataclass(frozen=True)
class LabelMaps:
    """The labels of one time step."""

    semantic: Tensor
    """(B, H, W) integer ids."""
    edges: Tensor | None = None
    """(B, 1, H, W), for generators that take edges."""
    colours: Tensor | None = None
    """(B, 4, H, W) float32, for generators that see the colours of objects; None: none is told."""
    motion: Motion | None = None
    """How the frame came from the one before, where that is known; None: the generator's guess."""
    guide: Guide | None = None
    """For generators that see guidance; None: nothing is known."""

    @classmethod
    def side_by_side(cls, maps: Sequence["LabelMaps"]) -> "LabelMaps":
        """Join parallel sequences of one size; each layer is known of all or of none."""
        edges = [one.edges for one in maps if one.edges is not None]
        colours = [one.colours for one in maps if one.colours is not None]
        motions = [one.motion for one in maps if one.motion is not None]
        return cls(
            torch.cat([one.semantic for one in maps]),
            torch.cat(edges) if edges else None,
            torch.cat(colours) if colours else None,
            Motion.joined(motions) if motions else None,
            _guide_of_all(maps),
        )


def _guide_of_all(maps: Sequence[LabelMaps]) -> Guide | None:
    """Return the guide of parallel sequences, each of which has its own, or none has."""
    guides = [one.guide for one in maps if one.guide is not None]

    def guide(images: Tensor) -> Tensor:
        rows = torch.split(images, 1)
        return torch.cat([own(row) for own, row in zip(guides, rows, strict=True)])

    return guide if guides else None


@dataclass(frozen=True)
class RolloutState:
    """All that the next frame needs to know of the past: the newest frame, and those before it."""

    image: Tensor
    """(B, 3, H, W) float32 in [-1, 1]; never the 8-bit picture."""
    labels: LabelMaps
    earlier: "RolloutState | None" = None
    """The frame before, where a generator sees it; a video's first frame has none."""

    def context(self, num_frames: int) -> list["RolloutState"]:
        """Return so many frames, oldest first; the oldest known one stands in for older ones."""
        frames = [self]
        while len(frames) < num_frames:
            frames.append(frames[-1].earlier or frames[-1])
        return frames[::-1]

    def then(self, image: Tensor, labels: LabelMaps, *, num_frames: int) -> "RolloutState":
        """Return the state after a further frame, no deeper than ``num_frames``."""
        state: RolloutState | None = None
        for frame in self.context(num_frames)[1:]:
            state = RolloutState(frame.image, frame.labels, state)
        return RolloutState(image, labels, state)

    @classmethod
    def side_by_side(cls, states: Sequence["RolloutState"], num_frames: int) -> "RolloutState":
        """Join parallel sequences of one size, for a generator that sees so many frames."""
        joined: RolloutState | None = None
        for frames in zip(*(state.context(num_frames) for state in states), strict=True):
            images = torch.cat([frame.image for frame in frames])
            joined = cls(images, LabelMaps.side_by_side([frame.labels for frame in frames]), joined)
        if joined is None:
            raise ValueError("no sequence to join")
        return joined


def inference_copy(
    generator: VideoGenerator[Features], dtype: torch.dtype = torch.float32
) -> VideoGenerator[Features]:
    """Return a frozen copy made for speed: spectral norm folded, weights cast once, channels_last.

    Args:
        generator: Left as it is.
        dtype: Of weights and features; flow, warp and images stay float32.
    """
    # not deepcopy: parametrized copies share a class, and folding one would break the other
    with torch.device("meta"):
        fast = type(generator)(generator.config)
    state = {name: value.clone() for name, value in generator.state_dict().items()}
    fast.load_state_dict(state, assign=True)
    fast.eval().requires_grad_(requires_grad=False)
    for module in fast.modules():
        if is_parametrized(module, "weight"):
            remove_parametrizations(module, "weight", leave_parametrized=True)
    fast.cast(dtype)
    fast.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return fast


def begin(generator: VideoGenerator[Features], labels: LabelMaps) -> GeneratorOutput:
    """Generate a first frame from its labels alone.

    The model must have learned it: training with ``without_previous`` (vid2vid's no_first_img).
    """
    batch, height, width = labels.semantic.shape
    seen = generator.config.context_frames
    blank = torch.zeros(batch, 3 * seen, height, width, device=labels.semantic.device)
    everywhere = torch.ones(batch, dtype=torch.bool, device=blank.device)
    blank, features = without_previous(
        blank, _label_features(generator, [labels] * seen, [labels]), everywhere
    )
    return _render(generator, blank, features)


def redrawn(
    generator: VideoGenerator[Features], images: Tensor, labels: LabelMaps, where: Tensor
) -> Tensor:
    """Draw a part of frames anew, as if something had hidden it in the frames themselves.

    Args:
        generator: In eval mode.
        images: (B, 3, H, W) in [-1, 1].
        labels: Of the same frames.
        where: (B, 1, H, W) bool.

    Returns:
        (B, 3, H, W); close to ``images`` outside ``where``.
    """
    seen = generator.config.context_frames
    features = _label_features(generator, [labels] * seen, [labels])
    hidden = padded(where.float(), generator.config.size_multiple) > 0
    return _render(generator, images.repeat(1, seen, 1, 1), features.occluded(hidden)).image


def step(
    generator: VideoGenerator[Features], state: RolloutState, labels: LabelMaps
) -> tuple[RolloutState, GeneratorOutput]:
    """Generate the frame of ``labels``; any size, padded and cropped to what the net takes."""
    seen = generator.config.context_frames
    context = state.context(seen)
    features = _label_features(generator, [frame.labels for frame in context], [labels])
    features = _guided(features, labels, state, generator.config.size_multiple)
    output = _render(generator, _images(context), features)
    return state.then(output.image, labels, num_frames=seen), output


def rollout(
    generator: VideoGenerator[Features],
    state: RolloutState,
    labels: Iterable[LabelMaps],
    *,
    chunk: int = 8,
) -> Iterator[GeneratorOutput]:
    """Generate frame after frame; memory does not grow with the length.

    Args:
        generator: In eval mode, best from ``inference_copy``.
        state: Reference image with its labels; its size may be any.
        labels: One entry per frame to make, each with as many sequences as the state.
        chunk: Frames whose label features are computed together; results do not depend on it
            beyond rounding.
    """
    seen = generator.config.context_frames
    for current in _batches(labels, chunk):
        known = [frame.labels for frame in state.context(seen)]
        batched = _label_features(generator, known, current)
        batch = state.image.shape[0]
        for index, maps in enumerate(current):
            rows = batched.rows(index * batch, (index + 1) * batch)
            rows = _guided(rows, maps, state, generator.config.size_multiple)
            output = _render(generator, _images(state.context(seen)), rows)
            state = state.then(output.image, maps, num_frames=seen)
            yield output


def motions(
    generator: VideoGenerator[Features],
    before: LabelMaps,
    labels: Iterable[LabelMaps],
    *,
    chunk: int = 8,
) -> Iterator[Motion]:
    """Tell how frames move, each from the one before, as the generator would follow it.

    Args:
        generator: In eval mode; ``ValueError`` if it reads motion off images.
        before: Labels of the frame before the first.
        labels: One entry per frame; motion that is known of it is taken.
        chunk: Frames that are computed together.
    """
    height, width = before.semantic.shape[1:]
    for current in _batches(labels, chunk):
        told = generator.motion_of(_label_features(generator, [before], current))
        flow, occlusion = (maps[:, :, :height, :width].chunk(len(current)) for maps in told)
        yield from map(Motion, flow, occlusion)
        before = current[-1]


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


def _batches(labels: Iterable[LabelMaps], chunk: int) -> Iterator[list[LabelMaps]]:
    """Split into runs of up to ``chunk`` frames whose motion is known of all or of none."""
    upcoming = iter(labels)
    while current := list(islice(upcoming, chunk)):
        for _, alike in groupby(current, lambda maps: maps.motion is None):
            yield list(alike)


def _label_features(
    generator: VideoGenerator[Features], past: list[LabelMaps], current: list[LabelMaps]
) -> Features:
    """Compute the features of several time steps in one batch, time-major.

    Args:
        generator: Sees as many past frames as ``past`` has.
        past: Labels of the frames before the first of ``current``, oldest first.
        current: Labels of the frames to make; the motion of all or of none is known.
    """
    multiple, count = generator.config.size_multiple, len(current)
    line = [*past, *current]
    # every frame's past frames, side by side: the window slides over the line
    windows = [line[offset : offset + count] for offset in range(len(past))]
    semantic = [batched([maps.semantic for maps in window], multiple) for window in windows]
    borders = [batched_edges([maps.edges for maps in window], multiple) for window in windows]
    known = [border for border in borders if border is not None]
    motions = [maps.motion for maps in current if maps.motion is not None]
    colours = [maps.colours for maps in current if maps.colours is not None]
    return generator.label_features(
        torch.stack(semantic, dim=1),
        batched([maps.semantic for maps in current], multiple),
        previous_edges=torch.cat(known, dim=1) if known else None,
        edges=batched_edges([maps.edges for maps in current], multiple),
        colours=padded(torch.cat(colours), multiple) if colours else None,
        motion=Motion.joined(motions).map(partial(padded, multiple=multiple)) if motions else None,
    )


def _guided(features: Features, labels: LabelMaps, state: RolloutState, multiple: int) -> Features:
    """Show a frame's features what it should repeat, padded with nothing."""
    if labels.guide is None:
        return features
    guidance = labels.guide(state.image)
    return features.guided(F.pad(guidance, padding(guidance.shape[2], guidance.shape[3], multiple)))


def _images(context: list[RolloutState]) -> Tensor:
    return torch.cat([frame.image for frame in context], dim=1)


def _render(
    generator: VideoGenerator[Features], previous_images: Tensor, features: Features
) -> GeneratorOutput:
    height, width = previous_images.shape[2:]
    beyond = padding(height, width, generator.config.size_multiple)
    output = generator.render(F.pad(previous_images, beyond, mode="reflect"), features)
    return output.map(lambda picture: picture[:, :, :height, :width])
