import pytest
from typer import Typer
from typer.testing import CliRunner

from svsdata.cli.synthesize import synthesize
from svsdata.errors import ConfigError, StoreFormatError
from svsdata.pipelines.configs.label import LabelConfig
from svsdata.pipelines.label import run_label
from svsdata.progress import Silent
from svsdata.store.reader import StoreReader

app = Typer()
app.command()(synthesize)


def invoke(*arguments: object) -> str:
    words = [str(one) for one in arguments]
    result = CliRunner().invoke(app, words, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def test_a_store_that_is_none_is_told(tmp_path) -> None:
    with pytest.raises(StoreFormatError, match="is no store"):
        invoke(tmp_path / "nothing", tmp_path / "run", tmp_path / "out", "--dry-run")


def test_paths_come_from_the_workspace(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match=r"no store was given and there is no svsdata\.toml"):
        invoke()
    (tmp_path / "svsdata.toml").write_text('store = "a"\nrun = "b"\nout = "c"\n')
    with pytest.raises(StoreFormatError, match=r"/a: is no store"):
        invoke("--edit", "add_truck", "--set", "edits.truck_ahead.size_m.height=3.9")


def test_a_misspelt_field_is_told_with_the_one_that_was_meant() -> None:
    with pytest.raises(ConfigError, match="'chunk_lenght'; did you mean 'chunk_length'"):
        invoke("a", "b", "c", "--set", "chunk_lenght=4")


def test_demo_is_the_name_of_the_bundled_generator(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    run_label(LabelConfig(source="street:seed=3,frames=2", store="store"), Silent())
    invoke("store", "demo", "out", "--frames", "2", "--quiet")
    assert StoreReader("out").sequence("street-3").num_frames == 2
