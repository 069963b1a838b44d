"""Videos that need no learning, to compare a generator with; ``learning.py`` writes them."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np

from svsdata.flow import warp
from svsdata.records import Frame
from svsdata.store.reader import StoreReader
from svsdata.store.writer import StoreWriter

LAYERS = ("image", "semantic", "instance")


def write_baselines(store: Path) -> dict[str, Path]:
    """Write what needs no network: the first frame repeated, and warped on and on by DIS flow.

    The warped one is told the recording's own motion, which a generator has to guess.
    """
    reader = StoreReader(store)
    written = {}
    for name, draw in (("first frame repeated", _repeated), ("first frame warped", _warped)):
        out = store.with_name(f"{store.name}-{name.split()[-1]}")
        for sequence in reader.sequence_ids:
            frames = reader.read(sequence, layers=(*LAYERS, "flow"))
            write_sequence(out, reader, sequence, draw(frames))
        written[name] = out
    return written


def _repeated(frames: Iterable[Frame]) -> Iterator[Frame]:
    first = None
    for frame in frames:
        first = frame.image if first is None else first
        yield replace(frame, image=first, flow=None)


def _warped(frames: Iterable[Frame]) -> Iterator[Frame]:
    shown = np.empty(0, np.float32)
    for frame in frames:
        assert frame.image is not None
        begins = frame.flow is None
        shown = frame.image.astype(np.float32) if begins else warp(shown, frame.flow)
        yield replace(frame, image=np.rint(shown).astype(np.uint8), flow=None)


def write_sequence(out: Path, like: StoreReader, name: str, frames: Iterable[Frame]) -> None:
    """Write a sequence of images and labels, unless it is there."""
    info = replace(like.info, modalities=LAYERS)
    writer = StoreWriter(out, info)
    if name in writer.committed:
        return
    with writer.sequence(name, source="learning.py", fps=info.fps, stateful=False) as rows:
        for frame in islice(frames, rows.next_frame_index, None):
            rows.append(replace(frame, encoded_image=None))
        rows.commit()
