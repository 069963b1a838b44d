"""``svsdata init``."""

from pathlib import Path
from typing import Annotated

import typer


def init(
    folder: Annotated[Path, typer.Argument(help="Made where it is not there.")] = Path(),
) -> None:
    """Make a workspace: a svsdata.toml with the paths that the other commands then leave out.

    Example: svsdata init && svsdata label && svsdata train
    """
    from svsdata.pipelines.workspace import make_workspace

    print(f"wrote {make_workspace(folder)}; read it, then run 'svsdata label'")
