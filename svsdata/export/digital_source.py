"""The mark of machine-made pictures: IPTC's digital source type, as XMP in PNG and MP4 files.

Sources: IPTC Photo Metadata Standard (Digital Source Type), XMP specification part 3 (where the
packet lies in PNG and in MPEG-4 files). No pixel changes.
"""

import struct
from pathlib import Path
from typing import Literal, TypeAlias, get_args

from svsdata.images import png_chunk
from svsdata.records import REPAIRED, Frame

SourceType: TypeAlias = Literal[
    "trainedAlgorithmicMedia", "compositeWithTrainedAlgorithmicMedia", "algorithmicMedia"
]
"""IPTC's terms for media made by a model trained on other media, for others of which such a model
drew a part, and for media made by an untrained algorithm; the strongest first."""
SOURCE_TYPES: tuple[SourceType, ...] = get_args(SourceType)
VOCABULARY = "http://cv.iptc.org/newscodes/digitalsourcetype/"

_PACKET = (
    '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>'
    '<x:xmpmeta xmlns:x="adobe:ns:meta/">'
    '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    '<rdf:Description rdf:about="" '
    'xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/">'
    f"<Iptc4xmpExt:DigitalSourceType>{VOCABULARY}{{}}"
    "</Iptc4xmpExt:DigitalSourceType>"
    '</rdf:Description></rdf:RDF></x:xmpmeta><?xpacket end="r"?>'
)
_PNG_HEADER_END = 33  # 8 bytes of signature, then IHDR: 4 length, 4 type, 13 data, 4 check
_XMP_UUID = bytes.fromhex("BE7ACFCB97A942E89C71999491E3AFAC")


def source_type(frame: Frame) -> SourceType | None:
    """Return how the frame's picture came to be; None for a recorded one.

    Args:
        frame: With its provenance, where it has one.
    """
    if not frame.is_synthetic:
        return None
    if "image" not in frame.models:
        return "algorithmicMedia"
    if frame.provenance is not None and (frame.provenance == REPAIRED).any():
        return "compositeWithTrainedAlgorithmicMedia"
    return "trainedAlgorithmicMedia"


def marked_png(png: bytes, kind: SourceType) -> bytes:
    """Return the PNG file with the mark in an iTXt chunk right after its header."""
    # Keyword, no compression, no language, no translated keyword.
    body = b"XML:com.adobe.xmp" + b"\0\0\0\0\0" + _packet(kind)
    return png[:_PNG_HEADER_END] + png_chunk(b"iTXt", body) + png[_PNG_HEADER_END:]


def mark_mp4(path: Path, kind: SourceType) -> None:
    """Append the mark to an MP4 file as a top-level ``uuid`` box, which players skip."""
    box = b"uuid" + _XMP_UUID + _packet(kind)
    with path.open("ab") as file:
        file.write(struct.pack(">I", len(box) + 4) + box)


def _packet(kind: SourceType) -> bytes:
    return _PACKET.format(kind).encode()
