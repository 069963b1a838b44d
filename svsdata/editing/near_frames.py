"""What frames show at places of the ground and beside the road."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar, cast

import cv2
import numpy as np
from numpy.typing import NDArray

from svsdata.labels import NO_LABEL
from svsdata.records import SemanticMap

Number = TypeVar("Number", np.uint8, np.uint16)

_NEAR_M = 0.3
# Columns that OpenCV takes: less than 2 ** 15.
_AT_ONCE = 1 << 14


@dataclass(frozen=True)
class NearFrame:
    """Another frame as places of the edited frame's vehicle frame lie in it."""

    semantic: SemanticMap
    projection: NDArray[np.float64]
    """(3, 4) takes x, y, z, 1 to z-depth times (u, v, 1)."""


def labels_at(
    semantic: SemanticMap, projected: NDArray[np.float64], near_m: float = _NEAR_M
) -> SemanticMap:
    """Look places up in one frame.

    Args:
        semantic: (H, W).
        projected: (3, P) z-depth times (u, v, 1); overwritten.
        near_m: What is not farther than that is not seen.

    Returns:
        (P,) labels, ``NO_LABEL`` where the frame does not show the place.
    """
    u, v = _pixels_of(projected, near_m)
    return _read(semantic, u, v)


def _pixels_of(projected: NDArray[np.float64], near_m: float) -> NDArray[np.float32]:
    """(2, ...) nearest columns and rows of (3, ...) z-depth times (u, v, 1), which is overwritten.

    Before the map begins where nothing is seen.
    """
    pixels, depth = projected[:2], projected[2]
    is_near = depth <= near_m
    if is_near.any():
        pixels[0][is_near], depth[is_near] = -1.0, 1.0
    pixels /= depth
    # Rounded here: as float32 a place could fall to the neighbour of its pixel.
    return np.rint(pixels, out=pixels).astype(np.float32)


def _read(semantic: SemanticMap, u: NDArray[np.float32], v: NDArray[np.float32]) -> SemanticMap:
    """(P,) labels at whole columns and rows, ``NO_LABEL`` beyond the map."""
    parts = [
        cv2.remap(
            semantic, u[None, at : at + _AT_ONCE], v[None, at : at + _AT_ONCE], cv2.INTER_NEAREST,
            borderMode=cv2.BORDER_CONSTANT, borderValue=NO_LABEL,
        )[0]
        for at in range(0, len(u), _AT_ONCE)
    ]  # fmt: skip
    whole = parts[0] if len(parts) == 1 else np.concatenate([*parts, np.zeros(0, np.uint8)])
    return np.asarray(whole, np.uint8)


def nearest_at(
    values: NDArray[Number], places: NDArray[np.float64], outside: int
) -> NDArray[Number]:
    """Return (h, w) of a (H, W) map at the pixels nearest to (2, h, w) u and v.

    Args:
        values: The map.
        places: Not finite ones are outside; OpenCV takes less than 2 ** 15 columns of them.
        outside: Value beyond the map.
    """
    with np.errstate(invalid="ignore"):
        # Rounded here: as float32 a place could fall to the neighbour of its pixel.
        u, v = np.rint(places).astype(np.float32)
    found = cv2.remap(
        values, u, v, cv2.INTER_NEAREST, borderMode=cv2.BORDER_CONSTANT, borderValue=outside
    )
    return cast("NDArray[Number]", found)


def first_seen(
    frames: Sequence[NearFrame], places: NDArray[np.float64], is_wanted: NDArray[np.bool_]
) -> SemanticMap:
    """Look places up in several frames: the first one that shows something wanted counts.

    Args:
        frames: Where to look.
        places: (4, P) x, y, z, 1 in the edited frame's vehicle frame.
        is_wanted: (256,) labels that count; any other hides the place.

    Returns:
        (P,) labels, ``NO_LABEL`` where no frame shows a wanted one.
    """
    counts = is_wanted.astype(np.uint8)
    counts[NO_LABEL] = 0
    found = np.full((1, places.shape[1]), NO_LABEL, np.uint8)
    if not len(frames) or not found.size:
        return found[0]
    # One product of all matrices is several times as fast as one of each.
    projections = np.stack([it.projection for it in frames], axis=1).reshape(-1, 4)
    pixels = _pixels_of((projections @ places).reshape(3, len(frames), -1), _NEAR_M)
    shown = np.stack([_read(it.semantic, *own) for it, *own in zip(frames, *pixels, strict=True)])
    is_shown = cv2.LUT(shown, counts)
    for number in reversed(range(len(frames))):
        cv2.copyTo(shown[number : number + 1], is_shown[number : number + 1], found)
    return found[0]
