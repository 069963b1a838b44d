"""Progress on a terminal as a bar, in a pipe as plain lines; always on standard error."""

import logging
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)
from rich.progress import Progress as RichProgress

from svsdata.progress import Progress, Silent

SECONDS_BETWEEN_LINES = 10.0


@contextmanager
def shown_progress(*, quiet: bool, verbose: bool) -> Iterator[Progress]:
    """Yield the progress that fits the place where the command runs."""
    if verbose:
        logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(name)s: %(message)s")
    if quiet:
        yield Silent()
    elif sys.stderr.isatty():
        with Bars() as bars:
            yield bars
    else:
        yield Lines()


class _Rate:
    """Units a second since a task began, those of earlier runs left out."""

    def __init__(self, done: int) -> None:
        self.began, self.done, self.count = time.monotonic(), done, 0

    def add(self, count: int) -> None:
        self.count += count

    @property
    def per_second(self) -> float:
        return self.count / max(time.monotonic() - self.began, 1e-9)


class Lines:
    """A plain line every ten seconds."""

    def __init__(self) -> None:
        self._task, self._total, self._unit = "", None, "frames"
        self._rate, self._last = _Rate(0), 0.0

    _total: int | None

    def start(self, task: str, total: int | None, *, done: int = 0, unit: str = "frames") -> None:
        """Begin a task."""
        self._task, self._total, self._unit = task, total, unit
        self._rate, self._last = _Rate(done), time.monotonic()
        if done:
            _say(f"{task}: {done} of {total or '?'} {unit} are there already")

    def advance(self, count: int = 1, **figures: float) -> None:
        """Say how far the task is, if the last line is ten seconds old or the task is done."""
        self._rate.add(count)
        done = self._rate.done + self._rate.count
        now = time.monotonic()
        if done != self._total and now - self._last < SECONDS_BETWEEN_LINES:
            return
        self._last = now
        rate = self._rate.per_second
        parts = [f"{done}/{self._total or '?'} {self._unit}", f"{rate:.1f} {self._unit}/s"]
        if self._total and rate and done < self._total:
            parts.append(f"{_clock((self._total - done) / rate)} left")
        parts += [f"{name} {value:.4g}" for name, value in figures.items()]
        _say(f"{self._task}: {', '.join(parts)}")

    def note(self, message: str) -> None:
        """Say it."""
        _say(message)


class Bars:
    """A bar with rate, remaining time and the latest figures."""

    def __init__(self) -> None:
        self._console = Console(stderr=True)
        self._progress = RichProgress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}"),
            TimeRemainingColumn(),
            TextColumn("{task.fields[figures]}"),
            console=self._console,
        )
        self._task: TaskID | None = None
        self._rate, self._unit = _Rate(0), "frames"

    def __enter__(self) -> "Bars":
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def start(self, task: str, total: int | None, *, done: int = 0, unit: str = "frames") -> None:
        """Begin a task's bar."""
        self._rate, self._unit = _Rate(done), unit
        self._task = self._progress.add_task(task, total=total, completed=done, rate="", figures="")

    def advance(self, count: int = 1, **figures: float) -> None:
        """Move the bar on."""
        if self._task is None:
            raise ValueError("a task must start before it advances")
        self._rate.add(count)
        shown = " ".join(f"{name} {value:.4g}" for name, value in figures.items())
        self._progress.update(
            self._task,
            advance=count,
            rate=f"{self._rate.per_second:.1f} {self._unit}/s",
            figures=shown,
        )

    def note(self, message: str) -> None:
        """Print it above the bar."""
        self._console.print(message, highlight=False, markup=False)


def _say(message: str) -> None:
    print(message, file=sys.stderr, flush=True)


def _clock(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"
