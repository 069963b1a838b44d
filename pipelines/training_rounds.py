"""The clips of a round: how they begin, what they are shown, and which frames a step takes."""

from svsdata.pipelines.configs.train import TrainConfig
from svsdata.pipelines.training_plan import TrainingPlan
from svsdata.randomness import generator
from svsdata.training.chunks import Chunk, chunk_of
from svsdata.training.clips import ClipBatch, load_clips
from svsdata.training.processes import Share
from svsdata.training.schedules import Round


def load_round(round_: Round, config: TrainConfig, plan: TrainingPlan, share: Share) -> ClipBatch:
    """Read this process's clips of a round.

    Raises:
        StoreError: If a frame is damaged; with other processes ``ProcessError``.
    """
    source = plan.street if plan.street and _rehearses(round_, config) else plan.recorded
    clips, phase = source.sampler.clips(round_, flips=config.flips), round_.phase
    with share.on_its_own():
        return load_clips(
            source.footage,
            clips[share.rows(len(clips))],
            size_hw=phase.size_hw,
            crop_hw=phase.crop_hw,
            guided=_shows_guidance(round_, config),
            coloured=plan.uses_colours and phase.learns != "motion",
        )


def chunk_of_step(
    clips: ClipBatch,
    step: int,
    round_: Round,
    config: TrainConfig,
    *,
    with_edges: bool,
    context_frames: int,
) -> Chunk:
    """Cut the frames of a step out of its round's clips.

    A clip's first frame is the reference, or, in some rounds, generated like the others; motion
    is learned from the second on.
    """
    first = 1 if _has_reference(round_, config) else 0
    start = first + (step - round_.first_step) * config.backprop_frames
    return chunk_of(
        clips,
        start,
        min(start + config.backprop_frames, first + round_.phase.clip_frames - 1),
        with_edges=with_edges,
        context_frames=context_frames,
        gives_motion=_gives_motion(round_, config),
    )


def _has_reference(round_: Round, config: TrainConfig) -> bool:
    """Tell whether a round's clips begin with a recorded frame."""
    draws = generator(config.seed, "reference", round_.first_clip)
    return round_.phase.learns == "motion" or draws.random() >= config.reference_free


def _shows_guidance(round_: Round, config: TrainConfig) -> bool:
    """Tell whether recorded colours guide a round's clips; not those that chose their own."""
    draws_pictures = round_.phase.learns != "motion"
    return config.network.guidance and draws_pictures and _has_reference(round_, config)


def _gives_motion(round_: Round, config: TrainConfig) -> bool:
    """Tell whether a round's clips follow the store's flow."""
    draws = generator(config.seed, "motion", round_.first_clip)
    return round_.phase.learns != "motion" and draws.random() < config.given_motion


def _rehearses(round_: Round, config: TrainConfig) -> bool:
    """Tell whether a round's clips show the built-in street."""
    draws = generator(config.seed, "rehearsal", round_.first_clip)
    return draws.random() < config.rehearsal
