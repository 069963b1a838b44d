"""The networks, optimisers and losses of a training run, made from its config."""

from dataclasses import replace
from typing import Any

import torch
from torch import nn
from torch.optim import Adam, Optimizer

from svsdata.checkpoints.feature_weights import read_weights
from svsdata.nets.features.vgg import vgg_from_state_dict
from svsdata.nets.initial_weights import draw_weights
from svsdata.nets.models import (
    build_generator,
    build_image_discriminator,
    changed_config,
    model_config,
)
from svsdata.nets.svsgan.image_discriminator import ImageDiscriminator
from svsdata.nets.svsgan.presets import video_discriminator_configs
from svsdata.nets.svsgan.video_discriminator import VideoDiscriminator
from svsdata.nets.video_generator import VideoGenerator
from svsdata.pipelines.configs.train import TrainConfig
from svsdata.pipelines.training_plan import TrainingPlan
from svsdata.progress import Progress
from svsdata.randomness import derived_seed
from svsdata.synthesis.compute import chosen_device
from svsdata.tensors import computes_bf16
from svsdata.training.image_judges import ImageJudge, OasisJudge, PatchJudge
from svsdata.training.objective import Networks, Objective
from svsdata.training.recompute import Recompute


def build_networks(config: TrainConfig, plan: TrainingPlan, *, extra_blocks: int) -> Networks:
    """Make the networks with weights drawn from the seed."""
    label_set, device = plan.reader.info.label_set, chosen_device(config.device)
    num_classes = label_set.num_classes
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derived_seed(config.seed, "weights"))
        generator = _generator(config, plan, extra_blocks)
        image_discriminator = build_image_discriminator(
            config.model,
            num_classes,
            edges=plan.uses_edges,
            width=config.width,
            patch_heads=config.loss_weights.patch_heads > 0,
        )
        video_discriminators = tuple(
            VideoDiscriminator(
                replace(
                    discriminator,
                    num_resolutions=config.video_resolutions,
                    sees_flow=plan.uses_flow,
                    spectral=config.video_gan == "hinge",
                )
            )
            for discriminator in video_discriminator_configs(config.model, width=config.width)
        )
        for discriminator in (image_discriminator, *video_discriminators):
            draw_weights(discriminator, config.initial_weights)
    recompute = Recompute(enabled=config.checkpoint_activations)
    judge: ImageJudge
    if isinstance(image_discriminator, ImageDiscriminator):
        void = torch.tensor(
            [id_ in label_set.void_ids for id_ in range(num_classes)], device=device
        )
        judge = OasisJudge(
            image_discriminator,
            void,
            config.max_class_weight,
            recompute,
            aligns=config.loss_weights.alignment > 0,
        )
    else:
        judge = PatchJudge(image_discriminator, config.video_gan, recompute)
    networks = Networks(generator, judge, video_discriminators)
    for network in networks.by_name.values():
        place(network, device)
    return networks


def grown_generator(
    config: TrainConfig, plan: TrainingPlan, *, extra_blocks: int
) -> VideoGenerator[Any]:
    """Make a generator of more blocks; its random weights are a function of seed and blocks."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derived_seed(config.seed, "weights", extra_blocks))
        generator = _generator(config, plan, extra_blocks)
    place(generator, chosen_device(config.device))
    return generator


def _generator(config: TrainConfig, plan: TrainingPlan, extra_blocks: int) -> VideoGenerator[Any]:
    label_set = plan.reader.info.label_set
    model = model_config(
        config.model,
        label_set.num_classes,
        edges=plan.uses_edges,
        extra_blocks=extra_blocks,
        width=config.width,
        foreground=tuple(label.id for label in label_set.labels if label.name == "car"),
    )
    generator = build_generator(changed_config(model, **config.network.model_dump()))
    draw_weights(generator, config.initial_weights)
    return generator


def place(network: nn.Module, device: torch.device) -> None:
    """Move a network to its device, weights in the order in which it learns fastest there.

    On processors without bf16 units weights laid out channels last make the way back through
    convolutions slower, at large sizes several times (docs/benchmarks/speed.md).
    """
    network.to(device=device)
    if device.type != "cpu" or computes_bf16(device):
        network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]


def build_optimizer(network: nn.Module) -> Optimizer:
    """Make the Adam of a network (svs-gan 4.1); the rate is set at every step."""
    return Adam(network.parameters(), betas=(0.5, 0.999), fused=True)


def loss_weights(config: TrainConfig, *, extra_blocks: int) -> dict[str, float]:
    """Return the factor of each term for a generator of so many extra blocks.

    That of flow, which is off by twice the pixels at twice the size, is halved by each (vid2vid).
    """
    weights = config.loss_weights.model_dump()
    return {**weights, "flow": weights["flow"] / 2**extra_blocks}


def build_objective(config: TrainConfig, progress: Progress, *, extra_blocks: int) -> Objective:
    """Gather the losses, the perceptual network included.

    Raises:
        WeightsError: If the perceptual weights are not there, or no VGG16 or VGG19.
    """
    weights = loss_weights(config, extra_blocks=extra_blocks)
    recompute = Recompute(enabled=config.checkpoint_activations)
    perceptual_net: nn.Module | None = None
    if not weights["perceptual"]:
        if config.perceptual_weights is not None:
            progress.note("perceptual_weights go unused: loss_weights.perceptual is 0")
        return Objective(weights, config.video_gan, None, recompute)
    if config.perceptual_weights is None:
        progress.note(
            "no perceptual weights given: trained without the perceptual loss; "
            "'svsdata weights fetch vgg16' and --set perceptual_weights=vgg16 add it"
        )
    else:
        state = read_weights(config.perceptual_weights, config.weights_folder)
        perceptual_net = vgg_from_state_dict(state)
        place(perceptual_net, chosen_device(config.device))
    return Objective(weights, config.video_gan, perceptual_net, recompute)


def autocast_dtype(config: TrainConfig) -> torch.dtype | None:
    """Return the type of convolutions: what is asked for, or the fastest; None is float32."""
    if config.precision == "auto":
        return torch.bfloat16 if computes_bf16(chosen_device(config.device)) else None
    return {"bf16": torch.bfloat16, "fp16": torch.float16, "float32": None}[config.precision]
