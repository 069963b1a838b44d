"""Several processes take the steps of one, stop together and go on."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import torch

from svsdata.checkpoints.tensor_files import read_tensors
from svsdata.checkpoints.training_state import (
    checkpoint_folders,
    checkpoint_step,
    read_networks,
)
from svsdata.errors import ConfigError
from svsdata.nets.svsgan.presets import MODELS
from svsdata.pipelines.configs.train import LossWeights, TrainConfig
from svsdata.pipelines.train import run_train
from svsdata.pipelines.training_networks import build_networks
from svsdata.pipelines.training_plan import plan_training
from svsdata.progress import Silent
from svsdata.training.processes import Share, check_shares
from svsdata.training.schedules import Phase

SIZE = (64, 128)


@pytest.fixture(scope="module")
def store(tmp_path_factory, sliding_store):
    return sliding_store(tmp_path_factory.mktemp("processes") / "store")


def config(store, run, **changes):
    fields = {
        "store": store, "run": run, "model": "demo", "width": 0.1, "steps": 3,
        "phases": [Phase(1, 4, SIZE, 2e-4, batch_size=2)], "precision": "float32", "log_steps": 1,
        "preview_steps": 100, "checkpoint_steps": 100, "reference_free": 0.0, "seed": 4,
        "loss_weights": LossWeights(labelmix=5.0),
    }  # fmt: skip
    return TrainConfig(**{**fields, **changes})


def run_in_processes(count, script, *arguments):
    """Run a script of this folder as torchrun would; return what each process printed."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    processes = [
        subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name(script)), *map(str, arguments)],
            env={
                **os.environ, "RANK": str(rank), "WORLD_SIZE": str(count), "LOCAL_RANK": str(rank),
                "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "OMP_NUM_THREADS": "1",
            },
            stdout=subprocess.PIPE,
            text=True,
        )
        for rank in range(count)
    ]  # fmt: skip
    told = [process.communicate(timeout=300)[0] for process in processes]
    assert [process.returncode for process in processes] == [0] * count
    return told


def train_in_processes(count, told, *, precision="float32"):
    path = told.run.with_suffix(".json")
    path.write_text(told.model_dump_json())
    return run_in_processes(count, "training_process.py", path, precision)


def stats_of(run):
    lines = [json.loads(line) for line in (run / "stats.jsonl").read_text().splitlines()]
    shown = ("loss", "gradient", "occlusion")
    return [{k: v for k, v in line.items() if k.startswith(shown)} for line in lines]


def weights_of(run):
    return read_networks(checkpoint_folders(run)[-1])


def mean_gradients_of(told):
    """Read Adam's running mean of the gradient of every parameter that has one, by its name."""
    tensors, _ = read_tensors(checkpoint_folders(told.run)[-1] / "training.safetensors")
    networks = build_networks(told, plan_training(told, Silent()), extra_blocks=0)
    return {
        (name, key): tensors[kept]
        for name, network in networks.by_name.items()
        for number, (key, _) in enumerate(network.named_parameters())
        if (kept := f"optimizer/{name}/{number}/exp_avg") in tensors
    }


_BOTH_WAYS = {"given_motion": 0.5, "reference_free": 0.5}
_EVERY_TERM = LossWeights(labelmix=5, patch_heads=1, alignment=1, pixel=1, consistency=10)
_ALL_TERMS = {"loss_weights": _EVERY_TERM, "video_gan": "hinge", "max_class_weight": 20.0}
_NO_LABELMIX = {"loss_weights": LossWeights(pixel=1)}


@pytest.mark.parametrize(
    ("model", "seed", "phase", "changes"),
    [
        ("demo", 4, Phase(1, 9, SIZE, 2e-4, batch_size=2), {}),
        ("carry", 1, Phase(1, 9, SIZE, 2e-4, batch_size=2), _BOTH_WAYS),
        ("C", 0, Phase(1, 5, SIZE, 2e-4, batch_size=2), {"width": 0.04}),
        ("C", 1, Phase(1, 5, SIZE, 2e-4, batch_size=2), {"width": 0.04, **_ALL_TERMS}),
        ("A", 0, Phase(1, 5, (32, 64), 2e-4, batch_size=2), {"width": 0.03, **_NO_LABELMIX}),
        ("A", 1, Phase(1, 5, (32, 64), 2e-4, batch_size=2), {"width": 0.03, **_NO_LABELMIX}),
    ],
)
def test_two_processes_come_to_the_weights_of_one_within_1e_5(
    store, tmp_path, model, seed, phase, changes
):
    # in float64: in float32 Adam makes steps of the whole rate out of rounding, wherever a true
    # gradient is zero, as that of a bias before a norm, or about to change its sign
    steps = (phase.clip_frames - 1) // 2
    changes = {"backprop_frames": 2, "perturbed_feedback": 0.5, **changes}
    runs = {}
    for count in (1, 2):
        runs[count] = tmp_path / f"{count}"
        told = config(
            store, runs[count], model=model, seed=seed, phases=[phase], steps=steps, **changes
        )
        train_in_processes(count, told, precision="float64")
    one, two = (weights_of(run) for run in runs.values())
    for name, tensors in one.items():
        for key, value in tensors.items():
            torch.testing.assert_close(two[name][key], value, atol=1e-5, rtol=0, msg=key)
    assert ("loss/video_discriminator_1" in stats_of(runs[1])[-1]) == (phase.clip_frames > 6)
    for line, other in zip(*(stats_of(run) for run in runs.values()), strict=True):
        assert other == pytest.approx(line, rel=1e-6)


def test_two_processes_with_a_clip_each_have_the_mean_gradients_of_one_with_two(store, tmp_path):
    rate = 5e-6
    # with the seed of the others a flow rounds across zero, and meets a kink of bilinear sampling
    phases = [Phase(1, 4, SIZE, rate, batch_size=2)]
    alone = config(store, tmp_path / "alone", phases=phases)
    run_train(alone, Silent())
    shared = config(store, tmp_path / "shared", phases=phases)
    told_by = train_in_processes(2, shared)
    assert re.search(r"^3 steps take .* of memory in each of 2 processes", told_by[0], re.MULTILINE)
    assert "steps take" not in told_by[1]

    means, other_means = mean_gradients_of(alone), mean_gradients_of(shared)
    scale = max(float(mean.norm()) for mean in means.values())
    for key, mean in means.items():
        off, own = float((other_means[key] - mean).norm()), float(mean.norm())
        assert off < 1e-5 * scale, key
        # each tensor by its own size, where it has more of a gradient than rounding
        assert off < 1e-3 * own + 1e-8 * scale, key
    rounding = {key for key, mean in means.items() if float(mean.norm()) < 1e-8 * scale}
    assert all(key.endswith(".bias") for _, key in rounding)
    one, two = weights_of(alone.run), weights_of(shared.run)
    for name, tensors in one.items():
        for key, value in tensors.items():
            # 3 steps move a weight by 1.5e-5 at most: the gradients above are the proof
            learned = "generator" if name == "average" else name
            bound = 2 * 3 * rate if (learned, key) in rounding else 1e-5
            torch.testing.assert_close(two[name][key], value, atol=bound, rtol=1e-5)
    for line, other in zip(stats_of(alone.run), stats_of(shared.run), strict=True):
        assert other == pytest.approx(line, rel=1e-4, abs=1e-6)


def test_processes_learn_phase_by_phase_as_one_does(store, tmp_path):
    rate, larger = 5e-6, (128, 256)
    changes = {
        "phases": [
            Phase(1, 2, SIZE, rate, batch_size=2, learns="motion"),
            Phase(1, 4, SIZE, rate, batch_size=2),
            Phase(0.5, 3, larger, rate, batch_size=2, extra_blocks=1, learns="new_blocks"),
            Phase(1, 3, larger, rate, batch_size=2, extra_blocks=1),
        ],
        "steps": 10, "given_motion": 0.5, "reference_free": 0.3, "checkpoint_activations": True,
    }  # fmt: skip
    alone = config(store, tmp_path / "alone", **changes)
    train_in_processes(1, alone, precision="float64")
    shared = config(store, tmp_path / "shared", **changes)
    train_in_processes(2, shared, precision="float64")
    assert len({len(line) for line in stats_of(alone.run)}) >= 3  # motion alone, given, told
    for line, other in zip(stats_of(alone.run), stats_of(shared.run), strict=True):
        assert other == pytest.approx(line, rel=1e-6)


_TOML = """
model = "demo"
width = 0.1
steps = 24
precision = "float32"
log_steps = 1
checkpoint_steps = 4
perturbed_feedback = 0.5
phases = [{epochs = 1, clip_frames = 9, size_hw = [64, 128], learning_rate = 2e-4, batch_size = 3}]
"""


def started_by_torchrun(store, run):
    path = run.with_suffix(".toml")
    path.write_text(_TOML)
    return subprocess.Popen(
        [
            sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "3",
            "-m", "svsdata.cli", "train", store, run, "--config", path, "--json",
        ],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )  # fmt: skip


def wait_for_steps(process, run, steps):
    stats = run / "stats.jsonl"
    while process.poll() is None and not (stats.exists() and len(stats_of(run)) >= steps):
        time.sleep(0.02)


def test_a_run_stopped_by_ctrl_c_and_by_a_kill_goes_on_bit_for_bit(store, tmp_path):
    whole, stopped = tmp_path / "whole", tmp_path / "stopped"
    result, errors = started_by_torchrun(store, whole).communicate(timeout=300)
    assert json.loads(result)["steps_done_now"] == 24, errors

    process = started_by_torchrun(store, stopped)
    wait_for_steps(process, stopped, 1)
    process.send_signal(signal.SIGINT)
    result, errors = process.communicate(timeout=300)
    ours = [line for line in errors.splitlines() if line.startswith("svsdata:")]
    assert (result, ours) == ("", ["svsdata: interrupted; the same command goes on from here"])
    step = checkpoint_step(stopped)
    assert 1 <= step < 18

    process = started_by_torchrun(store, stopped)
    wait_for_steps(process, stopped, step + 5)
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    assert len(children) == 3
    os.kill(int(children[1]), signal.SIGKILL)
    process.communicate(timeout=300)
    assert process.returncode == 1
    killed_after = checkpoint_step(stopped)
    assert step < killed_after < 24

    result, errors = started_by_torchrun(store, stopped).communicate(timeout=300)
    assert json.loads(result)["steps_done_now"] == 24 - killed_after, errors
    for file in checkpoint_folders(whole)[-1].iterdir():
        assert (checkpoint_folders(stopped)[-1] / file.name).read_bytes() == file.read_bytes()
    assert stats_of(stopped) == stats_of(whole)


def test_a_damaged_frame_stops_all_processes_and_one_of_them_tells(tmp_path, sliding_store):
    store = sliding_store(tmp_path / "store", lengths=(9, 9, 9))
    part = store / "frames" / "s1" / "part-00000.parquet"
    group = pq.ParquetFile(part).metadata.row_group(0)
    columns = map(group.column, range(group.num_columns))
    image = next(column for column in columns if column.path_in_schema == "image.bytes")
    damaged = bytearray(part.read_bytes())
    damaged[image.data_page_offset + image.total_compressed_size // 2] ^= 255
    part.write_bytes(damaged)
    process = started_by_torchrun(store, tmp_path / "run")
    result, errors = process.communicate(timeout=300)
    assert (process.returncode, result) == (1, "")
    ours = [line for line in errors.splitlines() if line.startswith("svsdata: ")]
    left_alone = "svsdata: another process of this run has ended, and tells why unless it was "
    own = [line for line in ours if not line.startswith(left_alone)]
    assert len(own) == 1
    assert re.match(f"svsdata: (rank [12]: )?{part}: .*; run 'svsdata store verify'$", own[0])
    assert len(ours) <= 2
    assert "[rank" not in errors  # torch's own traceback


@pytest.mark.parametrize("model", [*MODELS, "A", "B"])
def test_no_network_keeps_statistics_that_processes_would_have_to_share(store, tmp_path, model):
    weights = LossWeights(patch_heads=float(model != "A"))
    told = config(store, tmp_path / "run", model=model, loss_weights=weights)
    networks = build_networks(told, plan_training(told, Silent()), extra_blocks=1)
    for network in networks.by_name.values():
        kept = {name.rpartition(".")[2] for name, _ in network.named_buffers()}
        assert kept <= {"_u", "_v"}  # of spectral norms: functions of the weights


def test_batches_that_cannot_be_shared_out_are_refused():
    check_shares([2, 4], Share(0, 2))
    with pytest.raises(ConfigError, match="batches of 3 clips, which 2 processes cannot"):
        check_shares([2, 3], Share(0, 2))
