"""``svsdata evaluate``."""

from pathlib import Path
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
    from svsdata.pipelines.evaluate import EvaluateResult


def evaluate(
    real: Annotated[
        str | None, typer.Argument(help="Store of recordings.", show_default=False)
    ] = None,
    synthetic: Annotated[
        str | None, typer.Argument(help="Store of synthesized videos.", show_default=False)
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Folder of the report; SYNTHETIC-report if left out.", show_default=False
        ),
    ] = None,
    config: Annotated[
        Path | None, typer.Option(help="TOML file of config fields.", show_default=False)
    ] = None,
    metrics: Annotated[
        str | None,
        typer.Option(help="Measure these alone, such as fid,lpips.", show_default=False),
    ] = None,
    judge: Judge = None,
    settings: Settings = None,
    device: Device = None,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Compare a synthetic store with a real one: report.json and a page to look at.

    Measures fid, fvd_i3d, fvd_cd, miou, lpips, psnr, ssim, warping_error, flow_epe, drift and
    identity; what lacks its weights or a judge is named and left out.

    Example: svsdata evaluate store/ synthetic/ --judge segformer/

    Example: svsdata evaluate store/ synthetic/ --metrics fid,lpips --set fid_variant=clean-fid

    Example: svsdata evaluate store/ synthetic/ --set part=2/4
    """
    from svsdata.cli.progress import shown_progress
    from svsdata.pipelines.configs.base import make_config, read_toml
    from svsdata.pipelines.configs.evaluate import EvaluateConfig

    place = workspace()
    made = place.require("out", synthetic)
    chosen = make_config(
        EvaluateConfig,
        place.fields("evaluate"),
        read_toml(config) if config else {},
        {
            "real": place.require("store", real),
            "synthetic": made,
            "out": out or Path(f"{made.rstrip('/')}-report"),
            "metrics": [name.strip() for name in metrics.split(",")]
            if metrics is not None
            else None,
            "judge": judge,
            "device": device,
        },
        settings=settings,
    )
    require_stores(chosen.real, chosen.synthetic)
    from svsdata.pipelines.evaluate import PartResult, run_evaluate, run_evaluate_part

    with shown_progress(quiet=quiet, verbose=verbose) as progress:
        result = (
            run_evaluate_part(chosen, progress)
            if chosen.part is not None
            else run_evaluate(chosen, progress, overwrite=overwrite)
        )
    if not as_json and not isinstance(result, PartResult):
        _print_measures(result)
        result = result.model_copy(update={"measures": {}})
    print_result(result, as_json=as_json)


def _print_measures(result: "EvaluateResult") -> None:
    from svsdata.evaluation.report import TITLES, told_figure

    rows = [("measure", "synthetic", "real", "taken of")]
    for name, it in result.measures.items():
        value, real = told_figure(it.value, name), told_figure(it.real, name)
        rows.append((TITLES[name][0], value, real, it.samples))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for title, value, real, samples in rows:
        figures = f"{value:>{widths[1]}}  {real:>{widths[2]}}"
        print(f"{title:<{widths[0]}}  {figures}  {samples}")
    print("protocol")
    for name, it in result.measures.items():
        print(f"  {TITLES[name][0]}: {it.protocol}")
