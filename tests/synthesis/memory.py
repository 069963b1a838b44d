"""How much memory a stream takes at most, whatever of its garbage waits to be collected."""

import gc
import tracemalloc
from collections.abc import Iterable


def peak_bytes(stream: Iterable[object]) -> int:
    """Go through a stream and return the most bytes of Python objects and arrays it held."""
    gc.collect()
    gc.freeze()  # so that every collection looks at what the stream made alone
    tracemalloc.start()
    for _ in stream:
        gc.collect()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    gc.unfreeze()
    return peak
