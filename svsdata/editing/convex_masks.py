"""Which pixels convex outlines cover, many outlines at once.

OpenCV's fill would add half a pixel all around.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def masks_of(
    groups: Sequence[list[NDArray[np.float32]]], sizes_hw: Sequence[tuple[int, ...]]
) -> list[NDArray[np.bool_]]:
    """Return for each group the pixels whose centre lies inside any of its convex outlines.

    Args:
        groups: Outlines, (N, 2) corners x and y each, in pixels of the group's mask; they may reach
            beyond it. At least one a group.
        sizes_hw: Height and width of each group's mask.
    """
    if not groups:
        return []
    outlines = [outline for group in groups for outline in group]
    lengths = np.array([len(outline) for outline in outlines])
    corners = np.concatenate(outlines)
    following = np.arange(1, len(corners) + 1)
    following[np.cumsum(lengths) - 1] -= lengths
    (x0, y0), (x1, y1) = corners.T, corners[following].T
    # All masks lie behind one another, and so do the spans of all rows of all outlines.
    sizes = np.array(sizes_hw)
    ends = np.cumsum(sizes.prod(axis=1))
    which = np.repeat(np.arange(len(groups)), [len(group) for group in groups])
    height, width = sizes[which].T
    first_span = np.cumsum(height) - height
    # Every row that an edge crosses, edge after edge.
    outline_of = np.repeat(np.arange(len(outlines)), lengths)
    lowest = height[outline_of].astype(np.float32)
    first, stop = (
        np.minimum(np.maximum(np.ceil(end), 0), lowest).astype(np.intp)
        for end in (np.minimum(y0, y1), np.maximum(y0, y1))
    )
    count = stop - first
    edge = np.repeat(np.arange(len(corners)), count)
    row = np.arange(len(edge)) - np.repeat(np.cumsum(count) - count - first, count)
    slope = (x1 - x0) / np.where(y1 == y0, 1, y1 - y0)
    x = x0[edge] + (row.astype(np.float32) - y0[edge]) * slope[edge]
    # An outline covers one span of each of its rows.
    span = first_span[outline_of][edge] + row
    left = np.full(height.sum(), np.inf, np.float32)
    right = np.full(height.sum(), -np.inf, np.float32)
    np.minimum.at(left, span, x)
    np.maximum.at(right, span, x)
    row_width = np.repeat(width, height)
    begin = np.ceil(np.minimum(np.maximum(left, 0), row_width)).astype(np.intp)
    end = np.floor(np.minimum(np.maximum(right, -1), row_width - 1)).astype(np.intp) + 1
    start = np.repeat((ends - sizes.prod(axis=1))[which] - first_span * width, height)
    start += np.arange(len(left)) * row_width
    covered = np.flatnonzero(begin < end)
    flat = _union((start + begin)[covered], (start + end)[covered], int(ends[-1]))
    pieces = np.split(flat, ends[:-1])
    return [piece.reshape(size) for piece, size in zip(pieces, sizes_hw, strict=True)]


def _union(begin: NDArray[np.intp], end: NDArray[np.intp], length: int) -> NDArray[np.bool_]:
    """(length,) whether each place lies in any interval, ends excluded."""
    if not begin.size:
        return np.zeros(length, bool)
    order = np.argsort(begin)
    begin, end = begin[order], np.maximum.accumulate(end[order])
    gaps = np.flatnonzero(begin[1:] > end[:-1])
    # Where places begin to lie outside, inside, outside, ...
    bounds = np.zeros(2 * len(gaps) + 4, np.intp)
    bounds[1], bounds[3:-1:2] = begin[0], begin[gaps + 1]
    bounds[2:-2:2], bounds[-2:] = end[gaps], (end[-1], length)
    is_inside = np.zeros(len(bounds) - 1, bool)
    is_inside[1::2] = True
    return np.repeat(is_inside, bounds[1:] - bounds[:-1])
