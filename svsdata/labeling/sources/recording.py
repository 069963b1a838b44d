"""What every source offers: recordings that yield their frames from any position."""

import json
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol
from unicodedata import combining, normalize

from svsdata.errors import SourceError
from svsdata.records import Camera, Frame


@dataclass(frozen=True)
class BadFrame:
    """A position of a recording whose frame cannot be read."""

    source_frame: int
    reason: str
    """One line, as the error would have said it."""


class Recording(Protocol):
    """One sequence of a source."""

    @property
    def sequence_id(self) -> str:
        """Letters, digits, ``.``, ``_`` and ``-``; unique within the source."""

    @property
    def source(self) -> str:
        """Where it lies; goes into the store's record of the sequence."""

    @property
    def fps(self) -> float:
        """Frames a second."""

    @property
    def num_frames(self) -> int | None:
        """Number of positions, readable or not; None where only reading them all would tell."""

    @property
    def camera(self) -> Camera | None:
        """Calibration for frames of the source's own size, where there is one."""

    @property
    def folders(self) -> tuple[str, ...]:
        """Folders that tell its frames from those of other recordings with the same file names."""

    def frames(self, start: int) -> Iterator[Frame | BadFrame]:
        """Yield every position from ``start`` on, in order.

        ``frame_index`` is the position. The image is always decoded; layers that the source knows
        exactly come along.
        """


@dataclass(frozen=True)
class Source:
    """What was found at the place the user named."""

    kind: str
    """What it was recognised as, in words for people."""
    recordings: tuple[Recording, ...]
    licence: str
    """Terms that its frames carry, for the store's ledger."""
    notes: tuple[str, ...] = ()
    """Assumptions that people should know."""


def sequence_id_of(name: str) -> str:
    """Turn any name into a sequence id, other names into other ids where they can be told apart.

    Accents are dropped, other letters and digits become ``u`` and their number in Unicode, all else
    becomes ``_``.
    """
    plain = "".join(it for it in normalize("NFKD", name) if not combining(it))
    spelled = re.sub(r"[^\W\x00-\x7f]", lambda letter: f"u{ord(letter[0]):x}", plain)
    return re.sub(r"[^A-Za-z0-9._-]+", "_", spelled).strip("._-") or "sequence"


def require_unicode(*names: str) -> None:
    """Refuse names of files that are no UTF-8, which no store can hold.

    Raises:
        SourceError: Names the first one.
    """
    for name in names:
        try:
            name.encode()
        except UnicodeEncodeError as error:
            raise SourceError(
                f"{os.fsencode(name)!r}: the name is not in UTF-8; rename it, such as with "
                "'convmv -r -f latin1 -t utf8 --notest FOLDER'"
            ) from error


def read_json(path: Path) -> Any:
    """Read a file that comes with frames.

    Raises:
        SourceError: If it cannot be read, or is no JSON.
    """
    try:
        return json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise SourceError(f"{path}: not readable as JSON ({error})") from error


def first_size_hw(recording: Recording) -> tuple[int, int]:
    """Return the height and width of the first frame that can be read.

    Raises:
        SourceError: If there is none.
    """
    reason = "it has no frames"
    frames = recording.frames(0)
    for frame in frames:
        if isinstance(frame, BadFrame):
            reason = frame.reason
        elif frame.image is not None:
            return frame.image.shape[0], frame.image.shape[1]
    raise SourceError(f"{recording.source}: no readable frame; {reason}")
