import json
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, get_args, get_origin

import pytest
from pydantic import BaseModel

from svsdata.cli import options
from svsdata.cli.main import COMMANDS, load_command
from svsdata.cli.options import console, print_result

PRESENT = [name for name in COMMANDS if find_spec(f"svsdata.cli.{name.replace('-', '_')}")]
DRAWS_ONLY = {"store show"}
"""Commands whose result is a picture."""


def leaves(command, path):
    inner = getattr(command, "commands", {})
    own = [(path, command)] if not inner or command.invoke_without_command else []
    return own + [leaf for name, it in inner.items() for leaf in leaves(it, f"{path} {name}")]


@pytest.mark.parametrize("name", PRESENT)
def test_every_command_answers_in_json(name):
    for path, command in leaves(load_command(name), name):
        words = {word for param in command.params for word in param.opts}
        assert "--json" in words or path in DRAWS_ONLY, path


@pytest.mark.parametrize("name", PRESENT)
def test_a_shared_option_means_the_same_in_every_command(name):
    shared = [get_args(it)[1] for it in vars(options).values() if get_origin(it) is Annotated]
    meanings = {
        word: option.help for option in shared for word in (option.default, *option.param_decls)
    }
    assert {"--set", "--json", "--dry-run", "--device", "--overwrite", "--preset"} <= set(meanings)
    for path, command in leaves(load_command(name), name):
        for param in command.params:
            word = param.opts[0]
            assert param.help == meanings.get(word, param.help), f"{path} {word}"


class Inner(BaseModel):
    frames: int = 3
    ratio: float = float("nan")


class Result(BaseModel):
    """A result with everything that printing treats on its own."""

    out_path: Path = Path("synthetic")
    written_bytes: int = 2_500_000
    speed: float = 12.34567
    complete: bool = True
    nothing: int | None = None
    names: tuple[str, ...] = ("a", "b")
    inner: Inner = Inner()
    parts: tuple[Inner, ...] = (Inner(frames=1, ratio=0.5), Inner(frames=2, ratio=0.25))


def test_a_result_is_one_line_of_json_for_programs(capsys):
    print_result(Result(), as_json=True)
    printed = capsys.readouterr().out
    assert printed.count("\n") == 1
    values = json.loads(printed, parse_constant=pytest.fail)
    assert values["inner"] == {"frames": 3, "ratio": None}
    assert values["written_bytes"] == 2_500_000


def test_a_result_is_a_line_a_field_for_people(capsys):
    print_result(Result(), as_json=False)
    assert capsys.readouterr().out.splitlines() == [
        "out path  synthetic",
        "written   2.5 MB",
        "speed     12.35",
        "complete  yes",
        "names     a, b",
        "inner",
        "  frames  3",
        "  ratio   nan",
        "parts",
        "  frames 1, ratio 0.5",
        "  frames 2, ratio 0.25",
    ]


@dataclass(frozen=True)
class Spread:
    mean_px: float = 0.5


class Sequences(BaseModel):
    spread: dict[str, Spread] = {"a_b": Spread()}
    num_frames: dict[str, int] = {"fr_cut": 3, "all_bytes": 4000}
    skipped: dict[str, dict[int, str]] = {"fr_cut": {7: "it_is cut"}}
    first: tuple[dict[str, int], ...] = ({"fr_cut": 1, "a": 2},)


def test_keys_that_are_data_stay_as_they_are(capsys):
    print_result(Sequences(), as_json=False)
    assert capsys.readouterr().out.splitlines() == [
        "spread",
        "  a_b",
        "    mean px  0.5",
        "num frames",
        "  fr_cut     3",
        "  all_bytes  4000",
        "skipped",
        "  fr_cut",
        "    7  it_is cut",
        "first",
        "  fr_cut 1, a 2",
    ]


def test_a_closed_output_is_no_reason_to_fail(monkeypatch):
    monkeypatch.setattr("sys.stdout", None)
    console().print("into nothing")
    print_result(Result(), as_json=False)
