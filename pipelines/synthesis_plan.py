"""Which videos a synthesis makes, of what, and everything that must be refused before the first."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from svsdata.checkpoints.weights import CheckpointInfo, generator_file, load_generator
from svsdata.editing.language import (
    Edit,
    join_edits,
    load_edit_file,
    load_preset,
    parse_edits,
)
from svsdata.editing.plan import EditPlan, plan_edits
from svsdata.editing.scene import scan_scene
from svsdata.editing.shapes import OBJECT_KINDS
from svsdata.errors import CheckpointError, ConfigError, EditPlanError, StoreError
from svsdata.labeling.sources.street import PREFIX, street_recording
from svsdata.nets.svsgan.rollout import inference_copy
from svsdata.pipelines.configs.synthesize import SynthesizeConfig
from svsdata.randomness import derived_seed
from svsdata.records import Sequence
from svsdata.store.format import StoreInfo, record_path
from svsdata.store.reader import StoreReader
from svsdata.street_world.scene import StreetWorld
from svsdata.synthesis.compute import chosen_device, chosen_dtype
from svsdata.synthesis.label_stream import LabelStream
from svsdata.synthesis.long_video import LongVideo
from svsdata.synthesis.provenance import file_hash, model_name, recipe_hash, synthesized_id


@dataclass(frozen=True)
class Video:
    """One sequence to make."""

    sequence_id: str
    num_frames: int
    labels: LabelStream
    edits: tuple[Edit, ...]
    seed: int
    """Of the edits' choices: another for every sequence and variant."""
    base_hash: str
    """Of the base sequence's commit record."""
    recipe: str
    """Hash of everything that the frames depend on."""

    def plan(self) -> EditPlan | None:
        """Resolve the edits on this sequence; None without edits.

        Raises:
            EditPlanError: If they cannot be planned.
        """
        if not self.edits:
            return None
        scene = scan_scene(
            self.labels.glance(self.num_frames),
            sequence_id=self.labels.sequence.sequence_id,
            label_set=self.labels.reader.info.label_set,
            fps=self.labels.sequence.fps,
            base_hash=self.base_hash,
        )
        return plan_edits(self.edits, scene, self.seed)


@dataclass(frozen=True)
class Synthesis:
    """Everything that is known before the first frame."""

    videos: tuple[Video, ...]
    video_maker: LongVideo
    info: StoreInfo
    """Of the store to write."""
    part_frames: int
    """Frames after which a stopped run can go on."""


def prepare(config: SynthesizeConfig) -> Synthesis:
    """Load the generator, lay out the videos and refuse what cannot be made.

    Raises:
        StoreError: If the base cannot be read, or a sequence is unknown or too short.
        CheckpointError: If the checkpoint is not for this store or these edits.
        EditPlanError: If an edit is unknown.
        ConfigError: If choices contradict each other.
    """
    reader = StoreReader(config.store)
    edits = chosen_edits(config)
    sequences = chosen_sequences(config, reader)
    video_maker, checkpoint = _video_maker(config, reader)
    check_classes_seen(edits, checkpoint.known_classes, allow_unseen=config.allow_unseen)
    base = _Base(reader, checkpoint.size_hw, _facts(config, video_maker))
    videos = (
        _video(config, base, sequence, edits, variant)
        for sequence in sequences
        for variant in range(config.variants)
    )
    info = _store_info(reader, checkpoint, edited=bool(edits))
    return Synthesis(tuple(videos), video_maker, info, config.part_frames)


def chosen_edits(config: SynthesizeConfig) -> tuple[Edit, ...]:
    """Return the edits of presets and files, in the order given.

    Raises:
        EditPlanError: If one is unknown or cannot be read.
        ConfigError: If variants are asked for without edits, which would all be the same.
    """
    edits = join_edits([*map(load_preset, config.presets), *map(load_edit_file, config.edit_files)])
    known = [edit.id for edit in edits]
    for edit_id in config.edits:
        if edit_id not in known:
            raise EditPlanError(
                f"'edits.{edit_id}' changes an edit that is not asked for; "
                f"asked for: {', '.join(known) or 'none'}"
            )
    edits = tuple(_changed(edit, config.edits.get(edit.id, {})) for edit in edits)
    if config.variants > 1 and not edits:
        raise ConfigError(
            f"variants = {config.variants} without an edit would be the same video "
            f"{config.variants} times; name an edit or leave variants at 1"
        )
    return edits


def _changed(edit: Edit, changes: Mapping[str, Any]) -> Edit:
    """Lay changes over an edit, checked as if a file had said it."""
    if not changes:
        return edit
    said = edit.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    text = yaml.safe_dump({"version": 1, "edits": [_merged(said, changes)]})
    (changed,) = parse_edits(text, f"edits.{edit.id}").edits
    return changed


def _merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    both = {**below, **above}
    for key, value in above.items():
        if isinstance(value, Mapping) and isinstance(below.get(key), Mapping):
            both[key] = _merged(below[key], value)
    return both


def check_classes_seen(
    edits: tuple[Edit, ...], known_classes: tuple[str, ...], *, allow_unseen: bool
) -> None:
    """Refuse edits whose classes the checkpoint cannot draw.

    Raises:
        CheckpointError: Naming them and the classes that it knows.
    """
    for edit in edits:
        if edit.op != "add" or edit.label_class not in OBJECT_KINDS:
            continue
        drawn = OBJECT_KINDS[edit.label_class].class_names
        unseen = [name for name in drawn if name not in known_classes]
        if unseen and not allow_unseen:
            raise CheckpointError(
                f"edit '{edit.id}' draws {', '.join(unseen)}, which the checkpoint never saw in "
                f"training; it knows: {', '.join(known_classes)} (--allow-unseen draws it anyway)"
            )


def chosen_sequences(config: SynthesizeConfig, reader: StoreReader) -> list[Sequence]:
    """Return the base sequences.

    Raises:
        StoreError: If the store is empty, or a sequence is unknown or too short.
    """
    sequences = [reader.sequence(one) for one in config.sequences or reader.sequence_ids]
    if not sequences:
        raise StoreError(f"store '{reader.path}' has no sequences; 'svsdata label' adds some")
    if config.frames is not None:
        _check_lengths(config.frames, sequences, reader)
    return sequences


@dataclass(frozen=True)
class _Base:
    """What all videos share."""

    reader: StoreReader
    size_hw: tuple[int, int]
    facts: dict[str, object]
    """What frames depend on beside labels, edits and their choices."""


def _video(
    config: SynthesizeConfig, base: _Base, sequence: Sequence, edits: tuple[Edit, ...], variant: int
) -> Video:
    reader = base.reader
    layers = ["semantic"] + ["instance"] * ("instance" in reader.info.modalities)
    layers += ["image"] * (config.cut_below > 0)
    names = (*config.presets, *(path.stem for path in config.edit_files))
    content = record_path(reader.path, sequence.sequence_id).read_bytes()
    base_hash = hashlib.sha256(content).hexdigest()
    num_frames = config.frames or sequence.num_frames
    seed = derived_seed(config.seed, sequence.sequence_id, variant)
    own_facts = {
        "base": base_hash,
        "edits": [edit.model_dump(mode="json") for edit in edits],
        "seed": seed if edits else None,
        "frames": num_frames,
    }
    return Video(
        synthesized_id(sequence.sequence_id, names, variant if config.variants > 1 else None),
        num_frames,
        LabelStream(reader, sequence, base.size_hw, tuple(layers), street_world(sequence)),
        edits,
        seed,
        base_hash,
        recipe_hash(base.facts | own_facts),
    )


def street_world(sequence: Sequence) -> StreetWorld | None:
    """Return the world that a sequence was rendered from; it has no end."""
    if not sequence.source.startswith(PREFIX):
        return None
    recording = street_recording(sequence.source)
    return StreetWorld(recording.seed, size_hw=recording.size_hw, fps=recording.fps)


def _check_lengths(frames: int, sequences: list[Sequence], reader: StoreReader) -> None:
    def is_long_enough(sequence: Sequence) -> bool:
        return sequence.num_frames >= frames or sequence.source.startswith(PREFIX)

    short = [sequence for sequence in sequences if not is_long_enough(sequence)]
    if not short:
        return
    everything = [reader.sequence(one) for one in reader.sequence_ids]
    enough = [one.sequence_id for one in everything if is_long_enough(one)]
    longest = max(everything, key=lambda one: one.num_frames)
    advice = (
        f"long enough: {', '.join(enough[:8])}{', ...' if len(enough) > 8 else ''}"
        if enough
        else f"the longest is '{longest.sequence_id}' with {longest.num_frames}"
    )
    raise StoreError(
        f"sequence '{short[0].sequence_id}' has {short[0].num_frames} frames, {frames} were asked "
        f"for; {advice}"
    )


def _video_maker(config: SynthesizeConfig, reader: StoreReader) -> tuple[LongVideo, CheckpointInfo]:
    """Load the generator and make sure that it fits the store."""
    generator, checkpoint = load_generator(config.checkpoint)
    where = f"store '{config.store}'"
    checkpoint.require(reader.info.label_set, reader.info.size_hw, where)
    if generator.config.edges and "instance" not in reader.info.modalities:
        raise CheckpointError(
            f"the checkpoint takes instance borders, {where} has no instance maps; label it with "
            "instances or train with instance_edges = false"
        )
    device = chosen_device(config.device)
    fast = inference_copy(generator, chosen_dtype(config.precision, device)).to(device)
    name = model_name(checkpoint.model, file_hash(generator_file(config.checkpoint)))
    return (
        LongVideo(fast, name, config.chunk_length, config.cut_below, config.colour_pull),
        checkpoint,
    )


def _facts(config: SynthesizeConfig, video_maker: LongVideo) -> dict[str, object]:
    """Return what the frames depend on beside labels and edits."""
    generator = video_maker.generator
    device = next(generator.parameters()).device
    return {
        "model": video_maker.name,
        "computed": f"{generator.dtype} {device.type}",
        "chunk_length": config.chunk_length,
        "part_frames": config.part_frames,
        "cut_below": config.cut_below,
        "colour_pull": config.colour_pull,
    }


def _store_info(reader: StoreReader, checkpoint: CheckpointInfo, *, edited: bool) -> StoreInfo:
    info = reader.info
    modalities: tuple[str, ...] = ("image", "semantic")
    modalities += ("instance",) * ("instance" in info.modalities) + ("provenance",) * edited
    return StoreInfo(info.label_set, checkpoint.size_hw, info.fps, modalities, info.licences)
