import cv2
import numpy as np
import pytest

from svsdata.errors import ConfigError
from svsdata.estimation.flow_estimators import DisFlow, flow_estimator


def texture(size_hw: tuple[int, int]) -> np.ndarray:
    noise = np.random.default_rng(0).integers(0, 255, (*size_hw, 3), dtype=np.uint8)
    return cv2.GaussianBlur(noise, (0, 0), 2) * np.uint8(1)


def test_flow_points_from_the_current_frame_back_to_the_previous_one():
    large = texture((110, 190))
    previous, current = large[10:100, 20:180], large[7:97, 24:184]  # moved by 4 left, 3 down
    estimate = DisFlow(check=True).estimate(previous, current)
    inner = np.s_[15:-15, 15:-15]
    np.testing.assert_allclose(np.median(estimate.flow[inner], axis=(0, 1)), [4, -3], atol=0.1)
    assert estimate.occlusion[inner].mean() < 0.02
    np.testing.assert_array_equal(estimate.validity, 1 - estimate.occlusion)
    # What was beyond the left border cannot be confirmed.
    assert estimate.occlusion[:, -3:].mean() > 0.9


def test_what_was_hidden_is_occluded_and_what_hides_it_is_not():
    background = texture((120, 200))
    previous, current = background.copy(), background.copy()
    square = 255 - texture((40, 40))
    previous[30:70, 60:100] = square
    current[30:70, 68:108] = square
    estimate = DisFlow(check=True).estimate(previous, current)
    assert estimate.occlusion[34:66, 60:68].mean() > 0.8
    assert estimate.occlusion[34:66, 76:100].mean() < 0.05
    np.testing.assert_allclose(estimate.flow[50, 88], [-8, 0], atol=0.1)


def test_without_the_check_nothing_is_said_about_occlusion():
    image = texture((64, 96))
    estimate = DisFlow(check=False).estimate(image, image)
    assert (estimate.validity, estimate.occlusion) == (None, None)
    np.testing.assert_allclose(estimate.flow, 0, atol=0.05)
    assert estimate.flow.dtype == np.float32


@pytest.mark.parametrize("size_hw", [(1, 1), (15, 100), (65, 13), (4, 400)])
def test_frames_that_the_search_crashes_at_are_refused(size_hw):
    image = texture(size_hw)
    height, width = size_hw
    with pytest.raises(ConfigError, match=rf"{width}x{height}.*at least 16x16.*--flow none"):
        DisFlow(check=True).estimate(image, image)


@pytest.mark.parametrize("size_hw", [(16, 16), (16, 400), (400, 16), (17, 23)])
def test_small_and_long_frames_have_flow(size_hw):
    image = texture(size_hw)
    estimate = DisFlow(check=True).estimate(image, image)
    assert estimate.flow.shape == (*size_hw, 2)
    assert np.abs(estimate.flow).max() < 0.5


def test_one_estimator_gives_the_same_in_any_number_of_threads():
    from concurrent.futures import ThreadPoolExecutor

    images = [texture((64, 96))[:, shift : shift + 64] for shift in range(0, 12, 2)]
    estimator = DisFlow(check=False)
    alone = [estimator.estimate(images[0], image).flow for image in images]
    with ThreadPoolExecutor(3) as pool:
        together = list(pool.map(lambda image: estimator.estimate(images[0], image).flow, images))
    for one, other in zip(alone, together, strict=True):
        np.testing.assert_array_equal(one, other)


def test_estimators_are_known_by_name():
    assert flow_estimator("dis", check=False).checks is False
    with pytest.raises(ConfigError, match="unknown flow estimator 'magic'; known: dis"):
        flow_estimator("magic", check=True)
