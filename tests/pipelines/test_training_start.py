import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from svsdata.checkpoints.tensor_files import load_fitting
from svsdata.checkpoints.training_state import checkpoint_folders, read_networks
from svsdata.checkpoints.weights import load_generator, save_generator
from svsdata.errors import CheckpointError, WeightsError
from svsdata.labels import CITYSCAPES_TRAIN
from svsdata.pipelines.configs.base import make_config
from svsdata.pipelines.configs.train import TrainConfig
from svsdata.pipelines.train import run_train
from svsdata.pipelines.train_presets import train_preset
from svsdata.training.schedules import Phase

SIZE = (64, 128)


class Notes:
    def __init__(self):
        self.notes = []

    def start(self, task, total, *, done=0, unit="frames"): ...

    def advance(self, count=1, **figures): ...

    def skip(self, count): ...

    def note(self, message):
        self.notes.append(message)


@pytest.fixture(scope="module")
def store(tmp_path_factory, sliding_store):
    return sliding_store(tmp_path_factory.mktemp("start") / "store", lengths=(3,))


def config(store, run, **changes):
    fields = {
        "store": store, "run": run, "model": "demo", "width": 0.1, "steps": 1,
        "precision": "float32", "phases": [Phase(1, 2, SIZE, 1e-12)],
        "reference_free": 0.0, "perturbed_feedback": 0.0,
    }  # fmt: skip
    return TrainConfig(**{**fields, **changes})


@pytest.fixture(scope="module")
def earlier(store, tmp_path_factory):
    run = tmp_path_factory.mktemp("earlier") / "run"
    run_train(config(store, run, seed=7), Notes())
    return run


def networks_of(run):
    return read_networks(checkpoint_folders(run)[-1])


def distance(one, other, name):
    pairs = [(one[name][key], other[name][key]) for key in one[name] if "original" in key]
    return max((a - b).abs().max().item() for a, b in pairs)


def test_a_run_starts_from_all_networks_of_an_earlier_one(store, earlier, tmp_path):
    told = config(store, tmp_path / "run", start_from=earlier)
    listener = Notes()
    run_train(told, listener)
    before, after = networks_of(earlier), networks_of(told.run)
    for name in ("generator", "average", "image_discriminator"):
        assert distance(before, after, name) < 1e-6, name
    assert sum("starts from" in note for note in listener.notes) == 4
    assert not any("not taken" in note for note in listener.notes)

    listener = Notes()
    assert run_train(told, listener).steps_done_now == 0
    assert not any("starts from" in note for note in listener.notes)


def test_a_generator_file_starts_the_generator_alone(store, earlier, tmp_path):
    file = shutil.copy(checkpoint_folders(earlier)[-1] / "generator.safetensors", tmp_path)
    told = config(store, tmp_path / "run", start_from=file)
    listener = Notes()
    run_train(told, listener)
    before, after = networks_of(earlier), networks_of(told.run)
    assert distance(before, after, "generator") < 1e-6
    assert distance(before, after, "image_discriminator") > 1e-3
    assert any("discriminators start anew" in note for note in listener.notes)


def test_finetune_begins_with_the_bundled_generator(store, tmp_path):
    small = {"phases": [Phase(1, 2, SIZE, 1e-12)], "steps": 1, "precision": "float32"}
    asked = {"store": store, "run": tmp_path / "run", "weights_folder": tmp_path}
    told = make_config(TrainConfig, train_preset("finetune"), small, asked)
    with pytest.raises(WeightsError, match="svsdata weights fetch vgg16"):
        run_train(told, Notes())
    listener = Notes()
    run_train(told.model_copy(update={"perceptual_weights": None}), listener)
    (note,) = [note for note in listener.notes if note.startswith("generator starts from")]
    assert load_generator(tmp_path / "run")[0].config.forgetting == 0.02  # the bundled one's: 0.08
    bundled, kept = load_generator(Path("demo"))[0].state_dict(), networks_of(tmp_path / "run")
    assert "not taken" not in note
    for name, weights in kept["generator"].items():
        if "original" in name:
            assert torch.allclose(weights, bundled[name], atol=1e-6), name


def test_what_does_not_fit_is_told(earlier, tmp_path, sliding_store):
    plain = sliding_store(
        tmp_path / "plain", lengths=(3,), modalities=("image", "semantic")
    )  # no instance borders, no flow: fewer input channels
    listener = Notes()
    run_train(config(plain, tmp_path / "run", start_from=earlier), listener)
    (generator_note,) = [note for note in listener.notes if note.startswith("generator starts")]
    assert "not taken: motion.stem.0.weight is" in generator_note
    (video_note,) = [n for n in listener.notes if n.startswith("video_discriminator_0 starts")]
    assert "(4, 13, 4, 4), expected (4, 9, 4, 4)" in video_note


def test_a_missing_checkpoint_and_one_of_another_label_set_are_refused(store, earlier, tmp_path):
    with pytest.raises(CheckpointError, match="no checkpoint at"):
        run_train(config(store, tmp_path / "run", start_from=tmp_path / "nothing"), Notes())
    generator, info = load_generator(earlier)
    file = tmp_path / "generator.safetensors"
    save_generator(file, generator, replace(info, label_set=CITYSCAPES_TRAIN))
    with pytest.raises(CheckpointError, match=r"label set 'cityscapes_train' .* 'cityscapes'"):
        run_train(config(store, tmp_path / "run", start_from=file), Notes())
    assert not (tmp_path / "run").exists()  # nothing is in the way of another try


def test_weights_of_another_network_are_refused(store, earlier, tmp_path):
    wider = config(store, tmp_path / "run", model="C", width=0.2, start_from=earlier)
    with pytest.raises(CheckpointError, match="does not fit the generator of this run: only"):
        run_train(wider, Notes())


def test_tensors_that_fit_are_taken_and_all_others_named():
    module = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.Linear(3, 1))
    kept = module[1].weight.detach().clone()
    given = {"0.weight": torch.ones(3, 2), "1.weight": torch.ones(5, 5), "2.bias": torch.ones(1)}
    faults = load_fitting(module, given)
    assert torch.equal(module[0].weight, torch.ones(3, 2))
    assert torch.equal(module[1].weight, kept)
    assert faults == [
        "missing 0.bias", "missing 1.bias", "unexpected 2.bias",
        "1.weight is (5, 5), expected (1, 3)",
    ]  # fmt: skip
