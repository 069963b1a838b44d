"""What colour the objects of a video have: as its reference frame shows them, or from a palette.

Which colour an object gets is a function of the video's key and its id, whenever it comes into
view: nothing is kept of those that have gone.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from svsdata.object_colours import NUM_IDS, mean_colours
from svsdata.randomness import derived_seed, generator
from svsdata.records import INSTANCE_BASE, Frame, InstanceMap


@dataclass(frozen=True)
class Palette:
    """Colours that objects may have."""

    colours: Mapping[int, NDArray[np.float32]]
    """By label id, (N, 3) RGB in [-1, 1]."""
    seed: int
    """Of who gets which."""


_HOLD = 0.5
"""Share of the way back to a colour that is asked for, once a chunk."""

NO_PALETTE = Palette({}, 0)
"""No object's colour is told but those that a reference frame shows."""


@dataclass(frozen=True)
class ObjectPaint:
    """The colours of one video's objects."""

    key: int
    """Decides what the palette gives; 63 bits."""
    ids: NDArray[np.int64]
    """(N,) instance ids whose colours are known."""
    rgb: NDArray[np.float32]
    """(N, 3) in [-1, 1]."""
    asked: NDArray[np.int64]
    """(M,) those of them whose colour an edit asks for."""

    @classmethod
    def begun_with(cls, frame: Frame, seed: int, *, shows_itself: bool) -> "ObjectPaint":
        """Measure the colours of the objects of a video's first frame.

        Args:
            frame: With instances; what its provenance says was edited shows something else, and
                has the colours that edits ask for.
            seed: Of the palette; where the frame came from tells videos apart.
            shows_itself: The picture is the frame's own; else it is still to be drawn.
        """
        assert frame.instance is not None
        key = derived_seed(seed, "paint", frame.source, frame.timestamp_us)
        table = np.zeros((NUM_IDS, 4), np.float32)
        if shows_itself and frame.image is not None:
            edited = 0 if frame.provenance is None else frame.provenance
            table = mean_colours([(frame.image, np.where(edited, 0, frame.instance))])
        for instance_id, levels in frame.object_colours.items():
            table[instance_id] = [*(np.array(levels) / 127.5 - 1), 1.0]
        ids = np.flatnonzero(table[:, 3])
        return cls(key, ids, table[ids, :3], np.array(sorted(frame.object_colours), np.int64))

    def over(self, instance: InstanceMap, palette: Palette) -> NDArray[np.float32]:
        """Paint the objects of an instance map (H, W): (4, H, W), RGB and 1 = told, else 0."""
        table = np.zeros((4, NUM_IDS), np.float32)
        seen = np.flatnonzero(np.bincount(instance.ravel(), minlength=NUM_IDS))
        for instance_id in seen[seen >= INSTANCE_BASE].tolist():
            choice = palette.colours.get(instance_id // INSTANCE_BASE)
            if choice is not None:
                table[:3, instance_id] = choice[_chosen(self.key, instance_id, len(choice))]
                table[3, instance_id] = 1.0
        table[:3, self.ids], table[3, self.ids] = self.rgb.T, 1.0
        return np.take(table, instance, axis=1)  # four times as fast as indexing

    def held(self, image: NDArray[np.float32], instance: InstanceMap) -> NDArray[np.float32]:
        """Move objects whose colour an edit asks for half of the way back to it.

        A generator is told a colour where it draws an object anew; what it carries over drifts to
        the colours that it mostly saw.

        Args:
            image: (3, H, W) in [-1, 1].
            instance: (H, W) ids.

        Returns:
            The image with a shift of one colour for each object, of its pixels alone.
        """
        shown = [one for one in self.asked.tolist() if (instance == one).any()]
        held = image.copy() if shown else image
        for instance_id in shown:
            own, told = instance == instance_id, self.rgb[np.searchsorted(self.ids, instance_id)]
            held[:, own] += _HOLD * (told - image[:, own].mean(axis=1))[:, None]
        return held.clip(-1, 1) if shown else held

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return it as named arrays, for a store to keep."""
        return {"key": np.array(self.key), "ids": self.ids, "rgb": self.rgb, "asked": self.asked}

    @classmethod
    def from_arrays(cls, named: Mapping[str, NDArray[Any]]) -> "ObjectPaint":
        """Return what ``arrays`` named."""
        return cls(int(named["key"]), named["ids"], named["rgb"], named["asked"])


@lru_cache(maxsize=4096)
def _chosen(key: int, instance_id: int, count: int) -> int:
    return int(generator(key, "colour", instance_id).integers(count))
