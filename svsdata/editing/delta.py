"""What an edited layer adds to its base: rectangles of new values, nothing of the base in them."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from svsdata.errors import EditPlanError
from svsdata.images import decode_image, decode_map, encode_png

_BLOCK = 16
"""Changes nearer than about so many pixels share a rectangle."""
_MAP_LEVEL = 6

Layer = NDArray[np.uint8] | NDArray[np.uint16]


@dataclass(frozen=True)
class Patch:
    """One changed rectangle of a layer."""

    x: int
    y: int
    values: Layer
    """(h, w) or (h, w, 3); 0 where nothing changed."""
    changed: NDArray[np.bool_]
    """(h, w)."""


def patches_between(base: Layer, edited: Layer) -> list[Patch]:
    """Return rectangles that turn one layer into another.

    Args:
        base: (H, W) or (H, W, 3).
        edited: Of the same shape and type.

    Raises:
        ValueError: If shapes or types differ.
    """
    if (base.shape, base.dtype) != (edited.shape, edited.dtype):
        raise ValueError(f"{base.shape} {base.dtype} against {edited.shape} {edited.dtype}")
    differs = base != edited
    changed = differs.any(axis=2) if differs.ndim == 3 else differs
    patches = []
    for rows, columns in _rectangles(changed):
        window, values = changed[rows, columns], edited[rows, columns].copy()
        values[~window] = 0
        patches.append(Patch(columns.start, rows.start, values, window))
    return patches


def patched(base: Layer, patches: Iterable[Patch]) -> Layer:
    """Return the layer with its rectangles.

    Raises:
        EditPlanError: If one lies outside, or is of another type.
    """
    layer = base.copy()
    for patch in patches:
        height, width = patch.changed.shape
        window = layer[patch.y : patch.y + height, patch.x : patch.x + width]
        if window.shape != patch.values.shape or window.dtype != patch.values.dtype:
            raise EditPlanError(
                f"a rectangle of {width}x{height} at ({patch.x}, {patch.y}) does not fit a layer "
                f"of {layer.shape[1]}x{layer.shape[0]}; the delta is damaged or of another base"
            )
        window[patch.changed] = patch.values[patch.changed]
    return layer


def encoded(patch: Patch) -> dict[str, Any]:
    """Return a patch as PNG files and numbers, for a table."""
    return {
        "x": patch.x,
        "y": patch.y,
        "values": encode_png(patch.values, _MAP_LEVEL),
        "changed": encode_png(patch.changed.astype(np.uint8), _MAP_LEVEL),
    }


def decoded(row: dict[str, Any], where: str) -> Patch:
    """Return the patch of a table's row.

    Raises:
        SourceError: If its pictures are damaged.
    """
    changed = decode_map(row["changed"], where) != 0
    is_picture = row["layer"] == "image"
    values = (decode_image if is_picture else decode_map)(row["values"], where)
    return Patch(row["x"], row["y"], values, changed)


def _rectangles(changed: NDArray[np.bool_]) -> list[tuple[slice, slice]]:
    """Bound each group of changed pixels; groups that touch in a coarse grid are one."""
    height, width = changed.shape
    padded = np.pad(changed, ((0, -height % _BLOCK), (0, -width % _BLOCK)))
    blocks = padded.reshape(padded.shape[0] // _BLOCK, _BLOCK, -1, _BLOCK).any(axis=(1, 3))
    count, groups = cv2.connectedComponents(blocks.astype(np.uint8), connectivity=8)
    group_of = np.kron(groups, np.ones((_BLOCK, _BLOCK), groups.dtype))[:height, :width]
    found = []
    for group in range(1, count):
        own = changed & (group_of == group)
        rows, columns = np.flatnonzero(own.any(axis=1)), np.flatnonzero(own.any(axis=0))
        found.append(
            (slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1))
        )
    return found
