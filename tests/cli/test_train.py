import json

import pytest
from typer import Typer
from typer.testing import CliRunner

from svsdata.cli.train import train
from svsdata.errors import ConfigError

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
