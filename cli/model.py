"""``svsdata model``: the networks, by name."""

from typing import Annotated

import typer

from svsdata.cli.options import AsJson

app = typer.Typer(help="Tell the size and cost of the networks.", no_args_is_help=True)


@app.callback()
def model() -> None:
    """Tell the size and cost of the networks."""


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
