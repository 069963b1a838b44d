"""What learns in a training run: built, grown to the next size, gone on with."""

import copy
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.amp.grad_scaler import GradScaler
from torch.optim import Optimizer

from svsdata.checkpoints.tensor_files import load_fitting
from svsdata.checkpoints.training_state import (
    TrainingState,
    checkpoint_folders,
    load_checkpoint,
)
from svsdata.nets.video_generator import VideoGenerator
from svsdata.pipelines.configs.train import TrainConfig
from svsdata.pipelines.training_networks import (
    autocast_dtype,
    build_networks,
    build_objective,
    build_optimizer,
    grown_generator,
    loss_weights,
)
from svsdata.pipelines.training_plan import TrainingPlan
from svsdata.pipelines.training_start import start_from
from svsdata.pipelines.training_teacher import chosen_teacher
from svsdata.progress import Progress
from svsdata.synthesis.compute import chosen_device
from svsdata.training.objective import Networks, Objective
from svsdata.training.passes import Passes, joined_passes
from svsdata.training.processes import WHOLE, Share
from svsdata.training.run_log import FigureMeans
from svsdata.training.schedules import Learns, Phase

_FIGURES = "figures/"
"""Before the names of figures among carried tensors."""


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
    learns: Learns
    """What the phase trains."""
    share: Share
    """Of a step's clips that this process has."""
    passes: Passes
    """Through which the networks learn."""
    watched_classes: tuple[str | None, ...]
    """Names by id of the classes whose colours are told; None is a void one."""

    @property
    def device(self) -> torch.device:
        """Where it learns."""
        return next(self.average.parameters()).device

    @property
    def state(self) -> TrainingState:
        """Return what a checkpoint holds."""
        networks = {**self.networks.by_name, "average": self.average}
        return TrainingState(networks, self.optimizers)

    def carried(self, past: Tensor | None, means: FigureMeans) -> dict[str, Tensor]:
        """Return what else goes on: the past of all processes, fp16's scale, figures not logged."""
        tensors = {f"{_FIGURES}{name}": pair for name, pair in means.state.items()}
        if past is not None:
            tensors["past"] = self.share.gathered(past)
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
    goes_on: bool = False,
) -> Learner:
    """Make everything that learns, from random or given weights.

    Args:
        config: Of the run.
        plan: Of the run.
        progress: Hears what was taken of given weights.
        extra_blocks: Of the generator.
        share: Of this process.
        goes_on: A checkpoint of the run is loaded next: ``start_from`` is not read any more.

    Raises:
        SvsDataError: If weights are missing or do not fit.
    """
    label_set = plan.reader.info.label_set
    networks = build_networks(config, plan, extra_blocks=extra_blocks)
    average = copy.deepcopy(networks.generator).eval()
    if config.start_from is not None and not goes_on:
        start_from(config.start_from, networks, average, label_set, progress)
    device, dtype = chosen_device(config.device), autocast_dtype(config)
    return Learner(
        networks,
        average,
        {name: build_optimizer(network) for name, network in networks.by_name.items()},
        replace(
            build_objective(config, progress, extra_blocks=extra_blocks),
            teacher=chosen_teacher(config, plan, networks.generator),
        ),
        GradScaler(device.type, enabled=dtype is torch.float16),
        dtype,
        extra_blocks,
        "all",
        share,
        joined_passes(networks, share, learns="all"),
        tuple(None if it.id in label_set.void_ids else it.name for it in label_set.labels),
    )


def for_phase(learner: Learner, config: TrainConfig, plan: TrainingPlan, phase: Phase) -> Learner:
    """Return what learns in a phase: grown to its size, with the layers it trains set to learn."""
    if (phase.extra_blocks, phase.learns) == (learner.extra_blocks, learner.learns):
        return learner
    if phase.extra_blocks > learner.extra_blocks:
        learner = _grown(learner, config, plan, phase.extra_blocks)
    networks, generator = learner.networks, learner.networks.generator
    generator.requires_grad_(requires_grad=phase.learns != "new_blocks")
    if phase.learns == "new_blocks":
        for module in generator.newest_modules():
            module.requires_grad_(requires_grad=True)
    passes = joined_passes(networks, learner.share, learns=phase.learns)
    return replace(learner, learns=phase.learns, passes=passes)


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
        objective=replace(
            learner.objective, weights=loss_weights(config, extra_blocks=extra_blocks)
        ),
        extra_blocks=extra_blocks,
    )


def resume(run: Path, learner: Learner) -> tuple[Tensor, FigureMeans]:
    """Load the newest checkpoint where there is one.

    Returns:
        The past that the next step needs, and the figures since they were last logged.
    """
    folders = checkpoint_folders(run)
    if not folders:
        return torch.empty(0), FigureMeans({})
    _, carried = load_checkpoint(folders[-1], learner.state)
    if learner.scaler.is_enabled() and "scale" in carried:
        scale, tracker = carried["scale"].tolist()
        state = learner.scaler.state_dict()
        learner.scaler.load_state_dict({**state, "scale": scale, "_growth_tracker": int(tracker)})
    past = carried.get("past", torch.empty(0))
    figures = {
        name.removeprefix(_FIGURES): pair
        for name, pair in carried.items()
        if name.startswith(_FIGURES)
    }
    return past[learner.share.rows(len(past))].to(learner.device), FigureMeans(figures)
