import numpy as np
import pytest

from svsdata.evaluation.curves import ClassColors, Curve


def test_a_curve_holds_the_mean_of_each_bin():
    curve = Curve(bin_frames=10)
    for index, value in ((0, 1.0), (9, 3.0), (25, 7.0), (26, float("nan"))):
        curve.add(index, value)
    assert curve.points() == [(0, 2.0), (20, 7.0)]
    assert curve.count == 3
    assert curve.mean == pytest.approx(11 / 3)
    assert np.isnan(Curve(10).mean)


def test_a_tinted_frame_is_as_far_as_its_tint():
    semantic = np.array([[0, 0, 1], [2, 1, 1]], np.uint8)
    image = np.random.default_rng(1).integers(0, 200, (2, 3, 3), dtype=np.uint8)
    usual, seen = ClassColors(4), ClassColors(4)
    usual.add(0, image, semantic)
    seen.add(0, image, semantic)
    seen.add(7, image + np.array([3, 0, 4], np.uint8), semantic)
    seen.add(9, image, np.full((2, 3), 3, np.uint8))  # a class whose colour nobody knows
    curve = seen.distances(usual.usual(), 5)
    assert curve.points() == [(0, pytest.approx(0, abs=1e-12)), (5, pytest.approx(5.0))]
    assert curve.count == 2


def test_classes_count_by_their_pixels():
    semantic = np.array([[0, 0, 0, 1]], np.uint8)
    usual, seen = ClassColors(2), ClassColors(2)
    usual.add(0, np.zeros((1, 4, 3), np.uint8), semantic)
    seen.add(0, np.array([[[4, 0, 0]] * 3 + [[0, 8, 0]]], np.uint8), semantic)
    assert seen.distances(usual.usual(), 1).mean == pytest.approx((3 * 4 + 8) / 4)


def test_sums_of_a_large_bright_frame_do_not_overflow():
    pixels = 2**25
    rows = np.array([[0, pixels, 255 * pixels, 255 * pixels, 255 * pixels]])  # beyond 32 bits
    colors = ClassColors.from_arrays(1, {"frames": np.array([[3, 1]]), "rows": rows})
    assert colors.usual().tolist() == [[255, 255, 255]]
    assert colors.distances(np.full((1, 3), 254.0), 1).points() == [(3, pytest.approx(np.sqrt(3)))]
    np.testing.assert_array_equal(colors.to_arrays()["rows"], rows)


def test_what_differs_in_kind_does_not_merge():
    with pytest.raises(ValueError, match="bins of 10 and 5 frames"):
        Curve(10).merge(Curve(5))
    with pytest.raises(ValueError, match="35 and 19 classes"):
        ClassColors(35).merge(ClassColors(19))
