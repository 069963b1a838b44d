"""The svsdata command: which commands there are, and what happens around each of them."""

import os
import sys
from importlib import import_module
from importlib.util import find_spec
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_group

import svsdata
from svsdata.cli.memory import keep_freed_memory, share_heaps
from svsdata.cli.processes import speaks, tells
from svsdata.cli.threads import wait_asleep
from svsdata.errors import SvsDataError

COMMANDS = {
    "init": "Make a workspace, whose commands need no paths.",
    "label": "Label a recording into a store.",
    "train": "Train SVS-GAN on a store.",
    "synthesize": "Synthesize videos from label maps, edited or not.",
    "evaluate": "Compare a synthetic store with a real one.",
    "gate": "Find frames that do not show their labels.",
    "evaluate-usefulness": "Measure what synthetic data adds to a segmenter.",
    "export": "Write a store for other tools, or as video.",
    "edit": "Plan, preview, apply and undo edits of labels.",
    "store": "Look at a store, check it, put it right.",
    "weights": "List and fetch the weights of networks.",
    "model": "Tell the size and cost of the networks.",
    "doctor": "Look at this machine, or at a folder of maps.",
    "demo": "Run the whole line on the built-in street.",
}
"""Help by command. A command lives in ``svsdata.cli.<name>`` as the function ``<name>`` or, where
it has commands of its own, as the typer app ``app``; it is imported when it is called."""


class Commands(TyperGroup):
    """Offers every command by name and help, imports the one that is called, tells its errors."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        for name, summary in COMMANDS.items():
            if find_spec(_module(name)):
                self.add_command(TyperCommand(name, help=summary))

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Put the imported command in the place of its name."""
        name, offered, rest = super().resolve_command(ctx, args)
        return name, load_command(name) if name and offered else offered, rest

    def invoke(self, ctx: Any) -> Any:
        """Tell bad input in one line with exit code 1, and an interrupt with 130."""
        try:
            return super().invoke(ctx)
        except SvsDataError as error:
            if tells(error):
                print(f"svsdata: {error}", file=sys.stderr)
            raise typer.Exit(1) from error
        except KeyboardInterrupt as error:
            if speaks():
                kept = str(error) or "the same command goes on from here"
                print(f"svsdata: interrupted; {kept}", file=sys.stderr)
            raise typer.Exit(130) from error


def load_command(name: str) -> Any:
    """Import a command of the table and return it as typer runs it."""
    module = import_module(_module(name))
    holder = typer.Typer(rich_markup_mode=None)
    if hasattr(module, "app"):
        holder.add_typer(module.app, name=name)
    else:
        holder.command(name)(getattr(module, name.replace("-", "_")))
    return get_group(holder).commands[name]


def _module(name: str) -> str:
    return f"svsdata.cli.{name.replace('-', '_')}"


app = typer.Typer(
    name="svsdata",
    cls=Commands,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"svsdata {svsdata.__version__}")
        raise typer.Exit


@app.callback()
def main(
    keep_memory: Annotated[
        bool,
        typer.Option(
            "--keep-memory",
            help="Keep freed memory for the next layer of a network: frames of 1024x512 and more "
            "are drawn a third faster, and memory slowly grows by a tenth.",
        ),
    ] = False,
    _version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Tell the version."),
    ] = False,
) -> None:
    """Labelled driving video: label recordings, train SVS-GAN, synthesize and edit videos.

    Example: svsdata demo

    Example: svsdata --keep-memory synthesize store/ run/ synthetic/
    """
    if keep_memory:
        keep_freed_memory()


def run() -> None:
    """Run the command line."""
    wait_asleep()
    share_heaps(os.cpu_count() or 2)
    app()


if __name__ == "__main__":
    run()
