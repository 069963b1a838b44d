"""``svsdata doctor``: what a bug report needs, and what a folder of label maps holds."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from svsdata.cli.options import AsJson, print_result

app = typer.Typer(invoke_without_command=True)


@app.callback()
def machine(context: typer.Context, as_json: AsJson = False) -> None:
    """Tell versions, what the processor and a GPU can do, and the free disk of this folder.

    Exit code 1 if something would stop a run.

    Example: svsdata doctor --json
    """
    if context.invoked_subcommand:
        return
    from svsdata.pipelines.doctor import examine_machine

    report = examine_machine(Path.cwd())
    print_result(report, as_json=as_json)
    if report.problems:
        raise typer.Exit(1)


@app.command()
def labels(
    folder: Annotated[Path, typer.Argument(help="With the maps, in sub-folders or not.")],
    as_json: AsJson = False,
) -> None:
    """Tell which ids the maps of a folder hold, and how to label with them.

    Exit code 1 if nothing there can be used: colours, palettes and JPEG are no ids.

    Example: svsdata doctor labels gtFine/
    """
    from svsdata.labeling.label_linter import lint_labels

    groups = lint_labels(folder)
    if as_json:
        print(json.dumps({"groups": [asdict(group) for group in groups]}))
    else:
        for group in groups:
            print(f"{group.name}: {group.system}, {group.files_read} of {group.files} files read")
            print(f"  {'use it' if group.usable else 'cannot be used'}: {group.advice}")
            for it in group.ids:
                print(f"  {it.id:>5}  {it.share:7.2%}  {it.name}")
    if not any(group.usable for group in groups):
        raise typer.Exit(1)
