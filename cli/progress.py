"""Progress on a terminal as a bar, in a pipe as plain lines; always on standard error."""

import logging
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from svsdata.progress import Progress, Silent, counted

if TYPE_CHECKING:
    from rich.progress import TaskID

SECONDS_BETWEEN_LINES = 10.0


@contextmanager
def shown_progress(*, quiet: bool, verbose: bool) -> Iterator[Progress]:
    """Yield the progress that fits the place where the command runs.

    With ``verbose``, what the library logs is told among the notes.
    """
    if quiet:
        with _logs_told(_say, verbose=verbose):
            yield Silent()
    elif sys.stderr.isatty():
        with Bars() as bars, _logs_told(bars.note, verbose=verbose):
            yield bars
    else:
        with _logs_told(_say, verbose=verbose):
            yield Lines()


class Lines:
    """A plain line at the start of a task, every ten seconds, and at its end."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._task, self._unit = "", ""
        self._total: int | None = None
        self._earlier = self._count = 0
        self._began = self._last = 0.0

    def start(self, task: str, total: int | None, *, done: int = 0, unit: str = "frames") -> None:
        """Say what begins."""
        self._task, self._unit, self._total = task, unit, total
        self._earlier, self._count = done, 0
        self._began = self._last = self._clock()
        amount = counted(total, unit) if total is not None else f"{unit} without a known end"
        there = f", {done} are there already" if done else ""
        _say(f"{task}: {amount}{there}")

    def advance(self, count: int = 1, **figures: float) -> None:
        """Say how far the task is, if the last line is ten seconds old or the task is done."""
        self._count += count
        done, now = self._earlier + self._count, self._clock()
        if done != self._total and now - self._last < SECONDS_BETWEEN_LINES:
            return
        self._last = now
        total = "" if self._total is None else f"/{self._total}"
        parts = [f"{done}{total} {self._unit}"]
        if self._count:  # else all was skipped, in no time
            rate = self._count / max(now - self._began, 1e-9)
            parts.append(f"{rate:.3g} {self._unit}/s")
            if self._total is not None and done < self._total:
                parts.append(f"{_duration((self._total - done) / rate)} left")
        _say(f"{self._task}: {', '.join([*parts, *_figures(figures)])}")

    def skip(self, count: int) -> None:
        """Count them as done, but not in the rate."""
        self._earlier += count
        if count:
            self.advance(0)

    def note(self, message: str) -> None:
        """Say it."""
        _say(message)


class Bars:
    """A bar a task with rate, remaining time and the latest figures."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            Progress,
            TextColumn,
            TimeRemainingColumn,
        )

        self._console = Console(stderr=True)
        self._progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}", markup=False),
            TimeRemainingColumn(),
            TextColumn("{task.fields[figures]}", markup=False),
            console=self._console,
        )
        self._task: TaskID | None = None
        self._unit = ""
        self._count, self._began = 0, 0.0

    def __enter__(self) -> "Bars":
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def start(self, task: str, total: int | None, *, done: int = 0, unit: str = "frames") -> None:
        """Begin a task's bar."""
        self._unit, self._count, self._began = unit, 0, time.monotonic()
        self._task = self._progress.add_task(
            task, total=total, completed=done, rate=unit, figures=""
        )

    def advance(self, count: int = 1, **figures: float) -> None:
        """Move the bar on."""
        if self._task is None:
            raise ValueError("a task must start before it advances")
        self._count += count
        rate = self._count / max(time.monotonic() - self._began, 1e-9)
        self._progress.update(
            self._task,
            advance=count,
            rate=f"{rate:.3g} {self._unit}/s",
            figures=" ".join(_figures(figures)),
        )

    def skip(self, count: int) -> None:
        """Move the bar on, but leave the rate."""
        if self._task is None:
            raise ValueError("a task must start before it advances")
        self._progress.update(self._task, advance=count)

    def note(self, message: str) -> None:
        """Print it above the bar."""
        self._console.print(message, highlight=False, markup=False, soft_wrap=True)


class _ToldLogs(logging.Handler):
    def __init__(self, tell: Callable[[str], None]) -> None:
        super().__init__()
        self._tell = tell

    def emit(self, record: logging.LogRecord) -> None:
        self._tell(self.format(record))


@contextmanager
def _logs_told(tell: Callable[[str], None], *, verbose: bool) -> Iterator[None]:
    """Tell what svsdata logs: warnings, and with ``verbose`` every step."""
    logger = logging.getLogger("svsdata")
    handler = _ToldLogs(tell)
    handler.setFormatter(logging.Formatter("%(name)s: %(message)s"))
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG if verbose else logging.WARNING)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)


def _say(message: str) -> None:
    print(message, file=sys.stderr, flush=True)


def _figures(figures: dict[str, float]) -> list[str]:
    return [f"{name} {value:.4g}" for name, value in figures.items()]


def _duration(seconds: float) -> str:
    """Write seconds as m:ss or h:mm:ss."""
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"
