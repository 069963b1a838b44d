import json

import pytest
from typer.testing import CliRunner

from svsdata.cli.model import app
from svsdata.errors import ConfigError


def invoke(*arguments):
    return CliRunner().invoke(app, ["table", *arguments], catch_exceptions=False)


def test_a_network_is_one_line_that_begins_with_its_name():
    result = invoke("demo")
    heading, line = result.stdout.splitlines()
    assert heading.split()[-6:] == ["GMAC", "512x256", "GMAC", "1024x512", "GMAC", "2048x1024"]
    assert line.split() == ["demo", "4.298", "M", "4.4", "11.1", "37.8"]


def test_programs_get_the_same_as_json():
    (line,) = json.loads(invoke("C", "--json").stdout)["models"]
    assert line == {
        "model": "C",
        "parameters_m": 105.762,
        "gmac": {"512x256": 424.6, "1024x512": 662.1, "2048x1024": 1085.7},
    }


def test_networks_with_one_generator_keep_their_own_names():
    first, second = json.loads(invoke("A", "B", "--json").stdout)["models"]
    assert (first.pop("model"), second.pop("model")) == ("A", "B")
    assert first == second
    assert first["parameters_m"] == 411.307


def test_an_unknown_network_is_refused():
    with pytest.raises(ConfigError, match="unknown model 'Z'"):
        invoke("Z")
