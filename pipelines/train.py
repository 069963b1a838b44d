"""Train SVS-GAN on a store: the story of one run, and of one step.

A run is rounds of clips; a clip is trained chunk by chunk from its reference frame on, each chunk
going on from what the generator made of the one before. Where a run stands is its step, its
networks and optimisers, and the frames last generated; everything else is a function of the step.
"""

import copy
import json
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import dropwhile
from pathlib import Path
from types import FrameType

import torch
from pydantic import BaseModel, ConfigDict
from torch import Tensor
from torch.optim import Optimizer

from svsdata.checkpoints.training_state import (
    TrainingState,
    checkpoint_folders,
    load_checkpoint,
    save_checkpoint,
)
from svsdata.checkpoints.weights import save_generator
from svsdata.errors import ConfigError
from svsdata.nets.svsgan.generator import Generator
from svsdata.nets.svsgan.video_discriminator import remembered
from svsdata.pipelines.configs.train import MAY_DIFFER, TrainConfig
from svsdata.pipelines.run_dir import open_run_dir
from svsdata.pipelines.training_estimate import TrainEstimate, estimate_training
from svsdata.pipelines.training_plan import (
    TrainingPlan,
    autocast_dtype,
    build_networks,
    build_objective,
    build_optimizers,
    checkpoint_info,
    plan_training,
    torch_device,
)
from svsdata.pipelines.training_start import start_from
from svsdata.progress import Progress, Silent
from svsdata.randomness import derived_seed, generator
from svsdata.records import Image
from svsdata.training.chunks import Chunk, by_clip, chunk_of, perturb, reference, to_device
from svsdata.training.clips import Clip, ClipBatch, count_pixels, load_clips, prefetched
from svsdata.training.ema import decay_at, update_average
from svsdata.training.previews import rollout_strip
from svsdata.training.run_log import FigureMeans, RunLog
from svsdata.training.schedules import Round, learning_rate
from svsdata.training.updates import (
    Networks,
    Objective,
    check_finite,
    discriminator_terms,
    generate,
    generator_terms,
    gradient_norm,
    motion_terms,
)

_PREVIEW_FRAMES = 25


class TrainResult(BaseModel):
    """What a training run came to."""

    model_config = ConfigDict(frozen=True)

    run: Path
    steps: int
    """Steps of the whole run."""
    steps_done_now: int
    """Steps that this call took; 0 when nothing was left to do."""
    checkpoint: Path
    figures: dict[str, float]
    """Means over the last logged steps; empty when nothing was left to do."""


@dataclass(frozen=True)
class _Learner:
    """What learns, and how."""

    networks: Networks
    average: Generator
    optimizers: dict[str, Optimizer]
    objective: Objective
    device_type: str
    dtype: torch.dtype | None
    """Of convolutions; None computes in float32."""

    @property
    def state(self) -> TrainingState:
        """Return what a checkpoint holds."""
        networks = {**self.networks.by_name, "average": self.average}
        return TrainingState(networks, self.optimizers)

    def autocast(self) -> torch.autocast:
        """Compute in ``dtype``; one context each for networks that learn and that are frozen."""
        return torch.autocast(self.device_type, self.dtype, enabled=self.dtype is not None)


def run_train(config: TrainConfig, progress: Progress, *, overwrite: bool = False) -> TrainResult:
    """Train, or go on training, as the config says.

    Args:
        config: What to train on what, and how.
        progress: Hears of steps, assumptions, and what the run will take.
        overwrite: Set a run of another config aside that lies in the same directory.

    Raises:
        SvsDataError: Of any kind that bad stores, configs, weights and checkpoints raise.
        KeyboardInterrupt: After the step that was running is done and a checkpoint is saved.
    """
    # What there is to learn from, and when
    plan = plan_training(config, progress)
    open_run_dir(config.run, config, overwrite=overwrite, may_differ=MAY_DIFFER)
    pixel_counts = _pixel_counts(config.run, plan, progress)

    # What learns, from the last checkpoint where there is one
    if not checkpoint_folders(config.run):
        progress.note(estimate_train(config, Silent()).in_words())
    learner = _build(config, plan, progress)
    first_step, past = _resume(config.run, learner)
    total = plan.total_steps
    if first_step >= total:
        progress.note(f"nothing left to do: all {total} steps of '{config.run}' are done")

    def save(step: int, past: Tensor | None) -> None:
        info = checkpoint_info(config, plan, step=step, pixel_counts=pixel_counts)
        save_checkpoint(
            config.run,
            step,
            learner.state,
            carried={} if past is None else {"past": past},
            write_generator=lambda path: save_generator(path, learner.average, info),
            keep=config.keep_checkpoints,
        )

    # Round after round of clips, chunk after chunk of each
    means = FigureMeans()
    figures: dict[str, float] = {}
    progress.start("train", total, done=first_step, unit="steps")
    with RunLog(config.run, first_step=first_step) as log, _interrupt_held() as interrupted:
        for step, round_, clips in _steps(config, plan, first_step):
            start, stop = _frames_of(step, round_, config)
            if step == round_.first_step:
                past = reference(clips)[:, :start]
            chunk = chunk_of(clips, start, stop, with_edges=plan.uses_edges)
            _set_rate(learner, learning_rate(plan.spans, step), config.discriminator_rate)
            take_step = _STEPS[round_.phase.learns]
            figures_of_step, past = take_step(learner, chunk, past, step, config)
            means.add(figures_of_step)

            # Tell, show, save
            done, last = step + 1, step + 1 == total
            progress.advance(1, loss=figures_of_step["loss/generator"])
            if last or done % config.log_steps == 0:
                figures = means.take()
                log.figures(done, figures)
            if last or done % config.preview_steps == 0:
                log.preview(done, _preview(learner, plan, round_.phase.size_hw))
            if last or done % config.checkpoint_steps == 0 or interrupted():
                save(done, past if done < round_.end_step else None)
            if interrupted():
                raise KeyboardInterrupt
    return TrainResult(
        run=config.run,
        steps=total,
        steps_done_now=max(total - first_step, 0),
        checkpoint=checkpoint_folders(config.run)[-1],
        figures=figures,
    )


def estimate_train(config: TrainConfig, progress: Progress) -> TrainEstimate:
    """Measure what the run would take, on networks that are then thrown away.

    Raises:
        SvsDataError: As ``run_train`` does.
    """
    plan = plan_training(config, progress)
    learner = _build(config, plan, progress)
    _set_rate(learner, 0.0, 0.0)
    return estimate_training(
        plan,
        learner.state,
        lambda phase, chunk, past: _STEPS[phase.learns](learner, chunk, past, 0, config),
        backprop_frames=config.backprop_frames,
        keep_checkpoints=config.keep_checkpoints,
    )


def _train_step(
    learner: _Learner, chunk: Chunk, past: Tensor, step: int, config: TrainConfig
) -> tuple[dict[str, float], Tensor]:
    """Update every network once on a chunk of frames.

    Args:
        learner: Changed in place.
        chunk: K frames of B clips.
        past: (B, P, 3, H, W): the frames generated before the chunk, and the reference.
        step: Number of the step; noise is drawn from it.
        config: Of the run.

    Returns:
        The figures of the step, and the past of the next.
    """
    began = time.monotonic()
    networks, objective = learner.networks, learner.objective
    draws = torch.Generator().manual_seed(derived_seed(config.seed, "step", step))

    # Generate the frames, each from the one before: what was last generated, perhaps disturbed
    previous = past[:, -1] if past.shape[1] else torch.zeros_like(chunk.real[: len(past)])
    previous = perturb(previous, probability=config.perturbed_feedback, draws=draws)
    with learner.autocast():
        output = generate(networks.generator, chunk, previous)

    # Discriminators: tell them from real ones
    with learner.autocast():
        judged, real_features = discriminator_terms(
            networks, chunk, output.image.detach(), past, objective=objective, draws=draws
        )
    values = check_finite(
        judged, step
    )  # before going back: NaN coordinates crash a warp's gradient
    torch.autograd.backward([*judged.values()])

    # Generator: convince the discriminators, and come close to the real frames
    with learner.autocast():
        terms = generator_terms(
            networks, chunk, output, past, real_features=real_features, objective=objective
        )
    values |= check_finite(terms, step)
    torch.autograd.backward([*terms.values()])

    # All numbers are numbers: update all networks, then the average
    gradients = {
        f"gradient/{name}": gradient_norm(network, limit=config.max_gradient_norm)
        for name, network in networks.by_name.items()
    }
    values |= check_finite(gradients, step)
    for optimizer in learner.optimizers.values():
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
    decay = decay_at(step, decay=config.ema_decay, start=config.ema_start)
    update_average(learner.average, networks.generator, decay=decay)

    figures = {f"loss/{name}": values[name] for name in (*judged, *terms)}
    figures |= {name: values[name] for name in gradients}
    figures["loss/generator"] = sum(values[name] for name in terms)
    figures["occlusion/mean"] = output.occlusion_mask.mean().item()
    figures["time/step_s"] = time.monotonic() - began
    generated = by_clip(output.image, len(past))
    # contiguous: a resumed step must see the memory layout that an uninterrupted one sees
    return figures, remembered(torch.cat([past, generated], dim=1)).contiguous()


def _motion_step(
    learner: _Learner, chunk: Chunk, past: Tensor, step: int, config: TrainConfig
) -> tuple[dict[str, float], Tensor]:
    """Update the generator's motion network on the real frames of a chunk.

    Returns:
        The figures of the step, and the past of the next: real frames.
    """
    began = time.monotonic()
    generator, optimizer = learner.networks.generator, learner.optimizers["generator"]
    with learner.autocast():
        terms = motion_terms(generator, chunk, learner.objective)
    values = check_finite(terms, step)
    torch.autograd.backward([*terms.values()])
    gradient = {"gradient/generator": gradient_norm(generator, limit=config.max_gradient_norm)}
    values |= check_finite(gradient, step)
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    decay = decay_at(step, decay=config.ema_decay, start=config.ema_start)
    update_average(learner.average, generator, decay=decay)
    figures = {f"loss/{name}": values[name] for name in terms}
    figures |= {name: values[name] for name in gradient}
    figures["loss/generator"] = sum(values[name] for name in terms)
    figures["time/step_s"] = time.monotonic() - began
    real = by_clip(chunk.real, len(past))
    return figures, remembered(torch.cat([past, real], dim=1)).contiguous()


_STEPS = {"all": _train_step, "motion": _motion_step}
"""By what a phase learns."""


def _build(config: TrainConfig, plan: TrainingPlan, progress: Progress) -> _Learner:
    networks = build_networks(config, plan)
    average = copy.deepcopy(networks.generator).eval()
    if config.start_from is not None and not checkpoint_folders(config.run):
        start_from(config.start_from, networks, average, plan.reader.info.label_set, progress)
    return _Learner(
        networks,
        average,
        build_optimizers(networks),
        build_objective(config, progress),
        torch_device(config.device).type,
        autocast_dtype(config),
    )


def _resume(run: Path, learner: _Learner) -> tuple[int, Tensor]:
    """Load the newest checkpoint; return the next step and the past it needs."""
    folders = checkpoint_folders(run)
    if not folders:
        return 0, torch.empty(0)
    step, carried = load_checkpoint(folders[-1], learner.state)
    device = next(learner.average.parameters()).device
    return step, carried.get("past", torch.empty(0)).to(device)


def _steps(
    config: TrainConfig, plan: TrainingPlan, first_step: int
) -> Iterator[tuple[int, Round, ClipBatch]]:
    """Yield the steps from ``first_step`` on with their round and its clips, read ahead."""

    def load(round_: Round) -> ClipBatch:
        clips = plan.sampler.clips(round_, flips=config.flips)
        return load_clips(plan.reader, clips, size_hw=round_.phase.size_hw)

    left = dropwhile(lambda round_: round_.end_step <= first_step, plan.rounds)
    for round_, batch in prefetched(load, left):
        clips = to_device(batch, torch_device(config.device))
        for step in range(max(round_.first_step, first_step), round_.end_step):
            yield step, round_, clips


def _frames_of(step: int, round_: Round, config: TrainConfig) -> tuple[int, int]:
    """Return the chunk of a step: start and stop in the clip.

    A clip's first frame is the reference, or, in some rounds, generated like the others.
    """
    draws = generator(config.seed, "reference", round_.first_clip)
    may_lack_reference = round_.phase.learns == "all"  # a first frame has no motion to learn
    first = 0 if may_lack_reference and draws.random() < config.reference_free else 1
    start = first + (step - round_.first_step) * config.backprop_frames
    stop = min(start + config.backprop_frames, first + round_.phase.clip_frames - 1)
    return start, stop


def _set_rate(learner: _Learner, rate: float, discriminator_factor: float) -> None:
    for name, optimizer in learner.optimizers.items():
        for group in optimizer.param_groups:
            group["lr"] = rate if name == "generator" else rate * discriminator_factor


def _preview(learner: _Learner, plan: TrainingPlan, size_hw: tuple[int, int]) -> Image:
    """Roll the average out over the beginning of the first recording."""
    recording = plan.recordings[0]
    num_frames = min(recording.num_frames, _PREVIEW_FRAMES)
    clip = Clip(recording.sequence_id, 0, num_frames, flip=False)
    batch = load_clips(plan.reader, [clip], size_hw=size_hw)
    batch = to_device(batch, next(learner.average.parameters()).device)
    with learner.autocast():
        return rollout_strip(
            learner.average, batch, plan.reader.info.label_set, with_edges=plan.uses_edges
        )


def _pixel_counts(run: Path, plan: TrainingPlan, progress: Progress) -> dict[str, int]:
    """Count the training pixels of each class, once a run."""
    path, store_id = run / "pixel_counts.json", plan.store_id
    if not path.exists():
        num_frames = sum(recording.num_frames for recording in plan.recordings)
        progress.start("count classes", num_frames)
        counts = count_pixels(plan.reader, plan.recordings, progress)
        labels = plan.reader.info.label_set.labels
        by_name = {label.name: int(counts[label.id]) for label in labels}
        path.write_text(json.dumps({"store_id": store_id, "pixel_counts": by_name}))
    counted = json.loads(path.read_text())
    if counted["store_id"] != store_id:
        raise ConfigError(
            f"the store's sequences are not those that '{run}' was begun with; "
            "name another run directory, or add --overwrite to set this one aside"
        )
    pixel_counts: dict[str, int] = counted["pixel_counts"]
    return pixel_counts


@contextmanager
def _interrupt_held() -> Iterator[Callable[[], bool]]:
    """Hold the first Ctrl-C back, so that the running step ends whole; the second acts at once."""
    if threading.current_thread() is not threading.main_thread():
        yield lambda: False
        return
    pressed = threading.Event()
    before = signal.getsignal(signal.SIGINT)

    def hold(_number: int, _frame: FrameType | None) -> None:
        pressed.set()
        signal.signal(signal.SIGINT, before)

    signal.signal(signal.SIGINT, hold)
    try:
        yield pressed.is_set
    finally:
        signal.signal(signal.SIGINT, before)
