"""What the generator computes of labels before it sees a frame.

# B batch, H, W, h, w of the base size
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

from torch import Tensor

from svsdata.tensors import resize


@dataclass(frozen=True)
class LabelFeatures:
    """All that a frame's labels decide; rows of a batch may be frames of one sequence."""

    backward_flow: Tensor
    """(B, 2, h, w) float32, pixels of the base size (h, w)."""
    occlusion_mask: Tensor
    """(B, 1, h, w) float32 in [0, 1], 1 = occluded."""
    conditions: tuple[Tensor, ...]
    """What each SPADE block is modulated by, coarsest first."""
    label_pair: Tensor | None = None
    """What the motion network is shown beside the image, if it sees one: flow and mask, except for
    pixels that are to be generated anew, are then still to come."""
    guidance: Tensor | None = None
    """(B, 4, H, W) float32 of the full size, what was seen before: RGB and 1 where it is known."""
    colours: Tensor | None = None
    """(B, 4, H, W) float32 of the full size, of objects: RGB in [-1, 1] and 1 where it is told."""

    def map(self, change: Callable[[Tensor], Tensor]) -> "LabelFeatures":
        """Apply a function to every tensor."""
        return LabelFeatures(
            change(self.backward_flow),
            change(self.occlusion_mask),
            tuple(change(condition) for condition in self.conditions),
            None if self.label_pair is None else change(self.label_pair),
            None if self.guidance is None else change(self.guidance),
            None if self.colours is None else change(self.colours),
        )

    def rows(self, start: int, stop: int) -> "LabelFeatures":
        """Return a part of the batch."""
        return self.map(lambda maps: maps[start:stop])

    def guided(self, guidance: Tensor) -> "LabelFeatures":
        """Show the network what it should repeat: (B, 4, H, W) float32, RGB and 1 = known."""
        return replace(self, guidance=guidance)

    def guidance_like(self, maps: Tensor) -> Tensor:
        """Return the guidance on the grid of (B, C, h, w) maps; without any nothing is known."""
        if self.guidance is None:
            return maps.new_zeros(len(maps), 4, *maps.shape[2:])
        return resize(self.guidance, (maps.shape[2], maps.shape[3])).to(maps.dtype)

    def painted(self, warped: Tensor) -> Tensor:
        """Show what is drawn anew of objects in the colours that are told of them.

        Args:
            warped: (B, 3, H, W) in [-1, 1], the previous image of the full size, or of the full
                size over a power of two.
        """
        if self.colours is None:
            return warped
        step = self.colours.shape[2] // warped.shape[2]
        colours = self.colours[:, :, ::step, ::step]
        share = resize(_is_drawn(self.occlusion_mask), (warped.shape[2], warped.shape[3]))
        return warped.lerp(colours[:, :3], colours[:, 3:] * share)

    @property
    def unseen(self) -> Tensor:
        """(B, 1, h, w) float32 in [0, 1]: what ``painted`` shows nothing of; 1 = nothing."""
        if self.colours is None:
            return self.occlusion_mask
        height, width = self.occlusion_mask.shape[2:]
        told = resize(self.colours[:, 3:], (height, width))
        return self.occlusion_mask * (1 - told * _is_drawn(self.occlusion_mask))

    def occluded(self, where: Tensor) -> "LabelFeatures":
        """Have pixels generated anew: (B, 1, H, W) bool, or (B, 1, 1, 1) for whole frames."""
        height, width = self.occlusion_mask.shape[2:]
        if where.shape[2] > height:  # labels of the full size, a mask of the base size
            where = resize(where.float(), (height, width)) > 0
        return replace(self, occlusion_mask=self.occlusion_mask.masked_fill(where, 1.0))


def _is_drawn(occlusion_mask: Tensor) -> Tensor:
    """Return 1 where nothing is carried over, 0 where half or more is, as in all that is known."""
    return (2 * occlusion_mask - 1).clamp(min=0)
