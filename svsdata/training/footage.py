"""Where frames to learn from come from: a store, or the built-in street.

A generator that goes on learning forgets what it is not shown: after some hundred steps on a
recording without trucks it draws them as dark boxes. Streets among the clips show it what it
began with.
"""

from collections.abc import Iterator
from typing import TypeAlias

from svsdata.labels import CITYSCAPES
from svsdata.records import Frame
from svsdata.store.format import StoreInfo
from svsdata.store.reader import StoreReader
from svsdata.street_world.scene import StreetWorld

NUM_STREETS, STREET_FRAMES = 64, 1000
"""How many streets are shown, each from another seed, and how much of them."""
_STREET_FPS = 10.0


class StreetFootage:
    """Streets by their seeds, rendered when they are asked for.

    Attributes:
        info: The layers are those of a store, as far as a street has them.
    """

    def __init__(self, like: StoreInfo) -> None:
        layers = tuple(layer for layer in like.modalities if layer != "confidence")
        self.info = StoreInfo(CITYSCAPES, like.size_hw, _STREET_FPS, layers)

    def read(
        self,
        sequence_id: str,
        start: int,
        stop: int,
        *,
        layers: tuple[str, ...],
        size_hw: tuple[int, int],
    ) -> Iterator[Frame]:
        """Render frames ``start`` to ``stop - 1`` of the street with that seed."""
        world = StreetWorld(int(sequence_id), size_hw=size_hw, fps=_STREET_FPS)
        return (world.frame(index, image="image" in layers) for index in range(start, stop))


Footage: TypeAlias = StoreReader | StreetFootage
"""What clips are read from."""
