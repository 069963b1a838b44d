"""Progresses that do something to the run that they watch."""

from collections.abc import Callable

from svsdata.progress import Silent


class Beside(Silent):
    """Does something else, once, when the first frame is there."""

    def __init__(self, do: Callable[[], object]) -> None:
        self._left = [do]

    def advance(self, count: int = 1, **figures: float) -> None:  # noqa: ARG002
        while self._left:
            self._left.pop()()


class StoppedError(Exception):
    """Thrown in the middle of a run."""


class StopAfter(Silent):
    """Stops the run after some frames, skipped ones counted too."""

    def __init__(self, frames: int) -> None:
        self.left = frames

    def advance(self, count: int = 1, **figures: float) -> None:  # noqa: ARG002
        self.skip(count)

    def skip(self, count: int) -> None:
        self.left -= count
        if self.left < 0:
            raise StoppedError
