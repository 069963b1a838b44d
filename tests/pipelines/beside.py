"""Something that happens while a run is under way."""

from collections.abc import Callable

from svsdata.progress import Silent


class Beside(Silent):
    """A progress that does something else, once, when the first frame is there."""

    def __init__(self, do: Callable[[], object]) -> None:
        self._left = [do]

    def advance(self, count: int = 1, **figures: float) -> None:  # noqa: ARG002
        while self._left:
            self._left.pop()()
