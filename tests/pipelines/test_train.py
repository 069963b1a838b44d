import json
import os
import shutil
import signal
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from svsdata.checkpoints.training_state import checkpoint_folders
from svsdata.checkpoints.weights import load_generator
from svsdata.errors import (
    CheckpointError,
    ConfigError,
    NonFiniteLossError,
    StoreError,
    WeightsError,
)
from svsdata.images import decode_image
from svsdata.labels import CITYSCAPES
from svsdata.pipelines.configs.base import make_config
from svsdata.pipelines.configs.train import LossWeights, TrainConfig
from svsdata.pipelines.train import estimate_train, run_train
from svsdata.pipelines.train_presets import train_preset
from svsdata.pipelines.training_counts import counted
from svsdata.pipelines.training_estimate import Trial, estimate_training
from svsdata.pipelines.training_learner import build_learner
from svsdata.pipelines.training_networks import grown_generator
from svsdata.pipelines.training_plan import plan_training
from svsdata.progress import Silent
from svsdata.records import Frame
from svsdata.store.files import LOCK_NAME, only_writer
from svsdata.store.format import StoreInfo
from svsdata.store.writer import StoreWriter
from svsdata.training.run_log import FigureMeans
from svsdata.training.schedules import Phase
from svsdata.video_codec import video_info

HALF = (64, 128)
ALONE = LossWeights(**(dict.fromkeys(LossWeights.model_fields, 0.0) | {"video_adversarial": 1.0}))
"""The loss of video discriminators, which wait for a clip's third frame."""
GOLDEN = Path(__file__).parents[1] / "golden" / "train_losses.json"
GOLDEN_TOLERANCE = 1e-3
"""AVX2 and AVX-512 kernels, one thread and two, differ by up to 3e-5 after four steps."""


class Listener:
    """Keeps what it hears; presses Ctrl-C once after some steps."""

    def __init__(self, *, interrupt_after=None):
        self.notes, self.steps, self._interrupt_after = [], 0, interrupt_after

    def start(self, task, total, *, done=0, unit="frames"):  # noqa: ARG002
        self.task = task

    def advance(self, count=1, **figures):  # noqa: ARG002
        self.steps += self.task == "train"
        if self.task == "train" and self.steps == self._interrupt_after:
            os.kill(os.getpid(), signal.SIGINT)

    def note(self, message):
        self.notes.append(message)


@pytest.fixture(scope="module")
def store(tmp_path_factory, sliding_store):
    return sliding_store(tmp_path_factory.mktemp("train") / "store")


def config(store, run, **changes):
    fields = {
        "store": store, "run": run, "model": "demo", "steps": 4, "precision": "float32",
        "phases": [Phase(1, 4, HALF, 2e-4, 1e-4)], "reference_free": 0.5,
        "perturbed_feedback": 0.5, "checkpoint_steps": 100, "log_steps": 1, "preview_steps": 100,
    }  # fmt: skip
    return TrainConfig(**{**fields, **changes})


def stats_of(run):
    lines = [json.loads(line) for line in (run / "stats.jsonl").read_text().splitlines()]
    return [{k: v for k, v in line.items() if not k.startswith("time/")} for line in lines]


def files_of(run):
    (folder,) = checkpoint_folders(run)
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture(scope="module")
def whole(store, tmp_path_factory):
    run = tmp_path_factory.mktemp("whole") / "run"
    listener = Listener()
    result = run_train(config(store, run, keep_checkpoints=1), listener)
    return run, result, listener


def test_a_run_leaves_config_figures_preview_and_checkpoint(whole):
    run, result, listener = whole
    assert (result.steps, result.steps_done_now, listener.steps) == (4, 4, 4)
    assert json.loads((run / "config.json").read_text())["model"] == "demo"
    assert [line["step"] for line in stats_of(run)] == [1, 2, 3, 4]
    colours = {name for name in stats_of(run)[0] if name.startswith("colour/")}
    shown = ("mean", "road", "building", "vegetation", "sky", "car")
    assert colours == {f"colour/{name}" for name in shown}
    assert {name for name in result.figures if name.startswith("colour/")} == {"colour/mean"}
    preview, _ = sorted((run / "previews").iterdir(), reverse=True)
    strip = decode_image(preview.read_bytes(), "preview")
    assert strip.shape == (64 * 4, 128 * 4, 3)
    _, info = load_generator(run)
    assert (info.step, info.size_hw, info.fps) == (4, HALF, 10.0)
    assert info.reference_free
    assert set(info.known_classes) == {"road", "building", "vegetation", "sky", "car"}
    assert sum(info.pixel_counts.values()) == 18 * 64 * 128


def test_what_is_left_out_is_said(whole):
    _, _, listener = whole
    assert any("without the perceptual loss" in note for note in listener.notes)
    assert any("4 steps take about" in note for note in listener.notes)


def test_an_interrupted_run_goes_on_bit_for_bit(whole, store, tmp_path):
    run = tmp_path / "run"
    stopped = config(store, run, keep_checkpoints=1, log_steps=3)
    with pytest.raises(KeyboardInterrupt):
        run_train(stopped, Listener(interrupt_after=2))  # in the middle of a clip and of a mean
    assert checkpoint_folders(run)[0].name == "checkpoint-000000002"
    result = run_train(stopped, Silent())
    assert result.steps_done_now == 2
    assert files_of(run) == files_of(whole[0])
    *first, last = stats_of(whole[0])
    means = FigureMeans({})
    for line in first:
        means.add({name: value for name, value in line.items() if name != "step"})
    assert stats_of(run) == [{"step": 3, **means.take()}, last]


def test_strided_clips_are_trained_on_and_gone_on_with_bit_for_bit(store, tmp_path):
    whole, stopped = (
        config(store, tmp_path / name, frame_stride=2, keep_checkpoints=1, steps=6)
        for name in ("whole", "stopped")
    )
    listener = Listener()
    run_train(whole, listener)
    assert not any("cut to" in note for note in listener.notes)
    with pytest.raises(KeyboardInterrupt):
        run_train(stopped, Listener(interrupt_after=2))
    run_train(stopped, Silent())
    assert files_of(stopped.run) == files_of(whole.run)
    assert stats_of(stopped.run) == stats_of(whole.run)
    assert load_generator(whole.run)[1].fps == 10.0 / 2
    video = video_info(next((whole.run / "previews").glob("*.mp4")))
    assert (video.fps, video.num_frames) == (5.0, 4)


def test_clips_of_a_stride_that_sequences_are_too_short_for(store, tmp_path):
    listener = Listener()
    plan = plan_training(config(store, tmp_path / "run", frame_stride=4), listener)
    assert {span.phase.clip_frames for span in plan.spans} == {3}
    told = "clips are cut to 3 frames, the longest sequence of the store at frame_stride=4"
    assert told in listener.notes
    with pytest.raises(StoreError, match="no sequence of two frames or more at frame_stride=9"):
        plan_training(config(store, tmp_path / "run", frame_stride=9), Silent())


def test_a_finished_run_says_that_nothing_is_left(whole, store):
    run, _, _ = whole
    listener = Listener()
    result = run_train(config(store, run, keep_checkpoints=1), listener)
    assert result.steps_done_now == 0
    assert any("nothing left to do" in note for note in listener.notes)


def test_the_losses_of_four_steps_are_those_on_record(whole):
    recorded = json.loads(GOLDEN.read_text())
    losses = [
        {name: value for name, value in line.items() if name.startswith("loss/")}
        for line in stats_of(whole[0])
    ]
    for ours, theirs in zip(losses, recorded, strict=True):
        assert ours == pytest.approx(theirs, rel=GOLDEN_TOLERANCE)


def test_another_config_in_the_same_directory_is_refused_or_set_aside(whole, store, tmp_path):
    run = shutil.copytree(whole[0], tmp_path / "run")
    other = config(store, run, steps=1, seed=1)
    with pytest.raises(ConfigError, match="seed 0 → 1"):
        run_train(other, Silent())
    for missing, error in (
        ({"perceptual_weights": "no/such.safetensors"}, WeightsError),
        ({"start_from": Path("no/such")}, CheckpointError),
    ):
        with pytest.raises(error, match="no/such"):
            run_train(other.model_copy(update=missing), Silent(), overwrite=True)
    assert files_of(run) == files_of(whole[0])  # what cannot be sets nothing aside
    assert run_train(other, Silent(), overwrite=True).steps_done_now == 1
    assert (tmp_path / "run.old-1" / "config.json").exists()


def test_an_empty_directory_is_a_new_run_which_is_measured_first(store, tmp_path):
    listener = Listener()
    run_train(config(store, tmp_path, steps=1), listener)
    assert any("1 steps take about" in note for note in listener.notes)


def test_a_store_that_changed_since_is_refused(whole, sliding_store, tmp_path):
    run = shutil.copytree(whole[0], tmp_path / "run")
    other = sliding_store(tmp_path / "other", lengths=(9, 9, 9))
    with pytest.raises(ConfigError, match="not those that"):
        run_train(config(other, run), Silent())


def test_what_a_store_holds_is_written_whole_or_not_at_all(store, tmp_path, room_for):
    plan = plan_training(config(store, tmp_path / "run"), Silent())
    with room_for(100), pytest.raises(StoreError, match=r"cannot write: .*: free space"):
        counted(tmp_path, plan, Silent())
    assert sum(counted(tmp_path, plan, Silent()).pixel_counts.values()) == 18 * 64 * 128


def test_a_loss_that_is_no_number_stops_the_run_before_the_update(store, tmp_path):
    told = config(store, tmp_path / "run", checkpoint_steps=1, phases=[Phase(1, 4, HALF, 1e30)])
    with pytest.raises(NonFiniteLossError, match=r"step [12]: .* not finite .*start_from=RUN"):
        run_train(told, Silent())
    for weight in load_generator(tmp_path / "run")[0].parameters():
        assert weight.isfinite().all()


def test_clips_grow_and_sizes_change_over_the_phases(sliding_store, tmp_path):
    store = sliding_store(tmp_path / "store", lengths=(9,), size_hw=(64, 64))
    phases = [
        Phase(2, 3, (64, 64), 1e-4, batch_size=2),
        Phase(1, 9, (64, 64), 1e-4),
        Phase(1, 3, (128, 128), 1e-4),
    ]
    changes = {"phases": phases, "steps": None, "backprop_frames": 2, "width": 0.25}
    told = config(store, tmp_path / "run", checkpoint_steps=5, **changes)
    assert run_train(told, Silent()).steps == 1 + 4 + 1
    assert "loss/video_discriminator_1" in stats_of(tmp_path / "run")[4]  # end of the long clip
    learned_at = [load_generator(one)[1].size_hw for one in checkpoint_folders(tmp_path / "run")]
    assert learned_at == [(64, 64), (128, 128)]


def test_what_a_store_lacks_is_said_and_trained_without(sliding_store, tmp_path):
    store = sliding_store(tmp_path / "store", lengths=(2, 3), modalities=("image", "semantic"))
    listener = Listener()
    run_train(config(store, tmp_path / "run", steps=2), listener)
    for said in ("cut to 3 frames", "1 of 2 sequences have under 3 frames", "no flow"):
        assert any(said in note for note in listener.notes), said
    figures = {name for line in stats_of(tmp_path / "run") for name in line}
    assert "loss/warp" in figures
    assert "loss/flow" not in figures


@pytest.mark.parametrize(
    ("size_hw", "message"),
    [((64, 64), "another aspect ratio"), ((32, 64), "multiples of 64")],
)
def test_sizes_that_fit_neither_store_nor_network_are_refused(store, tmp_path, size_hw, message):
    told = config(store, tmp_path / "run", phases=[Phase(1, 4, size_hw, 1e-4)])
    with pytest.raises(ConfigError, match=message):
        run_train(told, Silent())
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("size_hw", "advice"),
    [
        ((45, 80), "crop_rows=40, which makes 80x40 of frames of 80x45$"),
        ((48, 64), "crop_rows=32, which makes 64x32 of frames of 64x48$"),
        ((96, 128), "crop_rows=64, .*$"),
        ((192, 256), "crop_rows=128, .*; or choose sizes of its own shape, 256x192 times 1, 2, "),
        ((47, 176), "crop_rows=44, .* of frames of 176x47, and train with --preset kitti360$"),
        ((32, 128), "choose --preset kitti360$"),
        ((37, 125), "crop the recording to 2 times as wide as high and label that$"),
    ],
)
def test_a_store_of_another_shape_is_told_what_makes_it_fit(tmp_path, size_hw, advice):
    store = tmp_path / "store"
    black, void = np.zeros((*size_hw, 3), np.uint8), np.zeros(size_hw, np.uint8)
    writer = StoreWriter(store, StoreInfo(CITYSCAPES, size_hw, 10.0, ("image", "semantic")))
    with writer.sequence("s0", source="test", fps=10.0) as sequence:
        for t in range(4):
            sequence.append(Frame(t, 100_000 * t, image=black, semantic=void))
        sequence.commit()
    told = config(store, tmp_path / "run", phases=[Phase(1, 4, (64, 128), 1e-4)])
    with pytest.raises(ConfigError, match=f"another aspect ratio; .*{advice}"):
        run_train(told, Silent())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model": "C", "phases": [Phase(1, 4, HALF, 1e-4, extra_blocks=1)]},
         "model C with 1 extra_blocks needs sides of at least 128"),
        ({"model": "A", "phases": [Phase(1, 4, (8, 16), 1e-4)]},
         "trains at 16x8: model A needs sides of at least 16"),
        ({"loss_weights": ALONE}, "steps without any loss: loss_weights of image_adversarial, .*"),
        ({"loss_weights": ALONE.model_copy(update={"warp": 1.0}), "given_motion": 0.5},
         "steps without any loss"),
        ({"loss_weights": ALONE.model_copy(update={"pixel": 1.0}),
          "phases": [Phase(1, 2, HALF, 1e-4, learns="motion")]},
         "a phase that learns motion .*: loss_weights of warp, occlusion, flow are all 0"),
    ],
)  # fmt: skip
def test_phases_too_small_or_with_nothing_to_learn_are_refused(store, tmp_path, changes, message):
    with pytest.raises(ConfigError, match=message):
        run_train(config(store, tmp_path / "run", **changes), Silent())
    assert not (tmp_path / "run").exists()


def test_a_device_that_is_not_here_stops_before_anything_is_made(store, tmp_path):
    with pytest.raises(ConfigError, match="device 'gpu' cannot be used"):
        run_train(config(store, tmp_path / "run", device="gpu"), Silent())
    assert not (tmp_path / "run").exists()


def test_what_is_read_is_never_set_aside_for_the_run(whole, store):
    run = whole[0]
    for told in (
        config(store, store),
        config(store, store / "run"),
        config(store, run, start_from=run),
        config(store, run.parent, start_from=run),
    ):
        with pytest.raises(ConfigError, match="cannot write to"):
            run_train(told, Silent(), overwrite=True)
        with pytest.raises(ConfigError, match="cannot write to"):
            estimate_train(told, Silent())
    assert (store / "store.json").is_file()
    assert (run / "config.json").is_file()


def test_a_store_of_single_frames_or_none_is_refused(sliding_store, tmp_path):
    for lengths, message in (((1,), "two frames"), ((), "no sequences")):
        store = sliding_store(tmp_path / f"store{len(lengths)}", lengths=lengths)
        with pytest.raises(StoreError, match=message):
            run_train(config(store, tmp_path / "run"), Silent())


class Told(Silent):
    """Keeps what it hears."""

    def __init__(self) -> None:
        self.words: list[str] = []

    def start(self, task: str, total: int | None, *, done: int = 0, unit: str = "frames") -> None:
        del done, unit
        self.words += [task, str(total)]

    def note(self, message: str) -> None:
        self.words.append(message)


def test_an_estimate_measures_every_phase_and_writes_nothing(whole, store, tmp_path):
    phases = [Phase(1, 4, HALF, 1e-4), Phase(1, 8, HALF, 1e-4)]
    told = config(store, tmp_path / "run", phases=phases, steps=10)
    heard = Told()
    estimate = estimate_train(told, heard)
    assert heard.words[-2:] == ["measure", "1"]
    assert "real steps at 128x64" in " ".join(heard.words)
    assert [phase.steps for phase in estimate.phases] == [3, 7]
    steps_s = sum(phase.steps * phase.step_s for phase in estimate.phases)
    assert estimate.seconds == pytest.approx(steps_s + estimate.previews_s)
    assert estimate.memory_bytes > 2**27
    written = sum(len(data) for data in files_of(whole[0]).values())
    # those kept, and the one being written
    assert estimate.disk_bytes / (told.keep_checkpoints + 1) == pytest.approx(written, rel=0.05)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(("size_hw", "enlarged"), [(HALF, False), ((128, 256), True)])
def test_frames_seen_larger_than_they_are_stored_are_told(store, tmp_path, size_hw, enlarged):
    heard = Told()
    phases = [Phase(1, 4, HALF, 1e-4), Phase(1, 4, size_hw, 1e-4)]
    plan_training(config(store, tmp_path / "run", phases=phases), heard)
    note = "the store holds 128x64: what is trained at 256x128 sees its frames enlarged"
    assert any(word.startswith(note) for word in heard.words) == enlarged


def test_an_estimate_counts_a_preview_for_each_that_is_due(store, tmp_path):
    small = {"width": 0.1, "steps": 10, "reference_free": 0.0}
    told = config(store, tmp_path / "run", **small, preview_steps=4)
    asked = []

    def preview(phase, num_frames):
        asked.append((phase.size_hw, num_frames))
        time.sleep(0.02)

    plan = plan_training(told, Silent())
    learner = build_learner(told, plan, Silent(), extra_blocks=0)
    trial = Trial(lambda *_: None, preview, lambda: learner.state)
    estimate = estimate_training(told, plan, trial, Silent(), processes=1)
    assert asked == [(HALF, 3)]
    # after 4, 8 and 10 steps, each of the recording's 8 generated frames; 2 were measured
    assert estimate.previews_s >= 3 * 8 / 2 * 0.02


class Impatient(Silent):
    """Presses Ctrl-C as soon as steps are measured."""

    def start(self, task: str, total: int | None, *, done: int = 0, unit: str = "frames") -> None:
        del total, done, unit
        if task == "measure":
            os.kill(os.getpid(), signal.SIGINT)


@pytest.mark.parametrize("call", [estimate_train, run_train])
def test_ctrl_c_while_steps_are_measured_says_that_nothing_was_kept(store, tmp_path, call):
    with pytest.raises(KeyboardInterrupt, match="nothing was kept"):
        call(config(store, tmp_path / "run", width=0.1), Impatient())
    assert not (tmp_path / "run").exists()


def test_presets_are_configs_and_unknown_ones_are_named():
    for name in ("demo", "carry", "finetune", "cityscapes", "kitti360", "recommended"):
        made = make_config(TrainConfig, train_preset(name), {"store": "s", "run": "r"})
        assert made.phases
        assert made.loss_weights.labelmix == (5 if name == "recommended" else 0)
        assert made.initial_weights == ("xavier" if name == "recommended" else "torch")
    with pytest.raises(ConfigError, match="unknown preset 'dmo' of train; known: demo"):
        train_preset("dmo")


@pytest.mark.parametrize("kind", ["torch", "normal"])
def test_a_run_begins_with_the_weights_that_it_is_told_to(store, tmp_path, kind):
    told = config(store, tmp_path / "run", width=0.25, initial_weights=kind)
    plan = plan_training(told, Silent())
    learner = build_learner(told, plan, Silent(), extra_blocks=0)
    networks = [*learner.networks.by_name.values(), learner.average]
    for network in [*networks, grown_generator(told, plan, extra_blocks=1)]:
        drawn = [
            weight.flatten()
            for name, weight in network.named_parameters()
            if weight.ndim == 4 and weight.any() and "fusions" not in name
        ]
        spread = torch.cat(drawn).std().item()
        assert (abs(spread - 0.02) < 0.0005) == (kind == "normal")


def test_bf16_is_chosen_where_the_processor_has_it():
    from svsdata.pipelines.training_networks import autocast_dtype

    told = TrainConfig(store="s", run="r", device="cpu")
    fast = torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    assert autocast_dtype(told) == (torch.bfloat16 if fast else None)
    assert autocast_dtype(told.model_copy(update={"precision": "float32"})) is None
    assert autocast_dtype(told.model_copy(update={"precision": "bf16"})) is torch.bfloat16
    assert autocast_dtype(told.model_copy(update={"precision": "fp16"})) is torch.float16


def test_a_run_is_trained_by_one_process_at_a_time(store, tmp_path):
    chosen = config(store, tmp_path / "run", steps=1)
    run_train(chosen, Silent())
    assert not (chosen.run / LOCK_NAME).exists()
    before = files_of(chosen.run)
    with only_writer(chosen.run) as alone:
        assert alone
        with pytest.raises(ConfigError, match="run': another process trains there; let it end"):
            run_train(chosen, Silent())
    (chosen.run / LOCK_NAME).unlink()
    assert files_of(chosen.run) == before
    assert run_train(chosen, Silent()).steps_done_now == 0
