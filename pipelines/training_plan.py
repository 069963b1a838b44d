"""What a training run works with, made from its config before the first step."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace

from svsdata.checkpoints.weights import CheckpointInfo
from svsdata.errors import ConfigError, StoreError
from svsdata.pipelines.configs.train import TrainConfig
from svsdata.pipelines.training_checks import (
    check_choices,
    check_guidance,
    check_rehearsal,
    check_terms,
    generator_shape,
    tell_enlarged,
)
from svsdata.progress import Progress
from svsdata.randomness import derived_seed
from svsdata.store.format import StoreInfo
from svsdata.store.reader import StoreReader
from svsdata.training.clips import Source
from svsdata.training.colours_by_class import ColoursByClass
from svsdata.training.footage import NUM_STREETS, STREET_FRAMES, StreetFootage
from svsdata.training.sampler import ClipSampler, Recording
from svsdata.training.schedules import Phase, Round, Span, rounds, timetable


@dataclass(frozen=True)
class TrainingPlan:
    """The data of a run, and when what is trained on it."""

    reader: StoreReader
    recordings: tuple[Recording, ...]
    sampler: ClipSampler
    street: Source | None
    """What is rehearsed."""
    spans: tuple[Span, ...]
    rounds: tuple[Round, ...]
    uses_edges: bool
    uses_colours: bool
    uses_flow: bool
    gives_motion: bool
    """The generator learns to follow the store's flow, as synthesis then does by default."""

    @property
    def recorded(self) -> Source:
        """What is learned from."""
        return Source(self.reader, self.sampler)

    @property
    def store_id(self) -> str:
        """Hash over the content of the recordings, wherever the store lies."""
        records = hashlib.sha256()
        for recording in self.recordings:
            for part in self.reader.record(recording.sequence_id).parts:
                records.update(part.sha256.encode())
        return records.hexdigest()

    @property
    def fps(self) -> float:
        """Frames a second of what the generator draws."""
        return self.reader.info.fps / self.recordings[0].frame_stride

    @property
    def total_steps(self) -> int:
        """Steps of the whole run."""
        return self.spans[-1].end_step

    def phase_after(self, steps: int) -> Phase:
        """Return what was trained last once so many steps are done; of none, what comes first."""
        newest_first = reversed(self.rounds)
        begun = next(round_ for round_ in newest_first if round_.first_step < max(steps, 1))
        return begun.phase


def plan_training(config: TrainConfig, progress: Progress) -> TrainingPlan:
    """Choose recordings and lay out the phases.

    Raises:
        StoreError: If the store cannot be read, is empty, or lacks images.
        ConfigError: If a phase's size fits neither the store nor the networks.
    """
    reader = StoreReader(config.store)
    if "image" not in reader.info.modalities or "semantic" not in reader.info.modalities:
        raise StoreError(f"store '{config.store}' has no images with labels to learn from")
    recordings, longest = _recordings(reader, config, progress)
    uses_flow = "flow" in reader.info.modalities
    has_instances = "instance" in reader.info.modalities
    check_choices(config, reader.info.size_hw)
    check_terms(config, uses_flow=uses_flow)
    tell_enlarged(config, reader.info.size_hw, progress)
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
        check_guidance(config, reader, recordings)
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
        street=_street(config, reader.info) if config.rehearsal else None,
        spans=spans,
        rounds=tuple(rounds(spans, backprop_frames=config.backprop_frames)),
        uses_edges=config.instance_edges and has_instances,
        uses_colours=generator_shape(config).object_colours and has_instances,
        uses_flow=uses_flow,
        gives_motion=config.given_motion > 0,
    )


def _recordings(
    reader: StoreReader, config: TrainConfig, progress: Progress
) -> tuple[tuple[Recording, ...], int]:
    """Return the sequences that are long enough, and the frames of the longest clip."""
    every = [
        Recording(sequence_id, reader.sequence(sequence_id).num_frames, config.frame_stride)
        for sequence_id in reader.sequence_ids
    ]
    if not every:
        raise StoreError(f"store '{config.store}' has no sequences; fill it with 'svsdata label'")
    scheduled = max(phase.clip_frames for phase in config.phases)
    longest = min(scheduled, max(recording.longest_clip for recording in every))
    stride = config.frame_stride
    apart = f" at frame_stride={stride}" if stride > 1 else ""
    if longest < 2:
        raise StoreError(f"store '{config.store}' has no sequence of two frames or more{apart}")
    if longest < scheduled:
        progress.note(
            f"clips are cut to {longest} frames, the longest sequence of the store{apart}"
        )
    recordings = tuple(recording for recording in every if recording.longest_clip >= longest)
    if len(recordings) < len(every):
        progress.note(
            f"{len(every) - len(recordings)} of {len(every)} sequences have under {longest} "
            f"frames{apart}: left out"
        )
    return recordings, longest


def _street(config: TrainConfig, info: StoreInfo) -> Source:
    """Return the built-in street as what clips are drawn from."""
    check_rehearsal(info)
    streets = [
        Recording(str(seed), STREET_FRAMES, config.frame_stride) for seed in range(NUM_STREETS)
    ]
    seed = derived_seed(config.seed, "street")
    return Source(StreetFootage(info), ClipSampler(streets, longest=STREET_FRAMES, seed=seed))


def checkpoint_info(
    config: TrainConfig,
    plan: TrainingPlan,
    *,
    step: int,
    pixel_counts: Mapping[str, int],
    object_colours: ColoursByClass,
) -> CheckpointInfo:
    """Describe the generator after so many steps."""
    return CheckpointInfo(
        model=config.model,
        label_set=plan.reader.info.label_set,
        size_hw=plan.phase_after(step).size_hw,
        fps=plan.fps,
        pixel_counts=pixel_counts,
        object_colours=object_colours,
        step=step,
        reference_free=config.reference_free > 0,
        given_motion=config.given_motion > 0,
        uses_instances=plan.uses_edges,
        store_id=plan.store_id,
    )
