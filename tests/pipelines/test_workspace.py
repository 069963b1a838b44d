from pathlib import Path

import pytest

from svsdata.errors import ConfigError, StoreError
from svsdata.pipelines.configs.edit import EditConfig
from svsdata.pipelines.configs.evaluate import EvaluateConfig
from svsdata.pipelines.configs.gate import GateConfig
from svsdata.pipelines.configs.label import LabelConfig
from svsdata.pipelines.configs.synthesize import SynthesizeConfig
from svsdata.pipelines.configs.train import TrainConfig
from svsdata.pipelines.workspace import PATH_FIELDS, STAGES, find_workspace, make_workspace


@pytest.fixture
def workspace(tmp_path, monkeypatch) -> Path:
    make_workspace(tmp_path)
    (tmp_path / "deep" / "inside").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "deep" / "inside")
    return tmp_path


def test_a_made_workspace_names_everything_that_commands_leave_out(workspace):
    found = find_workspace(Path.cwd())
    assert found.get("source") == "street:seed=7,frames=240"
    assert found.get("preset") == "finetune"
    assert [found.require(key) for key in ("store", "run", "out", "plans", "edited")] == [
        str(workspace / name) for name in ("store", "run", "synthetic", "plans", "edited")
    ]


def test_the_nearest_parent_wins(workspace):
    (workspace / "deep" / "svsdata.toml").write_text('store = "other"')
    found = find_workspace(Path.cwd())
    assert found.get("store") == str(workspace / "deep" / "other")
    assert found.get("run") is None


def test_what_is_given_wins_and_starts_at_the_current_folder(workspace):
    found = find_workspace(Path.cwd())
    assert found.get("store", "../mine") == str(workspace / "deep" / "mine")
    assert found.get("store", Path("/data/store")) == "/data/store"
    assert found.get("source", "street:seed=1,frames=9") == "street:seed=1,frames=9"
    assert found.get("preset", "kitti360") == "kitti360"


@pytest.mark.parametrize("key", ["source", "store", "run", "out"])
def test_an_address_is_no_folder(workspace, key):
    found = find_workspace(Path.cwd())
    with pytest.raises(
        StoreError, match=f"{key} 's3://bucket/x': only local folders and files are"
    ):
        found.require(key, "s3://bucket/x")
    (workspace / "svsdata.toml").write_text(f'{key} = "S3://bucket/x"')
    with pytest.raises(StoreError, match="only local folders"):
        find_workspace(Path.cwd()).require(key)
    assert found.get(key, "a:b") == str(Path.cwd() / "a:b")


def test_a_run_is_the_same_from_wherever_it_is_named(workspace, monkeypatch):
    inside = find_workspace(Path.cwd()).get("store", "../../store")
    monkeypatch.chdir(workspace)
    assert inside == find_workspace(Path.cwd()).get("store", "store")
    assert inside == find_workspace(Path.cwd()).get("store")


def test_a_tilde_is_the_home_folder_wherever_it_is_said(workspace, monkeypatch):
    monkeypatch.setenv("HOME", str(workspace / "home"))
    file = workspace / "svsdata.toml"
    file.write_text(file.read_text().replace('store = "store"', 'store = "~/data"'))
    found = find_workspace(workspace)
    assert found.get("store") == str(workspace / "home" / "data")
    assert found.get("out", "~/out") == str(workspace / "home" / "out")


def test_without_a_workspace_only_what_is_given_is_known(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = find_workspace(Path.cwd())
    assert found.get("store") is None
    assert found.get("store", "a") == str(tmp_path / "a")
    assert found.fields("train") == {}
    with pytest.raises(
        ConfigError, match=r"no store was given and there is no svsdata\.toml.*init"
    ):
        found.require("store")


def test_a_workspace_that_leaves_a_path_out_is_named(tmp_path):
    (tmp_path / "svsdata.toml").write_text("")
    with pytest.raises(ConfigError, match=f"'{tmp_path}/svsdata.toml' does not name it"):
        find_workspace(tmp_path).require("run")


def test_tables_hold_fields_of_stages(tmp_path):
    (tmp_path / "svsdata.toml").write_text("[train]\nseed = 3\nloss_weights = { flow = 5 }")
    found = find_workspace(tmp_path)
    assert found.fields("train") == {"seed": 3, "loss_weights": {"flow": 5}}
    assert found.fields("label") == {}
    assert "train" in STAGES


def test_paths_in_tables_start_at_the_workspace_too(workspace):
    with (workspace / "svsdata.toml").open("a") as file:
        file.write('[label]\nsemantic = "maps"\nconfidence = "/data/sure"\nflow = "dis"\n')
        file.write('[synthesize]\nedit_files = ["a.yaml", "~/b.yaml"]\n')
    found = find_workspace(Path.cwd())
    assert found.fields("label") == {
        "semantic": str(workspace / "maps"), "confidence": "/data/sure", "flow": "dis"
    }  # fmt: skip
    assert found.fields("synthesize")["edit_files"] == [str(workspace / "a.yaml"), "~/b.yaml"]


@pytest.mark.parametrize(("said", "meant"), [("demo", "demo"), ("demo/", "{}/demo"), ("a", "{}/a")])
def test_the_bundled_generator_is_no_path(workspace, said, meant):
    with (workspace / "svsdata.toml").open("a") as file:
        file.write(f'[train]\nstart_from = "{said}"\nteacher = "{said}"\n')
    expected = meant.format(workspace)
    found = find_workspace(Path.cwd()).fields("train")
    assert found == {"start_from": expected, "teacher": expected}


@pytest.mark.parametrize(
    "kind", [LabelConfig, TrainConfig, EditConfig, SynthesizeConfig, EvaluateConfig, GateConfig]
)
def test_every_path_of_a_table_starts_at_the_workspace(kind):
    named_by_the_command = {"store", "run", "out", "real", "synthetic", "checkpoint"}
    paths = {name for name, it in kind.model_fields.items() if "Path" in str(it.annotation)}
    assert paths <= PATH_FIELDS | named_by_the_command


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("store = ", "is no TOML"),
        ('stroe = "a"', "unknown key 'stroe'; known: source, store, run, out, preset"),
        ("store = 7", "'store' must be text in quotes, got 7"),
        ("train = 7", r"'train' must be a table, \[train\], got 7"),
    ],
)
def test_a_wrong_workspace_is_told_in_one_line(tmp_path, text, told):
    (tmp_path / "svsdata.toml").write_text(text)
    with pytest.raises(ConfigError, match=told) as error:
        find_workspace(tmp_path)
    assert "svsdata.toml" in str(error.value)
    assert "\n" not in str(error.value)


def test_a_workspace_is_not_written_over(tmp_path):
    make_workspace(tmp_path)
    with pytest.raises(ConfigError, match=r"svsdata\.toml' is there already"):
        make_workspace(tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="file' is there already"):
        make_workspace(tmp_path / "file")


def test_a_full_disk_leaves_no_half_workspace(tmp_path, room_for):
    with (
        room_for(100),
        pytest.raises(ConfigError, match=r"cannot write '.*svsdata\.toml': File too"),
    ):
        make_workspace(tmp_path)
    assert not (tmp_path / "svsdata.toml").exists()
    assert find_workspace(make_workspace(tmp_path).parent).get("store") == str(tmp_path / "store")
