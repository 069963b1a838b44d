"""Which videos a synthesis makes, of what, and everything that must be refused before the first."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from svsdata.checkpoints.weights import CheckpointInfo, generator_file, load_generator
from svsdata.editing.language import Edit
from svsdata.editing.plan import EditPlan
from svsdata.editing.shapes import OBJECT_KINDS
from svsdata.errors import CheckpointError, ConfigError, EditPlanError, StoreError
from svsdata.geometry.standing_world import standing_ids
from svsdata.nets.models import trusting_its_mask
from svsdata.nets.svsgan.rollout import inference_copy
from svsdata.pipelines.configs.synthesize import SynthesizeConfig
from svsdata.pipelines.edit_choice import chosen_edits
from svsdata.pipelines.edit_plan import plans_at
from svsdata.pipelines.edited_videos import Video, planned_video, videos_of
from svsdata.pipelines.label_streams import chosen_streams, motion_of
from svsdata.pipelines.run_dir import require_apart
from svsdata.store.format import StoreInfo
from svsdata.store.reader import StoreReader
from svsdata.synthesis.compute import chosen_device, chosen_dtype
from svsdata.synthesis.guiding import Guiding
from svsdata.synthesis.label_stream import Drive
from svsdata.synthesis.long_video import LongVideo
from svsdata.synthesis.provenance import file_hash, model_name

_PREDICTION = ("predict", "drive_on_mps", "drive_on_rps")


@dataclass(frozen=True)
class Synthesis:
    """Everything that is known before the first frame."""

    videos: tuple[Video, ...]
    video_maker: LongVideo
    info: StoreInfo
    """Of the store to write."""
    part_frames: int
    """Frames after which a stopped run can go on."""
    parallel_videos: int
    """Videos drawn in one batch; no more than there are."""


def prepare(config: SynthesizeConfig) -> Synthesis:
    """Load the generator, lay out the videos and refuse what cannot be made.

    Raises:
        StoreError: If the base cannot be read, or a sequence is unknown or too short.
        CheckpointError: If the checkpoint is not for this store or these edits.
        EditPlanError: If an edit is unknown.
        ConfigError: If choices contradict each other.
    """
    weights = generator_file(config.checkpoint)
    choices = (*config.plans, *config.edit_files, config.shapes)
    require_apart(config.out, [config.store, weights, *choices])
    reader = StoreReader(config.store)
    edits = chosen_edits(config)
    plans = {file.stem: plan for path in config.plans for file, plan in plans_at(path)}
    motion = motion_of(reader) if config.flow else ()
    video_maker, checkpoint = _video_maker(config, reader, has_flow="flow" in motion)
    drawn = {f"edit '{edit.id}'": _drawn_classes(edit) for edit in edits}
    drawn |= {f"plan '{name}'": plan.class_names for name, plan in plans.items()}
    check_classes_seen(drawn, checkpoint.known_classes, allow_unseen=config.allow_unseen)
    layers = (*motion, *("image",) * (config.cut_below > 0 and config.reference == "store"))
    at_once = min(config.parallel_videos, _num_videos(config, reader, len(plans)))
    facts = _facts(config, video_maker, at_once)
    drive_on = _drive_on(config, has_edits=bool(edits or plans))
    if plans:
        _check_sizes(plans, checkpoint.size_hw)
        videos = [
            planned_video(reader, plan, name, layers=layers, facts=facts)
            for name, plan in plans.items()
        ]
    else:
        streams = chosen_streams(
            config,
            reader,
            size_hw=checkpoint.size_hw,
            layers=layers,
            with_reference=True,
            drive_on=drive_on,
        )
        videos = list(videos_of(config, streams, edits, facts=facts))
    info = _store_info(reader, checkpoint, motion, edited=bool(edits or plans))
    return Synthesis(tuple(videos), video_maker, info, config.part_frames, at_once)


def _num_videos(config: SynthesizeConfig, reader: StoreReader, num_plans: int) -> int:
    return num_plans or config.variants * len(config.sequences or reader.sequence_ids)


def _drive_on(config: SynthesizeConfig, *, has_edits: bool) -> Drive | None:
    if not config.predict:
        return None
    if has_edits:
        raise ConfigError(
            "predict=true goes on beyond what was recorded, and edits are made on recorded frames "
            "alone; leave out one of them"
        )
    return Drive(config.drive_on_mps, config.drive_on_rps)


def check_classes_seen(
    drawn: Mapping[str, Collection[str]], known_classes: tuple[str, ...], *, allow_unseen: bool
) -> None:
    """Refuse edits whose classes the checkpoint cannot draw.

    Args:
        drawn: Classes by the edit or plan that draws them.
        known_classes: Which the checkpoint saw in training.
        allow_unseen: Accept them all.

    Raises:
        CheckpointError: Naming them and the classes that it knows.
    """
    for who, names in drawn.items():
        unseen = [name for name in names if name not in known_classes]
        if unseen and not allow_unseen:
            raise CheckpointError(
                f"{who} draws {', '.join(unseen)}, which the checkpoint never saw in "
                f"training; it knows: {', '.join(known_classes)} (--allow-unseen draws it anyway)"
            )


def _drawn_classes(edit: Edit) -> tuple[str, ...]:
    """Return the classes that an edit puts into label maps, where they are known."""
    if edit.label_class in OBJECT_KINDS:
        return OBJECT_KINDS[edit.label_class].class_names
    return (edit.to_class,) if edit.to_class else ()


def _check_sizes(plans: Mapping[str, EditPlan], size_hw: tuple[int, int]) -> None:
    for name, plan in plans.items():
        if plan.size_hw != size_hw:
            height, width = size_hw
            raise EditPlanError(
                f"plan '{name}' is for frames of {plan.size_hw[1]}x{plan.size_hw[0]}, the "
                f"checkpoint draws {width}x{height}; plan again with --set size_hw={height},{width}"
            )


def _video_maker(
    config: SynthesizeConfig, reader: StoreReader, *, has_flow: bool
) -> tuple[LongVideo, CheckpointInfo]:
    """Load the generator and make sure that it fits the store and the motion that is asked for."""
    generator, checkpoint = load_generator(config.checkpoint)
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
    if not config.redraw_outside:
        generator = trusting_its_mask(generator)
    fast = inference_copy(generator, chosen_dtype(config.precision, device)).to(device)
    name = model_name(checkpoint.model, file_hash(generator_file(config.checkpoint)))
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
            guiding=_guiding(reader) if generator.config.sees_guidance else None,
        ),
        checkpoint,
    )


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


def _facts(
    config: SynthesizeConfig, video_maker: LongVideo, parallel_videos: int
) -> dict[str, object]:
    """Return what the frames depend on beside labels and edits."""
    generator = video_maker.generator
    device = next(generator.parameters()).device
    return {
        "model": video_maker.name,
        "computed": f"{generator.dtype} {device.type}",
        "chunk_length": config.chunk_length,
        "part_frames": config.part_frames,
        "cut_below": config.cut_below,
        "flow": config.flow,
        "follows_flow": video_maker.follows_flow,
        "begins_with_labels": video_maker.begins_with_labels,
        "rim_px": video_maker.rim_px,
        "entering_share": video_maker.entering_share,
        "colour_pull": config.colour_pull,
        "redraw_outside": config.redraw_outside,
        **(
            {"keyframe_interval": config.keyframe_interval, "unseen_share": config.unseen_share}
            if config.keyframe_interval > 1
            else {}
        ),
        **({"parallel_videos": parallel_videos} if parallel_videos > 1 else {}),
        **(config.model_dump(include={*_PREDICTION}) if config.predict else {}),
    }


def _store_info(
    reader: StoreReader, checkpoint: CheckpointInfo, motion: tuple[str, ...], *, edited: bool
) -> StoreInfo:
    info = reader.info
    modalities: tuple[str, ...] = ("image", "semantic")
    modalities += ("instance",) * ("instance" in info.modalities)
    modalities += motion + ("provenance",) * edited
    return StoreInfo(info.label_set, checkpoint.size_hw, info.fps, modalities, info.licences)
