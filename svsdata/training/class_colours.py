"""How far the colours of generated frames are from the real ones', class by class.

# N frames, K classes, H, W
"""

from collections.abc import Sequence

import torch
from torch import Tensor

_LEVELS = 127.5
"""Of 255, a unit of images in [-1, 1]."""


def colour_sums(generated: Tensor, real: Tensor, semantic: Tensor, num_classes: int) -> Tensor:
    """Add up colours by class; sums of several processes may be added.

    Args:
        generated: (N, 3, H, W) in [-1, 1].
        real: Of the same shape.
        semantic: (N, H, W) integer ids.
        num_classes: K.

    Returns:
        (K, 7) float32 without graph: pixels, RGB of the generated, RGB of the real frames.
    """
    colours = torch.cat([torch.ones_like(real[:, :1]), generated.detach(), real], dim=1)
    rows = colours.movedim(1, -1).flatten(0, -2)
    sums = rows.new_zeros(num_classes, rows.shape[1])
    return sums.index_add_(0, semantic.flatten().long(), rows)


def colour_figures(sums: Tensor, names: Sequence[str | None]) -> dict[str, float]:
    """Return the distance between mean colours of generated and real pixels.

    Args:
        sums: From ``colour_sums``.
        names: Of the K classes; None is left out.

    Returns:
        ``colour/NAME`` of each class that occurs, in levels of 255 (Euclidean, over RGB), and
        ``colour/mean`` over them; nothing where none does.
    """
    means = sums[:, 1:] / sums[:, :1].clamp(min=1)
    distances = (_LEVELS * (means[:, :3] - means[:, 3:]).norm(dim=1)).tolist()
    counts = sums[:, 0].tolist()
    figures = {
        f"colour/{name}": distance
        for name, count, distance in zip(names, counts, distances, strict=True)
        if name is not None and count
    }
    if not figures:
        return {}
    return {"colour/mean": sum(figures.values()) / len(figures), **figures}
