"""``svsdata init``."""

import json
from pathlib import Path
from typing import Annotated

import typer

from svsdata.cli.options import AsJson, Quiet


def init(
    folder: Annotated[Path, typer.Argument(help="Made where it is not there.")] = Path(),
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Make a workspace: a svsdata.toml with what the other commands then leave out.

    Example: svsdata init street && cd street && svsdata label && svsdata train
    """
    from svsdata.pipelines.workspace import make_workspace

    path = make_workspace(folder)
    if as_json:
        print(json.dumps({"workspace": str(path)}))
    elif quiet:
        print(path)
    else:
        print(f"wrote {path}; read it, then run 'svsdata label' there")
