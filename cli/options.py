"""Options that commands share, and how their results are printed."""

import sys
from dataclasses import is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from pydantic import BaseModel
    from rich.console import Console

    from svsdata.pipelines.workspace import Workspace

_WIDTH_IN_A_PIPE = 10_000

Settings = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Set any field of the config; repeatable."),
]
Preset = Annotated[
    str | None,
    typer.Option(
        "--preset",
        help="finetune, carry, demo, cityscapes, kitti360 or recommended.",
        show_default=False,
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print the result as one JSON object.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress.")]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Log what the library does.")]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Say what would be done and what it costs; do nothing.")
]
Device = Annotated[
    str | None,
    typer.Option("--device", help="cpu, cuda, cuda:1; a GPU where there is one if left out."),
]
Judge = Annotated[
    str | None,
    typer.Option(
        "--judge",
        help="Segmenter that judges the pictures: demo (for the built-in street), drn, or the "
        "folder or hub name of a transformers segmenter.",
        show_default=False,
    ),
]
Overwrite = Annotated[
    bool, typer.Option("--overwrite", help="Set a different output aside instead of stopping.")
]

EditNames = Annotated[
    list[str] | None,
    typer.Option("--edit", help="Edit preset, such as add_truck; repeatable.", show_default=False),
]
EditFiles = Annotated[
    list[str] | None,
    typer.Option("--edit-file", help="File in the edit language; repeatable.", show_default=False),
]
Sequences = Annotated[
    list[str] | None,
    typer.Option("--sequence", help="Only this sequence; repeatable.", show_default=False),
]
Variants = Annotated[
    int | None,
    typer.Option("--variants", help="Videos a sequence, each with edits, or colours, drawn anew."),
]
Seed = Annotated[int | None, typer.Option("--seed", help="Of the edits' choices, and of colours.")]


def workspace() -> "Workspace":
    """Return the workspace of the current folder."""
    from svsdata.pipelines.workspace import find_workspace

    return find_workspace(Path.cwd())


def require_stores(*paths: Path) -> None:
    """Refuse what is no store, before imports that take seconds.

    Raises:
        StoreError: As opening the store does.
    """
    from svsdata.store.files import local_folder
    from svsdata.store.format import read_info

    for path in paths:
        read_info(local_folder(path))


def console() -> "Console":
    """Return a console that prints what it gets, and cuts nothing where no terminal has a width."""
    from rich.console import Console

    is_terminal = sys.stdout is not None and sys.stdout.isatty()  # None: closed, as by ">&-"
    width = None if is_terminal else _WIDTH_IN_A_PIPE
    return Console(soft_wrap=True, highlight=False, markup=False, width=width)


def print_result(result: "BaseModel", *, as_json: bool) -> None:
    """Print a stage's result: JSON for programs, a line a field for people."""
    if as_json:
        print(result.model_dump_json())
        return
    _print_fields(result, indent="")


def _print_fields(values: object, indent: str) -> None:
    shown = [it for it in _named(values) if it[1] not in (None, {}, [], ())]
    width = max((len(name) for name, _, _ in shown), default=0)
    for name, value, is_bytes in shown:
        if _named(value):
            print(f"{indent}{name}")
            _print_fields(value, indent + "  ")
        elif isinstance(value, list | tuple) and any(", " in _shown(item) for item in value):
            print(f"{indent}{name}")
            for item in value:
                print(f"{indent}  {_shown(item)}")
        else:
            print(f"{indent}{name:<{width}}  {_with_unit(value) if is_bytes else _shown(value)}")


def _named(values: object) -> list[tuple[str, Any, bool]]:
    """Return what a result or a mapping holds: names as people read them, values, whether bytes.

    Fields lose their underscores; keys of mappings are data, such as the ids of sequences.
    """
    from pydantic import BaseModel

    if isinstance(values, dict):
        return [(str(key), value, False) for key, value in values.items()]
    if not isinstance(values, BaseModel) and not is_dataclass(values):
        return []
    return [
        (key.removesuffix("_bytes").replace("_", " "), value, key.endswith("bytes"))
        for key, value in vars(values).items()
    ]


def _shown(value: object) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(map(_shown, value))
    if named := _named(value):
        return ", ".join(f"{name} {_shown(inner)}" for name, inner, _ in named if inner != "")
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _with_unit(num_bytes: float) -> str:
    for unit in ("B", "kB", "MB", "GB"):
        if num_bytes < 1000:
            return f"{num_bytes:.3g} {unit}"
        num_bytes /= 1000
    return f"{num_bytes:.3g} TB"
