"""A run that learns from another generator too."""

import json

import pytest
import torch

from svsdata.checkpoints.training_state import checkpoint_folders
from svsdata.checkpoints.weights import CheckpointInfo, save_generator
from svsdata.errors import CheckpointError, ConfigError, StoreError
from svsdata.labels import CITYSCAPES, CITYSCAPES_TRAIN
from svsdata.nets.models import build_generator, model_config
from svsdata.pipelines.configs.train import LossWeights, TrainConfig
from svsdata.pipelines.run_dir import open_run_dir
from svsdata.pipelines.train import run_train
from svsdata.pipelines.training_plan import plan_training
from svsdata.pipelines.training_teacher import keep_teacher
from svsdata.progress import Silent
from svsdata.training.schedules import Phase

SIZE = (64, 128)
NOTHING = dict.fromkeys(LossWeights.model_fields, 0.0)


@pytest.fixture(scope="module")
def store(tmp_path_factory, sliding_store):
    return sliding_store(tmp_path_factory.mktemp("teacher") / "store")


def teacher(path, *, model="demo", edges=True, label_set=CITYSCAPES, size_hw=SIZE, seed=1):
    torch.manual_seed(seed)
    generator = build_generator(model_config(model, label_set.num_classes, edges=edges, width=0.1))
    info = CheckpointInfo(
        model, label_set, size_hw, 10.0, {"road": 1}, 0, reference_free=False,
        uses_instances=edges, store_id="",
    )  # fmt: skip
    save_generator(path, generator, info)
    return path


def config(store, run, **changes):
    fields = {
        "store": store, "run": run, "model": "demo", "width": 0.1, "steps": 30, "log_steps": 1,
        "phases": [Phase(1, 4, SIZE, 2e-3)], "precision": "float32", "reference_free": 0.0,
        "loss_weights": LossWeights(**(NOTHING | {"distillation": 10.0})), "ema_start": 0,
        "ema_decay": 0.0, "checkpoint_steps": 100, "preview_steps": 100, "perturbed_feedback": 0.0,
    }  # fmt: skip
    return TrainConfig(**{**fields, **changes})


def losses_of(run):
    lines = [json.loads(line) for line in (run / "stats.jsonl").read_text().splitlines()]
    return [line["loss/distillation"] for line in lines]


def test_a_student_comes_to_draw_what_its_teacher_draws_and_goes_on_bit_for_bit(store, tmp_path):
    told = {"teacher": teacher(tmp_path / "teacher.safetensors")}
    run_train(config(store, tmp_path / "run", **told), Silent())
    losses = losses_of(tmp_path / "run")
    assert max(losses[-6:]) < 0.6 * losses[0]
    with pytest.raises(KeyboardInterrupt):
        run_train(config(store, tmp_path / "again", **told), Stopping(after=7))
    run_train(config(store, tmp_path / "again", **told), Silent())
    assert losses_of(tmp_path / "again") == losses
    (whole,), (again,) = (checkpoint_folders(tmp_path / it)[-1:] for it in ("run", "again"))
    name = "generator.safetensors"
    assert (again / name).read_bytes() == (whole / name).read_bytes()


def test_a_run_goes_on_with_its_teacher_wherever_that_lies_and_with_no_other(store, tmp_path):
    first = teacher(tmp_path / "teacher.safetensors")
    weights = LossWeights(distillation=10.0)
    changes = {"steps": 4, "checkpoint_steps": 1, "loss_weights": weights}
    told = config(store, tmp_path / "run", teacher=first, **changes)
    with pytest.raises(KeyboardInterrupt):
        run_train(told, Stopping(after=3))
    moved = first.rename(tmp_path / "moved.safetensors")
    teacher(first, seed=2)
    message = r"teacher '.*teacher.safetensors' .* is not what '.*run' has learned from so far"
    with pytest.raises(CheckpointError, match=message):
        run_train(told, Silent())
    with pytest.raises(ConfigError, match="begun with a teacher and cannot go on without one"):
        run_train(told.model_copy(update={"teacher": None}), Silent())
    result = run_train(told.model_copy(update={"teacher": moved}), Silent())
    assert result.steps_done_now == 2
    plain = config(store, tmp_path / "plain", **changes)
    run_train(plain, Silent())
    with pytest.raises(ConfigError, match="begun without a teacher and cannot go on with one"):
        run_train(plain.model_copy(update={"teacher": moved}), Silent())
    assert not (plain.run / "teacher.json").exists()


def test_whose_weights_teach_is_written_whole_or_not_at_all(store, tmp_path, room_for):
    run = tmp_path / "run"
    told = config(store, run, teacher=teacher(tmp_path / "teacher.safetensors"))
    open_run_dir(run, told)
    with room_for(50), pytest.raises(StoreError, match=r"cannot write: .*: free space"):
        keep_teacher(told)
    keep_teacher(told)
    assert len(json.loads((run / "teacher.json").read_text())["sha256"]) == 64


class Stopping(Silent):
    def __init__(self, *, after):
        self._left = after

    def advance(self, count=1, **figures):  # noqa: ARG002
        self._left -= "loss" in figures
        if not self._left:
            raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("of_teacher", "of_run", "message"),
    [
        ({"label_set": CITYSCAPES_TRAIN}, {}, "label set 'cityscapes_train', the store .* same"),
        ({}, {"instance_edges": False}, "takes instance borders, which this run does not show"),
        ({"model": "A"}, {}, "draws from 2 past frames, model demo from 1"),
        ({"size_hw": (128, 256)}, {}, "draws 256x128, the phases of this run have 128x64"),
    ],
)
def test_who_cannot_teach_is_refused_before_anything_is_written(
    store, tmp_path, of_teacher, of_run, message
):
    path = teacher(tmp_path / "teacher.safetensors", **of_teacher)
    with pytest.raises(CheckpointError, match=message):
        run_train(config(store, tmp_path / "run", teacher=path, **of_run), Silent())
    assert not (tmp_path / "run").exists()


def test_a_run_with_nothing_but_a_teacher_to_learn_from_needs_one(store, tmp_path):
    with pytest.raises(ConfigError, match="steps without any loss"):
        plan_training(config(store, tmp_path / "run"), Silent())
