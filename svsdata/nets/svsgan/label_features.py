"""What the generator computes of labels before it sees a frame.

# B batch, H, W, h, w of the base size
"""

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

    def rows(self, start: int, stop: int) -> "LabelFeatures":
        """Return a part of the batch."""
        rows = slice(start, stop)
        return LabelFeatures(
            self.backward_flow[rows],
            self.occlusion_mask[rows],
            tuple(condition[rows] for condition in self.conditions),
            None if self.label_pair is None else self.label_pair[rows],
            None if self.guidance is None else self.guidance[rows],
        )

    def guided(self, guidance: Tensor) -> "LabelFeatures":
        """Show the network what it should repeat: (B, 4, H, W) float32, RGB and 1 = known."""
        return replace(self, guidance=guidance)

    def guidance_like(self, maps: Tensor) -> Tensor:
        """Return the guidance on the grid of (B, C, h, w) maps; without any nothing is known."""
        if self.guidance is None:
            return maps.new_zeros(len(maps), 4, *maps.shape[2:])
        return resize(self.guidance, (maps.shape[2], maps.shape[3])).to(maps.dtype)

    def occluded(self, where: Tensor) -> "LabelFeatures":
        """Have pixels generated anew: (B, 1, H, W) bool, or (B, 1, 1, 1) for whole frames."""
        height, width = self.occlusion_mask.shape[2:]
        if where.shape[2] > height:  # labels of the full size, a mask of the base size
            where = resize(where.float(), (height, width)) > 0
        return replace(self, occlusion_mask=self.occlusion_mask.masked_fill(where, 1.0))
