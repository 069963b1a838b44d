import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from PIL import Image as PillowImage

from svsdata.errors import SourceError
from svsdata.flow_codec import MAX_FLOW_PX, decode_flow, encode_flow
from svsdata.images import decode_image, encode_png

SHAPES = npst.array_shapes(min_dims=2, max_dims=2, max_side=9).map(lambda hw: (*hw, 2))
FLOWS = npst.arrays(np.float32, SHAPES, elements=st.floats(-511, 511, width=32))


@settings(deadline=None, max_examples=60)
@given(flow=FLOWS, data=st.data())
def test_flow_comes_back_within_half_a_step_and_validity_exactly(flow, data):
    validity = data.draw(npst.arrays(np.uint8, flow.shape[:2], elements=st.integers(0, 1)))
    decoded, decoded_validity = decode_flow(encode_flow(flow, validity), "it")
    np.testing.assert_array_equal(decoded_validity, validity)
    assert decoded.dtype == np.float32
    assert np.abs(decoded - flow)[validity == 1].max(initial=0.0) <= 1 / 128
    assert not decoded[validity == 0].any()


@settings(deadline=None, max_examples=40)
@given(flow=FLOWS)
def test_coding_twice_is_coding_once(flow):
    once = encode_flow(flow)
    assert encode_flow(decode_flow(once, "it")[0]) == once


def test_multiples_of_a_64th_are_exact_up_to_the_limits():
    steps = np.arange(-MAX_FLOW_PX * 64, MAX_FLOW_PX * 64 + 1, dtype=np.float32) / 64
    flow = np.stack([steps, -steps], axis=-1)[None]
    decoded, validity = decode_flow(encode_flow(flow), "it")
    np.testing.assert_array_equal(decoded, flow)
    assert validity.all()


def test_what_has_no_code_is_invalid():
    beyond = np.nextafter(np.float32(MAX_FLOW_PX), np.float32(600))
    flow = np.zeros((1, 6, 2), np.float32)
    flow[0, :5, 0] = [np.nan, np.inf, -np.inf, beyond, -beyond]
    decoded, validity = decode_flow(encode_flow(flow), "it")
    assert validity.tolist() == [[0, 0, 0, 0, 0, 1]]
    assert not decoded.any()


def test_the_file_is_kittis_layout():
    """Red dx, green dy, blue validity, each value * 64 + 2^15; invalid pixels are black."""
    flow = np.array([[[1.5, -2.0], [0.0, 0.0]]], np.float32)
    data = encode_flow(flow, np.array([[1, 0]], np.uint8))
    assert data[24:26] == bytes((16, 2))  # bits, colour type RGB
    # Pillow keeps the upper byte of each sample.
    upper = np.array(PillowImage.open(io.BytesIO(data)))
    assert upper.tolist() == [[[(96 + 2**15) >> 8, (-128 + 2**15) >> 8, 0], [0, 0, 0]]]


def test_a_foreign_kitti_file_is_read():
    coded = np.array([[[2**15 + 64, 2**15 - 32, 1], [5, 5, 0]]], np.uint16)
    flow, validity = decode_flow(encode_png(coded), "it")
    assert flow.tolist() == [[[1.0, -0.5], [0.0, 0.0]]]
    assert validity.tolist() == [[1, 0]]


@pytest.mark.parametrize(
    "picture", [np.zeros((3, 5, 3), np.uint8), np.zeros((3, 5), np.uint16)], ids=["8 bit", "gray"]
)
def test_a_picture_that_is_no_flow_is_refused(picture):
    with pytest.raises(SourceError, match=r"f\.png: flow must be a 16-bit RGB PNG"):
        decode_flow(encode_png(picture), "f.png")


def test_a_truncated_flow_is_refused():
    data = encode_flow(np.ones((5, 7, 2), np.float32))
    with pytest.raises(SourceError, match="cut short"):
        decode_flow(data[:-6], "it")


def test_flow_read_as_an_image_is_eight_bit():
    """Why flow is not declared an image to foreign readers."""
    assert decode_image(encode_flow(np.ones((2, 2, 2), np.float32)), "it").dtype == np.uint8
