import json

from typer.testing import CliRunner

from svsdata import __version__
from svsdata.cli.main import app


def test_doctor_reports_to_people():
    done = CliRunner().invoke(app, ["doctor"])
    assert f"svsdata         {__version__}" in done.stdout
    assert done.exit_code == (1 if "problems" in done.stdout else 0)


def test_doctor_reports_to_programs():
    report = json.loads(CliRunner().invoke(app, ["doctor", "--json"]).stdout)
    assert report["packages"]["torch"]
    assert report["free_disk_bytes"] > 0
