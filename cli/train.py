"""``svsdata train``."""

import os
from pathlib import Path
from typing import Annotated

import typer

from svsdata.cli.options import (
    AsJson,
    Device,
    DryRun,
    Overwrite,
    Preset,
    Quiet,
    Settings,
    Verbose,
    print_result,
    require_stores,
    workspace,
)
from svsdata.cli.processes import speaks


def train(
    store: Annotated[
        str | None, typer.Argument(help="Store to learn from.", show_default=False)
    ] = None,
    run: Annotated[
        str | None, typer.Argument(help="Run directory to make or go on with.", show_default=False)
    ] = None,
    preset: Preset = None,
    model: Annotated[
        str | None,
        typer.Option(
            help="Network: A, B, C, D, E, fast, demo, carry, C-plain or E-plain.",
            show_default=False,
        ),
    ] = None,
    steps: Annotated[
        int | None, typer.Option(help="Scale the schedule to so many steps.", show_default=False)
    ] = None,
    config: Annotated[
        Path | None, typer.Option(help="TOML file of config fields.", show_default=False)
    ] = None,
    settings: Settings = None,
    device: Device = None,
    overwrite: Overwrite = False,
    dry_run: DryRun = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Train SVS-GAN on a store; the same command again goes on where it stopped.

    On N GPUs: torchrun --nproc-per-node N -m svsdata.cli train ...

    Example: svsdata train store/ run/ --preset finetune
    """
    from svsdata.cli.progress import shown_progress
    from svsdata.pipelines.configs.base import make_config, read_toml
    from svsdata.pipelines.configs.train import TrainConfig
    from svsdata.pipelines.train_presets import train_preset

    place = workspace()
    name = place.get("preset", preset)
    chosen = make_config(
        TrainConfig,
        train_preset(name) if name else {},
        place.fields("train"),
        read_toml(config) if config else {},
        {
            "store": place.require("store", store),
            "run": place.require("run", run),
            "model": model,
            "steps": steps,
            "device": device,
        },
        settings=settings,
    )
    require_stores(chosen.store)
    from svsdata.pipelines.train import estimate_train, run_train

    with shown_progress(quiet=quiet, verbose=verbose) as progress:
        result = (
            estimate_train(chosen, progress)
            if dry_run
            else run_train(chosen, progress, overwrite=overwrite, environment=os.environ)
        )
    if speaks():
        print_result(result, as_json=as_json)
