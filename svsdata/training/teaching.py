"""Knowledge distillation: a generator that has learned shows another what it would draw.

The idea is Fast-vid2vid's, where the teacher is the large network and the student a small one.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from svsdata.nets.svsgan import losses
from svsdata.nets.video_generator import VideoGenerator
from svsdata.training.chunks import Chunk
from svsdata.training.generating import generate, seen_before


@dataclass(frozen=True)
class Teacher:
    """A generator that does not learn any more."""

    generator: VideoGenerator[Any]
    """From ``inference_copy``; sees as many past frames as the student."""
    size_hw: tuple[int, int]
    """Of the frames that it learned to draw."""
    follows_flow: bool
    """It follows a given flow; else it tells motion from labels, whatever the student is given."""
    starts_alone: bool
    """It draws first frames from labels alone."""

    def can_draw(self, chunk: Chunk) -> bool:
        """Tell whether it knows how to draw a chunk: of its size, and begun as it learned to."""
        of_its_size = tuple(chunk.real.shape[2:]) == self.size_hw
        return of_its_size and (chunk.start > 0 or self.starts_alone)

    @torch.no_grad()
    def frames(self, chunk: Chunk, past: Tensor) -> Tensor:
        """Draw a chunk, going on from what the student drew.

        Args:
            chunk: K frames of B clips.
            past: (B, T, 3, H, W), the student's frames before.

        Returns:
            (K * B, 3, H, W), frame by frame.
        """
        config = self.generator.config
        told = replace(
            chunk,
            guidance=None,
            edges=chunk.edges if config.edges else {},
            colours=chunk.colours if config.object_colours else None,
            motion=chunk.motion if self.follows_flow else None,
        )
        before = seen_before(self.generator, chunk, past)
        with torch.autocast(before.device.type, enabled=False):  # its types are its own
            return generate(self.generator, told, before).image


def distillation(
    pictures: Sequence[Tensor], taught: Tensor, perceptual_net: nn.Module | None
) -> Tensor:
    """Compare what a student drew with what its teacher would have: a scalar.

    Args:
        pictures: (N, 3, H, W) each; all of the student's pictures of the frames.
        taught: (N, 3, H, W) of the teacher.
        perceptual_net: Compare its features too, as Fast-vid2vid does; None: pixels alone.
    """
    terms = [losses.pixel_loss(picture, taught).mean() for picture in pictures]
    if perceptual_net is not None:
        with torch.no_grad():
            maps = perceptual_net(taught)
        terms += [losses.perceptual_loss(perceptual_net(it), maps).mean() for it in pictures]
    return torch.stack(terms).sum()
