"""Which videos a synthesis makes, of what, and everything that must be refused before the first."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from svsdata.checkpoints.weights import CheckpointInfo, generator_file
from svsdata.editing.edit_text import ways_of
from svsdata.editing.language import Edit
from svsdata.editing.plan import EditPlan
from svsdata.editing.shapes import OBJECT_KINDS
from svsdata.errors import CheckpointError, ConfigError, EditPlanError
from svsdata.pipelines.configs.synthesize import SynthesizeConfig
from svsdata.pipelines.edit_choice import chosen_edits, require_different
from svsdata.pipelines.edit_plan import plans_at
from svsdata.pipelines.edited_videos import Video, planned_video, videos_of
from svsdata.pipelines.label_streams import chosen_streams, motion_of
from svsdata.pipelines.run_dir import require_apart
from svsdata.pipelines.video_maker import chosen_video_maker
from svsdata.store.format import StoreInfo
from svsdata.store.reader import StoreReader
from svsdata.synthesis.label_stream import Drive
from svsdata.synthesis.long_video import LongVideo

LIKE_RATES = 0.02
"""Relative difference of frame rates that nobody is told of, such as 30 and 29.97."""

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
    notes: tuple[str, ...]
    """How the store differs from what the checkpoint was trained on, for people."""


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
    plans = _given_plans(config.plans)
    motion = motion_of(reader) if config.flow else ()
    video_maker, checkpoint = chosen_video_maker(config, reader, has_flow="flow" in motion)
    if not checkpoint.object_colours or "instance" not in reader.info.modalities:
        require_different(config, edits)
    drawn = {f"edit '{edit.id}'": _drawn_classes(edit) for edit in edits}
    drawn |= {f"plan '{name}'": plan.class_names for name, plan in plans.items()}
    check_classes_seen(drawn, checkpoint.known_classes, allow_unseen=config.allow_unseen)
    if not video_maker.generator.config.object_colours:
        asking = [edit.id for edit in edits if any(way.colour for way in ways_of(edit))]
        asking += [name for name, plan in plans.items() if plan.object_colours]
        _refuse_colours(asking, checkpoint.model)
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
    notes = tuple(_notes(reader, checkpoint))
    return Synthesis(tuple(videos), video_maker, info, config.part_frames, at_once, notes)


def _notes(reader: StoreReader, checkpoint: CheckpointInfo) -> Iterator[str]:
    (height, width), own_hw = checkpoint.size_hw, reader.info.size_hw
    if own_hw != (height, width):
        yield (
            f"drawn at {width}x{height}, the checkpoint's size; the frames of '{reader.path}' "
            f"are {own_hw[1]}x{own_hw[0]}"
        )
    if abs(reader.info.fps / checkpoint.fps - 1) > LIKE_RATES:
        yield (
            f"'{reader.path}' has {reader.info.fps:g} frames/s, the checkpoint was trained at "
            f"{checkpoint.fps:g}: the steps from frame to frame are not those that it learned; "
            "train on a store of that rate, or with --set frame_stride="
        )


def _given_plans(paths: Iterable[Path]) -> dict[str, EditPlan]:
    """Read plans, by the names of their files, which their videos get.

    Raises:
        EditPlanError: If one cannot be read, or two have one name.
    """
    files: dict[str, Path] = {}
    plans: dict[str, EditPlan] = {}
    for file, plan in chain.from_iterable(map(plans_at, paths)):
        if file.stem in plans:
            raise EditPlanError(
                f"plans '{files[file.stem]}' and '{file}' would make videos of one name, "
                f"'{file.stem}'; rename one of the files, or give each an output of its own"
            )
        files[file.stem], plans[file.stem] = file, plan
    return plans


def _num_videos(config: SynthesizeConfig, reader: StoreReader, num_plans: int) -> int:
    return num_plans or config.variants * len(config.sequences or reader.sequence_ids)


def _refuse_colours(asking: Sequence[str], model: str) -> None:
    """Refuse edits, or plans, that ask for colours which the checkpoint cannot be told."""
    if asking:
        raise CheckpointError(
            f"'{asking[0]}' asks for a colour, and this {model} is not told what colour objects "
            "have; leave 'colour' out, or train with --set network.object_colours=true"
        )


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
    """Return the classes that an edit may put into label maps, where they are known."""
    names = dict[str, None]()
    for way in ways_of(edit):
        if way.label_class in OBJECT_KINDS:
            names |= dict.fromkeys(OBJECT_KINDS[way.label_class].class_names)
        elif way.to_class:
            names[way.to_class] = None
    return tuple(names)


def _check_sizes(plans: Mapping[str, EditPlan], size_hw: tuple[int, int]) -> None:
    for name, plan in plans.items():
        if plan.size_hw != size_hw:
            height, width = size_hw
            raise EditPlanError(
                f"plan '{name}' is for frames of {plan.size_hw[1]}x{plan.size_hw[0]}, the "
                f"checkpoint draws {width}x{height}; plan again with --set size_hw={height},{width}"
            )


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
        **({} if config.forgetting is None else {"forgetting": config.forgetting}),
        **({"seed_of_colours": config.seed} if generator.config.object_colours else {}),
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
