"""``svsdata export``."""

from typing import Annotated

import typer

from svsdata.cli.options import (
    AsJson,
    DryRun,
    Overwrite,
    Quiet,
    Settings,
    Verbose,
    print_result,
    workspace,
)


def export(
    store: Annotated[
        str | None,
        typer.Argument(
            help="Store to export; the workspace's synthesized one if left out.",
            show_default=False,
        ),
    ] = None,
    kind: Annotated[
        str | None,
        typer.Argument(
            help="Format: cityscapes, kitti360, coco-panoptic, webdataset or video.",
            show_default=False,
        ),
    ] = None,
    out: Annotated[
        str | None,
        typer.Argument(help="Folder to write; STORE-FORMAT if left out.", show_default=False),
    ] = None,
    sequence: Annotated[
        list[str] | None, typer.Option(help="Only this sequence; repeatable.", show_default=False)
    ] = None,
    settings: Settings = None,
    overwrite: Overwrite = False,
    dry_run: DryRun = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Write a store for other tools, or as video; the same command again goes on.

    Example: svsdata export synthetic/ cityscapes dataset/ --set split=val

    Example: svsdata export synthetic/ video videos/

    Example: svsdata export video
    """
    from svsdata.cli.progress import shown_progress
    from svsdata.pipelines.configs.base import make_config
    from svsdata.pipelines.configs.export import ExportConfig
    from svsdata.pipelines.export import estimate_export, run_export

    place = workspace()
    store, kind, out = _in_their_places(store, kind, out)
    source = place.require("out", store)
    chosen = make_config(
        ExportConfig,
        place.fields("export"),
        {
            "store": source,
            "format": kind,
            "out": out or f"{source.rstrip('/')}-{kind}",
            "sequences": sequence,
        },
        settings=settings,
    )
    with shown_progress(quiet=quiet, verbose=verbose) as progress:
        result = (
            estimate_export(chosen, overwrite=overwrite)
            if dry_run
            else run_export(chosen, progress, overwrite=overwrite)
        )
    print_result(result, as_json=as_json)


def _in_their_places(
    store: str | None, kind: str | None, out: str | None
) -> tuple[str | None, str, str | None]:
    """Tell by the format's name which words were left out before and behind it."""
    from svsdata.pipelines.configs.export import FORMATS

    if out is None and (kind is None or (store in FORMATS and kind not in FORMATS)):
        store, kind, out = None, store, kind
    if kind is None:
        raise typer.BadParameter(f"name a format, one of {', '.join(FORMATS)}")
    return store, kind, out
