"""``svsdata demo``."""

from pathlib import Path
from typing import Annotated

import typer

from svsdata.cli.options import AsJson, Overwrite, Quiet, Settings, Verbose, print_result


def demo(
    out: Annotated[Path, typer.Argument(help="Folder to write.")] = Path("demo"),
    frames: Annotated[
        int | None, typer.Option(help="Frames of the video; by the machine's speed if left out.")
    ] = None,
    settings: Settings = None,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Show the whole line on the built-in street: label, edit, synthesize, export, measure.

    Open OUT/index.html afterwards.

    Example: svsdata demo demo/ --frames 300
    """
    from svsdata.cli.progress import shown_progress
    from svsdata.pipelines.configs.base import make_config
    from svsdata.pipelines.configs.demo import DemoConfig
    from svsdata.pipelines.demo import run_demo

    config = make_config(DemoConfig, {"out": out, "frames": frames}, settings=settings or ())
    with shown_progress(quiet=quiet, verbose=verbose) as progress:
        result = run_demo(config, progress, overwrite=overwrite)
    print_result(result, as_json=as_json)
