import json

from typer.testing import CliRunner

from svsdata.cli.main import app


def test_init_writes_a_workspace_and_says_what_comes_next(tmp_path):
    done = CliRunner().invoke(app, ["init", str(tmp_path / "new")])
    assert (tmp_path / "new" / "svsdata.toml").is_file()
    assert "svsdata label" in done.stdout


def test_a_home_folder_that_the_shell_left_alone_is_found(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    done = CliRunner().invoke(app, ["init", "~/new"])
    assert done.exit_code == 0
    assert (tmp_path / "new" / "svsdata.toml").is_file()


def test_init_answers_in_json(tmp_path):
    done = CliRunner().invoke(app, ["init", str(tmp_path), "--json"])
    assert json.loads(done.stdout) == {"workspace": str(tmp_path / "svsdata.toml")}


def test_init_is_quiet_but_for_what_it_wrote(tmp_path):
    done = CliRunner().invoke(app, ["init", str(tmp_path), "-q"])
    assert done.stdout == f"{tmp_path / 'svsdata.toml'}\n"


def test_init_leaves_a_workspace_as_it_is(tmp_path):
    (tmp_path / "svsdata.toml").write_text("# mine")
    done = CliRunner().invoke(app, ["init", str(tmp_path)])
    assert done.exit_code == 1
    assert (tmp_path / "svsdata.toml").read_text() == "# mine"
