import json

import pytest
from typer import Typer
from typer.testing import CliRunner

from svsdata.cli.label import label
from svsdata.errors import ConfigError
from svsdata.store.reader import StoreReader

app = Typer()
app.command()(label)


def invoke(*arguments):
    return CliRunner().invoke(app, [str(it) for it in arguments], catch_exceptions=False)


def test_the_result_is_one_json_object_on_standard_output(tmp_path):
    words = ("street:frames=3,size=64x32", tmp_path / "store", "--json")
    result = invoke(*words)
    assert result.exit_code == 0
    assert json.loads(result.stdout)["frames"] == 3
    assert json.loads(invoke(*words).stdout)["sequences_before"] == 1


def test_a_dry_run_writes_nothing(tmp_path):
    result = invoke("street:frames=3,size=64x32", tmp_path / "store", "--dry-run", "--json")
    assert json.loads(result.stdout)["frames"] == 3
    assert not (tmp_path / "store").exists()


def test_a_size_that_is_none_is_named(tmp_path):
    with pytest.raises(ConfigError, match="size 'big': expected width x height"):
        invoke("street:frames=3", tmp_path / "store", "--size", "big")
    with pytest.raises(ConfigError, match="size '9xa': expected width x height"):
        invoke("street:frames=3", tmp_path / "store", "--set", "size=9xa")


@pytest.mark.parametrize("word", ["--size 64x32", "--set size=64x32", "--set size=[64,32]"])
def test_the_size_is_read_the_same_from_every_word(tmp_path, word):
    invoke("street:frames=1,size=128x64", tmp_path / "store", *word.split())
    assert StoreReader(tmp_path / "store").info.size_hw == (32, 64)


def test_any_field_can_be_set(tmp_path):
    words = ("street:frames=3,size=64x32", tmp_path / "store", "--set", "flow=none", "--json")
    assert json.loads(invoke(*words).stdout)["frames"] == 3
    with pytest.raises(ConfigError, match="unknown key 'flaw'; did you mean 'flow'"):
        invoke("street:frames=3", tmp_path / "store", "--set", "flaw=none")
