"""``svsdata weights``: the networks that commands know by name."""

import json
from pathlib import Path
from typing import Annotated

import typer

from svsdata.cli.options import AsJson, Quiet, console

app = typer.Typer(help="List and fetch the weights of networks.", no_args_is_help=True)

Folder = Annotated[
    Path, typer.Option("--folder", help="Where weights are kept.", show_default=True)
]
_CACHE = Path("~/.cache/svsdata/weights")


@app.command("list")
def list_weights(folder: Folder = _CACHE, as_json: AsJson = False) -> None:
    """Tell which weights there are, what for, whose hash is known, and which are here.

    Example: svsdata weights list
    """
    from rich.table import Table

    from svsdata.checkpoints.named_weights import WEIGHTS, cached_file

    rows = [
        {
            "name": weights.name,
            "purpose": weights.purpose,
            "megabytes": round(weights.num_bytes / 1e6),
            "origin": weights.origin.told,
            "sha256": weights.origin.sha256 or None,
            "licence": weights.licence,
            "file": str(path) if (path := cached_file(weights.name, folder)).exists() else None,
        }
        for weights in WEIGHTS.values()
    ]
    if as_json:
        print(json.dumps({"weights": rows}))
        return
    table = Table("name", "for", "MB", "from", "sha256", "licence", "here")
    for row in rows:
        known = "known" if row["sha256"] else "of first file"
        told = [str(row[key]) for key in ("name", "purpose", "megabytes", "origin")]
        table.add_row(*told, known, str(row["licence"]), "yes" if row["file"] else "no")
    console().print(table)


@app.command()
def fetch(
    name: Annotated[str, typer.Argument(help="Of 'svsdata weights list'.", show_default=False)],
    file: Annotated[
        Path | None,
        typer.Option(help="The original, downloaded on another machine.", show_default=False),
    ] = None,
    folder: Folder = _CACHE,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Fetch weights, check their hash, and keep them as safetensors.

    Example: svsdata weights fetch inception-fid
    """
    from svsdata.checkpoints.feature_weights import fetch_weights
    from svsdata.cli.progress import shown_progress

    with shown_progress(quiet=quiet, verbose=False) as progress:
        path = fetch_weights(name, folder, progress, file=file)
    print(json.dumps({"name": name, "file": str(path)}) if as_json else f"{name}: {path}")
