from pathlib import Path

import pytest

from svsdata.cli.main import load_command
from svsdata.evaluation.usefulness import Spread
from svsdata.pipelines import usefulness
from svsdata.pipelines.usefulness import UsefulnessResult


@pytest.fixture(autouse=True)
def measured(monkeypatch) -> None:
    iou = {
        "real": {"road": Spread(0.9, 0.01, 3), "truck": Spread(0, None, 1)},
        "real + edited synthetic": {"road": Spread(0.88, 0.02, 3), "truck": Spread(0.105, 0, 3)},
    }
    result = UsefulnessResult(
        version="1", report=Path("u.json"), page=Path("u.html"), protocol="as told", iou=iou,
        gains=("truck",), losses=(), warnings=(), unlearned=(),
    )  # fmt: skip
    monkeypatch.setattr(usefulness, "run_usefulness", lambda *_, **__: result)


def test_the_table_is_printed_class_by_class(tmp_path, capsys):
    load_command("evaluate-usefulness").main(["--out", str(tmp_path)], standalone_mode=False)
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].split("  ")[0] == "class"
    assert lines[2].split() == ["road", "90.0", "±", "1.0", "88.0", "±", "2.0"]
    assert lines[3].split() == ["truck", "0.0", "±", "-", "10.5", "±", "0.0"]
    assert len({len(line) for line in lines[1:4]}) == 1
    assert "gains     truck" in lines


def test_programs_get_the_numbers(tmp_path, capsys):
    load_command("evaluate-usefulness").main(
        ["--out", str(tmp_path), "--json"], standalone_mode=False
    )
    printed = capsys.readouterr().out
    assert UsefulnessResult.model_validate_json(printed).iou["real"]["road"].mean == 0.9
