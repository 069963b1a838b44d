"""Single pictures: PNG and JPEG bytes to arrays and back, and their sizes.

Header and structure are checked before OpenCV sees the bytes, since OpenCV expands palettes to
colours, scales 1-bit maps to 255 and tells of damage only on stderr.
"""

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, cast

import cv2
import numpy as np
from numpy.typing import NDArray

from svsdata.errors import SourceError
from svsdata.records import Image

MAX_PIXELS = 2**26
"""Pictures with more pixels (8192 x 8192) are refused before they are decoded."""

Map: TypeAlias = NDArray[np.uint8] | NDArray[np.uint16]
"""(H, W) of ids or masks."""

_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_PNG_GRAY, _PNG_RGB, _PNG_PALETTE = 0, 2, 3
_PNG_CHANNELS = {_PNG_GRAY: 1, _PNG_RGB: 3, _PNG_PALETTE: 1, 4: 2, 6: 4}
_PNG_SUB, _PNG_UP = 1, 2
_JPEG_START, _JPEG_END, _JPEG_SCAN = b"\xff\xd8", b"\xff\xd9", 0xDA
_JPEG_SIZES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}


@dataclass(frozen=True)
class PictureHeader:
    """What a picture's first bytes say of it."""

    format: Literal["PNG", "JPEG"]
    size_hw: tuple[int, int]
    channels: int
    """Samples per pixel in the file; 1 for a palette's indices."""
    bits: int
    """Per sample."""
    has_palette: bool


def read_header(data: bytes, where: str) -> PictureHeader:
    """Read size and sample format without decoding.

    Args:
        data: The file's bytes.
        where: What messages call it, such as its path.

    Raises:
        SourceError: If it is neither PNG nor JPEG, ends within its header, or has no pixels or
            more than ``MAX_PIXELS``.
    """
    if data.startswith(_PNG_SIGNATURE):
        header = _png_header(data, where)
    elif data.startswith(_JPEG_START):
        header = _jpeg_header(data, where)
    else:
        raise SourceError(
            f"{where}: expected a PNG or JPEG picture, got {len(data)} bytes "
            f"that begin with {data[:8].hex() or 'nothing'}"
        )
    height, width = header.size_hw
    if not 0 < height * width <= MAX_PIXELS:
        raise SourceError(
            f"{where}: the header says {width}x{height} pixels; between 1 and {MAX_PIXELS} are read"
        )
    return header


def check_picture(data: bytes, where: str) -> PictureHeader:
    """Read the header and make sure that the bytes are whole: PNG chunk checksums, JPEG's end.

    Raises:
        SourceError: As ``read_header``, and if the picture is cut short or damaged.
    """
    header = read_header(data, where)
    if header.format == "PNG":
        _check_png_chunks(data, where)
    else:
        _check_jpeg_end(data, where)
    return header


def decode_image(data: bytes, where: str) -> Image:
    """Decode a PNG or JPEG as RGB; an EXIF orientation is not applied.

    Args:
        data: The file's bytes; gray and palette pictures become RGB, transparency is dropped.
        where: What messages call it, such as its path.

    Raises:
        SourceError: If it is no whole PNG or JPEG of at most ``MAX_PIXELS`` pixels.
    """
    check_picture(data, where)
    decoded = _decode(data, where, cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
    return np.asarray(cv2.cvtColor(decoded, cv2.COLOR_BGR2RGB), np.uint8)


def decode_map(data: bytes, where: str) -> Map:
    """Decode a map of ids or masks exactly as it was written.

    Args:
        data: A grayscale PNG of 8 or 16 bits.
        where: What messages call it, such as its path.

    Returns:
        (H, W) uint8 or uint16, as in the file.

    Raises:
        SourceError: If it is anything else: a JPEG loses ids, colours and palettes are no ids.
    """
    header = check_picture(data, where)
    if header.format != "PNG" or header.has_palette or header.channels != 1 or header.bits < 8:
        kind = "palette" if header.has_palette else f"{header.channels}-channel"
        raise SourceError(
            f"{where}: a map must be a grayscale PNG of 8 or 16 bits, got {header.bits}-bit "
            f"{kind} {header.format}; write the ids themselves as gray values ('svsdata doctor "
            "labels FOLDER' tells what a folder of maps holds)"
        )
    decoded = _decode(data, where, cv2.IMREAD_UNCHANGED)
    if decoded.ndim != 2:
        raise SourceError(f"{where}: a map must have no transparency; write it as plain gray")
    return cast(Map, decoded)


def encode_png(picture: NDArray[np.uint8] | NDArray[np.uint16], level: int = 1) -> bytes:
    """Encode without loss.

    Args:
        picture: (H, W) or (H, W, 3) RGB, uint8 or uint16.
        level: Of zlib, 1 to 9.
    """
    if (
        picture.dtype not in (np.uint8, np.uint16)
        or picture.shape[2:] not in ((), (3,))
        or not picture.size
    ):
        raise ValueError(f"no PNG for shape {picture.shape} of {picture.dtype}")
    if not 1 <= level <= 9:
        raise ValueError(f"level must be 1 to 9, got {level}")
    height, width = picture.shape[:2]
    color_type = _PNG_GRAY if picture.ndim == 2 else _PNG_RGB
    header = struct.pack(">IIBBBBB", width, height, 8 * picture.itemsize, color_type, 0, 0, 0)
    rows = _png_rows(picture).data
    deflated = zlib.compress(rows, level)
    chunks = ((b"IHDR", header), (b"IDAT", deflated), (b"IEND", b""))
    return _PNG_SIGNATURE + b"".join(png_chunk(*chunk) for chunk in chunks)


def png_chunk(name: bytes, content: bytes) -> bytes:
    """Return a chunk of a PNG file: its length, name, content and checksum."""
    checksum = zlib.crc32(content, zlib.crc32(name))
    return b"".join([struct.pack(">I", len(content)), name, content, struct.pack(">I", checksum)])


def encode_jpeg(image: Image, quality: int = 95) -> bytes:
    """Encode with loss, for people to look at; quality 1 to 100."""
    bgr = cv2.cvtColor(image, cv2.COLOR_RGB2BGR) if image.ndim == 3 else image
    encoded, data = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, quality])
    if not encoded:
        raise ValueError(f"OpenCV cannot write shape {image.shape} of {image.dtype} as JPEG")
    return data.tobytes()


def grey_levels(image: Image) -> NDArray[np.uint8]:
    """Return the (H, W) luma of a picture."""
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), np.uint8)


def resize_image(image: Image, size_hw: tuple[int, int]) -> Image:
    """Resample: the mean over each new pixel's area when shrinking, else bilinear."""
    if image.shape[:2] == size_hw:
        return image
    shrinks = size_hw[0] <= image.shape[0] and size_hw[1] <= image.shape[1]
    interpolation = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(image, size_hw[::-1], interpolation=interpolation), np.uint8)


def resize_map(source: Map, size_hw: tuple[int, int]) -> Map:
    """Take for each new pixel the value under its centre, so that maps lie under their image."""
    if source.shape == size_hw:
        return source
    resized = cv2.resize(source, size_hw[::-1], interpolation=cv2.INTER_NEAREST_EXACT)
    return cast(Map, resized)


def id_borders(ids: Map) -> NDArray[np.bool_]:
    """Return where an id differs from its left or upper neighbour, (H, W)."""
    borders = np.zeros(ids.shape, bool)
    borders[:, 1:] = ids[:, 1:] != ids[:, :-1]
    borders[1:] |= ids[1:] != ids[:-1]
    return borders


def write_text(image: Image, text: str, at_xy: tuple[int, int], size: float = 0.5) -> None:
    """Write white text with a black rim into a picture, in place.

    Args:
        image: (H, W, 3), contiguous.
        text: ASCII.
        at_xy: Where its base line begins.
        size: 1 is letters of about 20 pixels.
    """
    for color, thickness in (((0, 0, 0), 3), ((255, 255, 255), 1)):
        cv2.putText(
            image, text, at_xy, cv2.FONT_HERSHEY_SIMPLEX, size, color, thickness, cv2.LINE_AA
        )


def text_size(text: str, size: float = 0.5) -> tuple[int, int]:
    """Return the width and the height, rim included, that ``write_text`` needs above its base."""
    (width, height), _ = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, size, 3)
    return width, height


def _png_rows(picture: NDArray[np.uint8] | NDArray[np.uint16]) -> NDArray[np.uint8]:
    """Return the filtered bytes of each row behind the filter's number.

    Differences from the left neighbour suit 8-bit colours, from the row above ids and flow.
    """
    samples = picture.astype(">u2") if picture.dtype == np.uint16 else picture
    stored = np.ascontiguousarray(samples).view(np.uint8).reshape(len(picture), -1)
    rows = np.empty((len(stored), stored.shape[1] + 1), np.uint8)
    if picture.ndim == 3 and picture.dtype == np.uint8:
        rows[:, 0] = _PNG_SUB
        rows[:, 1:4] = stored[:, :3]
        np.subtract(stored[:, 3:], stored[:, :-3], out=rows[:, 4:])
    else:
        rows[:, 0] = _PNG_UP
        rows[0, 1:] = stored[0]
        np.subtract(stored[1:], stored[:-1], out=rows[1:, 1:])
    return rows


def _png_header(data: bytes, where: str) -> PictureHeader:
    if len(data) < 33 or data[12:16] != b"IHDR":
        raise SourceError(f"{where}: the PNG is cut short within its header ({len(data)} bytes)")
    width, height, bits, color_type = struct.unpack_from(">IIBB", data, 16)
    if color_type not in _PNG_CHANNELS:
        raise SourceError(f"{where}: the PNG header is damaged: colour type {color_type}")
    return PictureHeader(
        "PNG", (height, width), _PNG_CHANNELS[color_type], bits, color_type == _PNG_PALETTE
    )


def _jpeg_header(data: bytes, where: str) -> PictureHeader:
    for marker, position in jpeg_segments(data):
        if marker in _JPEG_SIZES:
            bits, height, width, channels = struct.unpack_from(">BHHB", data, position + 4)
            return PictureHeader("JPEG", (height, width), channels, bits, has_palette=False)
    raise SourceError(f"{where}: the JPEG is cut short or damaged before its size is told")


def jpeg_segments(data: bytes) -> Iterator[tuple[int, int]]:
    """Yield marker and position of each segment up to the first scan."""
    position, marker = 2, 0
    while marker != _JPEG_SCAN and position + 10 <= len(data) and data[position] == 0xFF:
        marker = data[position + 1]
        if marker == 0xFF:  # padding before a marker
            position += 1
        else:
            yield marker, position
            position += 2 + int(struct.unpack_from(">H", data, position + 2)[0])


def _check_jpeg_end(data: bytes, where: str) -> None:
    scans = [position for marker, position in jpeg_segments(data) if marker == _JPEG_SCAN]
    if not scans or data.rfind(_JPEG_END) < scans[0]:
        raise SourceError(f"{where}: the JPEG is cut short at {len(data)} bytes: no end marker")


def _check_png_chunks(data: bytes, where: str) -> None:
    view = memoryview(data)
    position = len(_PNG_SIGNATURE)
    while position + 12 <= len(data):
        end = position + 8 + struct.unpack_from(">I", data, position)[0]
        if end + 4 > len(data):
            break
        name = data[position + 4 : position + 8]
        if zlib.crc32(view[position + 4 : end]) != struct.unpack_from(">I", data, end)[0]:
            raise SourceError(f"{where}: the PNG is damaged: wrong checksum in chunk {name!r}")
        if name == b"IEND":
            return
        position = end + 4
    raise SourceError(f"{where}: the PNG is cut short at {len(data)} bytes: no end chunk")


def _decode(data: bytes, where: str, flags: int) -> NDArray[Any]:
    try:
        decoded = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except cv2.error as error:
        raise SourceError(f"{where}: OpenCV cannot decode the picture: {error.err}") from error
    if decoded is None:
        raise SourceError(f"{where}: OpenCV cannot decode the picture; it is damaged")
    return decoded
