"""``svsdata edit shapes``: libraries of real outlines that inserted objects borrow."""

from pathlib import Path
from typing import Annotated

import typer

from svsdata.cli.options import (
    AsJson,
    Quiet,
    Sequences,
    Settings,
    Verbose,
    print_result,
    workspace,
)

app = typer.Typer(help="Libraries of real outlines for inserted objects.", no_args_is_help=True)

LibraryFile = Annotated[Path, typer.Argument(help="Parquet file of the library.")]


@app.command()
def harvest(
    store: Annotated[str, typer.Argument(help="Store with lasting instance ids.")],
    library: LibraryFile,
    sequence: Sequences = None,
    settings: Settings = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Take the outlines of moving objects that are seen whole; joins a library that exists.

    Example: svsdata edit shapes harvest store/ shapes.parquet
    """
    from svsdata.cli.progress import shown_progress
    from svsdata.pipelines.configs.base import make_config
    from svsdata.pipelines.configs.shapes import ShapesConfig
    from svsdata.pipelines.shapes import run_harvest

    config = make_config(
        ShapesConfig,
        {},
        {
            "store": workspace().require("store", store),
            "library": library,
            "sequences": sequence or None,
        },
        settings=settings,
    )
    with shown_progress(quiet=quiet, verbose=verbose) as progress:
        result = run_harvest(config, progress)
    print_result(result, as_json=as_json)


@app.command("list")
def list_shapes(library: LibraryFile, as_json: AsJson = False) -> None:
    """Tell what a library holds, by class, and under which terms.

    Example: svsdata edit shapes list shapes.parquet
    """
    from svsdata.editing.shape_library import read_library
    from svsdata.pipelines.shapes import summary

    print_result(summary(read_library(library), str(library)), as_json=as_json)
