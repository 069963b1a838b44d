"""``svsdata gate``."""

from typing import Annotated

import typer

from svsdata.cli.options import (
    AsJson,
    Device,
    Judge,
    Overwrite,
    Quiet,
    Settings,
    Verbose,
    print_result,
    require_stores,
    workspace,
)


def gate(
    store: Annotated[
        str | None, typer.Argument(help="Store of synthesized videos.", show_default=False)
    ] = None,
    judge: Judge = None,
    settings: Settings = None,
    device: Device = None,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Find what does not show its labels, by pixel, class and object; kept in STORE/gate.

    Example: svsdata gate synthetic/ --judge segformer/

    Example: svsdata export synthetic/ cityscapes dataset/ --set gate_loss_ratio=1.25
    """
    from svsdata.cli.progress import shown_progress
    from svsdata.pipelines.configs.base import make_config
    from svsdata.pipelines.configs.gate import GateConfig

    place = workspace()
    chosen = make_config(
        GateConfig,
        place.fields("gate"),
        {"store": place.require("out", store), "judge": judge, "device": device},
        settings=settings,
    )
    require_stores(chosen.store)
    from svsdata.pipelines.gate import run_gate

    with shown_progress(quiet=quiet, verbose=verbose) as progress:
        result = run_gate(chosen, progress, overwrite=overwrite)
    print_result(result, as_json=as_json)
