"""What a video's frames are shown of the standing world that it has drawn before."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from svsdata.geometry.standing_world import StandingWorld, empty_world, look_on
from svsdata.nets.svsgan.rollout import Guide, LabelMaps
from svsdata.records import Frame
from svsdata.tensors import tensor_to_image


@dataclass(frozen=True)
class Guiding:
    """What every video is guided by."""

    standing: frozenset[int]
    """Ids of ``standing_ids``."""
    fps: float
    """Frames a second of videos that do not tell their own."""


class WorldWalk:
    """A way through some frames: each looks at the world as the one before left it.

    Args:
        world: Before the first frame; None where nothing was seen.
        guiding: None: frames are shown nothing, and there is no world.
    """

    def __init__(self, world: StandingWorld | None, guiding: Guiding | None) -> None:
        self.world, self._guiding = world, guiding

    def guided(self, labels: list[LabelMaps], frames: Sequence[Frame]) -> list[LabelMaps]:
        """Return the frames' labels with their guides, to be asked in order, once or again."""
        if self._guiding is None:
            return labels
        pairs = zip(labels, frames, strict=True)
        return [replace(maps, guide=self._guide(frame, self._guiding)) for maps, frame in pairs]

    def _guide(self, frame: Frame, guiding: Guiding) -> Guide:
        told: list[Tensor] = []

        def guide(previous_image: Tensor) -> Tensor:
            if not told:  # rows that fill a batch up repeat one
                self.world, guidance = look_on(
                    self.world or empty_world(None),
                    frame,
                    tensor_to_image(previous_image[0]),
                    standing=guiding.standing,
                    fps=guiding.fps,
                )
                known = guidance.mask[None].astype(np.float32)
                colours = guidance.image.transpose(2, 0, 1).astype(np.float32) / 127.5 - 1
                channels = np.concatenate([known * colours, known])
                told.append(torch.from_numpy(channels)[None].to(previous_image.device))
            return told[0]

        return guide
