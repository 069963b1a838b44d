"""Fixtures of more than one folder."""

import resource
import signal
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import numpy as np
import pytest

from svsdata.labels import CITYSCAPES
from svsdata.records import Frame
from svsdata.store.format import StoreInfo
from svsdata.store.writer import StoreWriter

# A run in the background may have it ignored, and the processes that tests interrupt inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)

SHIFT_PX = 3
"""How far the picture of a sliding store moves to the left in a frame."""


@contextmanager
def _room_for(file_bytes: int) -> Iterator[None]:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (file_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.fixture(scope="session")
def room_for() -> Callable[..., AbstractContextManager[None]]:
    """Let no file grow beyond so many bytes, as on a disk that is full."""
    return _room_for


@pytest.fixture(scope="session")
def sliding_store() -> Callable[..., Path]:
    """Write a small store whose truth is known: a picture that slides by whole pixels."""
    return _write_sliding_store


def _write_sliding_store(
    path: Path,
    *,
    lengths: tuple[int, ...] = (9, 9),
    size_hw: tuple[int, int] = (64, 128),
    modalities: tuple[str, ...] = ("image", "semantic", "instance", "flow", "occlusion"),
) -> Path:
    """Write sequences ``s0``, ``s1``, ... of these lengths."""
    height, width = size_hw
    writer = StoreWriter(path, StoreInfo(CITYSCAPES, size_hw, 10.0, modalities))
    for number, length in enumerate(lengths):
        draws = np.random.default_rng(number)
        wide = width + SHIFT_PX * length
        coarse = draws.integers(0, 256, (height // 8, wide // 8 + 1, 3), dtype=np.uint8)
        picture = np.repeat(np.repeat(coarse, 8, axis=0), 8, axis=1)
        ids = np.array([7, 11, 21, 23, 26], np.uint8)
        labels = ids[draws.integers(0, len(ids), coarse.shape[:2])]
        labels = np.repeat(np.repeat(labels, 8, axis=0), 8, axis=1)
        flow = np.zeros((height, width, 2), np.float32)
        flow[..., 0] = SHIFT_PX
        occlusion = np.zeros(size_hw, np.uint8)
        occlusion[:, width - SHIFT_PX :] = 1
        with writer.sequence(f"s{number}", source="test", fps=10.0) as sequence:
            for t in range(length):
                window = np.s_[:, SHIFT_PX * t : SHIFT_PX * t + width]
                semantic = np.ascontiguousarray(labels[window])
                layers = {
                    "image": np.ascontiguousarray(picture[window]),
                    "semantic": semantic,
                    "instance": np.where(semantic == 26, np.uint16(26001), semantic),
                    "flow": flow if t else None,
                    "occlusion": occlusion if t else None,
                }
                kept = {name: layers[name] for name in modalities}
                sequence.append(Frame(t, 100_000 * t, **kept))
            sequence.commit()
    return path
