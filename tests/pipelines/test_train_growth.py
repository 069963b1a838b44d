"""Training at twice the size with one more block, in one run with the base size."""

import shutil

import pytest
import torch

from svsdata.checkpoints.training_state import checkpoint_folders, read_networks
from svsdata.checkpoints.weights import load_generator
from svsdata.errors import ConfigError
from svsdata.nets.svsgan.generator import Generator
from svsdata.pipelines.configs.train import TrainConfig
from svsdata.pipelines.train import run_train
from svsdata.pipelines.train_presets import train_preset
from svsdata.pipelines.training_estimate import TrainEstimate
from svsdata.pipelines.training_learner import build_learner, for_phase
from svsdata.pipelines.training_plan import plan_training
from svsdata.progress import Silent
from svsdata.training.schedules import Phase, Round, Span, detail_share

BASE, FULL = (64, 128), (128, 256)


def config(store, run, **changes):
    phases = [
        Phase(1, 3, BASE, 2e-4),
        Phase(1, 3, FULL, 1e-4, extra_blocks=1, learns="new_blocks", fade_in=True),
        Phase(1, 3, FULL, 1e-4, extra_blocks=1),
    ]
    fields = {
        "store": store, "run": run, "model": "demo", "width": 0.1, "phases": phases, "steps": 6,
        "precision": "float32", "checkpoint_steps": 1, "keep_checkpoints": 9, "log_steps": 1,
        "preview_steps": 100, "reference_free": 0.0,
    }  # fmt: skip
    return TrainConfig(**{**fields, **changes})


@pytest.fixture(scope="module")
def store(tmp_path_factory, sliding_store):
    return sliding_store(tmp_path_factory.mktemp("growth") / "store", lengths=(3, 3))


@pytest.fixture(scope="module")
def whole(store, tmp_path_factory):
    run = tmp_path_factory.mktemp("growth") / "run"
    run_train(config(store, run), Silent())
    return run


def files_of(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def learned(run, step):
    """The generator that was being trained, after some steps."""
    (folder,) = [f for f in checkpoint_folders(run) if f.name.endswith(f"{step:09d}")]
    return read_networks(folder)["generator"]


def test_a_checkpoint_holds_the_network_and_size_of_its_phase(whole):
    for folder, (extra, size_hw) in zip(
        checkpoint_folders(whole), [(0, BASE)] * 2 + [(1, FULL)] * 4, strict=True
    ):
        generator, info = load_generator(folder)
        assert len(generator.config.extra_widths) == extra
        assert info.size_hw == size_hw


def test_the_larger_network_begins_with_all_that_the_smaller_knew(whole):
    before, after = learned(whole, 2), learned(whole, 3)
    assert set(before) < set(after)
    kept = [name for name in before if not name.endswith(("_u", "_v"))]
    assert all(torch.equal(before[name], after[name]) for name in kept)


def test_new_blocks_learn_first_and_then_all(whole):
    base = [name for name in learned(whole, 2) if not name.endswith(("_u", "_v"))]
    first, second, third = (learned(whole, step) for step in (3, 4, 5))
    assert all(torch.equal(first[name], second[name]) for name in base)
    new = [name for name in first if name not in base and not name.endswith(("_u", "_v"))]
    assert sum(not torch.equal(first[name], second[name]) for name in new) > len(new) // 2
    assert sum(not torch.equal(second[name], third[name]) for name in base) > len(base) // 2


def test_flow_weighs_half_at_twice_the_size_however_a_run_came_there(store, tmp_path):
    told = config(store, tmp_path / "run")
    plan = plan_training(told, Silent())
    grown = build_learner(told, plan, Silent(), extra_blocks=0)
    assert grown.objective.weights["flow"] == 10
    grown = for_phase(grown, told, plan, told.phases[1])
    resumed = build_learner(told, plan, Silent(), extra_blocks=1)
    for learner in (grown, resumed):
        assert learner.objective.weights == told.loss_weights.model_dump() | {"flow": 5.0}


def test_vid2vid_grows_by_an_enhancer_that_learns_first(store, tmp_path):
    phases = [
        Phase(1, 3, BASE, 2e-4),
        Phase(1, 3, FULL, 1e-4, extra_blocks=1, learns="new_blocks"),
    ]
    changes = {"model": "A", "width": 0.02, "phases": phases, "steps": 4}
    run_train(config(store, tmp_path / "run", **changes), Silent())
    before, first, second = (learned(tmp_path / "run", step) for step in (2, 3, 4))
    assert {name.split(".")[0] for name in set(first) - set(before)} == {"enhancers"}
    assert all(torch.equal(before[name], second[name]) for name in before)
    new = [name for name in first if name not in before]
    assert sum(not torch.equal(first[name], second[name]) for name in new) > len(new) // 2
    generator, info = load_generator(tmp_path / "run")
    assert (generator.config.extra_blocks, info.size_hw) == (1, FULL)


@pytest.mark.parametrize("stopped_at", [2, 3])
def test_a_run_stopped_around_the_switch_goes_on_bit_for_bit(whole, store, tmp_path, stopped_at):
    run = shutil.copytree(whole, tmp_path / "run")
    for folder in checkpoint_folders(run)[stopped_at:]:
        shutil.rmtree(folder)
    assert run_train(config(store, run), Silent()).steps_done_now == 6 - stopped_at
    assert files_of(checkpoint_folders(run)[-1]) == files_of(checkpoint_folders(whole)[-1])


@pytest.mark.parametrize(
    ("phases", "message"),
    [
        ([Phase(1, 3, FULL, 1e-4, extra_blocks=1), Phase(1, 3, BASE, 1e-4)], "only grow"),
        ([Phase(1, 3, BASE, 1e-4, learns="new_blocks")], "no extra_blocks to train"),
        ([Phase(1, 3, (64, 128), 1e-4, extra_blocks=2)], "multiples of 128"),
    ],
)
def test_schedules_that_cannot_be_are_refused(store, tmp_path, phases, message):
    with pytest.raises(ConfigError, match=message):
        run_train(config(store, tmp_path / "run", phases=phases), Silent())


def test_vid2vid_has_no_fade_in(store, tmp_path):
    fading = [Phase(1, 3, FULL, 1e-4, extra_blocks=1, fade_in=True)]
    with pytest.raises(ConfigError, match="fade_in, which model A has not"):
        run_train(config(store, tmp_path / "run", model="A", phases=fading), Silent())


def test_the_papers_presets_end_at_twice_the_size():
    for name, size_hw in (("cityscapes", (512, 1024)), ("kitti360", (256, 1024))):
        phases = train_preset(name)["phases"]
        assert sum(phase.epochs for phase in phases) == 20 + 20 + 8
        last = [phase for phase in phases if phase.extra_blocks]
        assert sum(phase.epochs for phase in last) == 8
        assert {phase.size_hw for phase in last} == {size_hw}
        assert {phase.learning_rate for phase in last} == {1e-4}
        by_length = {}
        for phase in last:
            by_length[phase.clip_frames] = by_length.get(phase.clip_frames, 0) + phase.epochs
        assert by_length == {6: 2, 12: 2, 24: 2, 30: 2}
        assert [phase.learns for phase in last] == ["new_blocks", "all", "all", "all", "all"]


def test_a_fading_block_ends_whole_and_others_are_whole_at_once():
    fading = Phase(1, 3, FULL, 1e-4, extra_blocks=1, fade_in=True)
    spans = [Span(Phase(1, 3, BASE, 1e-4), 0, 4), Span(fading, 4, 14)]
    assert detail_share(spans, Round(0, 2, 0, spans[0].phase), 0) == 1
    shares = [detail_share(spans, Round(4, 12, 0, fading), step) for step in (4, 8, 13, 15)]
    assert shares == [0.1, 0.5, 1.0, 1.0]


def test_a_block_that_has_not_faded_in_draws_nothing(make_tiny_doubled):
    generator, previous, features = make_tiny_doubled
    with torch.no_grad():
        none, half, whole = (generator.render(previous, features, d).image for d in (0, 0.5, 1))
        torch.nn.init.zeros_(generator.heads[-1].weight)
        base = generator.render(previous, features).image
    torch.testing.assert_close(none, base)
    assert (whole - base).abs().mean() > (half - base).abs().mean() > 1e-4


@pytest.fixture
def make_tiny_doubled():
    from svsdata.nets.svsgan.presets import generator_config

    torch.manual_seed(0)
    generator = Generator(generator_config("C", 6, width=0.05, extra_blocks=1)).eval()
    torch.nn.init.normal_(generator.heads[-1].weight, std=0.3)
    labels = torch.randint(0, 6, (1, *FULL), dtype=torch.uint8)
    return generator, torch.rand(1, 3, *FULL), generator.label_features(labels, labels)


def test_an_estimate_measures_the_larger_network_too(store, tmp_path):
    from svsdata.pipelines.train import estimate_train

    estimate: TrainEstimate = estimate_train(config(store, tmp_path / "run"), Silent())
    assert [phase.size_hw for phase in estimate.phases] == [BASE, FULL, FULL]
    assert all(phase.step_s > 0 for phase in estimate.phases)
