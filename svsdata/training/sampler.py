"""Which clips a training sees, and in what order.

The clip of a number is a pure function of (seed, number), and the order of one pass over the store
of (seed, epoch): nothing depends on threads or on where a run was stopped.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from svsdata.randomness import derived_seed, generator
from svsdata.training.schedules import Round


@dataclass(frozen=True)
class Recording:
    """A sequence as the sampler sees it."""

    sequence_id: str
    num_frames: int
    frame_stride: int = 1
    """Clips take every so manieth frame."""

    @property
    def longest_clip(self) -> int:
        """Frames of the longest clip that it holds."""
        return (self.num_frames - 1) // self.frame_stride + 1


@dataclass(frozen=True)
class Clip:
    """Frames of a sequence at equal distances, perhaps seen in a mirror."""

    sequence_id: str
    start: int
    num_frames: int
    flip: bool
    """Mirror every frame of the clip left to right."""
    corner: tuple[int, int] = (0, 0)
    """Row and column where what is cut from its frames begins, before they are mirrored."""
    untold: int | None = None
    """Seed of the choice which objects' colours are not told; None: all are."""
    frame_stride: int = 1
    """From one of its frames to the next, in frames of the sequence."""

    @property
    def stop(self) -> int:
        """Index in the sequence behind its last frame."""
        return self.start + (self.num_frames - 1) * self.frame_stride + 1


class ClipSampler:
    """Draws clips by number.

    Args:
        recordings: Sequences to draw from.
        longest: Frames of the longest clip that will be asked for. A pass over the store takes one
            clip for every ``longest`` frames of a sequence, so it is one clip a sequence where
            sequences are short (Cityscapes: 30 frames).
        seed: Of order, starts and mirrors.
    """

    def __init__(self, recordings: Sequence[Recording], *, longest: int, seed: int) -> None:
        self._slots = [
            (recording, slot, num_slots)
            for recording in recordings
            for num_slots in (max(1, recording.num_frames // longest),)
            for slot in range(num_slots)
        ]
        self._seed = seed

    @property
    def clips_per_epoch(self) -> int:
        """Clips in one pass over the recordings."""
        return len(self._slots)

    def clip(
        self, number: int, num_frames: int, *, flips: bool, margin_hw: tuple[int, int] = (0, 0)
    ) -> Clip:
        """Return the clip of a number (from 0).

        Its start is drawn from its slot's share of the sequence's possible starts, its corner from
        those that a margin leaves: rows and columns by which frames are larger than what is cut.
        """
        epoch, position = divmod(number, len(self._slots))
        order = generator(self._seed, "clips", epoch).permutation(len(self._slots))
        recording, slot, num_slots = self._slots[order[position]]
        draws = generator(self._seed, "clip", number)
        starts = recording.num_frames - (num_frames - 1) * recording.frame_stride
        start = int((slot + draws.random()) / num_slots * starts)
        flip = flips and bool(draws.integers(2))
        top, left = (int(draws.integers(margin + 1)) for margin in margin_hw)
        untold = derived_seed(self._seed, "untold", number)
        stride = recording.frame_stride
        return Clip(recording.sequence_id, start, num_frames, flip, (top, left), untold, stride)

    def clips(self, round_: Round, *, flips: bool) -> list[Clip]:
        """Return the clips of a round."""
        phase = round_.phase
        numbers = range(round_.first_clip, round_.first_clip + phase.batch_size)
        return [
            self.clip(number, phase.clip_frames, flips=flips, margin_hw=phase.margin_hw)
            for number in numbers
        ]
