"""Where a video stands between two chunks: a value, and the arrays that a store keeps of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from svsdata.errors import StoreError
from svsdata.geometry.standing_world import StandingWorld
from svsdata.records import InstanceMap, SemanticMap
from svsdata.synthesis.drift import ClassColours
from svsdata.synthesis.object_paint import ObjectPaint


@dataclass(frozen=True)
class VideoState:
    """Where a video stands."""

    image: NDArray[np.float32]
    """(3, H, W) in [-1, 1]: the last frame as the network left it, never the 8-bit picture."""
    semantic: SemanticMap
    instance: InstanceMap | None
    colours: ClassColours
    """Of the last reference frame: what colours are pulled to."""
    earlier: "VideoState | None" = None
    """The frame before, for a generator that sees two."""
    world: StandingWorld | None = None
    """What was drawn of the standing world, for a generator that is guided by it."""
    paint: ObjectPaint | None = None
    """The colours of its objects, for a generator that sees them."""

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return the state as named arrays, for a store to keep."""
        named: dict[str, NDArray[Any]] = {"image": self.image, "semantic": self.semantic}
        if self.instance is not None:
            named["instance"] = self.instance
        named |= {f"colours.{name}": value for name, value in vars(self.colours).items()}
        if self.world is not None:
            named |= {f"world.{name}": value for name, value in self.world.arrays().items()}
        if self.paint is not None:
            named |= {f"paint.{name}": value for name, value in self.paint.arrays().items()}
        if self.earlier is not None:
            named |= {f"earlier.{name}": value for name, value in self.earlier.arrays().items()}
        return named

    @classmethod
    def from_arrays(cls, named: Mapping[str, NDArray[Any]]) -> "VideoState":
        """Return the state that ``arrays`` named.

        Raises:
            StoreError: If they are not those of a video.
        """
        try:
            colours = ClassColours(
                **{name: named[f"colours.{name}"] for name in ClassColours.__dataclass_fields__}
            )
            earlier = _below("earlier.", named)
            world = _below("world.", named)
            paint = _below("paint.", named)
            return cls(
                named["image"],
                named["semantic"],
                named.get("instance"),
                colours,
                cls.from_arrays(earlier) if earlier else None,
                StandingWorld.from_arrays(world) if world else None,
                ObjectPaint.from_arrays(paint) if paint else None,
            )
        except KeyError as error:
            raise StoreError(
                f"the state of the unfinished sequence lacks {error}; another version of svsdata "
                "wrote it: set it aside with 'svsdata store repair' and synthesize again"
            ) from error


def _below(prefix: str, named: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """Return the arrays whose names begin so, by the rest of their names."""
    return {
        name.removeprefix(prefix): array for name, array in named.items() if name.startswith(prefix)
    }
