"""``svsdata synthesize``."""

from typing import Annotated

import typer

from svsdata.cli.options import (
    AsJson,
    Device,
    DryRun,
    EditFiles,
    EditNames,
    Overwrite,
    Quiet,
    Seed,
    Sequences,
    Settings,
    Variants,
    Verbose,
    print_result,
    require_stores,
    workspace,
)

Store = Annotated[
    str | None, typer.Argument(help="Store with labels and reference frames.", show_default=False)
]
Checkpoint = Annotated[
    str | None,
    typer.Argument(help="Training run, checkpoint, generator file, or demo.", show_default=False),
]
Out = Annotated[str | None, typer.Argument(help="Store to write.", show_default=False)]
NumFrames = Annotated[
    int | None, typer.Option(help="Frames a video; as many as the sequence has if left out.")
]
Plans = Annotated[
    list[str] | None,
    typer.Option(
        help="Plan of 'svsdata edit plan', or a folder of them, instead of edits.",
        show_default=False,
    ),
]
AllowUnseen = Annotated[
    bool, typer.Option("--allow-unseen", help="Draw classes that training never showed.")
]


def synthesize(
    store: Store = None,
    checkpoint: Checkpoint = None,
    out: Out = None,
    frames: NumFrames = None,
    edit: EditNames = None,
    edit_file: EditFiles = None,
    sequence: Sequences = None,
    variants: Variants = None,
    seed: Seed = None,
    plan: Plans = None,
    allow_unseen: AllowUnseen = False,
    settings: Settings = None,
    device: Device = None,
    overwrite: Overwrite = False,
    dry_run: DryRun = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Synthesize videos from label maps, edited or not; the same command again goes on.

    Example: svsdata synthesize store/ run/ synthetic/ --frames 1000 --edit add_truck

    Example: svsdata synthesize --edit add_truck --set edits.truck.at.left_m=-3.5
    """
    from svsdata.cli.progress import shown_progress
    from svsdata.pipelines.configs.base import make_config
    from svsdata.pipelines.configs.synthesize import SynthesizeConfig

    place = workspace()
    chosen = make_config(
        SynthesizeConfig,
        place.fields("synthesize"),
        {
            "store": place.require("store", store),
            # A name, not a path: the bundled generator, unless a run here is called so.
            "checkpoint": checkpoint if checkpoint == "demo" else place.require("run", checkpoint),
            "out": place.require("out", out),
            "frames": frames,
            "presets": edit,
            "edit_files": edit_file,
            "sequences": sequence,
            "variants": variants,
            "seed": seed,
            "plans": plan,
            "allow_unseen": allow_unseen or None,
            "device": device,
        },
        settings=settings,
    )
    require_stores(chosen.store)
    from svsdata.pipelines.synthesis_estimate import estimate_synthesize
    from svsdata.pipelines.synthesize import run_synthesize

    with shown_progress(quiet=quiet, verbose=verbose) as progress:
        result = (
            estimate_synthesize(chosen, overwrite=overwrite)
            if dry_run
            else run_synthesize(chosen, progress, overwrite=overwrite)
        )
    print_result(result, as_json=as_json)
