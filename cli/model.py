"""``svsdata model``: the networks by name, and trained ones as programs of their own."""

from pathlib import Path
from typing import Annotated

import typer

from svsdata.cli.options import AsJson, Quiet, print_result

app = typer.Typer(
    help="Tell the size and cost of networks; export trained ones.", no_args_is_help=True
)


@app.callback()
def model() -> None:
    """Tell the size and cost of networks; export trained ones."""


@app.command()
def table(
    models: Annotated[
        list[str] | None, typer.Argument(help="Networks; all if left out.", show_default=False)
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Tell the parameters and operations of networks, one line each, its name first.

    GMAC are billions of multiplications a frame; at 1024x512 and 2048x1024 the network has one and
    two more blocks: of SPADE, in A and B local enhancers.

    Example: svsdata model table
    """
    from svsdata.pipelines.model_table import model_table

    counted = model_table(models) if models else model_table()
    if as_json:
        print(counted.model_dump_json())
        return
    sizes = [f"{512 * factor}x{256 * factor}" for factor in (1, 2, 4)]
    print(f"{'model':8}{'parameters':>12}" + "".join(f"{f'GMAC {s}':>17}" for s in sizes))
    for line in counted.models:
        costs = "".join(
            f"{f'{line.gmac[size]:,.1f}' if size in line.gmac else '-':>17}" for size in sizes
        )
        print(f"{line.model:8}{f'{line.parameters_m:.3f} M':>12}{costs}")


@app.command()
def export(
    checkpoint: Annotated[
        Path, typer.Argument(help="Generator file, run directory of a training, or demo.")
    ],
    out: Annotated[Path, typer.Argument(help="File to write, OUT.pt2.")],
    size: Annotated[
        str | None,
        typer.Option(
            metavar="WxH",
            help="Size of the frames; that of training if left out.",
            show_default=False,
        ),
    ] = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Write a trained generator as a program that PyTorch runs without svsdata.

    It draws the next frame from the one before, the labels of both, and given flow where it was
    trained to follow it. Not for the models A and B.

    Example: svsdata model export demo demo.pt2 --size 512x256
    """
    from svsdata.cli.progress import shown_progress
    from svsdata.pipelines.configs.base import width_height
    from svsdata.pipelines.model_export import run_model_export

    size_hw = width_height(size)[::-1] if size else None
    with shown_progress(quiet=quiet, verbose=False) as progress:
        result = run_model_export(checkpoint, out, progress, size_hw=size_hw)
    print_result(result, as_json=as_json)
