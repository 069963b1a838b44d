"""What a training run works with, made from its config before the first step."""

import hashlib
from dataclasses import dataclass, replace

import torch
from torch import nn
from torch.optim import Adam, Optimizer

from svsdata.checkpoints.tensor_files import read_state_dict
from svsdata.checkpoints.weights import CheckpointInfo
from svsdata.errors import ConfigError, StoreError
from svsdata.nets.features.vgg import vgg_from_state_dict
from svsdata.nets.svsgan.config import (
    generator_config,
    image_discriminator_config,
    video_discriminator_configs,
)
from svsdata.nets.svsgan.generator import Generator
from svsdata.nets.svsgan.image_discriminator import ImageDiscriminator
from svsdata.nets.svsgan.video_discriminator import VideoDiscriminator
from svsdata.pipelines.configs.train import TrainConfig
from svsdata.progress import Progress
from svsdata.randomness import derived_seed
from svsdata.store.reader import StoreReader
from svsdata.tensors import computes_bf16
from svsdata.training.clips import ClipSampler, Recording
from svsdata.training.schedules import Round, Span, rounds, timetable
from svsdata.training.updates import Networks, Objective


@dataclass(frozen=True)
class TrainingPlan:
    """The data of a run, and when what is trained on it."""

    reader: StoreReader
    recordings: tuple[Recording, ...]
    sampler: ClipSampler
    spans: tuple[Span, ...]
    rounds: tuple[Round, ...]
    uses_edges: bool
    uses_flow: bool

    @property
    def store_id(self) -> str:
        """Hash over the content of the recordings, wherever the store lies."""
        records = hashlib.sha256()
        for recording in self.recordings:
            for part in self.reader.record(recording.sequence_id).parts:
                records.update(part.sha256.encode())
        return records.hexdigest()

    @property
    def total_steps(self) -> int:
        """Steps of the whole run."""
        return self.spans[-1].end_step


def plan_training(config: TrainConfig, progress: Progress) -> TrainingPlan:
    """Choose recordings and lay out the phases.

    Raises:
        StoreError: If the store cannot be read, is empty, or lacks images.
        ConfigError: If a phase's size fits neither the store nor the networks.
    """
    reader = StoreReader(config.store)
    if "image" not in reader.info.modalities or "semantic" not in reader.info.modalities:
        raise StoreError(f"store '{config.store}' has no images with labels to learn from")
    every = [
        Recording(sequence_id, reader.sequence(sequence_id).num_frames)
        for sequence_id in reader.sequence_ids
    ]
    if not every:
        raise StoreError(f"store '{config.store}' has no sequences; fill it with 'svsdata label'")
    scheduled = max(phase.clip_frames for phase in config.phases)
    longest = min(scheduled, max(recording.num_frames for recording in every))
    if longest < 2:
        raise StoreError(f"store '{config.store}' has no sequence of two frames or more")
    if longest < scheduled:
        progress.note(f"clips are cut to {longest} frames, the longest sequence of the store")
    recordings = tuple(recording for recording in every if recording.num_frames >= longest)
    if len(recordings) < len(every):
        left_out = len(every) - len(recordings)
        progress.note(f"{left_out} of {len(every)} sequences have under {longest} frames: left out")
    _check_sizes(config, reader.info.size_hw)
    phases = [
        replace(phase, clip_frames=min(phase.clip_frames, longest)) for phase in config.phases
    ]
    sampler = ClipSampler(recordings, longest=longest, seed=config.seed)
    uses_flow = "flow" in reader.info.modalities
    if not uses_flow and config.loss_weights.flow:
        progress.note("the store has no flow: motion is learned from the photometric loss alone")
    spans = timetable(
        phases,
        clips_per_epoch=sampler.clips_per_epoch,
        backprop_frames=config.backprop_frames,
        steps=config.steps,
    )
    return TrainingPlan(
        reader=reader,
        recordings=recordings,
        sampler=sampler,
        spans=spans,
        rounds=tuple(rounds(spans, backprop_frames=config.backprop_frames)),
        uses_edges=config.instance_edges and "instance" in reader.info.modalities,
        uses_flow=uses_flow,
    )


def build_networks(config: TrainConfig, plan: TrainingPlan) -> Networks:
    """Make the networks with weights drawn from the seed."""
    num_classes = plan.reader.info.label_set.num_classes
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derived_seed(config.seed, "weights"))
        networks = Networks(
            Generator(
                generator_config(
                    config.model, num_classes, edges=plan.uses_edges, width=config.width
                )
            ),
            ImageDiscriminator(
                image_discriminator_config(config.model, num_classes, width=config.width)
            ),
            tuple(
                VideoDiscriminator(
                    replace(
                        discriminator,
                        sees_flow=plan.uses_flow,
                        spectral=config.video_gan == "hinge",
                    )
                )
                for discriminator in video_discriminator_configs(config.model, width=config.width)
            ),
        )
    for network in networks.by_name.values():
        place(network, torch_device(config.device))
    return networks


def torch_device(name: str) -> torch.device:
    """Return the device of a config; ``auto`` is a GPU where there is one."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    return torch.device(name)


def place(network: nn.Module, device: torch.device) -> None:
    """Move a network to its device, weights in the order that its convolutions like."""
    network.to(device=device)
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]


def build_optimizers(networks: Networks) -> dict[str, Optimizer]:
    """Make one Adam a network (svs-gan 4.1); the rate is set at every step."""
    return {
        name: Adam(network.parameters(), betas=(0.5, 0.999), fused=True)
        for name, network in networks.by_name.items()
    }


def build_objective(config: TrainConfig, progress: Progress) -> Objective:
    """Gather the losses, the perceptual network included.

    Raises:
        WeightsError: If the perceptual weights are no VGG16 or VGG19.
    """
    weights = config.loss_weights.model_dump()
    perceptual_net: nn.Module | None = None
    if not weights["perceptual"]:
        return Objective(weights, config.video_gan, config.max_class_weight)
    if config.perceptual_weights is None:
        progress.note("no perceptual weights given: trained without the perceptual loss")
    else:
        perceptual_net = vgg_from_state_dict(read_state_dict(config.perceptual_weights))
        place(perceptual_net, torch_device(config.device))
    return Objective(weights, config.video_gan, config.max_class_weight, perceptual_net)


def autocast_dtype(config: TrainConfig) -> torch.dtype | None:
    """Return bf16 where it is asked for, or is faster than float32; None is float32."""
    if config.precision == "auto":
        return torch.bfloat16 if computes_bf16(torch_device(config.device)) else None
    return torch.bfloat16 if config.precision == "bf16" else None


def checkpoint_info(
    config: TrainConfig, plan: TrainingPlan, *, step: int, pixel_counts: dict[str, int]
) -> CheckpointInfo:
    """Describe the generator of a step."""
    return CheckpointInfo(
        model=config.model,
        label_set=plan.reader.info.label_set,
        size_hw=config.phases[-1].size_hw,
        fps=plan.reader.info.fps,
        pixel_counts=pixel_counts,
        step=step,
        reference_free=config.reference_free > 0,
        uses_instances=plan.uses_edges,
        store_id=plan.store_id,
    )


def _check_sizes(config: TrainConfig, store_hw: tuple[int, int]) -> None:
    classes = 1  # sizes do not depend on it
    multiple = max(
        generator_config(config.model, classes).size_multiple,
        image_discriminator_config(config.model, classes).size_multiple,
    )
    for phase in config.phases:
        height, width = phase.size_hw
        if height * store_hw[1] != width * store_hw[0]:
            raise ConfigError(
                f"a phase trains at {width}x{height}, the store holds {store_hw[1]}x{store_hw[0]}, "
                f"another aspect ratio; choose sizes {store_hw[1] / store_hw[0]:g} times as wide "
                "as high, such as --preset kitti360 for 4:1"
            )
        if height % multiple or width % multiple:
            raise ConfigError(
                f"a phase trains at {width}x{height}: model {config.model} needs sides that are "
                f"multiples of {multiple}"
            )
