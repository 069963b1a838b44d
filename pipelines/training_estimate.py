"""What a training run will take, measured by a step or two and a short preview at every size."""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from pydantic import BaseModel, ConfigDict

from svsdata.checkpoints.training_state import TrainingState
from svsdata.nets.svsgan.video_discriminator import HISTORY_FRAMES
from svsdata.pipelines.configs.train import TrainConfig
from svsdata.pipelines.training_plan import TrainingPlan
from svsdata.progress import Progress
from svsdata.synthesis.compute import peak_bytes
from svsdata.training.chunks import to_device
from svsdata.training.clips import ClipBatch, load_clips
from svsdata.training.previews import PREVIEW_FRAMES
from svsdata.training.sampler import Clip
from svsdata.training.schedules import Learns, Phase, Span, span_at

_LONG_STEP_S = 20.0
"""In a step as long as this, what only the first one does takes no time that counts."""


_PREVIEWED = 3
"""Frames that are read for a measured preview; further ones take as long each."""


@dataclass(frozen=True)
class Trial:
    """What is measured; phases come from the smallest generator to the largest."""

    step: Callable[[Phase, ClipBatch, int, int], None]
    """Takes one step of a phase on frames start to stop of some clips."""
    preview: Callable[[Phase, int], object]
    """Draws a preview of so many frames of the first recording, the reference included."""
    state: Callable[[], TrainingState]
    """What checkpoints hold, the largest generator once all steps are taken."""


class PhaseEstimate(BaseModel):
    """One phase of a run."""

    model_config = ConfigDict(frozen=True)

    first_step: int
    steps: int
    clip_frames: int
    size_hw: tuple[int, int]
    batch_size: int
    step_s: float
    """Seconds a step, measured."""


class TrainEstimate(BaseModel):
    """What a run will take on this machine."""

    model_config = ConfigDict(frozen=True)

    steps: int
    seconds: float
    """Of steps and previews."""
    previews_s: float
    """The previews' share."""
    memory_bytes: int
    """Peak of the whole process at its largest step, measured."""
    disk_bytes: int
    """Of the checkpoints that stay and the one being written beside them."""
    phases: tuple[PhaseEstimate, ...]
    processes: int = 1
    """That share each step's clips; time and memory are those of one of them."""

    def in_words(self) -> str:
        """Tell it in one line."""
        stages = "; ".join(
            f"{phase.steps} steps of {phase.batch_size} x {phase.clip_frames} frames at "
            f"{phase.size_hw[1]}x{phase.size_hw[0]} in {phase.step_s:.2g} s each"
            for phase in self.phases
        )
        shared = (
            f" in each of {self.processes} processes, and what joining their gradients takes"
            if self.processes > 1
            else ""
        )
        return (
            f"{self.steps} steps take about {self.seconds / 60:.0f} min, "
            f"{self.memory_bytes / 2**30:.1f} GiB of memory{shared}, "
            f"{self.disk_bytes / 2**20:.0f} MiB of disk: {stages}"
        )


def estimate_training(
    config: TrainConfig,
    plan: TrainingPlan,
    trial: Trial,
    progress: Progress,
    *,
    processes: int,
) -> TrainEstimate:
    """Measure a run, on one process as large as each of it will be.

    Args:
        config: Of the run.
        plan: Of the run.
        trial: What it consists of.
        progress: Hears of every kind of step before it is taken, and after it.
        processes: That share each step's clips evenly.
    """
    device = next(trial.state().networks["generator"].parameters()).device
    seconds: dict[_Kind, float] = {}
    preview_s: dict[_Size, float] = {}
    spans = [span for span in plan.spans if span.end_step > span.first_step]
    # the longest clips of a size: then every video discriminator has its frames
    order = sorted(spans, key=lambda span: (span.phase.extra_blocks, -span.phase.clip_frames))
    kinds: dict[_Kind, Phase] = {}
    for span in order:
        kinds.setdefault(_kind(span.phase), span.phase)
    progress.start("measure", len(kinds), unit="kinds of step")
    for kind, phase in kinds.items():
        clips = _first_clips(plan, phase, config.backprop_frames, processes)
        loaded = load_clips(
            plan.reader,
            clips,
            size_hw=phase.size_hw,
            crop_hw=phase.crop_hw,
            guided=config.network.guidance,
            coloured=plan.uses_colours,
        )
        batch = to_device(loaded, device)
        seconds[kind] = _seconds_of_step(phase, trial.step, batch, config.backprop_frames)
        if _size(phase) not in preview_s:
            preview_s[_size(phase)] = _seconds_of_preview(plan, phase, trial.preview)
        progress.advance()
    phases = tuple(_phase_estimate(span, seconds) for span in spans)
    previewed = [*range(config.preview_steps, plan.total_steps, config.preview_steps)]
    shown = [span_at(spans, done - 1) for done in [*previewed, plan.total_steps]]
    previews_s = sum(preview_s[_size(span.phase)] for span in shown)
    checkpoint = _checkpoint_bytes(trial.state(), [span.phase for span in spans])
    return TrainEstimate(
        steps=plan.total_steps,
        seconds=sum(phase.steps * phase.step_s for phase in phases) + previews_s,
        previews_s=previews_s,
        memory_bytes=peak_bytes(device),
        disk_bytes=(config.keep_checkpoints + 1) * checkpoint,
        phases=phases,
        processes=processes,
    )


_Kind: TypeAlias = tuple[tuple[int, int], int, int, Learns]
_Size: TypeAlias = tuple[tuple[int, int], int]


def _kind(phase: Phase) -> _Kind:
    """Return what the time of a step depends on."""
    return phase.seen_hw, phase.batch_size, phase.extra_blocks, phase.learns


def _size(phase: Phase) -> _Size:
    """Return what the time of a preview depends on."""
    return phase.size_hw, phase.extra_blocks


def _phase_estimate(span: Span, seconds: dict[_Kind, float]) -> PhaseEstimate:
    phase = span.phase
    return PhaseEstimate(
        first_step=span.first_step,
        steps=span.end_step - span.first_step,
        clip_frames=phase.clip_frames,
        size_hw=phase.seen_hw,
        batch_size=phase.batch_size,
        step_s=seconds[_kind(phase)],
    )


def _first_clips(
    plan: TrainingPlan, phase: Phase, backprop_frames: int, processes: int
) -> list[Clip]:
    """Return what a process has of a step, no longer than a step looks back."""
    num_frames = min(phase.clip_frames, HISTORY_FRAMES + backprop_frames)
    num_clips = phase.batch_size // processes
    return [
        plan.sampler.clip(i, num_frames, flips=False, margin_hw=phase.margin_hw)
        for i in range(num_clips)
    ]


def _seconds_of_step(
    phase: Phase,
    step: Callable[[Phase, ClipBatch, int, int], None],
    batch: ClipBatch,
    backprop_frames: int,
) -> float:
    """Time a step at the end of the clips: the second of two, or a first one that is long."""
    num_frames = batch.image.shape[1]
    start = max(num_frames - backprop_frames, 1)
    for _ in range(2):
        began = time.monotonic()
        step(phase, batch, start, num_frames)
        seconds = time.monotonic() - began
        if seconds > _LONG_STEP_S:
            break
    return seconds


def _seconds_of_preview(
    plan: TrainingPlan, phase: Phase, preview: Callable[[Phase, int], object]
) -> float:
    """Time the first frames of a preview, and take all others to need as long each."""
    there = min(plan.recordings[0].longest_clip, PREVIEW_FRAMES)
    measured = min(there, _PREVIEWED)
    began = time.monotonic()
    preview(phase, measured)
    return (time.monotonic() - began) * (there - 1) / (measured - 1)


def _checkpoint_bytes(state: TrainingState, phases: Sequence[Phase]) -> int:
    """Return what a checkpoint takes: training state, generator file, and the frames of a clip."""
    average = state.networks["average"].state_dict()
    tensors = [t for network in state.networks.values() for t in network.state_dict().values()]
    for optimizer in state.optimizers.values():
        tensors += [t for moments in optimizer.state.values() for t in moments.values()]
    past = max(phase.batch_size * math.prod(phase.seen_hw) for phase in phases)
    return past * HISTORY_FRAMES * 3 * 4 + sum(
        t.numel() * t.element_size() for t in (*tensors, *average.values())
    )
