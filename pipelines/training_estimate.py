"""What a training run will take, measured by a step or two at every size."""

import resource
import sys
import time
from collections.abc import Callable
from typing import TypeAlias

import torch
from pydantic import BaseModel, ConfigDict

from svsdata.checkpoints.training_state import TrainingState
from svsdata.nets.svsgan.video_discriminator import HISTORY_FRAMES
from svsdata.pipelines.training_plan import TrainingPlan
from svsdata.training.chunks import to_device
from svsdata.training.clips import ClipBatch, load_clips
from svsdata.training.schedules import Phase, Span


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
    memory_bytes: int
    """Peak of the whole process at its largest step, measured."""
    disk_bytes: int
    """Of the checkpoints that stay."""
    phases: tuple[PhaseEstimate, ...]

    def in_words(self) -> str:
        """Tell it in one line."""
        stages = "; ".join(
            f"{phase.steps} steps of {phase.batch_size} x {phase.clip_frames} frames at "
            f"{phase.size_hw[1]}x{phase.size_hw[0]} in {phase.step_s:.2g} s each"
            for phase in self.phases
        )
        return (
            f"{self.steps} steps take about {self.seconds / 60:.0f} min, "
            f"{self.memory_bytes / 2**30:.1f} GiB of memory, {self.disk_bytes / 2**20:.0f} MiB of "
            f"disk: {stages}"
        )


def estimate_training(
    plan: TrainingPlan,
    step: Callable[[Phase, ClipBatch, int, int], None],
    state: Callable[[], TrainingState],
    *,
    backprop_frames: int,
    keep_checkpoints: int,
) -> TrainEstimate:
    """Measure a run.

    Args:
        plan: Of the run.
        step: Takes one step of a phase on frames start to stop of some clips; phases come from
            the smallest generator to the largest.
        state: What checkpoints hold, the largest generator once all steps are taken.
        backprop_frames: Frames of a chunk.
        keep_checkpoints: Checkpoints that stay on disk.
    """
    device = next(state().networks["generator"].parameters()).device
    seconds: dict[_Kind, float] = {}
    spans = [span for span in plan.spans if span.end_step > span.first_step]
    # the longest clips of a size: then every video discriminator has its frames
    order = sorted(spans, key=lambda span: (span.phase.extra_blocks, -span.phase.clip_frames))
    for span in order:
        kind = _kind(span.phase)
        if kind not in seconds:
            seconds[kind] = _seconds_of_step(plan, span.phase, step, backprop_frames, device)
    phases = tuple(_phase_estimate(span, seconds) for span in spans)
    kept = state()
    tensors = [t for network in kept.networks.values() for t in network.state_dict().values()]
    for optimizer in kept.optimizers.values():
        tensors += [t for moments in optimizer.state.values() for t in moments.values()]
    return TrainEstimate(
        steps=plan.total_steps,
        seconds=sum(phase.steps * phase.step_s for phase in phases),
        memory_bytes=_peak_bytes(device),
        disk_bytes=keep_checkpoints * sum(t.numel() * t.element_size() for t in tensors),
        phases=phases,
    )


_Kind: TypeAlias = tuple[tuple[int, int], int, int, bool]


def _kind(phase: Phase) -> _Kind:
    """Return what the time of a step depends on."""
    return phase.size_hw, phase.batch_size, phase.extra_blocks, phase.new_blocks_only


def _phase_estimate(span: Span, seconds: dict[_Kind, float]) -> PhaseEstimate:
    phase = span.phase
    return PhaseEstimate(
        first_step=span.first_step,
        steps=span.end_step - span.first_step,
        clip_frames=phase.clip_frames,
        size_hw=phase.size_hw,
        batch_size=phase.batch_size,
        step_s=seconds[_kind(phase)],
    )


def _seconds_of_step(
    plan: TrainingPlan,
    phase: Phase,
    step: Callable[[Phase, ClipBatch, int, int], None],
    backprop_frames: int,
    device: torch.device,
) -> float:
    """Time the second of two steps at the end of the longest useful clips."""
    num_frames = min(phase.clip_frames, HISTORY_FRAMES + backprop_frames)
    clips = [plan.sampler.clip(i, num_frames, flips=False) for i in range(phase.batch_size)]
    batch = to_device(load_clips(plan.reader, clips, size_hw=phase.size_hw), device)
    start = max(num_frames - backprop_frames, 1)
    for _ in range(2):
        began = time.monotonic()
        step(phase, batch, start, num_frames)
    return time.monotonic() - began


def _peak_bytes(device: torch.device) -> int:
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
