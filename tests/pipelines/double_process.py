"""Training steps in float64, on one process or on one of several; run by a test."""

import os
import sys
from dataclasses import replace
from pathlib import Path

import torch
from safetensors.torch import save_file

from svsdata.pipelines.configs.train import TrainConfig
from svsdata.pipelines.training_learner import Learner, build_learner
from svsdata.pipelines.training_networks import build_optimizer
from svsdata.pipelines.training_plan import plan_training
from svsdata.pipelines.training_step import train_step
from svsdata.progress import Silent
from svsdata.training.chunks import chunk_of, reference
from svsdata.training.clips import load_clips
from svsdata.training.passes import joined_passes
from svsdata.training.processes import joined


def in_double(learner: Learner) -> Learner:
    """Have networks compute in float64 between inputs and losses, which stay float32."""
    networks = learner.networks
    generator, *discriminators = networks.by_name.values()
    for drawing in (generator, learner.average):
        drawing.cast(torch.float64)
    for discriminator in discriminators:
        discriminator.double()
        discriminator.register_forward_pre_hook(
            lambda _, inputs: tuple(
                it.double() if torch.is_floating_point(it) else it for it in inputs
            )
        )
    return replace(
        learner,
        optimizers={name: build_optimizer(it) for name, it in networks.by_name.items()},
        passes=joined_passes(networks, learner.share, learns="all"),
    )


config_path, result = map(Path, sys.argv[1:])
config = TrainConfig.model_validate_json(config_path.read_text())
plan = plan_training(config, Silent())
with joined(os.environ, "cpu") as share:
    learner = in_double(build_learner(config, plan, Silent(), extra_blocks=0, share=share))
    learner.set_rate(config.phases[0].learning_rate, config.discriminator_rate)
    round_ = plan.rounds[0]
    clips = plan.sampler.clips(round_, flips=config.flips)
    batch = load_clips(plan.reader, clips[share.rows(len(clips))], size_hw=round_.phase.size_hw)
    past = reference(batch)
    for step in range(round_.num_steps):
        chunk = chunk_of(
            batch,
            step * config.backprop_frames + 1,
            (step + 1) * config.backprop_frames + 1,
            with_edges=plan.uses_edges,
            context_frames=learner.average.config.context_frames,
        )
        _, past = train_step(learner, chunk, past, step, config)
    if share.is_first:
        tensors = {
            f"{name}/{key}": value.contiguous()
            for name, network in learner.networks.by_name.items()
            for key, value in network.state_dict().items()
        }
        save_file(tensors, result)
