"""Ctrl-C that waits for the running step, or that says what it cost."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def interrupt_held() -> Iterator[Callable[[], bool]]:
    """Hold the first Ctrl-C back, so that the running step ends whole; the second acts at once.

    Yields:
        Tells whether it was pressed.
    """
    if threading.current_thread() is not threading.main_thread():
        yield lambda: False
        return
    pressed = threading.Event()
    before = signal.getsignal(signal.SIGINT)

    def hold(_number: int, _frame: FrameType | None) -> None:
        pressed.set()
        signal.signal(signal.SIGINT, before)

    signal.signal(signal.SIGINT, hold)
    try:
        yield pressed.is_set
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def nothing_kept() -> Iterator[None]:
    """Have a Ctrl-C tell that what runs here leaves nothing to go on from."""
    try:
        yield
    except KeyboardInterrupt as error:
        raise KeyboardInterrupt("nothing was kept, the same command begins anew") from error
