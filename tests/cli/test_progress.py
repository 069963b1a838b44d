import io
import logging
import sys

import pytest

from svsdata.cli import progress as drawing
from svsdata.cli.progress import Bars, Lines, shown_progress
from svsdata.progress import Silent, counted


class Clock:
    """A clock that moves when it is told."""

    def __init__(self):
        self.seconds = 100.0

    def __call__(self):
        return self.seconds


def test_lines_come_every_ten_seconds_and_at_the_end(capsys):
    clock = Clock()
    lines = Lines(clock)
    lines.start("label", 30)
    for _ in range(30):
        clock.seconds += 1
        lines.advance(loss=0.5)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.splitlines() == [
        "label: 30 frames",
        "label: 10/30 frames, 1 frames/s, 0:20 left, loss 0.5",
        "label: 20/30 frames, 1 frames/s, 0:10 left, loss 0.5",
        "label: 30/30 frames, 1 frames/s, loss 0.5",
    ]


def test_the_rate_leaves_out_what_an_earlier_run_did(capsys):
    clock = Clock()
    lines = Lines(clock)
    lines.start("train", 10_000, done=9_000, unit="steps")
    clock.seconds += 10
    lines.advance(20)
    assert capsys.readouterr().err.splitlines() == [
        "train: 10000 steps, 9000 are there already",
        "train: 9020/10000 steps, 2 steps/s, 8:10 left",
    ]


def test_what_is_skipped_is_done_and_not_in_the_rate(capsys):
    clock = Clock()
    lines = Lines(clock)
    lines.start("label", 100)
    lines.skip(0)
    clock.seconds += 10
    lines.skip(60)
    lines.advance(20)
    lines.skip(20)
    assert capsys.readouterr().err.splitlines() == [
        "label: 100 frames",
        "label: 60/100 frames",
        "label: 100/100 frames, 2 frames/s",
    ]


def test_a_task_without_a_known_end_has_no_remaining_time(capsys):
    clock = Clock()
    lines = Lines(clock)
    lines.start("count", None)
    clock.seconds += 20
    lines.advance(5)
    assert capsys.readouterr().err.splitlines()[1] == "count: 5 frames, 0.25 frames/s"


def test_an_empty_task_is_told_and_never_divides(capsys):
    lines = Lines(Clock())
    lines.start("label", 0)
    lines.advance(0)
    assert "label: 0/0 frames" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("seconds", "written"), [(0.4, "0:00"), (59.6, "1:00"), (3599, "59:59"), (36_061, "10:01:01")]
)
def test_durations_are_read_like_a_clock(seconds, written):
    assert drawing._duration(seconds) == written


@pytest.mark.parametrize(
    ("count", "told"), [(0, "0 kinds of step"), (1, "1 kind of step"), (2, "2 kinds of step")]
)
def test_one_thing_is_no_plural(capsys, count, told):
    assert counted(count, "kinds of step") == told
    Lines().start("measure", count, unit="kinds of step")
    assert capsys.readouterr().err == f"measure: {told}\n"


def test_a_pipe_gets_lines_and_quiet_gets_nothing(capsys):
    with shown_progress(quiet=False, verbose=False) as progress:
        assert isinstance(progress, Lines)
    with shown_progress(quiet=True, verbose=False) as progress:
        assert isinstance(progress, Silent)
        progress.start("label", 3)
        progress.advance()
        progress.note("seen by nobody")
    assert capsys.readouterr() == ("", "")


def test_a_terminal_gets_a_bar_with_rate_figures_and_notes(monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    with shown_progress(quiet=False, verbose=False) as progress:
        assert isinstance(progress, Bars)
        progress.start("train", 5, done=2, unit="steps")
        progress.skip(1)
        progress.advance(loss=0.25)
        progress.note("camera [assumed]: no calibration")
        progress.advance(loss=0.125)
    drawn = terminal.getvalue()
    assert "5/5" in drawn
    assert "steps/s" in drawn
    assert "loss 0.125" in drawn
    assert "camera [assumed]: no calibration" in drawn


def test_a_bar_that_was_not_started_is_a_wrong_call():
    with pytest.raises(ValueError, match="must start"):
        Bars().advance()
    with pytest.raises(ValueError, match="must start"):
        Bars().skip(1)


def test_logs_of_the_library_are_told_when_verbose(capsys):
    logger = logging.getLogger("svsdata.store.writer")
    for verbose in (True, False):
        with shown_progress(quiet=False, verbose=verbose):
            logger.info("closed part %s", 3)
            logger.warning("the disk is slow")
    logger.info("after the run")
    assert capsys.readouterr().err.splitlines() == [
        "svsdata.store.writer: closed part 3",
        "svsdata.store.writer: the disk is slow",
        "svsdata.store.writer: the disk is slow",
    ]
