"""The options of every command are frozen: a new knob goes into a config, where --set reaches it.

After a wanted change write the lists anew with ``python tests/cli/test_options.py``.
"""

import json
from importlib.util import find_spec
from pathlib import Path

import pytest
from pydantic import BaseModel

from svsdata.cli.main import COMMANDS, load_command
from svsdata.cli.options import print_result

FOLDER = Path(__file__).with_name("options")
PRESENT = [name for name in COMMANDS if find_spec(f"svsdata.cli.{name.replace('-', '_')}")]


def leaves(command, path):
    """List the commands under a command, itself if it has none, with their paths."""
    inner = getattr(command, "commands", {})
    own = [(path, command)] if not inner or command.invoke_without_command else []
    return own + [leaf for name, it in inner.items() for leaf in leaves(it, f"{path} {name}")]


def options_of(name: str) -> str:
    lines = []
    for path, command in leaves(load_command(name), name):
        lines.append(path)
        for param in command.params:
            if param.param_type_name == "argument":
                lines.append(
                    f"  {param.name.upper()}" if param.required else f"  [{param.name.upper()}]"
                )
            else:
                lines.append("  " + " ".join([*param.opts, *param.secondary_opts]))
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("name", PRESENT)
def test_no_option_comes_or_goes_unnoticed(name):
    frozen = FOLDER / f"{name}.txt"
    hint = f"if this is wanted: python {Path(__file__).relative_to(Path.cwd())}"
    assert frozen.exists(), hint
    assert options_of(name) == frozen.read_text(), hint


def test_every_frozen_list_is_of_a_command():
    assert {path.stem for path in FOLDER.iterdir()} <= set(PRESENT)


@pytest.mark.parametrize("name", PRESENT)
def test_every_command_and_option_has_help_and_every_command_an_example(name):
    for path, command in leaves(load_command(name), name):
        assert command.help, path
        assert f"Example: svsdata {path.split()[0]}" in " ".join(command.help.split()), path
        for param in command.params:
            assert param.help, f"{path} {param.name}"


@pytest.mark.parametrize("name", PRESENT)
def test_every_command_answers_in_json(name):
    for path, command in leaves(load_command(name), name):
        draws = path == "store show"
        assert draws or any("--json" in param.opts for param in command.params), path


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
    ]


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for name in PRESENT:
        (FOLDER / f"{name}.txt").write_text(options_of(name))
