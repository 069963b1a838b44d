import json

from typer import Typer
from typer.testing import CliRunner

from svsdata.cli.gate import gate

app = Typer()
app.command()(gate)


def test_classes_are_told_as_a_table_and_in_json(sliding_store, tmp_path):
    store = sliding_store(tmp_path / "store", lengths=(2,))
    words = ["gate", str(store), "--judge", "demo", "--device", "cpu"][1:]
    told = json.loads(CliRunner().invoke(app, [*words, "--json"], catch_exceptions=False).stdout)
    lines = CliRunner().invoke(app, words, catch_exceptions=False).stdout.splitlines()
    assert lines[0].split() == ["class", "of", "pixels", "agreement", "mean", "loss", "rejected"]
    for line, it in zip(lines[1:], told["classes"], strict=False):
        assert line.startswith(it["name"])
        assert line.split()[-2:] == [f"{100 * it['rejected']:.1f}", "%"]
        assert f"{100 * it['share']:.1f} %" in line
    assert len(told["classes"]) == 5
    assert lines[6].startswith("store")
