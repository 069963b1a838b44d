"""``svsdata doctor``: what a bug report needs."""

from pathlib import Path

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
