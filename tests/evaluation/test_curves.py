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
    usual = ClassColors.empty(4)
    usual.add(image, semantic)
    assert usual.distance(image, semantic) == pytest.approx(0, abs=1e-12)
    tinted = image + np.array([3, 0, 4], np.uint8)
    assert usual.distance(tinted, semantic) == pytest.approx(5.0)
    assert np.isnan(usual.distance(image, np.full((2, 3), 3, np.uint8)))
