"""Which colours the objects of a store have, class by class."""

from collections.abc import Sequence
from itertools import islice
from typing import TypeAlias

import numpy as np

from svsdata.object_colours import LEAST_PIXELS, mean_colours
from svsdata.records import INSTANCE_BASE
from svsdata.store.reader import StoreReader
from svsdata.training.sampler import Recording

_FRAMES = 200
"""Most frames that are looked at, evenly over the store."""
_COLOURS = 64
"""Most colours of a class that are kept, evenly over the frames."""
_LEAST_SHARE = 5e-4
"""Of a frame's pixels that an object must have: what is farther off looks like haze."""

ColoursByClass: TypeAlias = dict[str, tuple[tuple[int, int, int], ...]]
"""RGB levels of 255 by class name."""


def colours_by_class(reader: StoreReader, recordings: Sequence[Recording]) -> ColoursByClass:
    """Measure colours of objects, each as one frame shows it.

    Returns:
        By class; classes without objects in the frames looked at are missing.
    """
    places = [(one.sequence_id, index) for one in recordings for index in range(one.num_frames)]
    step = max(1, -(-len(places) // _FRAMES))
    found: dict[int, list[tuple[int, int, int]]] = {}
    for sequence_id, index in islice(places, step // 2, None, step):
        (frame,) = reader.pick(sequence_id, [index], layers=("image", "instance"))
        if frame.image is None or frame.instance is None:
            continue
        least = max(LEAST_PIXELS, _LEAST_SHARE * frame.instance.size)
        table = mean_colours([(frame.image, frame.instance)], least)
        for instance_id in np.flatnonzero(table[:, 3]).tolist():
            red, green, blue = np.rint((table[instance_id, :3] + 1) * 127.5).astype(int).tolist()
            found.setdefault(instance_id // INSTANCE_BASE, []).append((red, green, blue))
    labels = reader.info.label_set.labels
    return {labels[label_id].name: _thinned(found[label_id]) for label_id in sorted(found)}


def _thinned(colours: list[tuple[int, int, int]]) -> tuple[tuple[int, int, int], ...]:
    chosen = np.linspace(0, len(colours) - 1, min(len(colours), _COLOURS)).round().astype(int)
    return tuple(colours[index] for index in chosen)
