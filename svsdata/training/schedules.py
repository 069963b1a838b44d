"""When what is trained: phases of epochs laid out on steps, and the clips' share of them.

A step is one update of every network on one chunk of frames. A round is a batch of clips trained
from their first frame to their last, chunk after chunk.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Annotated, Literal, TypeAlias

from pydantic import Field

Learns: TypeAlias = Literal["all", "motion", "new_blocks"]
Pixels: TypeAlias = Annotated[int, Field(ge=1)]
Rate: TypeAlias = Annotated[float, Field(ge=0, allow_inf_nan=False)]


@dataclass(frozen=True)
class Phase:
    """A stretch of training during which clips have one length and one size.

    Ranges are checked where a config takes it up.
    """

    epochs: Annotated[float, Field(gt=0, allow_inf_nan=False)]
    """Passes over the store at the natural number of steps; else the phase's share of them."""
    clip_frames: Annotated[int, Field(ge=2)]
    """Frames read of a clip, the reference included: ``clip_frames - 1`` are generated."""
    size_hw: tuple[Pixels, Pixels]
    """Size the networks see; the store's frames are resized to it."""
    learning_rate: Rate
    final_learning_rate: Rate | None = None
    """Where the rate ends, linearly; None keeps it constant."""
    batch_size: Annotated[int, Field(ge=1)] = 1
    """Clips trained side by side."""
    extra_blocks: Annotated[int, Field(ge=0)] = 0
    """SPADE blocks beyond the base network; each doubles the size. Where a phase has more than the
    one before, the generator grows and keeps what it has learned."""
    learns: Learns = "all"
    """``motion``: flow and occlusion mask alone, from pairs of recorded frames, without a picture
    being drawn. ``new_blocks``: what the last extra block brought; the rest of the generator stays
    as it is."""
    fade_in: bool = False
    """Let the last extra block's share of the image grow from 0 to 1 over the phase."""
    crop_hw: tuple[Pixels, Pixels] | None = None
    """Part of the frames that is trained on, at one place for a whole clip: less memory at the same
    detail. None: all of them."""

    @property
    def seen_hw(self) -> tuple[int, int]:
        """Size of what the networks see."""
        return self.crop_hw or self.size_hw

    @property
    def margin_hw(self) -> tuple[int, int]:
        """Rows and columns by which frames are larger than what the networks see."""
        return self.size_hw[0] - self.seen_hw[0], self.size_hw[1] - self.seen_hw[1]


@dataclass(frozen=True)
class Span:
    """A phase on the axis of steps."""

    phase: Phase
    first_step: int
    end_step: int
    """First step that no longer belongs to it."""


@dataclass(frozen=True)
class Round:
    """A batch of clips trained from first to last frame."""

    first_step: int
    num_steps: int
    first_clip: int
    """Number of clips drawn before it."""
    phase: Phase

    @property
    def end_step(self) -> int:
        """First step that no longer belongs to it."""
        return self.first_step + self.num_steps


def steps_of_clip(clip_frames: int, backprop_frames: int) -> int:
    """Return how many chunks of ``backprop_frames`` the generated frames of a clip make."""
    return -(-(clip_frames - 1) // backprop_frames)


def timetable(
    phases: Sequence[Phase], *, clips_per_epoch: int, backprop_frames: int, steps: int | None
) -> tuple[Span, ...]:
    """Lay phases out on steps.

    Args:
        phases: In order.
        clips_per_epoch: Clips in one pass over the store.
        backprop_frames: Frames of a clip that one step trains together.
        steps: Total; None takes as many as the epochs hold. Either way each phase has its
            share: epochs times steps of a clip, over the batch size.

    Returns:
        One span a phase, without gaps; short totals leave some empty.
    """
    natural = [
        phase.epochs
        * clips_per_epoch
        * steps_of_clip(phase.clip_frames, backprop_frames)
        / phase.batch_size
        for phase in phases
    ]
    total = max(1, round(sum(natural))) if steps is None else steps
    ends = [round(total * share / sum(natural)) for share in accumulate(natural)]
    starts = [0, *ends[:-1]]
    return tuple(Span(*item) for item in zip(phases, starts, ends, strict=True))


def span_at(spans: Sequence[Span], step: int) -> Span:
    """Return the span that a step (from 0) belongs to."""
    return next(span for span in spans if step < span.end_step)


def learning_rate(spans: Sequence[Span], step: int) -> float:
    """Return the rate of a step: constant or linear between the ends of its phase."""
    span = span_at(spans, step)
    first, last = span.phase.learning_rate, span.phase.final_learning_rate
    if last is None:
        return first
    return first + (last - first) * (step - span.first_step) / (span.end_step - span.first_step)


def detail_share(spans: Sequence[Span], round_: Round, step: int) -> float:
    """Return how far the newest extra block takes part at a step of a round, 0 to 1."""
    if not round_.phase.fade_in:
        return 1.0
    span = span_at(spans, round_.first_step)
    return min((step - span.first_step + 1) / (span.end_step - span.first_step), 1.0)


def rounds(spans: Sequence[Span], *, backprop_frames: int) -> Iterator[Round]:
    """Yield the rounds of a whole training in order.

    A round that begins in a phase keeps its length and size to its end; the last one is cut where
    the steps end.
    """
    step, clip, total = 0, 0, spans[-1].end_step
    while step < total:
        phase = span_at(spans, step).phase
        num_steps = min(steps_of_clip(phase.clip_frames, backprop_frames), total - step)
        yield Round(step, num_steps, clip, phase)
        step += num_steps
        clip += phase.batch_size
