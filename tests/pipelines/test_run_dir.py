import json
from pathlib import Path

import pytest

from svsdata.errors import ConfigError, StoreError
from svsdata.pipelines.configs.base import StageConfig
from svsdata.pipelines.run_dir import open_run_dir, require_apart, set_aside


class Rates(StageConfig):
    image: float = 1.0
    video: float = 2.0


class Phase(StageConfig):
    epochs: int = 1


class RunConfig(StageConfig):
    store: Path = Path("store")
    steps: int = 10
    rates: Rates = Rates()
    phases: tuple[Phase, ...] = (Phase(), Phase())
    device: str = "cpu"


def test_a_new_directory_says_what_made_it(tmp_path):
    run = tmp_path / "runs" / "a"
    assert open_run_dir(run, RunConfig()) is False
    assert json.loads((run / "config.json").read_text()) == {
        "store": "store",
        "steps": 10,
        "rates": {"image": 1.0, "video": 2.0},
        "phases": [{"epochs": 1}, {"epochs": 1}],
        "device": "cpu",
    }
    assert [entry.name for entry in run.iterdir()] == ["config.json"]


def test_the_same_config_goes_on(tmp_path):
    open_run_dir(tmp_path, RunConfig())
    (tmp_path / "work").write_text("done")
    assert open_run_dir(tmp_path, RunConfig(), overwrite=True) is True
    assert (tmp_path / "work").read_text() == "done"


def test_fields_that_change_nothing_written_may_differ(tmp_path):
    open_run_dir(tmp_path, RunConfig())
    other = RunConfig(device="cuda")
    assert open_run_dir(tmp_path, other, may_differ={"device"}) is True
    with pytest.raises(ConfigError, match='device "cpu" → "cuda"'):
        open_run_dir(tmp_path, other)


def test_another_config_stops_and_names_what_differs_and_the_ways_out(tmp_path):
    open_run_dir(tmp_path, RunConfig())
    (tmp_path / "work").write_text("done")
    with pytest.raises(ConfigError) as told:
        open_run_dir(tmp_path, RunConfig(steps=20, rates=Rates(video=3.0)))
    message = str(told.value)
    assert "steps 10 → 20, rates.video 2.0 → 3.0" in message
    assert all(way in message for way in ("earlier command", "another directory", "--overwrite"))
    assert "\n" not in message
    assert (tmp_path / "work").read_text() == "done"


def test_a_run_of_a_version_without_a_field_goes_on_at_the_fields_default(tmp_path):
    older = {"store": "store", "rates": {"image": 1.0}, "phases": [{"epochs": 1}] * 2}
    (tmp_path / "config.json").write_text(json.dumps(older))
    assert open_run_dir(tmp_path, RunConfig()) is True
    with pytest.raises(ConfigError, match=r"\(rates\.video 2\.0 → 3\.0, steps 10 → 20\)"):
        open_run_dir(tmp_path, RunConfig(steps=20, rates=Rates(video=3.0)))


def test_many_differences_are_counted(tmp_path):
    open_run_dir(tmp_path, RunConfig())
    other = RunConfig(store=Path("b"), steps=1, rates=Rates(image=0.0, video=0.0))
    with pytest.raises(ConfigError, match=r"rates\.image 1\.0 → 0\.0 and 1 more"):
        open_run_dir(tmp_path, other)


def test_an_item_of_a_list_is_named_unless_the_list_grew(tmp_path):
    open_run_dir(tmp_path, RunConfig())
    with pytest.raises(ConfigError, match=r"\(phases\.1\.epochs 1 → 2\)"):
        open_run_dir(tmp_path, RunConfig(phases=(Phase(), Phase(epochs=2))))
    with pytest.raises(ConfigError, match=r"\(phases \[.*\] → \[.*\]\)"):
        open_run_dir(tmp_path, RunConfig(phases=(Phase(),)))


def test_overwriting_sets_aside_and_deletes_nothing(tmp_path):
    run = tmp_path / "run"
    for steps in (1, 2, 3):
        assert open_run_dir(run, RunConfig(steps=steps), overwrite=True) is False
        (run / "work").write_text(str(steps))
    kept = {path.name: (path / "work").read_text() for path in tmp_path.iterdir()}
    assert kept == {"run.old-1": "1", "run.old-2": "2", "run": "3"}


def test_the_current_folder_can_be_set_aside(tmp_path, monkeypatch):
    (tmp_path / "run").mkdir()
    monkeypatch.chdir(tmp_path / "run")
    set_aside(Path())
    assert [path.name for path in tmp_path.iterdir()] == ["run.old-1"]


def test_what_cannot_be_set_aside_is_told_in_one_line(tmp_path):
    run = tmp_path / ("x" * 255)  # no file system has names as long as this one's would be
    open_run_dir(run, RunConfig())
    with pytest.raises(ConfigError, match=r"cannot set '.*x' aside: File name too long; name anot"):
        open_run_dir(run, RunConfig(steps=20), overwrite=True)
    assert (run / "config.json").is_file()


@pytest.mark.parametrize(
    ("name", "text", "fault"),
    [
        ("photo.png", "", "not empty and has no config.json; name another directory"),
        ("config.json", "{", "damaged config.json"),
    ],
)
def test_a_directory_of_something_else_is_left_alone(tmp_path, name, text, fault):
    (tmp_path / name).write_text(text)
    with pytest.raises(ConfigError, match=fault):
        open_run_dir(tmp_path, RunConfig())
    assert [entry.name for entry in tmp_path.iterdir()] == [name]


def test_a_file_in_the_place_is_no_directory(tmp_path):
    (tmp_path / "run").write_text("")
    with pytest.raises(ConfigError, match="is a file; name another directory"):
        open_run_dir(tmp_path / "run", RunConfig())
    with pytest.raises(ConfigError, match="cannot make"):
        open_run_dir(tmp_path / "run" / "inside", RunConfig())


def test_a_run_that_died_before_it_began_is_begun(tmp_path):
    (tmp_path / ".config.json").write_text('{"sto')
    assert open_run_dir(tmp_path, RunConfig()) is False
    assert open_run_dir(tmp_path, RunConfig()) is True


@pytest.mark.parametrize(
    ("out", "told"),
    [
        ("store", "which is read"),
        ("link", "which is read"),
        ("other/../store", "which is read"),
        (".", "where '.*(elsewhere|store)' lies, which is read"),
        ("store/run", "inside '.*store', which is read"),
        ("link/run", "inside '.*store', which is read"),
    ],
)
def test_an_output_that_is_not_apart_from_what_is_read_is_refused(tmp_path, out, told):
    (tmp_path / "store").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "store")
    with pytest.raises(ConfigError, match=rf"cannot write to '.*', {told}; name a folder"):
        require_apart(tmp_path / out, [None, tmp_path / "elsewhere", tmp_path / "store"])


def test_an_output_apart_from_what_is_read_may_be_written(tmp_path):
    for out in ("run", "store-2", "stor"):
        require_apart(tmp_path / out, [None, tmp_path / "store"])
    frames = tmp_path / "frames"
    require_apart(frames / "store", [frames], may_lie_inside=True)
    with pytest.raises(ConfigError, match="which is read"):
        require_apart(frames, [frames / "drive.mp4"], may_lie_inside=True)


def test_an_address_is_no_output(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for write in (
        lambda path: require_apart(path, []),
        lambda path: open_run_dir(path, RunConfig()),
    ):
        with pytest.raises(StoreError, match="output 's3:/bucket/x': only local folders"):
            write(Path("s3://bucket/x"))
    assert list(tmp_path.iterdir()) == []
