import io
import struct
import zlib

import cv2
import numpy as np
import pytest
from PIL import Image as PillowImage

from svsdata.errors import SourceError
from svsdata.images import (
    MAX_PIXELS,
    check_picture,
    decode_image,
    decode_map,
    encode_jpeg,
    encode_png,
    read_header,
    resize_image,
    resize_map,
)

RNG = np.random.default_rng(0)
IMAGE = RNG.integers(0, 256, (13, 21, 3), np.uint8)
SEMANTIC = RNG.integers(0, 35, (13, 21), np.uint8)
INSTANCE = RNG.integers(0, 2**16, (13, 21), np.uint16)


def pillow_png(picture: PillowImage.Image, **options: object) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, "png", **options)
    return buffer.getvalue()


def chunk(name: bytes, content: bytes) -> bytes:
    checksum = zlib.crc32(name + content)
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", checksum)


@pytest.mark.parametrize("level", [1, 6, 9])
@pytest.mark.parametrize("picture", [IMAGE, SEMANTIC, INSTANCE], ids=["image", "8 bit", "16 bit"])
def test_png_gives_back_what_was_encoded_at_every_level(picture, level):
    data = encode_png(picture, level)
    decode = decode_image if picture.ndim == 3 else decode_map
    decoded = decode(data, "it")
    assert decoded.dtype == picture.dtype
    np.testing.assert_array_equal(decoded, picture)


@pytest.mark.parametrize("picture", [IMAGE, SEMANTIC, INSTANCE], ids=["image", "8 bit", "16 bit"])
def test_pillow_sees_the_same_picture(picture):
    np.testing.assert_array_equal(PillowImage.open(io.BytesIO(encode_png(picture))), picture)


def test_jpeg_keeps_the_order_of_channels():
    red = np.zeros((16, 16, 3), np.uint8)
    red[..., 0] = 200
    decoded = decode_image(encode_jpeg(red), "it")
    assert decoded[..., 0].mean() > 190
    assert decoded[..., 1:].mean() < 10


@pytest.mark.parametrize("encode", [encode_png, encode_jpeg])
def test_a_header_tells_size_and_format_without_the_pixels(encode):
    data = encode(IMAGE)
    header = read_header(data[: len(data) // 3 + 700], "it")
    assert (header.size_hw, header.channels, header.bits) == ((13, 21), 3, 8)


def test_gray_palette_and_transparent_pictures_become_rgb_images():
    gray = PillowImage.fromarray(SEMANTIC)
    np.testing.assert_array_equal(
        decode_image(pillow_png(gray), "it"), np.repeat(SEMANTIC[..., None], 3, axis=-1)
    )
    colours = PillowImage.fromarray(np.full((4, 4, 3), (9, 8, 7), np.uint8))
    palette = pillow_png(colours.convert("P", palette=PillowImage.Palette.ADAPTIVE))
    assert tuple(decode_image(palette, "it")[0, 0]) == (9, 8, 7)
    assert tuple(decode_image(pillow_png(colours.convert("RGBA")), "it")[0, 0]) == (9, 8, 7)


@pytest.mark.parametrize(
    ("data", "named"),
    [
        (pillow_png(PillowImage.fromarray(SEMANTIC).convert("P")), "8-bit palette PNG"),
        (pillow_png(PillowImage.fromarray(IMAGE)), "8-bit 3-channel PNG"),
        (pillow_png(PillowImage.fromarray(SEMANTIC > 9)), "1-bit 1-channel PNG"),
        (pillow_png(PillowImage.fromarray(SEMANTIC).convert("LA")), "8-bit 2-channel PNG"),
        (encode_jpeg(SEMANTIC), "8-bit 1-channel JPEG"),
    ],
    ids=["palette", "colour", "1 bit", "alpha", "jpeg"],
)
def test_a_map_that_would_lose_its_ids_is_refused(data, named):
    with pytest.raises(
        SourceError, match=f"maps/x.png: a map must be a grayscale PNG.*{named}.*doctor labels"
    ):
        decode_map(data, "maps/x.png")


def test_a_transparent_gray_value_changes_no_id():
    data = pillow_png(PillowImage.fromarray(SEMANTIC), transparency=7)
    np.testing.assert_array_equal(decode_map(data, "it"), SEMANTIC)


@pytest.mark.parametrize("encode", [encode_png, encode_jpeg])
def test_every_truncation_is_an_error(encode):
    data = encode(IMAGE)
    for length in (*range(0, 40), *range(40, len(data), 37), len(data) - 1):
        with pytest.raises(SourceError, match=r"cut\.png"):
            decode_image(data[:length], "cut.png")


def test_a_thumbnail_inside_does_not_hide_that_a_jpeg_is_cut():
    thumbnail = encode_jpeg(IMAGE)
    data = encode_jpeg(IMAGE)
    data = data[:2] + b"\xff\xe1" + struct.pack(">H", len(thumbnail) + 2) + thumbnail + data[2:]
    assert check_picture(data, "it").size_hw == (13, 21)
    with pytest.raises(SourceError, match="cut short"):
        check_picture(data[:-2], "it")


def test_every_flipped_bit_of_a_png_is_found():
    data = encode_png(SEMANTIC)
    for position in RNG.integers(0, len(data), 60):
        damaged = bytearray(data)
        damaged[position] ^= 1 << RNG.integers(8)
        with pytest.raises(SourceError):
            check_picture(bytes(damaged), "it")


def test_a_picture_of_too_many_pixels_is_refused_by_its_header():
    side = int(MAX_PIXELS**0.5) + 1
    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    bomb = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IEND", b"")
    with pytest.raises(SourceError, match=f"bomb: the header says {side}x{side}"):
        decode_image(bomb, "bomb")
    huge_jpeg = bytearray(encode_jpeg(IMAGE))
    at = huge_jpeg.index(b"\xff\xc0")
    huge_jpeg[at + 5 : at + 9] = b"\xff\xff\xff\xff"
    with pytest.raises(SourceError, match="65535x65535"):
        decode_image(bytes(huge_jpeg), "bomb")


@pytest.mark.parametrize("data", [b"", b"GIF89a", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff"])
def test_what_is_no_picture_is_told_in_one_line(data):
    with pytest.raises(SourceError, match=r"^it: [^\n]+$"):
        read_header(data, "it")


def test_a_png_with_whole_chunks_and_nonsense_inside_is_an_error(capfd):
    header = struct.pack(">IIBBBBB", 4, 4, 8, 0, 0, 0, 0)
    nonsense = (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", b"no zlib")
        + chunk(b"IEND", b"")
    )
    with pytest.raises(SourceError, match="cannot decode"):
        decode_map(nonsense, "it")
    capfd.readouterr()  # libpng tells stderr


def test_an_exif_orientation_does_not_turn_the_frame():
    exif = PillowImage.Exif()
    exif[0x0112] = 6
    buffer = io.BytesIO()
    PillowImage.fromarray(IMAGE).save(buffer, "jpeg", exif=exif)
    assert decode_image(buffer.getvalue(), "it").shape == IMAGE.shape


@pytest.mark.parametrize(
    "picture", [np.zeros((4, 4), np.float32), np.zeros((4, 4, 2), np.uint8)], ids=["float", "pair"]
)
def test_encoding_another_shape_or_type_is_a_wrong_call(picture):
    with pytest.raises(ValueError, match="no PNG for shape"):
        encode_png(picture)


def test_a_level_outside_zlib_is_a_wrong_call():
    with pytest.raises(ValueError, match="level"):
        encode_png(SEMANTIC, 0)


def test_shrinking_an_image_takes_the_mean_of_each_area():
    image = RNG.integers(0, 256, (12, 18, 3), np.uint8)
    blocks = image.reshape(4, 3, 6, 3, 3).astype(float).mean(axis=(1, 3))
    assert np.abs(resize_image(image, (4, 6)) - blocks).max() <= 0.5 + 1e-6


def test_growing_an_image_is_bilinear():
    ramp = np.repeat(np.array([[0, 100]], np.uint8)[..., None], 3, axis=-1)
    assert resize_image(ramp, (1, 4))[0, :, 0].tolist() == [0, 25, 75, 100]


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_resizing_a_map_takes_the_value_under_the_new_pixels_centre(dtype):
    ids = RNG.integers(0, 250, (9, 15)).astype(dtype)
    np.testing.assert_array_equal(resize_map(ids, (3, 5)), ids[1::3, 1::3])
    np.testing.assert_array_equal(resize_map(ids, (18, 30)), ids.repeat(2, 0).repeat(2, 1))


def test_the_same_size_is_the_same_picture():
    assert resize_image(IMAGE, (13, 21)) is IMAGE
    assert resize_map(SEMANTIC, (13, 21)) is SEMANTIC


def test_opencv_alone_would_lose_the_ids():
    """What the checks above guard against is still so."""
    as_stored = np.frombuffer(encode_png(INSTANCE), np.uint8)
    assert cv2.imdecode(as_stored, cv2.IMREAD_GRAYSCALE).dtype == np.uint8
