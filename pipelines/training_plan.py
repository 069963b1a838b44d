"""What a training run works with, made from its config before the first step."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import gcd, lcm

from svsdata.checkpoints.weights import CheckpointInfo
from svsdata.crops import crop_advice, rows_of_shape
from svsdata.errors import ConfigError, StoreError
from svsdata.nets.models import AnyConfig, changed_config, image_size_multiple, model_config
from svsdata.pipelines.configs.train import TrainConfig, presets_by_shape
from svsdata.progress import Progress
from svsdata.store.reader import StoreReader
from svsdata.training.clips import ClipSampler, Recording
from svsdata.training.colours_by_class import ColoursByClass
from svsdata.training.schedules import Phase, Round, Span, rounds, timetable


@dataclass(frozen=True)
class TrainingPlan:
    """The data of a run, and when what is trained on it."""

    reader: StoreReader
    recordings: tuple[Recording, ...]
    sampler: ClipSampler
    spans: tuple[Span, ...]
    rounds: tuple[Round, ...]
    uses_edges: bool
    uses_colours: bool
    uses_flow: bool
    gives_motion: bool
    """The generator learns to follow the store's flow, as synthesis then does by default."""

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

    def extra_blocks_after(self, steps: int) -> int:
        """Return the extra blocks of the generator once so many steps are done."""
        newest_first = reversed(self.rounds)
        begun = next(round_ for round_ in newest_first if round_.first_step < max(steps, 1))
        return begun.phase.extra_blocks


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
    uses_flow = "flow" in reader.info.modalities
    _check_choices(config, reader.info.size_hw)
    _check_terms(config, uses_flow=uses_flow)
    _tell_enlarged(config, reader.info.size_hw, progress)
    phases = [
        replace(phase, clip_frames=min(phase.clip_frames, longest)) for phase in config.phases
    ]
    sampler = ClipSampler(recordings, longest=longest, seed=config.seed)
    if config.given_motion and not uses_flow:
        raise ConfigError(
            f"given_motion is {config.given_motion:g}, and store '{config.store}' has no flow to "
            "give; label it with flow, or --set given_motion=0"
        )
    if not uses_flow and (config.loss_weights.flow or config.loss_weights.consistency):
        progress.note("the store has no flow: motion is learned from the photometric loss alone")
    if config.network.guidance:
        _check_guidance(config, reader, recordings)
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
        uses_colours=_shape(config).object_colours and "instance" in reader.info.modalities,
        uses_flow=uses_flow,
        gives_motion=config.given_motion > 0,
    )


def _check_guidance(
    config: TrainConfig, reader: StoreReader, recordings: tuple[Recording, ...]
) -> None:
    """Refuse a store whose frames cannot tell where points of the world are."""
    first = next(reader.read(recordings[0].sequence_id, 0, 1, layers=()))
    known = {
        "flow": "flow" in reader.info.modalities,
        "camera": first.camera is not None,
        "ego motion": first.ego is not None,
    }
    missing = [name for name, is_there in known.items() if not is_there]
    if missing:
        raise ConfigError(
            f"network.guidance needs flow, camera and ego motion, and store '{config.store}' has "
            f"no {' and no '.join(missing)}; label it with flow, or leave network.guidance out"
        )


def checkpoint_info(
    config: TrainConfig,
    plan: TrainingPlan,
    *,
    step: int,
    pixel_counts: Mapping[str, int],
    object_colours: ColoursByClass,
) -> CheckpointInfo:
    """Describe the generator after so many steps."""
    extra_blocks = plan.extra_blocks_after(step)
    sizes = [phase.size_hw for phase in config.phases if phase.extra_blocks == extra_blocks]
    return CheckpointInfo(
        model=config.model,
        label_set=plan.reader.info.label_set,
        size_hw=sizes[-1],
        fps=plan.reader.info.fps,
        pixel_counts=pixel_counts,
        object_colours=object_colours,
        step=step,
        reference_free=config.reference_free > 0,
        given_motion=config.given_motion > 0,
        uses_instances=plan.uses_edges,
        store_id=plan.store_id,
    )


def _shape(config: TrainConfig) -> AnyConfig:
    """Return the generator's config but for the classes of the store."""
    return changed_config(model_config(config.model, 1), **config.network.model_dump())


def _check_choices(config: TrainConfig, store_hw: tuple[int, int]) -> None:
    """Refuse sizes that fit neither store nor networks, and what a network cannot do."""
    needing = {"labelmix": "LabelMix", "patch_heads": "patch heads", "alignment": "alignment"}
    for name, term in needing.items():
        if config.model == "A" and getattr(config.loss_weights, name):
            raise ConfigError(
                f"{term}: needs a discriminator that segments, model A has one of patches; "
                f"set loss_weights.{name}=0 or train model B"
            )
    shape = _shape(config)
    reader = f"model {config.model}"
    reader += " with network.motion_sees_image" if config.network.motion_sees_image else ""
    if config.given_motion and not shape.labels_tell_motion:
        raise ConfigError(
            f"given_motion is {config.given_motion:g}, and {reader} draws its flow together with "
            "the frame; leave it at 0, or train another model"
        )
    most = 0
    for phase in config.phases:
        _check_size(config.model, phase, store_hw)
        asks_for_motion = config.given_motion < 1 or phase.learns == "motion"
        if phase.crop_hw is not None and shape.sees_position and asks_for_motion:
            raise ConfigError(
                f"a phase has crop_hw, and model {config.model} tells near from far by where in "
                "the frame a pixel lies: train another model, whole frames, or with motion always "
                "given (given_motion=1)"
            )
        if phase.extra_blocks < most:
            raise ConfigError(
                f"a phase has {phase.extra_blocks} extra_blocks after one with {most}; generators "
                "only grow: put larger sizes last"
            )
        if phase.fade_in and config.model in ("A", "B"):
            raise ConfigError(
                f"a phase has fade_in, which model {config.model} has not; leave it out"
            )
        if phase.learns == "new_blocks" and not phase.extra_blocks:
            raise ConfigError("a phase learns new_blocks and has no extra_blocks to train")
        if phase.learns == "motion" and not shape.labels_tell_motion:
            raise ConfigError(
                f"a phase learns motion, which {reader} reads off pictures too; "
                "leave that phase out, or train another model"
            )
        most = phase.extra_blocks


def _check_size(model: str, phase: Phase, store_hw: tuple[int, int]) -> None:
    """Refuse a size that fits neither store nor networks."""
    height, width = phase.size_hw
    shape = model_config(model, 1, extra_blocks=phase.extra_blocks)
    multiple = max(shape.size_multiple, image_size_multiple(model))
    least = 2 * shape.size_multiple
    if height * store_hw[1] != width * store_hw[0]:
        raise ConfigError(
            f"a phase trains at {width}x{height}, the store holds {store_hw[1]}x{store_hw[0]}, "
            f"another aspect ratio; {_advice_of_shape(phase, store_hw, multiple)}"
        )
    if min(phase.margin_hw) < 0:
        raise ConfigError(
            f"a phase has crop_hw {list(phase.seen_hw)}, larger than its size_hw [{height}, "
            f"{width}]: rows and columns of a crop lie inside the frame"
        )
    height, width = phase.seen_hw
    if height % multiple or width % multiple:
        raise ConfigError(
            f"a phase trains at {width}x{height}: model {model} needs sides that are "
            f"multiples of {multiple}"
        )
    if min(height, width) < least:
        blocks = f" with {phase.extra_blocks} extra_blocks" if phase.extra_blocks else ""
        raise ConfigError(
            f"a phase trains at {width}x{height}: model {model}{blocks} needs sides of at least "
            f"{least}"
        )


def _advice_of_shape(phase: Phase, store_hw: tuple[int, int], multiple: int) -> str:
    """Say what makes a store of another aspect ratio trainable."""
    shapes = presets_by_shape()
    for shape, names in shapes.items():
        if rows_of_shape(store_hw, shape) == store_hw[0]:
            return f"choose --preset {' or '.join(names)}"
    crops = [shape for shape in (phase.size_hw, *shapes) if rows_of_shape(store_hw, shape)]
    advice = crop_advice(store_hw, crops[0] if crops else phase.size_hw)
    if crops and crops[0] in shapes:
        advice += f", and train with --preset {' or '.join(shapes[crops[0]])}"
    own = _size_of_shape(store_hw, multiple)
    if own[0] <= store_hw[0]:
        advice += (
            f"; or choose sizes of its own shape, {own[1]}x{own[0]} times 1, 2, ..., in phases"
        )
    return advice


def _size_of_shape(size_hw: tuple[int, int], multiple: int) -> tuple[int, int]:
    """Return the smallest size of an aspect ratio whose sides are multiples."""
    common = gcd(*size_hw)
    height, width = size_hw[0] // common, size_hw[1] // common
    factor = lcm(multiple // gcd(height, multiple), multiple // gcd(width, multiple))
    return height * factor, width * factor


def _tell_enlarged(config: TrainConfig, store_hw: tuple[int, int], progress: Progress) -> None:
    """Note sizes above the store's: its frames hold no such detail to learn."""
    sizes = {phase.size_hw: None for phase in config.phases if phase.size_hw[0] > store_hw[0]}
    if sizes:
        named = ", ".join(f"{width}x{height}" for height, width in sizes)
        progress.note(
            f"the store holds {store_hw[1]}x{store_hw[0]}: what is trained at {named} sees its "
            "frames enlarged, without more detail"
        )


def _check_terms(config: TrainConfig, *, uses_flow: bool) -> None:
    """Refuse a phase with steps that would have nothing to learn from."""
    weights = config.loss_weights
    motion = ["warp", "occlusion", *(["flow"] if uses_flow else [])]
    pictures = ["image_adversarial", "feature_matching", "pixel", "patch_heads", "alignment"]
    pictures += ["consistency"] if uses_flow else []
    pictures += ["perceptual"] if config.perceptual_weights is not None else []
    pictures += ["distillation"] if config.teacher is not None else []
    for phase in config.phases:
        if phase.learns == "motion":
            terms = motion
        elif phase.learns == "new_blocks" or config.given_motion:
            terms = pictures
        else:
            terms = pictures + motion
        if not any(getattr(weights, term) for term in terms):
            alone = f" that learns {phase.learns}" if phase.learns != "all" else ""
            raise ConfigError(
                f"a phase{alone} has steps without any loss: loss_weights of {', '.join(terms)} "
                "are all 0; set one of them above 0"
            )
