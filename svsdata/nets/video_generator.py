"""What every stage knows of a network that makes frames; how it makes them is its own affair.

# B batch, P past frames that the network sees, H, W

A frame is made in two halves, so that label maps known in advance go through the network in one
batch: ``label_features`` needs labels alone, ``render`` the frames before.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Generic, Protocol, Self, TypeVar

import torch
from torch import Tensor, nn

from svsdata.tensors import hidden_mask, resize, resize_flow


@dataclass(frozen=True)
class GeneratorOutput:
    """One generated frame and how it came to be."""

    image: Tensor
    """(B, 3, H, W) float32 in [-1, 1]."""
    warped: Tensor
    """(B, 3, H, W) float32, the previous image on the current grid."""
    backward_flow: Tensor
    """(B, 2, H, W) float32, pixels."""
    occlusion_mask: Tensor
    """(B, 1, H, W) float32, 1 = occluded, so generated anew."""
    raw: Tensor | None = None
    """(B, 3, H, W) float32: what was generated before the warped image was blended in; None where
    the network does not blend."""

    def map(self, change: Any) -> "GeneratorOutput":
        """Apply a function to every tensor."""
        changed: dict[str, Any] = {
            name: value if value is None else change(value) for name, value in vars(self).items()
        }
        return GeneratorOutput(**changed)


@dataclass(frozen=True)
class Motion:
    """How the pixels of a frame moved, where that is known and not left to the network."""

    backward_flow: Tensor
    """(B, 2, H, W) float32, pixels."""
    occlusion_mask: Tensor
    """(B, 1, H, W) float32, 1 = the previous frame does not show the pixel."""
    known: Tensor | None = None
    """(B, 1, H, W) float32, 1 = both hold there; elsewhere the network decides. None: everywhere.
    """

    @classmethod
    def recorded(cls, flow: Tensor, validity: Tensor | None, occlusion: Tensor | None) -> "Motion":
        """Return the motion that a store tells.

        Args:
            flow: (B, 2, H, W) backward flow in pixels.
            validity: (B, 1, H, W), 1 = the flow is known; None: everywhere.
            occlusion: (B, 1, H, W), 1 = the previous frame does not show the pixel; None: nowhere.
        """
        known = None if validity is None or bool(validity.all()) else validity.float()
        return cls(flow, hidden_mask(flow, occlusion), known)

    @classmethod
    def joined(cls, motions: Sequence["Motion"]) -> "Motion":
        """Return the motion of several batches as one batch."""
        known = None
        if any(motion.known is not None for motion in motions):
            everywhere = [torch.ones_like(motion.occlusion_mask) for motion in motions]
            pairs = zip(motions, everywhere, strict=True)
            known = torch.cat([whole if it.known is None else it.known for it, whole in pairs])
        return cls(
            torch.cat([motion.backward_flow for motion in motions]),
            torch.cat([motion.occlusion_mask for motion in motions]),
            known,
        )

    def map(self, change: Callable[[Tensor], Tensor]) -> "Motion":
        """Apply a function to every tensor."""
        known = None if self.known is None else change(self.known)
        return Motion(change(self.backward_flow), change(self.occlusion_mask), known)

    def resized(self, size_hw: tuple[int, int]) -> "Motion":
        """Return it on another grid."""
        return Motion(
            resize_flow(self.backward_flow, size_hw),
            resize(self.occlusion_mask, size_hw),
            None if self.known is None else resize(self.known, size_hw),
        )

    def drawn_anew(self, least: float | Tensor) -> "Motion":
        """Have at least a share of every pixel drawn anew, 0 to 1; one, or (B, 1, H, W)."""
        return replace(self, occlusion_mask=least + (1 - least) * self.occlusion_mask)

    def completed(self, told: "Motion") -> "Motion":
        """Put what a network tells where this is not known."""
        if self.known is None:
            return self
        return Motion(
            told.backward_flow.lerp(self.backward_flow, self.known),
            told.occlusion_mask.lerp(self.occlusion_mask, self.known),
        )


class LabelFeatures(Protocol):
    """All that a frame's labels decide; rows of a batch may be frames of one sequence."""

    def map(self, change: Callable[[Tensor], Tensor]) -> Self:
        """Apply a function to every tensor."""

    def rows(self, start: int, stop: int) -> Self:
        """Return a part of the batch."""

    def occluded(self, where: Tensor) -> Self:
        """Have pixels generated anew, whatever the labels say: (B, 1, H, W) bool."""

    def guided(self, guidance: Tensor) -> Self:
        """Show the network what it should repeat.

        Args:
            guidance: (B, 4, H, W) float32: RGB in [-1, 1], and 1 where it is known; 0 elsewhere.

        Raises:
            ValueError: If the network sees none.
        """


class GeneratorShape(Protocol):
    """What must be known of a network to feed it; its config."""

    @property
    def num_classes(self) -> int:
        """Classes of the label set."""

    @property
    def edges(self) -> bool:
        """Instance borders are a further input."""

    @property
    def object_colours(self) -> bool:
        """What colour each object has is a further input."""

    @property
    def context_frames(self) -> int:
        """Past frames that it sees, with their labels: P."""

    @property
    def sees_guidance(self) -> bool:
        """What was seen of the standing world before may be a further input."""

    @property
    def sees_position(self) -> bool:
        """Where in the frame a pixel lies is a further input."""

    @property
    def labels_tell_motion(self) -> bool:
        """Flow and occlusion mask need no image."""

    @property
    def forgetting(self) -> float:
        """Share of every pixel that is drawn anew, at least, where a given motion is followed."""

    @property
    def size_multiple(self) -> int:
        """Height and width of a frame must be multiples of this."""


Features = TypeVar("Features", bound=LabelFeatures)


class VideoGenerator(nn.Module, ABC, Generic[Features]):
    """Labels and past frames in, next frame out. Only an interface: a module cannot be a Protocol.

    Args:
        config: Everything that its weights and inputs depend on.
    """

    def __init__(self, config: Any) -> None:
        super().__init__()
        self.config: GeneratorShape = config

    @abstractmethod
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
        """Compute everything that depends on labels only.

        Args:
            previous_semantic: (B, P, H, W) integer ids of the past frames, oldest first.
            semantic: (B, H, W) integer ids at t.
            previous_edges: (B, P, H, W) of 0 and 1; exactly where the config says ``edges``.
            edges: (B, 1, H, W), the same at t.
            colours: (B, 4, H, W) float32 at t: the colour of the pixel's object, RGB in [-1, 1],
                and 1 where it is told, else 0; for networks whose config says ``object_colours``.
                None: nothing is told.
            motion: Followed, where it is known, instead of what the network makes of labels.

        Raises:
            ValueError: If colours are given to a network that sees none, or motion to one that
                reads it off the past frames.
        """

    @abstractmethod
    def render(
        self, previous_images: Tensor, features: Features, detail: float = 1.0
    ) -> GeneratorOutput:
        """Generate the frame of some labels.

        Args:
            previous_images: (B, 3 * P, H, W) float32 in [-1, 1], oldest first.
            features: From ``label_features``, same batch and size.
            detail: How far the newest extra block takes part, 0 to 1; while it fades in.
        """

    def motion_of(self, features: Features) -> tuple[Tensor, Tensor]:
        """Return flow and occlusion mask, as in ``GeneratorOutput``, where labels decide them.

        Raises:
            ValueError: If the network reads them off the past frames too.
        """
        raise ValueError(
            f"{type(features).__name__} hold no motion: it is read off past frames too"
        )

    def newest_modules(self) -> list[nn.Module]:
        """Return what the last extra block brought: all that a network of half the size lacks.

        Raises:
            ValueError: If there is none.
        """
        raise ValueError(f"{type(self).__name__} has no extra block")

    @property
    @abstractmethod
    def dtype(self) -> torch.dtype:
        """Type of weights and features."""

    @abstractmethod
    def cast(self, dtype: torch.dtype) -> None:
        """Set the type of weights and features; flow, warp and images stay float32."""


def without_previous(
    previous_images: Tensor, features: Features, which: Tensor
) -> tuple[Tensor, Features]:
    """Make frames from labels alone: black past frames, everything occluded.

    Args:
        previous_images: (B, 3 * P, H, W).
        features: Of the same batch.
        which: (B,) bool, True = has no previous frame.
    """
    mask = which.view(-1, 1, 1, 1)
    return previous_images.masked_fill(mask, 0.0), features.occluded(mask)
