"""What every export format is to the stage that runs it."""

from collections.abc import Iterator
from typing import Protocol

from svsdata.records import Frame, Sequence


class Exporter(Protocol):
    """Writes sequences of one store into one folder; knows nothing of stores or resuming."""

    @property
    def layers(self) -> tuple[str, ...]:
        """The frame layers it reads."""

    def check(self, sequences: list[Sequence]) -> None:
        """Refuse sequences that cannot stand side by side in this format.

        Raises:
            ExportError: Naming the sequences and what to do.
        """

    def write(self, sequence: Sequence, frames: Iterator[Frame]) -> dict[str, str]:
        """Write one sequence, whatever an earlier, stopped run left of it.

        Args:
            sequence: Its record.
            frames: All its frames in order, with ``layers`` read where the store has them.

        Returns:
            What a reader must know to find the sequence again: facts by name, for its record.
        """
