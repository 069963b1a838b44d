import json

from typer.testing import CliRunner

from svsdata.cli.weights import app


def invoke(*arguments):
    return CliRunner().invoke(app, [str(it) for it in arguments], catch_exceptions=False)


def test_list_tells_every_network_with_whole_names_and_which_are_here(tmp_path):
    (tmp_path / "vgg16.safetensors").write_bytes(b"")
    told = invoke("list", "--folder", tmp_path).stdout
    rows = json.loads(invoke("list", "--folder", tmp_path, "--json").stdout)["weights"]
    assert {row["name"] for row in rows if row["file"]} == {"vgg16"}
    for row in rows:
        (line,) = (line for line in told.splitlines() if f" {row['name']} " in line)
        assert row["origin"] in line
        assert line.split()[-2] == ("yes" if row["file"] else "no")
        assert (" known " in line, " of first file " in line) == (
            row["sha256"] is not None,
            row["name"] in {"drn-d-105", "flownet2"},
        )
