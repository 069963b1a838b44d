"""What learns in a training run: built, grown to the next size, gone on with, updated by a step."""

import copy
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.amp.grad_scaler import GradScaler
from torch.optim import Optimizer
from torch.profiler import record_function

from svsdata.checkpoints.tensor_files import load_fitting
from svsdata.checkpoints.training_state import (
    TrainingState,
    checkpoint_folders,
    load_checkpoint,
)
from svsdata.nets.svsgan.spectral import advance_spectral_norms
from svsdata.nets.svsgan.video_discriminator import remembered
from svsdata.nets.video_generator import VideoGenerator
from svsdata.pipelines.configs.train import TrainConfig
from svsdata.pipelines.training_networks import (
    autocast_dtype,
    build_networks,
    build_objective,
    build_optimizer,
    grown_generator,
    torch_device,
)
from svsdata.pipelines.training_plan import TrainingPlan
from svsdata.pipelines.training_start import start_from
from svsdata.progress import Progress
from svsdata.randomness import derived_seed
from svsdata.training.chunks import Chunk, by_clip, images_before, perturb
from svsdata.training.ema import decay_at, update_average
from svsdata.training.guards import check_finite, gradient_norm
from svsdata.training.processes import WHOLE, Share
from svsdata.training.schedules import Phase
from svsdata.training.updates import (
    Networks,
    Objective,
    discriminator_terms,
    generate,
    generator_terms,
)


@dataclass(frozen=True)
class Learner:
    """Networks, how they are updated, and what they are to reach."""

    networks: Networks
    average: VideoGenerator[Any]
    optimizers: dict[str, Optimizer]
    objective: Objective
    scaler: GradScaler
    """Of losses in fp16; does nothing in other precisions."""
    dtype: torch.dtype | None
    """Of convolutions; None computes in float32."""
    extra_blocks: int
    """Of the generator as it is now."""
    share: Share
    """Of a step's clips that this process has."""

    @property
    def device(self) -> torch.device:
        """Where it learns."""
        return next(self.average.parameters()).device

    @property
    def state(self) -> TrainingState:
        """Return what a checkpoint holds."""
        networks = {**self.networks.by_name, "average": self.average}
        return TrainingState(networks, self.optimizers)

    def carried(self, past: Tensor | None) -> dict[str, Tensor]:
        """Return what else the next step depends on: the past of all processes, fp16's scale."""
        tensors = {} if past is None else {"past": self.share.gathered(past)}
        if self.scaler.is_enabled():
            state = self.scaler.state_dict()
            tensors["scale"] = torch.tensor(
                [state["scale"], state["_growth_tracker"]], dtype=torch.float64
            )
        return tensors

    def autocast(self) -> torch.autocast:
        """Compute in ``dtype``; one context each for networks that learn and that are frozen."""
        return torch.autocast(self.device.type, self.dtype, enabled=self.dtype is not None)

    def go_back(self, terms: Mapping[str, Tensor]) -> None:
        """Add the terms' gradients; a term of layers that do not learn has none."""
        learning = [term for term in terms.values() if term.requires_grad]
        torch.autograd.backward([self.scaler.scale(term) for term in learning])

    def set_rate(self, rate: float, discriminator_factor: float) -> None:
        """Set the learning rate of the generator, and of all others relative to it."""
        for name, optimizer in self.optimizers.items():
            for group in optimizer.param_groups:
                group["lr"] = rate if name == "generator" else rate * discriminator_factor


def build_learner(
    config: TrainConfig,
    plan: TrainingPlan,
    progress: Progress,
    *,
    extra_blocks: int,
    share: Share = WHOLE,
) -> Learner:
    """Make everything that learns, from random or given weights.

    Raises:
        SvsDataError: If weights are missing or do not fit.
    """
    networks = build_networks(config, plan, extra_blocks=extra_blocks)
    average = copy.deepcopy(networks.generator).eval()
    if config.start_from is not None and not checkpoint_folders(config.run):
        start_from(config.start_from, networks, average, plan.reader.info.label_set, progress)
    device, dtype = torch_device(config.device), autocast_dtype(config)
    return Learner(
        networks,
        average,
        {name: build_optimizer(network) for name, network in networks.by_name.items()},
        build_objective(config, progress),
        GradScaler(device.type, enabled=dtype is torch.float16),
        dtype,
        extra_blocks,
        share,
    )


def for_phase(learner: Learner, config: TrainConfig, plan: TrainingPlan, phase: Phase) -> Learner:
    """Return what learns in a phase: grown to its size, with the layers it trains set to learn."""
    if phase.extra_blocks > learner.extra_blocks:
        learner = _grown(learner, config, plan, phase.extra_blocks)
    generator = learner.networks.generator
    generator.requires_grad_(requires_grad=not phase.new_blocks_only)
    if phase.new_blocks_only:
        for module in generator.newest_modules():
            module.requires_grad_(requires_grad=True)
    return learner


def _grown(learner: Learner, config: TrainConfig, plan: TrainingPlan, extra_blocks: int) -> Learner:
    """Put a generator with more blocks in the place of the one that learned so far.

    It knows all that the smaller one knew; its optimiser begins anew. Discriminators go on: they
    take pictures of any size.
    """
    generator = grown_generator(config, plan, extra_blocks=extra_blocks)
    average = copy.deepcopy(generator).eval()
    load_fitting(generator, learner.networks.generator.state_dict())
    load_fitting(average, learner.average.state_dict())
    return replace(
        learner,
        networks=replace(learner.networks, generator=generator),
        average=average,
        optimizers={**learner.optimizers, "generator": build_optimizer(generator)},
        extra_blocks=extra_blocks,
    )


def resume(run: Path, learner: Learner) -> Tensor:
    """Load the newest checkpoint where there is one; return the past that the next step needs."""
    folders = checkpoint_folders(run)
    if not folders:
        return torch.empty(0)
    _, carried = load_checkpoint(folders[-1], learner.state)
    if learner.scaler.is_enabled() and "scale" in carried:
        scale, tracker = carried["scale"].tolist()
        state = learner.scaler.state_dict()
        learner.scaler.load_state_dict({**state, "scale": scale, "_growth_tracker": int(tracker)})
    past = carried.get("past", torch.empty(0))
    return past[learner.share.rows(len(past))].to(learner.device)


def train_step(
    learner: Learner,
    chunk: Chunk,
    past: Tensor,
    step: int,
    config: TrainConfig,
    *,
    detail: float = 1.0,
) -> tuple[dict[str, float], Tensor]:
    """Update every network once on a chunk of frames.

    Args:
        learner: Changed in place.
        chunk: K frames of B clips.
        past: (B, P, 3, H, W): the frames generated before the chunk, and the reference.
        step: Number of the step; noise is drawn from it.
        config: Of the run.
        detail: How far the newest extra block takes part, 0 to 1.

    Returns:
        The figures of the step, and the past of the next.
    """
    began = time.monotonic()
    networks, objective, share = learner.networks, learner.objective, learner.share
    draws = torch.Generator().manual_seed(derived_seed(config.seed, "step", step))
    chunk = replace(chunk, class_counts=share.summed(chunk.class_counts))
    for network in networks.by_name.values():
        advance_spectral_norms(network)

    # Generate the frames, each from those before: what was last generated, perhaps disturbed
    # (the ranges are for profilers: benchmarks/train_speed.py)
    previous = _previous_images(networks.generator, chunk, past)
    previous = perturb(previous, probability=config.perturbed_feedback, draws=draws, share=share)
    with record_function("generate"), learner.autocast():
        output = generate(
            networks.generator, chunk, previous, recompute=objective.recompute, detail=detail
        )

    # Discriminators: tell them from real ones
    with record_function("judge"), learner.autocast():
        judged, real_features = discriminator_terms(
            networks, chunk, output, past, objective=objective, draws=draws
        )
    # before going back: NaN coordinates crash a warp's gradient
    values = check_finite(share.averaged(judged), step)
    with record_function("judge, back"):
        learner.go_back(judged)

    # Generator: convince the discriminators, and come close to the real frames
    with record_function("compare"), learner.autocast():
        terms = generator_terms(
            networks, chunk, output, past, real_features=real_features, objective=objective
        )
    values |= check_finite(share.averaged(terms), step)
    with record_function("compare and generate, back"):
        learner.go_back(terms)

    # All numbers are numbers: update all networks, then the average
    with record_function("update"):
        gradients = _update(learner, step, config)
        decay = decay_at(step, decay=config.ema_decay, start=config.ema_start)
        update_average(learner.average, networks.generator, decay=decay)

    figures = {f"loss/{name}": values[name] for name in (*judged, *terms)}
    figures |= gradients
    figures["loss/generator"] = sum(values[name] for name in terms)
    figures["occlusion/mean"] = output.occlusion_mask.mean().item()
    figures["time/step_s"] = time.monotonic() - began
    generated = by_clip(output.image, len(past))
    # contiguous: a resumed step must see the memory layout that an uninterrupted one sees
    return figures, remembered(torch.cat([past, generated], dim=1)).contiguous()


def _previous_images(generator: VideoGenerator[Any], chunk: Chunk, past: Tensor) -> Tensor:
    """Return the images that the chunk's first frame sees; black ones before a clip begins."""
    seen = generator.config.context_frames
    if past.shape[1]:
        return images_before(past, seen)
    return torch.zeros_like(chunk.real[: len(past)]).repeat(1, seen, 1, 1)


def _update(learner: Learner, step: int, config: TrainConfig) -> dict[str, float]:
    """Take the optimisers' steps; return the lengths of gradients."""
    scaler = learner.scaler
    lengths: dict[str, Tensor] = {}
    for name, network in learner.networks.by_name.items():
        learner.share.average_gradients(network)
        if _learned(network):
            scaler.unscale_(learner.optimizers[name])
        lengths[f"gradient/{name}"] = gradient_norm(network, limit=config.max_gradient_norm)
    figures: dict[str, float] = {}
    if not scaler.is_enabled():
        figures = check_finite(lengths, step)
    for name, network in learner.networks.by_name.items():
        optimizer = learner.optimizers[name]
        if _learned(network):
            scaler.step(optimizer)  # fp16 gradients that overflowed skip it and lower the scale
        optimizer.zero_grad(set_to_none=True)
    scaler.update()
    return figures


def _learned(network: nn.Module) -> bool:
    """Tell whether the step reached a network; a video discriminator waits for its frames."""
    return any(parameter.grad is not None for parameter in network.parameters())
