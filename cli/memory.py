"""How the process asks the system for memory."""

import ctypes
import os

# Names of glibc's malloc.h.
_M_TRIM_THRESHOLD, _M_MMAP_MAX, _M_ARENA_MAX = -1, -4, -8


def share_heaps(num_heaps: int) -> bool:
    """Have threads share so many heaps; to be called before pyarrow is loaded.

    glibc gives up to eight a core to threads, and Arrow has one of its own; each keeps some of
    what was freed in it. Frames go from thread to thread, so that all of them fill: a video of
    1000 frames takes 40 MB more than with one heap a core. ``ARROW_DEFAULT_MEMORY_POOL`` of the
    environment, where it is set, wins.

    Returns:
        False where the C library is not glibc, and its heaps stay as they are.
    """
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
    return _set_option(_M_ARENA_MAX, num_heaps)


def keep_freed_memory() -> bool:
    """Have the C library keep what is freed for what is asked for next.

    Each layer of a network frees tensors of up to 100 MB and asks for others. glibc gives such
    blocks back and takes new ones, whose pages the system clears: up to a fifth of the time of
    large frames. The price is a heap with gaps: what a process holds grows by a tenth over a
    thousand frames.

    Returns:
        False where the C library is not glibc, and nothing was changed.
    """
    return _set_option(_M_MMAP_MAX, 0) and _set_option(_M_TRIM_THRESHOLD, -1)


def _set_option(name: int, value: int) -> bool:
    try:
        set_option = ctypes.CDLL(None).mallopt
    except AttributeError:
        return False
    return bool(set_option(name, value))
