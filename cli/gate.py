"""``svsdata gate``."""

from typing import TYPE_CHECKING, Annotated

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

if TYPE_CHECKING:
    from svsdata.pipelines.gate import GateResult


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
    if not as_json:
        _print_classes(result)
        result = result.model_copy(update={"classes": ()})
    print_result(result, as_json=as_json)


def _print_classes(result: "GateResult") -> None:
    """Print a row a class; shares in percent."""
    rows = [("class", "of pixels", "agreement", "mean loss", "rejected")]
    for it in result.classes:
        shares = (f"{100 * share:.1f} %" for share in (it.share, it.agreement, it.rejected))
        share, agreement, rejected = shares
        rows.append((it.name, share, agreement, f"{it.mean_loss:.2f}", rejected))
    for name, *figures in rows:
        print(f"{name:<16}" + "".join(f"{figure:>11}" for figure in figures))
