"""FlowNetC's correlation of two feature maps (Fischer et al. 2015, section 3)."""

import torch
import torch.nn.functional as F
from torch import Tensor

RADIUS = 10
"""Steps looked at in each direction: 21 x 21 displacements."""
STRIDE = 2
"""Pixels a step."""


def correlation(first: Tensor, second: Tensor) -> Tensor:
    """Compare every position with 441 positions of the other map.

    Positions of equal parity form four grids in which a step is one pixel. In such a grid a row of
    ``first`` meets 21 whole rows of ``second`` in one product; a diagonal band of it is the answer.

    Args:
        first: (B, C, H, W).
        second: The same shape.

    Returns:
        (B, 441, H, W): channel ``(j + 10) * 21 + i + 10`` is the mean over C of
        ``first(y, x) * second(y + 2 j, x + 2 i)``, with zeros beyond the border.
    """
    batch, _, height, width = first.shape
    steps = 2 * RADIUS + 1
    even_hw = (height + height % STRIDE, width + width % STRIDE)
    out = first.new_empty(batch, *even_hw, steps * steps)
    queries = _grids(first, even_hw, border=0)
    keys = _grids(second, even_hw, border=RADIUS)
    for sample in range(batch):
        for row in range(STRIDE):
            for column in range(STRIDE):
                out[sample, row::STRIDE, column::STRIDE] = _one_grid(
                    queries[sample, row, column], keys[sample, row, column]
                )
    return out[:, :height, :width].permute(0, 3, 1, 2)


def _grids(features: Tensor, even_hw: tuple[int, int], *, border: int) -> Tensor:
    """Return (B, 2, 2, H/2 + 2 border, W/2 + 2 border, C), by the parity of row and column."""
    batch, channels, height, width = features.shape
    margin = STRIDE * border
    rest = (margin + even_hw[1] - width, margin + even_hw[0] - height)
    padded = F.pad(features, (margin, rest[0], margin, rest[1])).permute(0, 2, 3, 1)
    split = padded.reshape(batch, even_hw[0] // STRIDE + 2 * border, STRIDE, -1, STRIDE, channels)
    return split.permute(0, 2, 4, 1, 3, 5).contiguous()


def _one_grid(queries: Tensor, keys: Tensor) -> Tensor:
    """Correlate (h, w, C) with (h + 20, w + 20, C): (h, w, 441)."""
    height, width, channels = queries.shape
    steps = 2 * RADIUS + 1
    row = keys.shape[1] * channels
    # Overlapping windows of 21 rows, as a view: (h, C, 21 (w + 20))
    windows = keys.as_strided(
        (height, channels, steps * keys.shape[1]), (row, 1, channels), keys.storage_offset()
    )
    products = torch.bmm(queries / channels, windows)
    products = products.view(height, width, steps, width + steps - 1)
    # At x the 21 answers of a row begin at x: one longer stride of x walks along the diagonal.
    of_y, of_x, of_row, _ = products.stride()
    band = products.as_strided((height, width, steps, steps), (of_y, of_x + 1, of_row, 1))
    return band.reshape(height, width, steps * steps)
