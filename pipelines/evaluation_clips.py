"""The clips of an evaluation: read once, in order, with what they were made from."""

import heapq
from collections.abc import Iterator, Sequence

from svsdata.errors import ConfigError
from svsdata.evaluation.clip_figures import Clip, ClipFigures
from svsdata.evaluation.report import edited_share
from svsdata.overlap import in_background
from svsdata.pipelines.configs.evaluate import EvaluateConfig
from svsdata.progress import Progress
from svsdata.records import Frame
from svsdata.store.reader import StoreReader

_LAYERS = ("image", "semantic", "instance", "flow", "occlusion", "provenance")
_RANKED_BY = (("label_agreement", -1.0), ("lpips", 1.0), ("warping_error", 1.0), ("psnr", -1.0))
"""What makes a clip bad: the first of these that was measured, and its sign."""


def clips(
    reader: StoreReader, originals: StoreReader | None, config: EvaluateConfig, progress: Progress
) -> Iterator[Clip]:
    """Yield the clips of a store, decoded ahead of whoever judges them.

    Args:
        reader: The store.
        originals: The real store, for a synthetic one.
        config: Which frames count.
        progress: Hears of every clip.

    Raises:
        ConfigError: If no frame counts.
    """
    layers = tuple(layer for layer in _LAYERS if layer in reader.info.modalities)
    lengths = {name: reader.sequence(name).num_frames for name in reader.sequence_ids}
    counted = {name: _stop(length, config) for name, length in lengths.items()}
    total = sum(max(stop - config.first_frame, 0) for stop in counted.values())
    if total == 0:
        raise ConfigError(
            f"no frame of '{reader.path}' counts: its longest sequence has {max(lengths.values())} "
            f"frames, first_frame is {config.first_frame}"
        )
    progress.start(f"evaluate {reader.path.name}", total)
    for name, stop in counted.items():
        frames = in_background(_pairs(reader, originals, name, stop, layers), capacity=8)
        before: Frame | None = None
        held: list[tuple[Frame, Frame | None]] = []
        for frame, original in frames:
            if frame.frame_index < config.first_frame:
                before = frame
                continue
            held.append((frame, original))
            last = frame.frame_index + 1 == stop
            if len(held) == config.clip_frames or last:
                yield _clip(name, held, before, config)
                progress.advance(len(held))
                before, held = held[-1][0], []


def _stop(num_frames: int, config: EvaluateConfig) -> int:
    if config.clips_per_sequence is None:
        return num_frames
    return min(num_frames, config.first_frame + config.clips_per_sequence * config.clip_frames)


def _clip(
    name: str,
    held: Sequence[tuple[Frame, Frame | None]],
    before: Frame | None,
    config: EvaluateConfig,
) -> Clip:
    frames = tuple(frame for frame, _ in held)
    originals = tuple(original for _, original in held)
    return Clip(
        name,
        frames,
        before,
        originals if any(original is not None for original in originals) else (),
        is_whole=len(frames) == config.clip_frames,
    )


def _pairs(
    reader: StoreReader,
    originals: StoreReader | None,
    name: str,
    stop: int,
    layers: tuple[str, ...],
) -> Iterator[tuple[Frame, Frame | None]]:
    """Yield frames with the recorded ones that their labels come from, while there are any."""
    recorded: Iterator[Frame] = iter(())
    if originals is not None:
        base = reader.sequence(name).details.get("base_sequence", name)
        if base in originals.sequence_ids:
            theirs = tuple(layer for layer in _LAYERS if layer in originals.info.modalities)
            end = min(stop, originals.sequence(base).num_frames)
            recorded = originals.read(base, 0, end, layers=theirs)
    for frame in reader.read(name, 0, stop, layers=layers):
        yield frame, next(recorded, None)


class Gallery:
    """The clips worth looking at; holds a few, whatever the length of the store."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._worst: list[tuple[float, int, ClipFigures]] = []
        self._best: list[tuple[float, int, ClipFigures]] = []
        self._edits: list[tuple[float, int, ClipFigures]] = []
        self._number = 0

    def add(self, clip: ClipFigures) -> None:
        """Keep a clip if it is among the worst, the best or the most edited."""
        self._number += 1
        for name, sign in _RANKED_BY:
            if name in clip.figures:
                badness = sign * clip.figures[name]
                self._keep(self._worst, badness, clip)
                self._keep(self._best, -badness, clip)
                break
        if share := edited_share(clip):
            self._keep(self._edits, share, clip)

    def _keep(
        self, heap: list[tuple[float, int, ClipFigures]], merit: float, clip: ClipFigures
    ) -> None:
        # Of equals the first stays: numbers fall, so that clips themselves never compare.
        heapq.heappush(heap, (merit, -self._number, clip))
        if len(heap) > self._size:
            heapq.heappop(heap)

    @property
    def worst(self) -> list[ClipFigures]:
        """Worst first."""
        return _in_order(self._worst)

    @property
    def best(self) -> list[ClipFigures]:
        """Best first."""
        return _in_order(self._best)

    @property
    def edits(self) -> list[ClipFigures]:
        """Largest edits first."""
        return _in_order(self._edits)


def _in_order(heap: list[tuple[float, int, ClipFigures]]) -> list[ClipFigures]:
    return [clip for _, _, clip in sorted(heap, key=lambda kept: kept[:2], reverse=True)]
