import json
from pathlib import Path

import numpy as np
import pytest
from typer import Typer
from typer.testing import CliRunner

from svsdata.cli.export import export
from svsdata.errors import ConfigError
from svsdata.labels import CITYSCAPES
from svsdata.records import Frame
from svsdata.store.format import StoreInfo
from svsdata.store.writer import StoreWriter

app = Typer()
app.command()(export)


@pytest.fixture
def store(tmp_path: Path) -> Path:
    info = StoreInfo(CITYSCAPES, (16, 24), 10.0, ("image", "semantic"))
    with StoreWriter(tmp_path / "store", info).sequence("a", source="", fps=10.0) as rows:
        image = np.zeros((16, 24, 3), np.uint8)
        rows.append(Frame(0, 0, image=image, semantic=np.full((16, 24), 7, np.uint8)))
        rows.commit()
    return tmp_path / "store"


def invoke(*arguments: object) -> dict[str, object]:
    words = [str(one) for one in (*arguments, "--json")]
    result = CliRunner().invoke(app, words, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    told: dict[str, object] = json.loads(result.stdout)
    return told


def test_the_result_is_one_json_object_on_standard_output(store: Path, tmp_path: Path) -> None:
    told = invoke(store, "cityscapes", tmp_path / "out", "--set", "image_folder=leftImg8bit")
    assert (told["sequences"], told["num_frames"]) == (["a"], 1)
    assert len(list((tmp_path / "out/leftImg8bit").rglob("*.png"))) == 1


def test_a_dry_run_writes_nothing(store: Path, tmp_path: Path) -> None:
    told = invoke(store, "video", tmp_path / "out", "--dry-run", "--sequence", "a")
    assert told["num_frames"] == 1
    assert not (tmp_path / "out").exists()


def test_an_unknown_format_is_told_with_those_there_are(store: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"'format'.*'webdataset' or 'video', got \"coco\""):
        invoke(store, "coco", tmp_path / "out")


@pytest.mark.parametrize(
    ("words", "store_name", "kind", "out"),
    [
        (("video",), "made", "video", "made-video"),
        (("video", "films"), "made", "video", "films"),
        (("other", "cityscapes"), "other", "cityscapes", "other-cityscapes"),
        (("video", "cityscapes"), "video", "cityscapes", "video-cityscapes"),
        (("video", "video", "films"), "video", "video", "films"),
    ],
)
def test_what_a_workspace_names_may_be_left_out(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words, store_name, kind, out
) -> None:
    (tmp_path / "svsdata.toml").write_text('out = "made"\n[export]\nsequences = ["a"]\n')
    store.rename(tmp_path / store_name)
    monkeypatch.chdir(tmp_path)
    told = invoke(*words, "--dry-run")
    assert (told["format"], told["sequences"]) == (kind, ["a"])
    assert Path(str(told["out"])).absolute() == tmp_path / out


def test_an_export_without_a_format_is_wrong_usage() -> None:
    done = CliRunner().invoke(app, [])
    assert done.exit_code == 2
    assert "name a format, one of cityscapes, kitti360" in done.output


def test_an_export_without_a_workspace_needs_its_store(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match="no out was given"):
        invoke("video")
