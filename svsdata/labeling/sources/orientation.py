"""How a camera was held, as the EXIF data of a JPEG tells it (EXIF 2.3, tag Orientation)."""

import struct

import numpy as np

from svsdata.images import jpeg_segments
from svsdata.records import Image

UPRIGHT = 1

_APP1, _EXIF, _ORIENTATION = 0xE1, b"Exif\0\0", 0x0112
_MIRRORED_COLUMNS, _MIRRORED_ROWS = {2, 3, 6, 7}, {3, 4, 7, 8}
_TRANSPOSED = 5
"""From here on rows and columns change places, before anything is mirrored."""


def exif_orientation(data: bytes) -> int:
    """Return a picture's orientation, 1 to 8; ``UPRIGHT`` where the bytes tell none.

    Args:
        data: Of a whole JPEG, or of a PNG, whose EXIF data is not looked at.
    """
    if not data.startswith(b"\xff\xd8"):
        return UPRIGHT
    for marker, position in jpeg_segments(data):
        if marker == _APP1 and data.startswith(_EXIF, position + 4):
            try:
                found = _tag(data, position + 4 + len(_EXIF))
            except struct.error:  # cut short within: players show such pictures as they are
                return UPRIGHT
            return found if 1 <= found <= 8 else UPRIGHT
    return UPRIGHT


def turned_upright(image: Image, orientation: int) -> Image:
    """Return the (H, W, 3) picture as viewers show it; a copy unless it is upright already."""
    if orientation == UPRIGHT:
        return image
    if orientation >= _TRANSPOSED:
        image = image.swapaxes(0, 1)
    rows = -1 if orientation in _MIRRORED_ROWS else 1
    columns = -1 if orientation in _MIRRORED_COLUMNS else 1
    return np.ascontiguousarray(image[::rows, ::columns])


def _tag(data: bytes, tiff: int) -> int:
    """Read the tag from the first directory of a TIFF header at ``tiff``; 0 where it has none."""
    order = "<" if data.startswith(b"II", tiff) else ">"
    directory = tiff + int(struct.unpack_from(f"{order}I", data, tiff + 4)[0])
    (entries,) = struct.unpack_from(f"{order}H", data, directory)
    for entry in range(directory + 2, directory + 2 + 12 * entries, 12):
        tag, _, _, value = struct.unpack_from(f"{order}HHIH", data, entry)
        if tag == _ORIENTATION:
            return int(value)
    return 0
