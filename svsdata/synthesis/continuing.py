"""What is not known of a frame, continued from what its own label shows beside it."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from svsdata.records import SemanticMap
from svsdata.synthesis.rims import nearest_outside


def continued(
    values: NDArray[Any], unknown: NDArray[np.bool_], semantic: SemanticMap
) -> NDArray[Any]:
    """Give pixels what the nearest known one of their label has, step by step within the label.

    Args:
        values: (H, W, C), such as colours or flow.
        unknown: (H, W), True where they are not known.
        semantic: (H, W).

    Returns:
        Shape and dtype of ``values``. A region of which nothing is known takes what is nearest.
    """
    if not unknown.any():
        return values
    unknown, around = np.pad(unknown, 1), np.pad(~unknown, 1)
    known, labels = around.ravel(), np.pad(semantic, 1).ravel()
    padded = np.pad(values, ((1, 1), (1, 1), (0, 0)))
    flat, width = padded.reshape(-1, values.shape[2]), unknown.shape[1]
    left = np.flatnonzero(unknown)
    while left.size:
        sources = np.full(len(left), -1)
        for offset in (-width, width, -1, 1):
            beside = left + offset
            is_alike = known[beside] & (labels[beside] == labels[left])
            sources[is_alike] = beside[is_alike]
        is_reached = sources >= 0
        if not is_reached.any():
            break
        flat[left[is_reached]] = flat[sources[is_reached]]
        known[left[is_reached]] = True
        left = left[~is_reached]
    if left.size:
        nearest, _ = nearest_outside((~around).astype(np.uint8), left)
        flat[left] = flat[nearest]
    return np.ascontiguousarray(padded[1:-1, 1:-1])
