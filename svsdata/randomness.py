"""Random generators as pure functions of keys, never of history.

A run that was stopped and resumed draws the same numbers as one that was not, whatever the number
of workers, because every generator is made anew from (seed, where it is used).
"""

import hashlib

import numpy as np


def generator(seed: int, *keys: int | str) -> np.random.Generator:
    """Return the generator of a seed and a place, such as ``generator(7, "clips", epoch)``."""
    return np.random.Generator(np.random.Philox(key=_key(seed, keys)))


def derived_seed(seed: int, *keys: int | str) -> int:
    """Return a non-negative 63-bit seed for a library that wants an integer."""
    return _key(seed, keys) & (2**63 - 1)


def _key(seed: int, keys: tuple[int | str, ...]) -> int:
    text = "\x1f".join((str(seed), *(f"{type(key).__name__}:{key}" for key in keys)))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:16], "little")
