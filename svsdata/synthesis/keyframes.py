"""Which frames of a chunk are drawn, and those between them, filled with what both show of them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate

import numpy as np

from svsdata.records import Frame, Image, SemanticMap
from svsdata.synthesis.correspondence import Correspondence
from svsdata.synthesis.filling import filled, unseen_by_both


@dataclass(frozen=True)
class Stretch:
    """A key frame, and the frames between the key frame before and it."""

    frames: tuple[Frame, ...]
    """Those between, and the key frame last; one alone is drawn from the frame before it."""
    in_before: tuple[Correspondence, ...] = ()
    """What the key frame before shows of every frame."""
    in_key: tuple[Correspondence, ...] = ()
    """What the key frame shows of those between."""

    @classmethod
    def seen(
        cls, before: SemanticMap, frames: Sequence[Frame], steps: Sequence[Correspondence]
    ) -> "Stretch":
        """Look at frames from the key frames around them, as ``stretches`` does."""
        semantics = [frame.semantic for frame in frames if frame.semantic is not None]
        back = accumulate(steps, lambda so_far, step: step.then(so_far))
        in_before = [
            shown.of_one_label(semantic, before)
            for shown, semantic in zip(back, semantics, strict=True)
        ]
        from_key = accumulate(steps[:0:-1], Correspondence.then)
        in_key = [
            shown.turned_round(semantics[-1], semantic)
            for shown, semantic in zip(from_key, semantics[-2::-1], strict=True)
        ]
        return cls(tuple(frames), tuple(in_before), tuple(in_key[::-1]))

    @property
    def key(self) -> Frame:
        """The one that is drawn."""
        return self.frames[-1]

    @property
    def leap(self) -> Frame:
        """The key frame with its motion since the one before, where there are frames between."""
        if not self.in_key:
            return self.key
        whole = self.in_before[-1]
        return replace(self.key, flow=whole.flow, flow_validity=None, occlusion=1 - whole.shown)

    @property
    def unseen_shares(self) -> list[float]:
        """Share of the pixels that neither key frame shows, of every frame between."""
        pairs = zip(self.in_before, self.in_key, strict=False)
        return [float(np.mean(unseen_by_both(*pair))) for pair in pairs]

    def pictures(self, before: Image, key: Image) -> Iterator[tuple[Frame, Image]]:
        """Yield every frame with its picture; those between are put together of both key frames.

        Args:
            before: (H, W, 3) picture of the key frame before.
            key: Of this one.
        """
        between = zip(self.frames, self.in_before, self.in_key, strict=False)
        for number, (frame, in_before, in_key) in enumerate(between, 1):
            share = number / len(self.frames)
            yield (
                frame,
                filled((before, in_before), (key, in_key), _labels(frame), share=share),
            )
        yield self.key, key


def stretches(
    before: SemanticMap,
    frames: Sequence[Frame],
    steps: Sequence[Correspondence],
    *,
    interval: int,
    unseen_share: float,
) -> Iterator[Stretch]:
    """Choose the key frames of a chunk: every so many frames, and where labels change too much.

    Args:
        before: (H, W) labels of the key frame before the chunk.
        frames: Of the chunk, the last of which becomes a key frame.
        steps: What the frame before shows of each.
        interval: Most frames from one key frame to the next.
        unseen_share: A frame of which the key frames around it do not show more than this share of
            the pixels, each as the same label, becomes a key frame itself.
    """
    for start in range(0, len(frames), interval):
        part = slice(start, start + interval)
        stretch = Stretch.seen(before, frames[part], steps[part])
        yield from _divided(stretch, before, steps[part], unseen_share)
        before = _labels(stretch.key)


def _divided(
    stretch: Stretch, before: SemanticMap, steps: Sequence[Correspondence], unseen_share: float
) -> Iterator[Stretch]:
    """Part a stretch at the frame that is seen least, as long as one is seen too little."""
    shares = stretch.unseen_shares
    if max(shares, default=0.0) <= unseen_share:
        yield stretch
        return
    count = 1 + int(np.argmax(shares))
    for part in (slice(count), slice(count, None)):
        own = Stretch.seen(before, stretch.frames[part], steps[part])
        yield from _divided(own, before, steps[part], unseen_share)
        before = _labels(own.key)


def _labels(frame: Frame) -> SemanticMap:
    assert frame.semantic is not None
    return frame.semantic
