import numpy as np
import pytest

from svsdata.evaluation.fidelity import psnr, ssim


@pytest.fixture
def image():
    return np.random.default_rng(3).integers(0, 200, (37, 52, 3), dtype=np.uint8)


def test_a_constant_offset_has_an_analytic_psnr(image):
    assert psnr(image, image + np.uint8(10)) == pytest.approx(20 * np.log10(25.5))
    assert psnr(image, image) == np.inf


def test_ssim_equals_the_formula_in_every_window(image):
    other = np.random.default_rng(4).integers(0, 256, image.shape, dtype=np.uint8)
    x = np.arange(-5, 6)
    weights = np.exp(-(x**2) / (2 * 1.5**2))
    window = np.outer(weights, weights)[..., None] / np.outer(weights, weights).sum()
    values = []
    for top in range(image.shape[0] - 10):
        for left in range(image.shape[1] - 10):
            a = image[top : top + 11, left : left + 11].astype(float)
            b = other[top : top + 11, left : left + 11].astype(float)
            mean_a, mean_b = (window * a).sum((0, 1)), (window * b).sum((0, 1))
            var_a = (window * (a - mean_a) ** 2).sum((0, 1))
            var_b = (window * (b - mean_b) ** 2).sum((0, 1))
            both = (window * (a - mean_a) * (b - mean_b)).sum((0, 1))
            values.append(
                (2 * mean_a * mean_b + 6.5025) / (mean_a**2 + mean_b**2 + 6.5025)
                * (2 * both + 58.5225) / (var_a + var_b + 58.5225)
            )  # fmt: skip
    assert ssim(image, other) == pytest.approx(np.mean(values), rel=1e-9)
    assert ssim(image, image) == pytest.approx(1.0)


@pytest.mark.parametrize(("level", "other"), [(0, 1), (3, 90), (128, 255), (254, 255), (0, 255)])
def test_ssim_of_flat_images_is_that_of_their_levels(level, other):
    expected = (2 * level * other + 6.5025) / (level**2 + other**2 + 6.5025)
    images = [np.full((13, 20, 3), one, np.uint8) for one in (level, other)]
    assert ssim(*images) == pytest.approx(expected, rel=1e-9)


def test_images_of_other_sizes_are_refused(image):
    with pytest.raises(ValueError, match="cannot be compared"):
        psnr(image, image[:-1])
    with pytest.raises(ValueError, match="smaller than the window"):
        ssim(image[:10], image[:10])
