"""Flow fields as KITTI PNG: 16-bit RGB of dx, dy and validity.

Components are coded as value * 64 + 2^15 (KITTI flow 2015 development kit), so the error is at
most 1/128 pixel.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from svsdata.errors import SourceError
from svsdata.images import check_picture, encode_png
from svsdata.records import Flow, Mask

MAX_FLOW_PX = 511.0
"""Components beyond this have no code; such pixels are written as invalid."""

_SCALE, _ZERO = np.float32(64), np.float32(2**15)


def flow_codes(flow: Flow, validity: Mask | None = None) -> NDArray[np.uint16]:
    """Return what is stored of a flow field.

    Args:
        flow: (H, W, 2) pixels, dx then dy; not finite or beyond ``MAX_FLOW_PX`` becomes invalid.
        validity: (H, W), 1 = valid; None means everywhere.

    Returns:
        (H, W, 3) codes of dx and dy, and 1 = valid; all 0 where invalid.
    """
    # NaN is in no range.
    valid = (cv2.inRange(flow, (-MAX_FLOW_PX,) * 2, (MAX_FLOW_PX,) * 2) != 0).astype(np.uint16)
    if validity is not None:
        valid *= validity != 0
    coded = []
    # Plane by plane, which is four times as fast as strided.
    for component in cv2.split(flow):
        scaled = np.rint(component * _SCALE)
        scaled += _ZERO
        with np.errstate(invalid="ignore"):  # NaN becomes some number, and then 0
            codes = scaled.astype(np.uint16)
        coded.append(codes * valid)
    return np.asarray(cv2.merge([*coded, valid]), np.uint16)


def flow_of_codes(codes: NDArray[np.uint16]) -> tuple[Flow, Mask]:
    """Return the (H, W, 2) flow, 0 where invalid, and (H, W) validity of (H, W, 3) codes."""
    validity = (codes[..., 2] != 0).astype(np.uint8)
    flow = (codes[..., :2].astype(np.float32) - _ZERO) / _SCALE
    flow[validity == 0] = 0.0
    return flow, validity


def encode_flow(flow: Flow, validity: Mask | None = None) -> bytes:
    """Encode a flow field.

    Args:
        flow: (H, W, 2) pixels, dx then dy; not finite or beyond ``MAX_FLOW_PX`` becomes invalid.
        validity: (H, W), 1 = valid; None means everywhere.
    """
    return encode_png(flow_codes(flow, validity))


def decode_flow(data: bytes, where: str) -> tuple[Flow, Mask]:
    """Decode a flow field.

    Args:
        data: A 16-bit RGB PNG.
        where: What messages call it, such as its path.

    Returns:
        (H, W, 2) float32 pixels, 0 where invalid, and (H, W) uint8, 1 = valid.

    Raises:
        SourceError: If it is no whole 16-bit RGB PNG.
    """
    return flow_of_codes(decode_codes(data, where))


def decode_codes(data: bytes, where: str) -> NDArray[np.uint16]:
    """Decode what ``flow_codes`` returned from a 16-bit RGB PNG.

    Raises:
        SourceError: If it is no whole 16-bit RGB PNG.
    """
    header = check_picture(data, where)
    if (header.format, header.channels, header.bits) != ("PNG", 3, 16):
        raise SourceError(
            f"{where}: flow must be a 16-bit RGB PNG (KITTI), got a {header.bits}-bit "
            f"{header.channels}-channel {header.format}"
        )
    bgr = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if bgr is None:
        raise SourceError(f"{where}: OpenCV cannot decode the flow; it is damaged")
    return np.asarray(bgr[..., ::-1], np.uint16)
