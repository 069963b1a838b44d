"""Options that commands share, and what happens around every command."""

import json
import sys
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ParamSpec

import typer

from svsdata.errors import SvsDataError

if TYPE_CHECKING:
    from pydantic import BaseModel

    from svsdata.pipelines.workspace import Workspace

P = ParamSpec("P")

Settings = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Set any field of the config; repeatable."),
]
Preset = Annotated[
    str | None, typer.Option("--preset", help="demo, cityscapes or kitti360.", show_default=False)
]
AsJson = Annotated[
    bool, typer.Option("--json", help="Print the result as one JSON object on standard output.")
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress.")]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Log what the library does.")]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Say what would be done and what it costs; do nothing.")
]
Device = Annotated[
    str | None,
    typer.Option("--device", help="cpu, cuda, cuda:1; a GPU where there is one if left out."),
]
Overwrite = Annotated[
    bool, typer.Option("--overwrite", help="Set a different output aside instead of stopping.")
]


def telling_errors(command: Callable[P, None]) -> Callable[P, None]:
    """Tell bad input in one line with exit code 1, and an interrupt with 130."""

    @wraps(command)
    def told(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            command(*args, **kwargs)
        except SvsDataError as error:
            print(f"svsdata: {error}", file=sys.stderr)
            raise typer.Exit(1) from error
        except KeyboardInterrupt as error:
            print("svsdata: interrupted; the same command goes on from here", file=sys.stderr)
            raise typer.Exit(130) from error

    return told


def workspace() -> "Workspace":
    """Return the workspace of the current folder."""
    from svsdata.pipelines.workspace import find_workspace

    return find_workspace(Path.cwd())


def print_result(result: "BaseModel", *, as_json: bool) -> None:
    """Print a stage's result: JSON for programs, a line a field for people."""
    values = result.model_dump(mode="json")
    if as_json:
        print(json.dumps(values))
        return
    width = max(map(len, values), default=0)
    for key, value in values.items():
        if value not in (None, {}, []):
            print(f"{key.replace('_', ' '):<{width}}  {_shown(value)}")


def _shown(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {_shown(inner)}" for key, inner in value.items())
    if isinstance(value, list):
        return ", ".join(map(_shown, value))
    return f"{value:.4g}" if isinstance(value, float) else str(value)
