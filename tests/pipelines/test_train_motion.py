"""Motion in training: learned alone before pictures are drawn, and given by the store."""

import json
import shutil

import pytest
import torch

from svsdata.checkpoints.training_state import checkpoint_folders, read_networks
from svsdata.checkpoints.weights import load_generator
from svsdata.errors import ConfigError
from svsdata.pipelines.configs.train import TrainConfig
from svsdata.pipelines.train import estimate_train, run_train
from svsdata.progress import Silent
from svsdata.training.schedules import Phase

SIZE = (64, 128)
MOTION = Phase(2, 2, SIZE, 5e-3, batch_size=2, learns="motion")


def config(store, run, **changes):
    fields = {
        "store": store, "run": run, "model": "demo", "width": 0.1,
        "phases": (MOTION, Phase(1, 2, SIZE, 2e-4, batch_size=2)), "steps": 3,
        "precision": "float32", "checkpoint_steps": 1, "keep_checkpoints": 9, "log_steps": 1,
        "preview_steps": 100,
    }  # fmt: skip
    return TrainConfig(**{**fields, **changes})


@pytest.fixture(scope="module")
def store(tmp_path_factory, sliding_store):
    return sliding_store(tmp_path_factory.mktemp("motion") / "store")


@pytest.fixture(scope="module")
def whole(store, tmp_path_factory):
    run = tmp_path_factory.mktemp("motion") / "run"
    run_train(config(store, run), Silent())
    return run


def networks_after(run, step):
    (folder,) = [f for f in checkpoint_folders(run) if f.name.endswith(f"{step:09d}")]
    return read_networks(folder)


def changed(run, first, last):
    """Which tensors of each network differ between two checkpoints."""
    before, after = networks_after(run, first), networks_after(run, last)
    return {
        network: {name for name in tensors if not torch.equal(tensors[name], before[network][name])}
        for network, tensors in after.items()
    }


def figures_of(run):
    return [json.loads(line) for line in (run / "stats.jsonl").read_text().splitlines()]


def test_motion_learns_alone_and_then_everything(whole):
    first = changed(whole, 1, 2)
    for network in ("generator", "average"):
        assert {name.split(".")[0] for name in first.pop(network)} == {"motion", "label_input"}
    assert not any(first.values())
    then = changed(whole, 2, 3)
    assert {"blocks", "heads", "motion"} <= {name.split(".")[0] for name in then["generator"]}
    assert then["image_discriminator"]


def test_its_figures_are_those_of_motion(whole):
    first, _, last = figures_of(whole)
    losses = {name for name in first if name.startswith("loss/")}
    assert losses == {"loss/flow", "loss/warp", "loss/occlusion", "loss/generator"}
    assert first["loss/generator"] == pytest.approx(
        first["loss/flow"] + first["loss/warp"] + first["loss/occlusion"]
    )
    assert losses < {name for name in last if name.startswith("loss/")}


def test_it_learns_how_things_move_even_where_every_clip_lacks_a_reference(store, tmp_path):
    told = config(
        store, tmp_path / "run", phases=(MOTION,), steps=100, width=0.25, reference_free=1.0,
        log_steps=10, checkpoint_steps=500, flips=False,
    )  # fmt: skip
    run_train(told, Silent())
    figures = figures_of(told.run)
    assert figures[-1]["loss/flow"] < figures[0]["loss/flow"] / 3
    assert figures[-1]["loss/occlusion"] < figures[0]["loss/occlusion"] / 2


@pytest.mark.parametrize("stopped_at", [1, 2])
def test_a_run_stopped_around_its_end_goes_on_bit_for_bit(whole, store, tmp_path, stopped_at):
    run = shutil.copytree(whole, tmp_path / "run")
    for folder in checkpoint_folders(run)[stopped_at:]:
        shutil.rmtree(folder)
    assert run_train(config(store, run), Silent()).steps_done_now == 3 - stopped_at
    last, expected = checkpoint_folders(run)[-1], checkpoint_folders(whole)[-1]
    for path in expected.iterdir():
        assert (last / path.name).read_bytes() == path.read_bytes()


def test_a_store_without_flow_teaches_motion_by_its_pictures(tmp_path, sliding_store):
    layers = ("image", "semantic", "instance")
    store = sliding_store(tmp_path / "store", lengths=(3, 3), modalities=layers)
    result = run_train(config(store, tmp_path / "run", phases=(MOTION,), steps=1), Silent())
    losses = {name for name in result.figures if name.startswith("loss/")}
    assert losses == {"loss/warp", "loss/occlusion", "loss/generator"}


def test_vid2vid_has_no_motion_of_labels_alone(store, tmp_path):
    with pytest.raises(ConfigError, match="learns motion, which model A reads off pictures too"):
        run_train(config(store, tmp_path / "run", model="A", width=0.05), Silent())


def test_the_estimate_tells_motion_from_the_rest(store, tmp_path):
    motion, rest = estimate_train(config(store, tmp_path / "run"), Silent()).phases
    assert (motion.first_step, motion.steps) == (0, 2)
    assert (rest.first_step, rest.steps) == (2, 1)


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_clips_follow_the_flow_of_the_store_as_often_as_told(store, tmp_path, share):
    phases = (Phase(1, 3, SIZE, 2e-4),)
    told = config(store, tmp_path / "run", phases=phases, steps=2, given_motion=share)
    run_train(told, Silent())
    for figures in figures_of(told.run):
        assert ("loss/flow" in figures) == (share == 0)
        assert "loss/pixel" not in figures or figures["loss/pixel"] > 0
    _, info = load_generator(told.run)
    assert info.given_motion == (share > 0)


def test_a_motion_phase_learns_even_where_motion_is_given_later(store, tmp_path):
    run_train(config(store, tmp_path / "run", given_motion=1.0), Silent())
    first, second, third = figures_of(tmp_path / "run")
    assert "loss/flow" in first
    assert "loss/flow" in second
    assert "loss/flow" not in third


def test_motion_cannot_be_given_without_flow_nor_to_vid2vid(store, tmp_path, sliding_store):
    bare = sliding_store(tmp_path / "bare", lengths=(3,), modalities=("image", "semantic"))
    phases = (Phase(1, 2, SIZE, 2e-4),)
    with pytest.raises(ConfigError, match=r"given_motion is 0.5, and store .*bare' has no flow"):
        run_train(config(bare, tmp_path / "run", phases=phases, given_motion=0.5), Silent())
    vid2vid = config(store, tmp_path / "run", model="B", phases=phases, given_motion=0.5)
    with pytest.raises(ConfigError, match="model B draws its flow together with the frame"):
        run_train(vid2vid, Silent())
    assert not (tmp_path / "run").exists()
