"""Tables of waypoints beside edit files."""

import csv
from collections.abc import Iterator
from pathlib import Path

from svsdata.editing.yaml_data import one_line, short, why_unreadable
from svsdata.errors import EditPlanError

_MAX_WAYPOINTS = 100_000


def read_waypoints(name: str, folder: Path | None, place: str) -> Iterator[dict[str, float]]:
    """Read waypoints from a CSV file that lies beside the edit file or below it.

    Args:
        name: Of the file, below ``folder``.
        folder: Of the edit file; None where the edits come from elsewhere.
        place: What messages call it.

    Yields:
        The columns s, ahead_m and left_m of each row.

    Raises:
        EditPlanError: If it cannot be read, lacks a column, or has too many rows.
    """
    if folder is None:
        raise EditPlanError(f"{place}: '{name}' can be read from an edit file only")
    path = (folder / name).resolve()
    if not path.is_relative_to(folder.resolve()):
        raise EditPlanError(f"{place}: '{name}' does not lie beside the edit file; copy it there")
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = csv.DictReader(file)
            wanted = ("s", "ahead_m", "left_m")
            if rows.fieldnames is None or not set(wanted) <= set(rows.fieldnames):
                raise EditPlanError(
                    f"{place}: '{name}' needs the columns {', '.join(wanted)}, "
                    f"has {short(rows.fieldnames)}"
                )
            for number, row in enumerate(rows, start=2):
                if number > _MAX_WAYPOINTS:
                    raise EditPlanError(f"{place}: '{name}' has more than {_MAX_WAYPOINTS} rows")
                yield {key: float(row[key] or "nothing") for key in wanted}
    except (OSError, UnicodeDecodeError) as error:
        raise EditPlanError(f"{place}: cannot read '{name}': {why_unreadable(error)}") from error
    except csv.Error as error:
        raise EditPlanError(f"{place}: cannot read '{name}': {one_line(str(error))}") from error
    except (TypeError, ValueError) as error:
        raise EditPlanError(f"{place}: '{name}', line {number}: not a number") from error
