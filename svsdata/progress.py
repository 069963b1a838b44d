"""How long work tells whoever watches how far it is; drawing it is the command line's job."""

from typing import Protocol


class Progress(Protocol):
    """Receives the steps of one stage."""

    def start(self, task: str, total: int | None, *, done: int = 0, unit: str = "frames") -> None:
        """Begin a task of ``total`` units (None: unknown), ``done`` of them from an earlier run."""

    def advance(self, count: int = 1, **figures: float) -> None:
        """Report ``count`` units done; ``figures`` are the latest measures worth showing."""

    def skip(self, count: int) -> None:
        """Report ``count`` units that took no time here: done before or elsewhere, or left out."""

    def note(self, message: str) -> None:
        """Tell one line that a person should see: an assumption, a skipped frame."""


def counted(count: int, plural: str) -> str:
    """Tell a number of things; of one, ``plural`` loses the s of its first word."""
    first, *rest = plural.split(" ")
    return " ".join([str(count), first.removesuffix("s") if count == 1 else first, *rest])


class Silent:
    """A progress that nobody watches."""

    def start(self, task: str, total: int | None, *, done: int = 0, unit: str = "frames") -> None:
        """Ignore it."""

    def advance(self, count: int = 1, **figures: float) -> None:
        """Ignore it."""

    def skip(self, count: int) -> None:
        """Ignore it."""

    def note(self, message: str) -> None:
        """Ignore it."""
