"""``svsdata label``."""

from pathlib import Path
from typing import Annotated

import typer

from svsdata.cli.options import (
    AsJson,
    Device,
    DryRun,
    Overwrite,
    Quiet,
    Settings,
    Verbose,
    print_result,
    workspace,
)


def label(
    source: Annotated[
        str | None,
        typer.Argument(help="A folder, a video file or a street world.", show_default=False),
    ] = None,
    store: Annotated[
        str | None, typer.Argument(help="Made, or gone on with.", show_default=False)
    ] = None,
    segmenter: Annotated[
        str | None,
        typer.Option(
            help="precomputed, exact, oneformer, mask2former, segformer, or a checkpoint's folder "
            "or hub name; by the source if left out."
        ),
    ] = None,
    flow: Annotated[
        str | None, typer.Option(help="dis, flownet2, exact or none; by the source if left out.")
    ] = None,
    size: Annotated[
        str | None, typer.Option(metavar="WxH", help="Size of the stored frames, such as 1024x512.")
    ] = None,
    semantic: Annotated[
        Path | None, typer.Option(help="precomputed: the folder of the semantic maps.")
    ] = None,
    instance: Annotated[
        Path | None, typer.Option(help="precomputed: the folder of the instance maps.")
    ] = None,
    skip_bad: Annotated[
        bool, typer.Option("--skip-bad", help="Leave unreadable frames out instead of stopping.")
    ] = False,
    device: Device = None,
    settings: Settings = None,
    dry_run: DryRun = False,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Label a recording: write a store with labels, flow, camera and ego motion.

    The same command again goes on where it stopped.

    Example: svsdata label street:seed=7,frames=1000 store

    Example: svsdata label cityscapes/ store --semantic maps/ --instance objects/ --size 1024x512
    """
    from svsdata.cli.progress import shown_progress
    from svsdata.pipelines.configs.base import make_config
    from svsdata.pipelines.configs.label import LabelConfig
    from svsdata.pipelines.label import run_label
    from svsdata.pipelines.label_plan import plan_label

    places = workspace()
    config = make_config(
        LabelConfig,
        places.fields("label"),
        {
            "source": places.require("source", source),
            "store": places.require("store", store),
            "segmenter": segmenter,
            "flow": flow,
            "size": size,
            "semantic": str(semantic) if semantic else None,
            "instance": str(instance) if instance else None,
            "skip_bad": skip_bad or None,
            "device": device,
        },
        settings=settings or (),
    )
    with shown_progress(quiet=quiet, verbose=verbose) as progress:
        result = (
            plan_label(config, progress, overwrite=overwrite)
            if dry_run
            else run_label(config, progress, overwrite=overwrite)
        )
    print_result(result, as_json=as_json)
