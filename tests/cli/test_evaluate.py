import json

import pytest
from typer import Typer
from typer.testing import CliRunner

from svsdata.cli.evaluate import evaluate
from svsdata.errors import ConfigError

app = Typer()
app.command()(evaluate)


def invoke(*arguments):
    return CliRunner().invoke(app, [str(it) for it in arguments], catch_exceptions=False)


def test_the_metrics_that_are_named_are_measured_alone(sliding_store, tmp_path):
    stores = [sliding_store(tmp_path / name, lengths=(10,)) for name in ("real", "made")]
    words = (*stores, "--out", tmp_path / "report", "--metrics", "psnr,ssim")
    words += ("--set", "clip_frames=9", "--set", "kept_figures=none", "--json")
    told = json.loads(invoke(*words).stdout)
    assert set(told["measures"]) == {"psnr", "ssim"}


def test_an_unknown_metric_is_told(tmp_path):
    with pytest.raises(ConfigError, match=r"'metrics\.1': input should be 'fid'.*got \"fdi\""):
        invoke(tmp_path / "real", tmp_path / "made", "--metrics", "fid,fdi")
