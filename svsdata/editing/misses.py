"""What need not be tried again while additions are planned."""

from svsdata.editing.checks import Fault
from svsdata.editing.crowd import Crowd
from svsdata.editing.plan import PlannedEdit


class Misses:
    """Tries that failed and would fail again, whatever else is planned."""

    def __init__(self) -> None:
        self._rows: dict[int, PlannedEdit] = {}
        self._in_the_way: dict[int, int] = {}

    def known(self, seed: int, crowd: Crowd) -> PlannedEdit | None:
        """Return the row of a try that is known to fail in a crowd."""
        if seed in self._in_the_way and not crowd.holds(self._in_the_way[seed]):
            return None
        return self._rows.get(seed)

    def add(self, row: PlannedEdit, fault: Fault) -> None:
        """Remember a rejected row, unless it ran into what is planned and may go."""
        if fault.instance_id != 0:
            self._rows[row.seed] = row
        if fault.instance_id:
            self._in_the_way[row.seed] = fault.instance_id
