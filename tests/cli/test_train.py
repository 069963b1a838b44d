import json
import re

import pytest
from pydantic import ValidationError
from typer import Typer
from typer.testing import CliRunner

from svsdata.cli.train import train
from svsdata.errors import ConfigError
from svsdata.nets.models import MODELS
from svsdata.pipelines.configs.train import TrainConfig
from svsdata.training.schedules import Phase

app = Typer()
app.command()(train)

PHASES = "phases=[{epochs=1, clip_frames=3, size_hw=[64, 128], learning_rate=1e-4}]"


def invoke(*arguments):
    return CliRunner().invoke(app, [str(it) for it in arguments], catch_exceptions=False)


def test_a_dry_run_measures_phases_given_by_hand_and_writes_nothing(sliding_store, tmp_path):
    store = sliding_store(tmp_path / "store", lengths=(4,))
    words = (store, tmp_path / "run", "--preset", "demo", "--steps", 7, "--set", PHASES)
    result = invoke(*words, "--dry-run", "--json")
    assert result.exit_code == 0
    estimate = json.loads(result.stdout)
    assert (estimate["steps"], estimate["phases"][0]["size_hw"]) == (7, [64, 128])
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--preset", "dmo"), "unknown preset 'dmo'"),
        (("--steps", "0"), "'steps'"),
        (("--set", "loss_weights.pixl=1"), "pixl"),
        (("--model", "Z", "--set", "phases=[]"), "'phases'"),
    ],
)
def test_what_cannot_be_trained_is_told(tmp_path, words, message):
    with pytest.raises(ConfigError, match=message):
        invoke(tmp_path / "store", tmp_path / "run", *words)


GIVEN = {"epochs": 1, "clip_frames": 4, "size_hw": "[64, 128]", "learning_rate": 1e-4}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"batch_size": 0}, "'phases.0.batch_size': .* greater than or equal to 1, got 0$"),
        ({"epochs": 0}, "'phases.0.epochs': .* greater than 0, got 0$"),
        ({"epochs": -2}, "'phases.0.epochs': .* greater than 0, got -2$"),
        ({"clip_frames": 1}, "'phases.0.clip_frames': .* greater than or equal to 2, got 1$"),
        ({"learning_rate": -4e-4}, "'phases.0.learning_rate': .* greater than or equal to 0"),
        ({"learning_rate": "inf"}, "'phases.0.learning_rate': .* finite"),
        ({"final_learning_rate": -1}, "'phases.0.final_learning_rate': .* or equal to 0, got -1$"),
        ({"extra_blocks": -1}, "'phases.0.extra_blocks': .* greater than or equal to 0, got -1$"),
        ({"size_hw": "[0, 0]"}, "'phases.0.size_hw.0': .* greater than or equal to 1, got 0"),
    ],
)
def test_phases_out_of_range_are_told(tmp_path, changes, message):
    phase = ", ".join(f"{key}={value}" for key, value in {**GIVEN, **changes}.items())
    with pytest.raises(ConfigError, match=message):
        invoke(tmp_path / "store", tmp_path / "run", "--set", f"phases=[{{{phase}}}]")


@pytest.mark.parametrize(
    ("key", "told"),
    [
        ("clip_frame", "did you mean 'phases.clip_frames'?"),
        ("zzz", "known: phases.epochs, phases.clip_frames, phases.size_hw, "),
    ],
)
def test_a_mistyped_key_of_a_phase_is_named_with_what_was_meant(tmp_path, key, told):
    toml = tmp_path / "phases.toml"
    toml.write_text(
        f"[[phases]]\nepochs = 1\n{key} = 4\nsize_hw = [64, 128]\nlearning_rate = 1e-4\n"
    )
    message = f"unknown key 'phases.0.{key}'; {told}"
    with pytest.raises(ConfigError, match=re.escape(message)):
        invoke(tmp_path / "store", tmp_path / "run", "--config", toml)


def test_help_names_every_network_that_can_be_trained():
    words = " ".join(re.findall(r"[\w:.-]+", invoke("--help").stdout))
    named = words.partition("Network: ")[2].partition(".")[0].replace(" or ", " ")
    assert named.split() == list(MODELS)


def test_phases_made_in_python_are_checked_too():
    with pytest.raises(ValidationError, match="batch_size"):
        TrainConfig(store="s", run="r", phases=(Phase(1, 4, (64, 128), 1e-4, batch_size=0),))
