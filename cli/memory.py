"""How the process asks the system for memory."""

import ctypes

# Names of glibc's malloc.h.
_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4


def keep_freed_memory() -> bool:
    """Have the C library keep what is freed for what is asked for next.

    Each layer of a network frees tensors of up to 100 MB and asks for others. glibc gives such
    blocks back and takes new ones, whose pages the system clears: up to a fifth of the time of
    large frames. The price is a heap with gaps: what a process holds grows by a tenth over a
    thousand frames.

    Returns:
        False where the C library is not glibc, and nothing was changed.
    """
    try:
        set_option = ctypes.CDLL(None).mallopt
    except AttributeError:
        return False
    return bool(set_option(_M_MMAP_MAX, 0) and set_option(_M_TRIM_THRESHOLD, -1))
