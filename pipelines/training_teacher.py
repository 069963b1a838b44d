"""The generator that a run learns from, beside recordings."""

import json
from typing import Any

import torch

from svsdata.checkpoints.weights import generator_file, load_generator
from svsdata.errors import CheckpointError, ConfigError
from svsdata.nets.svsgan.rollout import inference_copy
from svsdata.nets.video_generator import VideoGenerator
from svsdata.pipelines.configs.train import TrainConfig
from svsdata.pipelines.run_dir import CONFIG_NAME
from svsdata.pipelines.training_networks import autocast_dtype
from svsdata.pipelines.training_plan import TrainingPlan
from svsdata.store.files import writing
from svsdata.synthesis.compute import chosen_device
from svsdata.synthesis.provenance import file_hash
from svsdata.training.teaching import Teacher
from svsdata.whole_files import whole_file

_TEACHER_NAME = "teacher.json"


def keep_teacher(config: TrainConfig) -> None:
    """Record in a run directory which weights teach, and refuse others when the run goes on.

    They are known by their content, so that they may have moved; a run that still trains changes.

    Raises:
        ConfigError: If the run was begun with a teacher and has none now, or the other way round.
        CheckpointError: If there is no teacher at its place, or it is another.
        StoreError: If nothing can be written.
    """
    path, begun = config.run / _TEACHER_NAME, json.loads((config.run / CONFIG_NAME).read_text())
    had_teacher = begun.get("teacher") is not None
    if had_teacher != (config.teacher is not None):
        before, now = ("with", "without") if had_teacher else ("without", "with")
        raise ConfigError(
            f"'{config.run}' was begun {before} a teacher and cannot go on {now} one; name "
            "another run directory, whose start_from may be this one"
        )
    if config.teacher is None:
        return
    file = generator_file(config.teacher)
    weights = file_hash(file)
    if not path.exists():
        with writing(config.run), whole_file(path) as partial:
            partial.write_text(json.dumps({"file": str(file), "sha256": weights}))
    kept = json.loads(path.read_text())
    if kept["sha256"] != weights:
        raise CheckpointError(
            f"teacher '{file}' (sha256 {weights[:12]}) is not what '{config.run}' has learned from "
            f"so far, '{kept['file']}' ({kept['sha256'][:12]}); name that checkpoint as teacher, "
            "or another run directory, whose start_from may be this one"
        )


def chosen_teacher(
    config: TrainConfig, plan: TrainingPlan, student: VideoGenerator[Any]
) -> Teacher | None:
    """Load the teacher, and refuse one that cannot teach.

    Raises:
        CheckpointError: If there is none, it is of another label set, needs what the student is
            not shown, or draws at a size that no phase has.
    """
    if config.teacher is None or not config.loss_weights.distillation:
        return None
    generator, info = load_generator(config.teacher)
    where = f"teacher '{config.teacher}'"
    if info.label_set != plan.reader.info.label_set:
        raise CheckpointError(
            f"{where} was trained on label set '{info.label_set.name}', the store holds "
            f"'{plan.reader.info.label_set.name}'; both must be the same"
        )
    if generator.config.edges and not plan.uses_edges:
        raise CheckpointError(
            f"{where} takes instance borders, which this run does not show; label the store with "
            "instances, or leave instance_edges on"
        )
    seen = (generator.config.context_frames, student.config.context_frames)
    if seen[0] != seen[1]:
        raise CheckpointError(
            f"{where} draws from {seen[0]} past frames, model {config.model} from {seen[1]}; "
            "teacher and student must see as many"
        )
    sizes = {phase.seen_hw for phase in config.phases if phase.learns != "motion"}
    if info.size_hw not in sizes:
        height, width = info.size_hw
        told = ", ".join(f"{w}x{h}" for h, w in sorted(sizes))
        raise CheckpointError(
            f"{where} draws {width}x{height}, the phases of this run have {told}: it would teach "
            "in none; give a phase its size"
        )
    dtype = autocast_dtype(config) or torch.float32
    fast = inference_copy(generator, dtype).to(chosen_device(config.device))
    return Teacher(fast, info.size_hw, info.given_motion, info.reference_free)
