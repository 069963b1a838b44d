import json

import numpy as np
from typer.testing import CliRunner

from svsdata import __version__
from svsdata.cli.main import app
from svsdata.images import encode_png


def test_doctor_reports_to_people():
    done = CliRunner().invoke(app, ["doctor"])
    assert f"svsdata         {__version__}" in done.stdout
    assert done.exit_code == (1 if "problems" in done.stdout else 0)


def test_doctor_reports_to_programs():
    report = json.loads(CliRunner().invoke(app, ["doctor", "--json"]).stdout)
    assert report["packages"]["torch"]
    assert report["free_disk_bytes"] > 0


def test_doctor_tells_people_and_programs_what_label_maps_hold(tmp_path):
    (tmp_path / "a_000000_labelIds.png").write_bytes(encode_png(np.full((2, 4), 26, np.uint8)))
    words = ["doctor", "labels", str(tmp_path)]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0
    assert "labelIds: label ids, 1 of 1 files read" in done.stdout
    assert "26  100.00%  car" in done.stdout
    (group,) = json.loads(CliRunner().invoke(app, [*words, "--json"]).stdout)["groups"]
    assert group["system"] == "label ids"


def test_doctor_fails_where_no_map_can_be_used(tmp_path):
    (tmp_path / "a_color.png").write_bytes(encode_png(np.zeros((2, 4, 3), np.uint8)))
    done = CliRunner().invoke(app, ["doctor", "labels", str(tmp_path)])
    assert done.exit_code == 1
    assert "color: colours" in done.stdout
