"""Train SVS-GAN on a store: the story of one run.

A run is rounds of clips; a clip is trained chunk by chunk from its reference frame on, each chunk
going on from what the generator made of the one before. Where a run stands is its step, its
networks and optimisers, and the frames last generated; everything else is a function of the step.
``training_step`` tells the story of one step.
"""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from functools import partial
from itertools import dropwhile
from pathlib import Path

from pydantic import BaseModel, ConfigDict
from torch import Tensor
from torch.backends import cudnn

from svsdata.checkpoints.training_state import checkpoint_folders, checkpoint_step, save_checkpoint
from svsdata.checkpoints.weights import save_generator
from svsdata.errors import ConfigError
from svsdata.pipelines.configs.train import MAY_DIFFER, TrainConfig
from svsdata.pipelines.interrupts import interrupt_held, nothing_kept
from svsdata.pipelines.run_dir import is_begun, is_new, open_run_dir, require_apart
from svsdata.pipelines.training_counts import Counts, counted
from svsdata.pipelines.training_estimate import TrainEstimate, Trial, estimate_training
from svsdata.pipelines.training_learner import Learner, build_learner, for_phase, resume
from svsdata.pipelines.training_plan import TrainingPlan, checkpoint_info, plan_training
from svsdata.pipelines.training_preview import preview
from svsdata.pipelines.training_rounds import chunk_of_step, load_round
from svsdata.pipelines.training_step import train_step
from svsdata.pipelines.training_teacher import keep_teacher
from svsdata.progress import Progress, Silent
from svsdata.store.files import alone_in
from svsdata.synthesis.compute import chosen_device
from svsdata.training.chunks import chunk_of, reference, to_device
from svsdata.training.class_colours import is_of_class
from svsdata.training.clips import ClipBatch, prefetched
from svsdata.training.previews import PREVIEW_FRAMES
from svsdata.training.processes import Share, check_shares, joined
from svsdata.training.run_log import RunLog
from svsdata.training.schedules import Phase, Round, detail_share, learning_rate


class TrainResult(BaseModel):
    """What a training run came to."""

    model_config = ConfigDict(frozen=True)

    run: Path
    steps: int
    """Steps of the whole run."""
    steps_done_now: int
    """Steps that this call took; 0 when nothing was left to do."""
    checkpoint: Path
    figures: dict[str, float]
    """Means over the last logged steps, but for those of single classes, which ``stats.jsonl`` has;
    empty when nothing was left to do."""


def run_train(
    config: TrainConfig,
    progress: Progress,
    *,
    overwrite: bool = False,
    environment: Mapping[str, str] | None = None,
) -> TrainResult:
    """Train, or go on training, as the config says.

    Args:
        config: What to train on what, and how.
        progress: Hears of steps, assumptions, and what the run will take.
        overwrite: Set a run of another config aside that lies in the same directory.
        environment: What torchrun set in this process's environment; None: it trains alone.

    Raises:
        SvsDataError: Of any kind that bad stores, configs, weights and checkpoints raise.
        KeyboardInterrupt: After the step that was running is done and a checkpoint is saved.
    """
    with (
        joined(environment or {}, chosen_device(config.device).type) as share,
        # sizes stay for thousands of steps: worth a search for the fastest convolutions
        cudnn.flags(enabled=True, benchmark=True),
        ExitStack() as held,
    ):
        told = progress if share.is_first else Silent()
        # What there is to learn from, and when
        plan, counts = _opened(config, told, share, held, overwrite=overwrite)
        return _run(config, plan, counts, told, share)


def _run(
    config: TrainConfig, plan: TrainingPlan, counts: Counts, progress: Progress, share: Share
) -> TrainResult:
    # What learns, from the last checkpoint where there is one
    first_step = checkpoint_step(config.run)
    extra_blocks = plan.phase_after(first_step).extra_blocks
    learner = build_learner(
        config, plan, progress, extra_blocks=extra_blocks, share=share, goes_on=first_step > 0
    )
    past, means = resume(config.run, learner)
    total = plan.total_steps
    if first_step >= total:
        progress.note(f"nothing left to do: all {total} steps of '{config.run}' are done")

    def save(step: int, past: Tensor | None) -> None:
        carried = learner.carried(past, means)
        info = checkpoint_info(
            config,
            plan,
            step=step,
            pixel_counts=counts.pixel_counts,
            object_colours=counts.object_colours,
        )
        if share.is_first:
            save_checkpoint(
                config.run,
                step,
                learner.state,
                carried=carried,
                write_generator=lambda path: save_generator(path, learner.average, info),
                keep=config.keep_checkpoints,
            )

    # Round after round of clips, chunk after chunk of each
    figures: dict[str, float] = {}
    progress.start("train", total, done=first_step, unit="steps")
    log = RunLog(config.run, first_step=first_step, writes=share.is_first)
    with log, interrupt_held() as pressed:
        for step, round_, clips in _steps(config, plan, share, first_step):
            # What the phase trains, and how fast
            phase = round_.phase
            learner = for_phase(learner, config, plan, phase)
            learner.set_rate(learning_rate(plan.spans, step), config.discriminator_rate)

            # One step on its frames, going on from what was generated before them
            seen = learner.average.config.context_frames
            chunk = chunk_of_step(
                clips, step, round_, config, with_edges=plan.uses_edges, context_frames=seen
            )
            if step == round_.first_step:
                past = reference(clips)[:, : chunk.start]
            detail = detail_share(plan.spans, round_, step)
            figures_of_step, past = train_step(learner, chunk, past, step, config, detail=detail)
            means.add(figures_of_step)

            # Tell, show, save
            done = step + 1
            progress.advance(1, loss=figures_of_step["loss/generator"])
            stopping = share.any(pressed(), learner.device)
            if _is_due(done, config.log_steps, total):
                figures = means.take()
                log.figures(done, figures)
            if share.is_first and _is_due(done, config.preview_steps, total):
                shown = preview(learner, plan, phase, PREVIEW_FRAMES)
                log.preview(done, shown, fps=plan.fps)
            if stopping or _is_due(done, config.checkpoint_steps, total):
                save(done, past if done < round_.end_step else None)
            if stopping:
                raise KeyboardInterrupt
    share.wait()
    return TrainResult(
        run=config.run,
        steps=total,
        steps_done_now=max(total - first_step, 0),
        checkpoint=checkpoint_folders(config.run)[-1],
        figures={name: value for name, value in figures.items() if not is_of_class(name)},
    )


def estimate_train(config: TrainConfig, progress: Progress) -> TrainEstimate:
    """Measure what the run would take, on networks that are then thrown away.

    Raises:
        SvsDataError: As ``run_train`` does.
        KeyboardInterrupt: Saying that nothing was kept.
    """
    with nothing_kept():
        _check_places(config)
        plan = plan_training(config, progress)
        sizes = {f"{phase.seen_hw[1]}x{phase.seen_hw[0]}": None for phase in config.phases}
        progress.note(
            f"building model {config.model} and taking real steps at {', '.join(sizes)}, which "
            "need minutes where the network is large and there is no GPU"
        )
        first_blocks, goes_on = config.phases[0].extra_blocks, checkpoint_step(config.run) > 0
        learner = build_learner(config, plan, progress, extra_blocks=first_blocks, goes_on=goes_on)
        return _estimated(config, plan, learner, progress, processes=1)


def _estimated(
    config: TrainConfig,
    plan: TrainingPlan,
    learner: Learner,
    progress: Progress,
    *,
    processes: int,
) -> TrainEstimate:
    """Take steps of every size with a learner of the first phase, which is used up by them."""

    def step(phase: Phase, clips: ClipBatch, start: int, stop: int) -> None:
        nonlocal learner
        learner = for_phase(learner, config, plan, phase)
        learner.set_rate(0.0, 0.0)
        seen = learner.average.config.context_frames
        chunk = chunk_of(clips, start, stop, with_edges=plan.uses_edges, context_frames=seen)
        train_step(learner, chunk, chunk.past_real, 0, config)

    trial = Trial(
        step,
        lambda phase, num_frames: preview(learner, plan, phase, num_frames),
        lambda: learner.state,
    )
    return estimate_training(config, plan, trial, progress, processes=processes)


def _opened(
    config: TrainConfig, progress: Progress, share: Share, held: ExitStack, *, overwrite: bool
) -> tuple[TrainingPlan, Counts]:
    """Lay the run out, and open its directory; return also what its store holds.

    ``held`` keeps other trainings out of the directory until it is closed.
    """
    _check_places(config)
    plan = plan_training(config, progress)
    check_shares([phase.batch_size for phase in config.phases], share)

    def open_run() -> None:
        sets_aside = overwrite and not is_begun(config.run, config, may_differ=MAY_DIFFER)
        if sets_aside or is_new(config.run):
            # builds everything once: what cannot be is refused before anything is written
            first_blocks = config.phases[0].extra_blocks
            with nothing_kept():
                tried = build_learner(config, plan, Silent(), extra_blocks=first_blocks)
                estimate = _estimated(config, plan, tried, progress, processes=share.count)
            progress.note(estimate.in_words())
        open_run_dir(config.run, config, overwrite=overwrite, may_differ=MAY_DIFFER)
        refusal = ConfigError(
            f"'{config.run}': another process trains there; let it end, or name another directory"
        )
        held.enter_context(alone_in(config.run, refusal))
        keep_teacher(config)
        counted(config.run, plan, progress)

    share.first_alone(open_run, chosen_device(config.device))
    return plan, counted(config.run, plan, Silent())


def _check_places(config: TrainConfig) -> None:
    """Refuse a run directory that would set aside what the run reads."""
    require_apart(config.run, [config.store])
    require_apart(config.run, [config.start_from, config.teacher], may_lie_inside=True)


def _is_due(done: int, every: int, total: int) -> bool:
    return done == total or done % every == 0


def _steps(
    config: TrainConfig, plan: TrainingPlan, share: Share, first_step: int
) -> Iterator[tuple[int, Round, ClipBatch]]:
    """Yield the steps from ``first_step`` on with their round and its clips, read ahead."""
    left = dropwhile(lambda round_: round_.end_step <= first_step, plan.rounds)
    load = partial(load_round, config=config, plan=plan, share=share)
    for round_, batch in prefetched(load, left):
        clips = to_device(batch, chosen_device(config.device))
        for step in range(max(round_.first_step, first_step), round_.end_step):
            yield step, round_, clips
