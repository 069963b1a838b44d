"""``svsdata evaluate-usefulness``."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from svsdata.cli.options import (
    AsJson,
    Overwrite,
    Quiet,
    Settings,
    Verbose,
    print_result,
    require_stores,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from svsdata.evaluation.usefulness import Spread


def evaluate_usefulness(
    real: Annotated[
        str | None,
        typer.Argument(
            help="Store of recordings to train on; streets are made where no store is named.",
            show_default=False,
        ),
    ] = None,
    synthetic: Annotated[
        str | None, typer.Argument(help="Store of unedited videos.", show_default=False)
    ] = None,
    edited: Annotated[
        str | None, typer.Argument(help="Store of edited videos.", show_default=False)
    ] = None,
    test: Annotated[
        str | None, typer.Argument(help="Store of recordings to measure on.", show_default=False)
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder of the report.")] = Path("usefulness"),
    settings: Settings = None,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Measure what synthetic data adds to a segmenter: IoU by class, with its spread over seeds.

    Example: svsdata evaluate-usefulness real/ synthetic/ edited/ test/ --set steps=2000

    Example: svsdata evaluate-usefulness
    """
    from svsdata.cli.progress import shown_progress
    from svsdata.pipelines.configs.base import make_config
    from svsdata.pipelines.configs.usefulness import UsefulnessConfig

    stores = {"real": real, "synthetic": synthetic, "edited": edited, "test": test}
    chosen = make_config(UsefulnessConfig, {"out": out, **stores}, settings=settings)
    named = (chosen.real, chosen.synthetic, chosen.edited, chosen.test)
    require_stores(*(store for store in named if store))
    from svsdata.pipelines.usefulness import run_usefulness

    with shown_progress(quiet=quiet, verbose=verbose) as progress:
        result = run_usefulness(chosen, progress, overwrite=overwrite)
    if not as_json:
        _print_table(result.iou)
        result = result.model_copy(update={"iou": {}})
    print_result(result, as_json=as_json)


def _print_table(iou: "Mapping[str, Mapping[str, Spread]]") -> None:
    print("IoU in percent on the test store, mean ± standard deviation over seeds")
    widths = {training: max(len(training), 12) + 3 for training in iou}
    print(f"{'class':<16}" + "".join(f"{name:>{width}}" for name, width in widths.items()))
    for name in next(iter(iou.values())):
        told = [
            f"{100 * spreads[name].mean:.1f} ± {_deviation(spreads[name])}".rjust(width)
            for spreads, width in zip(iou.values(), widths.values(), strict=True)
        ]
        print(f"{name:<16}" + "".join(told))
    print()


def _deviation(spread: "Spread") -> str:
    return "-" if spread.deviation is None else f"{100 * spread.deviation:.1f}"
