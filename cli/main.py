"""The svsdata command: its table of commands and what happens around them."""

from collections.abc import Callable
from importlib.metadata import version
from typing import Annotated

import typer

from svsdata.cli import doctor
from svsdata.cli.init import init
from svsdata.cli.label import label
from svsdata.cli.options import telling_errors
from svsdata.cli.train import train

app = typer.Typer(
    name="svsdata",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Labelled driving video: label recordings, train SVS-GAN, synthesize and edit videos.",
)

COMMANDS: dict[str, Callable[..., None]] = {"init": init, "label": label, "train": train}
GROUPS = {"doctor": doctor.app}

for name, command in COMMANDS.items():
    app.command(name)(telling_errors(command))
for name, group in GROUPS.items():
    for registered in group.registered_commands:
        if registered.callback:
            registered.callback = telling_errors(registered.callback)
    app.add_typer(group, name=name)


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"svsdata {version('svsdata')}")
        raise typer.Exit


@app.callback()
def svsdata(
    _version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Tell the version."),
    ] = False,
) -> None:
    """Labelled driving video: label recordings, train SVS-GAN, synthesize and edit videos."""


def run() -> None:
    """Run the command line."""
    app()
