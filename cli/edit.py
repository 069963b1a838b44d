"""``svsdata edit``: plan, preview, apply and undo edits of labels."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from svsdata.cli.edit_shapes import app as shapes
from svsdata.cli.options import (
    AsJson,
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
    workspace,
)
from svsdata.progress import counted

if TYPE_CHECKING:
    from svsdata.pipelines.configs.edit import EditConfig

app = typer.Typer(help="Plan, preview, apply and undo edits of labels.", no_args_is_help=True)
app.add_typer(shapes, name="shapes")

BaseStore = Annotated[
    str | None, typer.Argument(help="Store with labels; the workspace's if left out.")
]
MadeWithEdits = Annotated[Path, typer.Argument(help="Store that was made with edits.")]
MovedBase = Annotated[
    Path | None, typer.Option("--base", help="Where the base lies now, if it was moved.")
]


@app.command("list")
def list_edits(as_json: AsJson = False) -> None:
    """List the presets, and the classes that edits can add.

    Example: svsdata edit list
    """
    import json

    from svsdata.pipelines.edit_words import edit_catalogue

    catalogue = edit_catalogue()
    if as_json:
        typer.echo(json.dumps(catalogue))
        return
    for title, entries in catalogue.items():
        typer.echo(title)
        width = max(map(len, entries))
        for name, about in entries.items():
            typer.echo(f"  {name:<{width}}  {about}")


@app.command()
def plan(
    store: BaseStore = None,
    out: Annotated[
        str | None, typer.Argument(help="Folder of the plans; the workspace's, or plans.")
    ] = None,
    edit: EditNames = None,
    edit_file: EditFiles = None,
    sequence: Sequences = None,
    variants: Variants = None,
    seed: Seed = None,
    settings: Settings = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Resolve edits into plans, a Parquet file for every video, for review.

    Example: svsdata edit plan store/ plans/ --edit add_truck --variants 20 --seed 7
    """
    from svsdata.cli.progress import shown_progress
    from svsdata.pipelines.edit_plan import run_edit_plan
    from svsdata.pipelines.edit_words import explained_plans

    chosen = {"presets": edit, "edit_files": edit_file, "sequences": sequence}
    where = ("plans", out, "plans")
    config = _config(store, where, chosen | {"variants": variants, "seed": seed}, settings)
    with shown_progress(quiet=quiet, verbose=verbose) as progress:
        result = run_edit_plan(config, progress)
    if as_json:
        print_result(result, as_json=True)
        return
    for summary in result.plans:
        _tell_plans(explained_plans(summary.path))
    typer.echo(f"{counted(len(result.plans), 'plans')} in {result.out}")


@app.command()
def preview(
    store: BaseStore = None,
    out: Annotated[
        str | None, typer.Argument(help="A .png or .mp4 file; preview.png if left out.")
    ] = None,
    edit: EditNames = None,
    edit_file: EditFiles = None,
    sequence: Sequences = None,
    variants: Variants = None,
    seed: Seed = None,
    settings: Settings = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Draw what edits would do: over the frames, and labels before and after.

    Of the first sequence, if none is named.

    Example: svsdata edit preview store/ preview.png --edit add_truck
    """
    from svsdata.cli.progress import shown_progress
    from svsdata.pipelines.edit_preview import run_edit_preview

    chosen = {"presets": edit, "edit_files": edit_file, "sequences": sequence}
    where = ("preview", out, "preview.png")
    config = _config(store, where, chosen | {"variants": variants, "seed": seed}, settings)
    with shown_progress(quiet=quiet, verbose=verbose) as progress:
        result = run_edit_preview(config, progress)
    print_result(result, as_json=as_json)


@app.command()
def explain(
    plan: Annotated[
        str | None,
        typer.Argument(help="A plan, a folder of plans, or a store; the workspace's plans."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Tell a plan in words: every object, its numbers, its frames, and why it was rejected.

    Example: svsdata edit explain plans/
    """
    import json

    from svsdata.pipelines.edit_words import explained_plans

    told = explained_plans(Path(workspace().get_or_beside("plans", plan, "plans")))
    if as_json:
        typer.echo(json.dumps({"plans": told}))
        return
    _tell_plans(told)


@app.command()
def apply(
    store: BaseStore = None,
    plan: Annotated[
        str | None, typer.Argument(help="A plan, or a folder of them; the workspace's, or plans.")
    ] = None,
    out: Annotated[
        str | None,
        typer.Argument(help="Store of edited labels to write; the workspace's, or edited."),
    ] = None,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Carry plans out on label maps; the same command again goes on.

    Example: svsdata edit apply store/ plans/ edited/

    Example: svsdata edit plan --edit add_truck && svsdata edit apply
    """
    from svsdata.cli.progress import shown_progress
    from svsdata.pipelines.edit_apply import run_edit_apply

    place = workspace()
    base = Path(place.require("store", store))
    plans = Path(place.get_or_beside("plans", plan, "plans"))
    edited = Path(place.get_or_beside("edited", out, "edited"))
    with shown_progress(quiet=quiet, verbose=verbose) as progress:
        result = run_edit_apply(base, plans, edited, progress, overwrite=overwrite)
    print_result(result, as_json=as_json)


@app.command()
def diff(
    store: MadeWithEdits,
    base: MovedBase = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Make the labels of an edited store again from plan and base; exit code 1 if a byte differs.

    Example: svsdata edit diff synthetic/
    """
    from svsdata.cli.progress import shown_progress
    from svsdata.pipelines.edit_diff import run_edit_diff

    with shown_progress(quiet=quiet, verbose=verbose) as progress:
        result = run_edit_diff(store, progress, base=base)
    print_result(result, as_json=as_json)
    if result.differences:
        raise typer.Exit(1)
    if not as_json:
        typer.echo("no difference: plan and base give these very maps and tables")


@app.command()
def undo(
    store: MadeWithEdits,
    out: Annotated[Path, typer.Argument(help="Store of edited labels to write.")],
    edit_id: Annotated[list[str], typer.Option("--edit-id", help="Edit to leave out; repeatable.")],
    base: MovedBase = None,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Make the labels of an edited store anew without some of its edits.

    Example: svsdata edit undo synthetic/ undone/ --edit-id truck_oncoming
    """
    from svsdata.cli.progress import shown_progress
    from svsdata.pipelines.edit_apply import run_edit_undo

    with shown_progress(quiet=quiet, verbose=verbose) as progress:
        result = run_edit_undo(store, out, edit_id, progress, base=base, overwrite=overwrite)
    print_result(result, as_json=as_json)


@app.command()
def delta(
    store: MadeWithEdits,
    out: Annotated[Path, typer.Argument(help="Folder to write.")],
    base: MovedBase = None,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Keep of an edited store what its base does not have, to share it without the base.

    Example: svsdata edit delta synthetic/ delta/
    """
    from svsdata.cli.progress import shown_progress
    from svsdata.pipelines.edit_delta import run_edit_delta

    with shown_progress(quiet=quiet, verbose=verbose) as progress:
        result = run_edit_delta(store, out, progress, base=base, overwrite=overwrite)
    print_result(result, as_json=as_json)


@app.command()
def restore(
    base: Annotated[Path, typer.Argument(help="Store that the edited one was made from.")],
    delta: Annotated[Path, typer.Argument(help="What 'edit delta' wrote.")],
    out: Annotated[Path, typer.Argument(help="Store to write.")],
    as_json: AsJson = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Put a delta onto its base: the edited store again, byte for byte.

    Example: svsdata edit restore store/ delta/ synthetic/
    """
    from svsdata.cli.progress import shown_progress
    from svsdata.pipelines.edit_delta import run_edit_restore

    with shown_progress(quiet=quiet, verbose=verbose) as progress:
        result = run_edit_restore(base, delta, out, progress)
    print_result(result, as_json=as_json)


def _tell_plans(told: list[dict[str, Any]]) -> None:
    for one in told:
        typer.echo(one["plan"])
        for edit in one["edits"]:
            typer.echo(f"  {edit['words']}")


def _config(
    store: str | None,
    out: tuple[str, str | None, str],
    fields: dict[str, Any],
    settings: list[str] | None,
) -> "EditConfig":
    """Make the config; ``out`` is what ``Workspace.get_or_beside`` takes."""
    from svsdata.pipelines.configs.base import make_config
    from svsdata.pipelines.configs.edit import EditConfig

    place = workspace()
    said = {"store": place.require("store", store), "out": place.get_or_beside(*out), **fields}
    return make_config(EditConfig, place.fields("edit"), said, settings=settings)
