"""The generator that draws videos, set up as the config says, and what it needs of a store."""

import numpy as np

from svsdata.checkpoints.weights import CheckpointInfo, generator_file, load_generator
from svsdata.errors import CheckpointError, ConfigError, StoreError
from svsdata.geometry.standing_world import standing_ids
from svsdata.nets.models import forgetting_less, trusting_its_mask
from svsdata.nets.svsgan.rollout import inference_copy
from svsdata.pipelines.configs.synthesize import SynthesizeConfig
from svsdata.store.reader import StoreReader
from svsdata.synthesis.compute import chosen_device, chosen_dtype
from svsdata.synthesis.guiding import Guiding
from svsdata.synthesis.long_video import LongVideo
from svsdata.synthesis.object_paint import Palette
from svsdata.synthesis.provenance import file_hash, model_name
from svsdata.synthesis.recorded_work import RecordedGenerator, cuda_recording


def chosen_video_maker(
    config: SynthesizeConfig, reader: StoreReader, *, has_flow: bool
) -> tuple[LongVideo, CheckpointInfo]:
    """Load the generator, and refuse what it cannot do with the store.

    Args:
        config: Of the synthesis.
        reader: Of the base.
        has_flow: The base's flow is read.

    Raises:
        CheckpointError: If the checkpoint is not for this store, or cannot do what is asked for.
        StoreError: If the store lacks what the checkpoint needs.
        ConfigError: If choices contradict each other.
    """
    weights = generator_file(config.checkpoint)  # once: a run that trains has newer ones soon
    generator, checkpoint = load_generator(weights)
    where = f"store '{config.store}'"
    checkpoint.require(reader.info.label_set, reader.info.size_hw, where)
    if generator.config.edges and "instance" not in reader.info.modalities:
        raise CheckpointError(
            f"the checkpoint takes instance borders, {where} has no instance maps; label it with "
            "instances or train with instance_edges = false"
        )
    _check_reference(config, reader, checkpoint)
    if config.keyframe_interval > 1 and not generator.config.labels_tell_motion:
        raise CheckpointError(
            f"keyframe_interval={config.keyframe_interval}, but this {checkpoint.model} tells "
            "motion from pictures, which frames between key frames do not have yet; leave it out"
        )
    if generator.config.sees_guidance:
        _check_guidance(config, reader, has_flow=has_flow)
    if config.motion == "store":
        _check_motion(checkpoint, where, has_flow=has_flow)
    follows_flow = config.motion == "store" or (
        config.motion == "auto" and has_flow and checkpoint.given_motion
    )
    device = chosen_device(config.device)
    if config.cuda_graphs and device.type != "cuda":
        raise ConfigError(
            f"cuda_graphs=true, but device is '{device}': they are of NVIDIA's GPUs; leave it out"
        )
    if not config.redraw_outside:
        generator = trusting_its_mask(generator)
    if config.forgetting is not None:
        generator = forgetting_less(generator, config.forgetting)
    fast = inference_copy(generator, chosen_dtype(config.precision, device)).to(device)
    if config.cuda_graphs:
        fast = RecordedGenerator(fast, cuda_recording)
    name = model_name(checkpoint.model, file_hash(weights))
    return (
        LongVideo(
            fast,
            name,
            config.chunk_length,
            config.cut_below,
            config.colour_pull,
            follows_flow,
            begins_with_labels=config.reference == "labels",
            rim_px=config.rim_px if follows_flow else 0,
            entering_share=config.entering_share if follows_flow else 1.0,
            keyframe_interval=config.keyframe_interval,
            unseen_share=config.unseen_share,
            palette=_palette(checkpoint, seed=config.seed),
            guiding=_guiding(reader) if generator.config.sees_guidance else None,
        ),
        checkpoint,
    )


def _palette(checkpoint: CheckpointInfo, *, seed: int) -> Palette:
    """Return the colours that objects had in training, RGB in [-1, 1] by label id."""
    colours = {
        checkpoint.label_set.label(name).id: np.array(levels, np.float32) / 127.5 - 1
        for name, levels in checkpoint.object_colours.items()
    }
    return Palette(colours, seed)


def _check_reference(
    config: SynthesizeConfig, reader: StoreReader, checkpoint: CheckpointInfo
) -> None:
    if config.reference == "store" and "image" not in reader.info.modalities:
        raise StoreError(
            f"store '{config.store}' has no pictures for a video to begin with; let it begin with "
            "its labels: --set reference=labels"
        )
    if config.reference == "labels" and not checkpoint.reference_free:
        raise CheckpointError(
            f"reference=labels, but this {checkpoint.model} never learned to begin without a "
            "reference frame; train with --set reference_free=0.1, or leave out reference=labels"
        )


def _check_motion(checkpoint: CheckpointInfo, where: str, *, has_flow: bool) -> None:
    if not has_flow:
        raise ConfigError(
            f"motion=store, but {where} has no flow, or flow=false leaves it out; label it with "
            "flow, or let the labels tell motion: --set motion=labels"
        )
    if not checkpoint.given_motion:
        raise CheckpointError(
            f"motion=store, but this {checkpoint.model} was not trained to follow a given flow; "
            "train with --set given_motion=0.5, or --set motion=labels"
        )


def _check_guidance(config: SynthesizeConfig, reader: StoreReader, *, has_flow: bool) -> None:
    """Refuse frames whose place in the world is not known, or that are not all drawn."""
    if not has_flow:
        raise ConfigError(
            f"the checkpoint is guided by what it drew of the standing world, whose place flow "
            f"tells, but store '{config.store}' has none, or flow=false leaves it out; label it "
            "with flow"
        )
    if config.keyframe_interval > 1:
        raise ConfigError(
            f"keyframe_interval={config.keyframe_interval}, but the checkpoint is guided by what "
            "it drew of every frame before; leave it out"
        )
    sequences = config.sequences or reader.sequence_ids
    for sequence_id in sequences:
        first = next(reader.read(sequence_id, 0, 1, layers=()))
        if first.camera is None or first.ego is None:
            raise StoreError(
                f"the checkpoint is guided by what it drew of the standing world, but sequence "
                f"'{sequence_id}' of store '{config.store}' has no camera or no ego motion that "
                "tells where that is; label it anew"
            )


def _guiding(reader: StoreReader) -> Guiding:
    return Guiding(standing_ids(reader.info.label_set), reader.info.fps)
