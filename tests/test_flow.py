import numpy as np
import pytest

from svsdata.flow import leaves_frame, occlusion_by_consistency, resize_flow, warp, warp_piece


def constant_flow(size_hw, dx, dy):
    return np.broadcast_to(np.float32([dx, dy]), (*size_hw, 2)).copy()


def test_flow_of_one_to_the_right_takes_the_right_neighbour_and_repeats_the_border():
    row = np.float32([[0, 1, 2, 3, 4]])
    np.testing.assert_array_equal(warp(row, constant_flow((1, 5), 1, 0)), [[1, 2, 3, 4, 4]])


def test_flow_of_one_down_takes_the_pixel_below():
    column = np.float32([[0], [1], [2]])
    np.testing.assert_array_equal(warp(column, constant_flow((3, 1), 0, 1)), [[1], [2], [2]])


def test_half_a_pixel_is_the_mean_of_two_neighbours():
    row = np.float32([[0, 10, 40]])
    np.testing.assert_allclose(warp(row, constant_flow((1, 3), 0.5, 0)), [[5, 25, 40]], atol=0.01)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_nearest_warp_invents_no_ids(dtype):
    ids = np.array([[7, 7, 26, 26, 255]], dtype)
    warped = warp(ids, constant_flow((1, 5), 0.6, 0), nearest=True)
    assert warped.dtype == dtype
    np.testing.assert_array_equal(warped, [[7, 26, 26, 255, 255]])


def test_images_keep_shape_and_dtype_under_a_zero_flow():
    image = np.random.default_rng(0).integers(0, 256, (5, 9, 3), dtype=np.uint8)
    np.testing.assert_array_equal(warp(image, constant_flow((5, 9), 0, 0)), image)


@pytest.mark.parametrize("size_hw", [(3, 40), (12, 5), (12, 40), (3, 5)])
def test_resized_flow_scales_dx_by_width_and_dy_by_height(size_hw):
    resized = resize_flow(constant_flow((6, 10), 2, -3), size_hw)
    assert resized.shape == (*size_hw, 2)
    assert resized.dtype == np.float32
    expected = constant_flow(size_hw, 2 * size_hw[1] / 10, -3 * size_hw[0] / 6)
    np.testing.assert_allclose(resized, expected, rtol=1e-6)


def test_shrinking_averages_vectors():
    flow = np.zeros((2, 2, 2), np.float32)
    flow[0, 0] = (4, 8)
    np.testing.assert_allclose(resize_flow(flow, (1, 1)), [[[0.5, 1.0]]])


def test_pixels_that_point_outside_leave_the_frame():
    np.testing.assert_array_equal(leaves_frame(constant_flow((1, 3), -1, 0)), [[1, 0, 0]])
    np.testing.assert_array_equal(leaves_frame(constant_flow((2, 1), 0, 0.5)), [[0], [1]])
    assert not leaves_frame(constant_flow((4, 7), 0, 0)).any()


def test_consistent_flows_are_occluded_only_where_they_leave_the_frame():
    mask = occlusion_by_consistency(constant_flow((3, 8), 2, 0), constant_flow((3, 8), -2, 0))
    np.testing.assert_array_equal(mask, leaves_frame(constant_flow((3, 8), 2, 0)))


@pytest.mark.parametrize("stride", [2, 3])
def test_a_stride_compares_every_so_many_pixels_and_repeats_them(stride):
    rng = np.random.default_rng(3)
    backward, forward = rng.normal(0, 0.6, (2, 7, 11, 2)).astype(np.float32)
    every = occlusion_by_consistency(backward, forward)
    strided = occlusion_by_consistency(backward, forward, stride)
    assert 0 < every.mean() < 1
    rows, columns = (np.arange(side) // stride * stride for side in (7, 11))
    np.testing.assert_array_equal(strided, every[np.ix_(rows, columns)])


def test_contradicting_flows_are_occluded():
    mask = occlusion_by_consistency(constant_flow((3, 8), 0, 0), constant_flow((3, 8), 3, 0))
    assert mask.all()
    assert mask.dtype == np.uint8


def test_a_window_of_a_warp_is_cut_out_of_the_whole():
    rng = np.random.default_rng(3)
    previous = rng.integers(0, 9, (13, 21)).astype(np.uint8)
    flow = rng.integers(-60, 60, (13, 21, 2)).astype(np.float32) / 4
    window = slice(3, 11), slice(5, 30)
    part = warp(previous, flow, nearest=True, window=window)
    np.testing.assert_array_equal(part, warp(previous, flow, nearest=True)[window])


def test_a_piece_is_warped_as_if_nothing_were_around_it():
    rng = np.random.default_rng(4)
    flow = rng.integers(-30, 30, (13, 21, 2)).astype(np.float32) / 4 + 0.1
    rows, columns = slice(3, 11), slice(5, 17)
    piece = rng.integers(1, 9, (8, 12)).astype(np.uint8)
    alone = np.zeros((13, 21), np.uint8)
    alone[rows, columns] = piece
    moved = warp_piece(piece, flow[rows, columns])
    np.testing.assert_array_equal(moved, warp(alone, flow, nearest=True)[rows, columns])
    assert 0 < np.count_nonzero(moved) < moved.size
