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
    store: Annotated[str, typer.Argument(help="Store to export.", show_default=False)],
    kind: Annotated[
        str,
        typer.Argument(
            help="Format: cityscapes, kitti360, coco-panoptic, webdataset or video.",
            show_default=False,
        ),
    ],
    out: Annotated[str, typer.Argument(help="Folder to write.", show_default=False)],
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
    """
    from svsdata.cli.progress import shown_progress
    from svsdata.pipelines.configs.base import make_config
    from svsdata.pipelines.configs.export import ExportConfig
    from svsdata.pipelines.export import estimate_export, run_export

    chosen = make_config(
        ExportConfig,
        workspace().fields("export"),
        {"store": store, "format": kind, "out": out, "sequences": sequence},
        settings=settings,
    )
    with shown_progress(quiet=quiet, verbose=verbose) as progress:
        result = (
            estimate_export(chosen)
            if dry_run
            else run_export(chosen, progress, overwrite=overwrite)
        )
    print_result(result, as_json=as_json)
