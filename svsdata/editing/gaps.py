"""Fill label maps along their rows: where nothing is known, and where what stands opened."""

import numpy as np
from numpy.typing import NDArray

from svsdata.editing.occlusion import Layer
from svsdata.records import SemanticMap

_GAP_SHARE = 1 / 32
"""Of the width: gaps that open in what stands and are closed."""


def along_rows(labels: SemanticMap, is_kept: NDArray[np.bool_]) -> SemanticMap:
    """Give pixels that are not kept the label of the nearest kept one of their row, if any."""
    width = labels.shape[1]
    columns = np.arange(width)
    before, after = _beside(is_kept)
    source = np.where(columns - before <= after - columns, before, after)
    source = np.where((source < 0) | (source >= width), columns, source)
    return np.take_along_axis(labels, source, axis=1)


def close_gaps(
    semantic: SemanticMap, depth: NDArray[np.float32], layers: NDArray[np.uint8]
) -> None:
    """Close what opened between columns of one thing that stands, as its middle came near.

    Args:
        semantic: (H, W), changed in place, as is ``depth``.
        depth: (H, W) z-depth; what is nearer than both sides of a gap stays.
        layers: (256,) ``Layer`` of every class.
    """
    layer = layers[semantic]
    stands = (layer == Layer.UPRIGHT) & np.isfinite(depth)
    before, after = _beside(stands)
    is_gap = (layer != Layer.THIN) & ~stands & (after - before <= semantic.shape[1] * _GAP_SHARE)
    rows, columns = np.nonzero(is_gap)
    left, right = before[rows, columns], after[rows, columns]
    metres = np.maximum(depth[rows, left], depth[rows, right])
    closes = (semantic[rows, left] == semantic[rows, right]) & (metres < depth[rows, columns])
    rows, columns, left, metres = (it[closes] for it in (rows, columns, left, metres))
    semantic[rows, columns], depth[rows, columns] = semantic[rows, left], metres


def _beside(is_kept: NDArray[np.bool_]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """(H, W) column of the nearest kept pixel up to each of its row, and from it on; else far."""
    width = is_kept.shape[1]
    columns = np.arange(width)
    before = np.maximum.accumulate(np.where(is_kept, columns, -width), axis=1)
    after = np.minimum.accumulate(np.where(is_kept, columns, 2 * width)[:, ::-1], axis=1)[:, ::-1]
    return before, after
