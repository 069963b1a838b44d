"""What every export format is to the stage that runs it."""

from collections.abc import Callable, Iterable, Iterator
from typing import Protocol, TypeVar

from svsdata.errors import ExportError
from svsdata.export.digital_source import marked_png, source_type
from svsdata.images import decode_image, encode_png, read_header
from svsdata.overlap import ahead
from svsdata.records import EncodedImage, Frame, Sequence

Written = TypeVar("Written")

MAP_LEVEL = 6
"""Of ``encode_png`` for maps that others keep and pass on."""

_ENCODERS = 2


class Exporter(Protocol):
    """Writes sequences of one store into one folder; knows nothing of stores or resuming."""

    @property
    def layers(self) -> tuple[str, ...]:
        """The frame layers it reads."""

    def check(self, sequences: list[Sequence]) -> None:
        """Refuse sequences that cannot stand side by side in this format.

        Raises:
            ExportError: Naming the sequences and what to do.
        """

    def write(self, sequence: Sequence, frames: Iterator[Frame]) -> dict[str, str]:
        """Write one sequence, whatever an earlier, stopped run left of it.

        Args:
            sequence: Its record.
            frames: All its frames in order, with ``layers`` read where the store has them.

        Returns:
            What a reader must know to find the sequence again: facts by name, for its record.
        """

    @property
    def is_complete(self) -> bool:
        """Whether nothing is left for ``complete`` to write."""

    def complete(self) -> None:
        """Write what tells of all sequences in the folder, once each is written."""


def written(write: Callable[[Frame], Written], frames: Iterable[Frame]) -> Iterator[Written]:
    """Write frames in threads, a few at a time, and yield the results in order."""
    return ahead(write, frames, workers=_ENCODERS, capacity=2 * _ENCODERS)


def numbered(sequence: Sequence, frames: Iterator[Frame]) -> Iterator[Frame]:
    """Pass frames on whose source's numbers, which name their files, grow.

    Raises:
        ExportError: Naming the first frame whose number does not.
    """
    last = -1
    for frame in frames:
        number = frame.frame_index if frame.source_frame is None else frame.source_frame
        if number <= last:
            raise ExportError(
                f"sequence '{sequence.sequence_id}' frame {frame.frame_index}: its source "
                f"frame number does not grow: {number} follows {last}"
            )
        last = number
        yield frame


def marked_picture(frame: Frame, where: str) -> bytes:
    """Return the frame's picture as an 8-bit RGB PNG, marked where a machine made it.

    Raises:
        ExportError: If the frame has none.
    """
    if frame.encoded_image is None:
        raise ExportError(f"{where}: has no image; label the store first")
    png, kind = rgb_png(frame.encoded_image), source_type(frame)
    return marked_png(png, kind) if kind else png


def picture_file(frame: Frame, where: str) -> tuple[str, bytes]:
    """Return suffix and bytes of the frame's picture: a recorded JPEG's own, else a marked PNG.

    Raises:
        ExportError: If the frame has none.
    """
    image = frame.encoded_image
    recorded = image is not None and source_type(frame) is None
    if image is not None and recorded and read_header(image.data, image.path).format == "JPEG":
        return ".jpg", image.data
    return ".png", marked_picture(frame, where)


def rgb_png(image: EncodedImage) -> bytes:
    """Return the picture as an 8-bit RGB PNG: its own bytes where they are one."""
    header = read_header(image.data, image.path)
    if header.format == "PNG" and (header.channels, header.bits) == (3, 8):
        return image.data
    return encode_png(decode_image(image.data, image.path))
