import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from svsdata.cli.store import app
from svsdata.errors import StoreError, StoreFormatError
from svsdata.images import decode_image
from svsdata.labels import CITYSCAPES
from svsdata.records import Frame
from svsdata.store.format import StoreInfo
from svsdata.store.writer import StoreWriter


@pytest.fixture(scope="module")
def template(tmp_path_factory) -> Path:
    store = tmp_path_factory.mktemp("cli") / "store"
    info = StoreInfo(CITYSCAPES, (20, 40), 10.0, ("image", "semantic"), {"noise": "free"})
    with StoreWriter(store, info).sequence("drive", source="noise", fps=10.0) as sequence:
        for index in range(5):
            picture = np.full((20, 40, 3), 50 * index, np.uint8)
            semantic = np.full((20, 40), 7, np.uint8)
            sequence.append(Frame(index, index, image=picture, semantic=semantic, source="noise"))
        sequence.commit()
    return store


@pytest.fixture
def store(template, tmp_path) -> Path:
    return Path(shutil.copytree(template, tmp_path / "store"))


def invoke(*arguments):
    return CliRunner().invoke(app, [str(it) for it in arguments], catch_exceptions=False)


def spoil(store: Path) -> None:
    part = store / "frames" / "drive" / "part-00000.parquet"
    part.write_bytes(part.read_bytes()[:-1])


def test_info_tells_what_a_store_holds(store):
    told = invoke("info", store).stdout
    for expected in ("1 sequence, 5 frames", "40x20 at 10", "cityscapes", "drive", "noise: free"):
        assert expected in told
    facts = json.loads(invoke("info", store, "--json").stdout)
    assert (facts["frames"], facts["sequences"]) == (5, {"drive": 5})
    assert facts["size_hw"] == [20, 40]


def test_info_cuts_nothing_in_a_pipe(store):
    source = f"/{'long/' * 40}[/mine]"
    record = store / "sequences" / "drive.json"
    record.write_text(record.read_text().replace('"source": "noise"', f'"source": "{source}"'))
    assert source in invoke("info", store).stdout


def test_the_store_of_the_workspace_is_meant_when_none_is_named(store, monkeypatch):
    (store.parent / "svsdata.toml").write_text('store = "store"')
    monkeypatch.chdir(store / "frames")
    assert "5 frames" in invoke("info").stdout


def test_verify_says_so_when_all_is_well(store):
    result = invoke("verify", store)
    assert (result.exit_code, "no fault in 1 sequence, 5 frames" in result.stdout) == (0, True)
    assert "quick" in invoke("verify", store, "--quick").stdout


def test_verify_names_faults_and_exits_with_1(store):
    spoil(store)
    result = invoke("verify", store)
    assert result.exit_code == 1
    assert "part-00000.parquet: expected" in result.stdout
    result = invoke("verify", store, "--json")
    assert result.exit_code == 1
    assert len(json.loads(result.stdout)["faults"]) >= 1


def test_show_draws_a_sheet_and_lists_the_frames(store, tmp_path):
    result = invoke("show", store, "--out", tmp_path / "x.png", "--rows", 3)
    assert result.exit_code == 0
    assert "road" in result.stdout
    sheet = decode_image((tmp_path / "x.png").read_bytes(), "sheet")
    assert sheet.shape == (3 * 160, 2 * 320, 3)
    assert sheet[-1, 0].tolist() == [200, 200, 200]  # the last row is the last frame


def test_the_folder_of_a_sheet_is_made_or_the_reason_told_in_one_line(store, tmp_path):
    invoke("show", store, "--out", tmp_path / "new" / "er" / "x.png", "--rows", 1)
    assert (tmp_path / "new" / "er" / "x.png").is_file()
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match=r"file/x\.png: cannot write: File exists"):
        invoke("show", store, "--out", tmp_path / "file" / "x.png")


def test_a_picture_may_go_to_a_home_folder(store, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    invoke("show", store, "--out", "~/x.png", "--rows", 1)
    assert (tmp_path / "x.png").is_file()


def test_show_of_an_empty_store_says_what_to_do(tmp_path):
    StoreWriter(tmp_path, StoreInfo(CITYSCAPES, (20, 40), 10.0, ("image",)))
    with pytest.raises(StoreError, match="svsdata label"):
        invoke("show", tmp_path)


def test_repair_sets_aside_what_is_damaged(store):
    assert "nothing to repair" in invoke("repair", store).stdout
    spoil(store)
    assert "set aside: " in invoke("repair", store).stdout
    assert "no fault in 0 sequences" in invoke("verify", store).stdout


def test_repair_abandons_an_unfinished_sequence(store):
    (store / "staging" / "begun").mkdir()
    result = invoke("repair", store, "--abandon", "begun", "--json")
    assert "quarantine/begun" in json.loads(result.stdout)["quarantined"][0]


def test_a_folder_that_is_no_store_is_one_line(tmp_path):
    with pytest.raises(StoreFormatError, match=r"is no store"):
        invoke("info", tmp_path)
