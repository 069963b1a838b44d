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
    words = (*stores, "--out", tmp_path / "report", "--metrics", "psnr, ssim,identity ")
    words += ("--set", "clip_frames=9", "--set", "kept_figures=none")
    told = json.loads(invoke(*words, "--json").stdout)
    assert set(told["measures"]) == {"psnr", "ssim", "identity"}
    psnr = told["measures"]["psnr"]
    assert psnr["value"] == "inf"
    assert psnr["samples"] == "9 frames"
    assert psnr["protocol"].endswith("; 9 of 9 equal theirs and are left out of the mean")
    assert told["frames"] == "128x64, of each sequence all from frame 1 on: 9 synthetic and 9 real"

    lines = invoke(*words).stdout.splitlines()
    assert lines[0].split() == ["measure", "synthetic", "real", "taken", "of"]
    assert lines[1].split() == ["PSNR,", "dB", "inf", "-", "9", "frames"]
    assert f"  PSNR, dB: {psnr['protocol']}" in lines
    warnings = lines[lines.index("warnings") + 1 :]
    assert [line.partition(" of ")[0] for line in warnings] == ["  identity, colour distance"] * 1


def test_an_unknown_metric_is_told(tmp_path):
    with pytest.raises(ConfigError) as error:
        invoke(tmp_path / "real", tmp_path / "made", "--metrics", "psrn")
    assert str(error.value).endswith('got "psrn"')
    with pytest.raises(ConfigError, match=r"'metrics\.1': input should be 'fid'.*got \"fdi\""):
        invoke(tmp_path / "real", tmp_path / "made", "--metrics", "fid,fdi")


def test_a_part_is_measured_and_joined(sliding_store, tmp_path):
    stores = [sliding_store(tmp_path / name, lengths=(10, 9)) for name in ("real", "made")]
    words = (*stores, "--metrics", "drift", "--set", "clip_frames=9", "--json")
    words += ("--set", f"kept_figures={tmp_path / 'figures'}")
    told = json.loads(invoke(*words, "--set", "part=2/2").stdout)
    assert told["sequences"] == "1 of 2 synthetic and 1 of 2 real"
    assert not (tmp_path / "made-report").exists()
    whole = json.loads(invoke(*words).stdout)
    assert whole["kept"] == ["drift (1 of 2 sequences)"]
    assert whole["measures"]["color_distance"]["samples"] == "17 synthetic and 17 real frames"
    with pytest.raises(ConfigError, match=r"'part'.*expected I/N.*3/2"):
        invoke(*words, "--set", "part=3/2")
