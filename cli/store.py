"""``svsdata store``: look at a store, check it, put it right."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from svsdata.cli.options import AsJson, Quiet, console, workspace
from svsdata.progress import counted

if TYPE_CHECKING:
    from svsdata.labels import LabelSet
    from svsdata.records import Frame

app = typer.Typer(help="Look at a store, check it, put it right.", no_args_is_help=True)

StorePath = Annotated[
    str | None,
    typer.Argument(help="Folder of the store; the workspace's if left out.", show_default=False),
]


@app.command()
def info(store: StorePath = None, as_json: AsJson = False) -> None:
    """Tell what a store holds.

    Example: svsdata store info store/
    """
    from rich.table import Table

    from svsdata.store.reader import StoreReader
    from svsdata.store.sidecars import EDITS, sidecar_ids
    from svsdata.store.staging import staged_ids

    reader = StoreReader(workspace().require("store", store))
    records = [reader.record(sequence_id) for sequence_id in reader.sequence_ids]
    sequences = [record.sequence for record in records]
    num_bytes = sum(part.num_bytes for record in records for part in record.parts)
    num_frames = sum(sequence.num_frames for sequence in sequences)
    facts = {
        "store": str(reader.path),
        "label_set": reader.info.label_set.name,
        "size_hw": reader.info.size_hw,
        "fps": reader.info.fps,
        "modalities": reader.info.modalities,
        "licences": reader.info.licences,
        "sequences": {sequence.sequence_id: sequence.num_frames for sequence in sequences},
        "frames": num_frames,
        "synthetic_frames": sum(r.synthetic_frames for r in records),
        "bytes": num_bytes,
        "edited": sidecar_ids(reader.path, EDITS),
        "unfinished": staged_ids(reader.path),
    }
    if as_json:
        typer.echo(json.dumps(facts))
        return
    height, width = reader.info.size_hw
    screen = console()
    screen.print(
        f"{reader.path}: {counted(len(sequences), 'sequences')}, "
        f"{counted(num_frames, 'frames')} "
        f"({facts['synthetic_frames']} synthetic), {num_bytes / 1e6:.1f} MB\n"
        f"{width}x{height} at {reader.info.fps:g} frames/s, labels '{reader.info.label_set.name}', "
        f"layers {', '.join(reader.info.modalities)}",
    )
    table = Table("sequence", "frames", "MB", "fps", "tracks", "source")
    for record in records:
        it, size = record.sequence, sum(part.num_bytes for part in record.parts)
        table.add_row(
            it.sequence_id, str(it.num_frames), f"{size / 1e6:.1f}", f"{it.fps:g}",
            str(len(it.tracks)), it.source,
        )  # fmt: skip
    screen.print(table)
    for sequence_id in sidecar_ids(reader.path, EDITS):
        screen.print(f"edited: {sequence_id}; 'svsdata edit explain {reader.path}' tells how")
    for sequence_id in staged_ids(reader.path):
        screen.print(f"unfinished: {sequence_id}")
    for origin, terms in reader.info.licences.items():
        screen.print(f"licence of {origin}: {terms}")


@app.command()
def verify(
    store: StorePath = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="Skip hashes and pictures: sizes, footers, order only.")
    ] = False,
    as_json: AsJson = False,
    silent: Quiet = False,
) -> None:
    """Check every byte; exit code 1 if anything is wrong.

    Example: svsdata store verify store/
    """
    from svsdata.cli.progress import shown_progress
    from svsdata.store.verify import verify_store

    place = workspace().require("store", store)
    with shown_progress(quiet=silent, verbose=False) as progress:
        report = verify_store(place, quick=quick, progress=progress)
    if as_json:
        faults = [fault.message for fault in report.faults]
        typer.echo(json.dumps(asdict(report) | {"faults": faults}))
    else:
        screen = console()
        for fault in report.faults:
            screen.print(fault.message, style="red")
        for sequence_id in report.unfinished:
            screen.print(f"unfinished: {sequence_id} (run the command that makes it again)")
        verdict = counted(len(report.faults), "faults") if report.faults else "no fault"
        screen.print(
            f"{verdict} in {counted(report.num_sequences, 'sequences')}, "
            f"{counted(report.num_frames, 'frames')}, "
            f"{report.num_bytes / 1e6:.1f} MB{' (quick: no hashes, no pictures)' if quick else ''}"
        )
    if report.faults:
        raise typer.Exit(1)


@app.command()
def show(
    store: StorePath = None,
    sequence: Annotated[
        str, typer.Argument(help="Its id; the first one when left out.", show_default=False)
    ] = "",
    out: Annotated[Path, typer.Option(help="Where the picture goes.")] = Path("sheet.png"),
    rows: Annotated[int, typer.Option(min=1, max=64, help="Frames, evenly spaced.")] = 6,
) -> None:
    """Draw frames as image, labels, confidence, instances and flow, and list them.

    Example: svsdata store show store/ --out sheet.png
    """
    from rich.table import Table

    from svsdata.errors import StoreError
    from svsdata.images import encode_png
    from svsdata.store.contact_sheet import SHEET_LAYERS, contact_sheet
    from svsdata.store.files import writing
    from svsdata.store.reader import StoreReader

    reader, out = StoreReader(workspace().require("store", store)), out.expanduser()
    if not reader.sequence_ids:
        raise StoreError(f"store '{reader.path}' has no sequence yet; 'svsdata label' writes one")
    chosen = reader.sequence(sequence or reader.sequence_ids[0])
    layers = tuple(layer for layer in SHEET_LAYERS if layer in reader.info.modalities)
    rows = min(rows, chosen.num_frames)
    places = [i * (chosen.num_frames - 1) // max(rows - 1, 1) for i in range(rows)]
    frames = list(reader.pick(chosen.sequence_id, places, layers=layers))
    height, width = chosen.size_hw
    cell_hw = (max(1, round(320 * height / width)), 320)
    sheet = contact_sheet(frames, reader.info.label_set, layers, cell_hw)
    with writing(out):
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_bytes(encode_png(sheet))
    table = Table("frame", "seconds", "m/s", "camera", "largest classes", "things", "source")
    for frame in frames:
        classes, things = _contents(frame, reader.info.label_set)
        table.add_row(
            str(frame.frame_index), f"{frame.timestamp_us / 1e6:.2f}",
            f"{frame.ego.speed_mps:.1f}" if frame.ego else "-",
            frame.camera.flag if frame.camera else "-", classes, things, frame.source,
        )  # fmt: skip
    screen = console()
    screen.print(table)
    screen.print(f"{chosen.sequence_id}: columns {', '.join(layers)} → {out}")


@app.command()
def repair(
    store: StorePath = None,
    abandon: Annotated[
        str, typer.Option(metavar="SEQUENCE", help="Set this unfinished sequence aside instead.")
    ] = "",
    as_json: AsJson = False,
    silent: Quiet = False,
) -> None:
    """Finish interrupted commits and move what is damaged to quarantine/; nothing is deleted.

    Example: svsdata store repair store/
    """
    from svsdata.cli.progress import shown_progress
    from svsdata.store import repair as repairing

    place = workspace().require("store", store)
    if abandon:
        aside = repairing.abandon(place, abandon)
        report = repairing.RepairReport((), (f"unfinished '{abandon}' lies in {aside}",))
    else:
        with shown_progress(quiet=silent, verbose=False) as progress:
            report = repairing.repair_store(place, progress=progress)
    if as_json:
        typer.echo(json.dumps(asdict(report)))
        return
    screen = console()
    for sequence_id in report.finished:
        screen.print(f"finished the commit of {sequence_id}")
    for reason in report.quarantined:
        screen.print(f"set aside: {reason}")
    if not (report.finished or report.quarantined):
        screen.print("nothing to repair")


def _contents(frame: "Frame", label_set: "LabelSet") -> tuple[str, str]:
    """Name the three largest classes of a frame, and count its things."""
    import numpy as np

    from svsdata.records import INSTANCE_BASE

    classes = things = "-"
    if frame.semantic is not None:
        counts = np.bincount(frame.semantic.ravel())
        largest = [label_set.labels[i].name for i in np.argsort(-counts)[:3] if counts[i]]
        classes = ", ".join(largest)
    if frame.instance is not None:
        things = str(int((np.unique(frame.instance) >= INSTANCE_BASE).sum()))
    return classes, things
