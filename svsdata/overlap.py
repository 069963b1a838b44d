"""Work done ahead of whoever consumes it: in threads, in order, and never far ahead.

The picture codecs, the flow estimators and torch release the interpreter's lock, so threads are
enough to decode, infer and write at the same time.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import repeat
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def ahead(
    function: Callable[[Item], Result], items: Iterable[Item], *, workers: int, capacity: int
) -> Iterator[Result]:
    """Apply a function to items in threads and yield the results in the order of the items.

    An exception of the function or of ``items`` is raised in its turn. Closing the iterator
    finishes what runs and forgets what waits.

    Args:
        function: Called in ``workers`` threads at once.
        items: Drawn in the consumer's thread, at most ``capacity`` ahead of it.
        workers: Number of threads.
        capacity: Most results and items held at any time.
    """
    pool = ThreadPoolExecutor(workers)
    pending: deque[Future[Result]] = deque()
    try:
        for item in items:
            pending.append(pool.submit(function, item))
            if len(pending) >= capacity:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


def in_background(items: Iterator[Item], *, capacity: int) -> Iterator[Item]:
    """Draw from an iterator in a thread of its own, at most ``capacity`` items ahead."""
    ended: list[Item] = []  # compared by identity: no item is this list

    def draw(_: None) -> Item | list[Item]:
        return next(items, ended)

    drawn = ahead(draw, repeat(None), workers=1, capacity=capacity)
    try:
        for item in drawn:
            if item is ended:
                return
            yield item  # type: ignore[misc]
    finally:
        drawn.close()  # type: ignore[attr-defined]
        if hasattr(items, "close"):
            items.close()
