import numpy as np
import pytest

from svsdata.object_colours import NUM_IDS, mean_colours


def test_an_objects_colour_is_the_mean_over_its_pixels_in_all_views():
    image = np.zeros((8, 8, 3), np.uint8)
    image[:4], image[4:] = (255, 0, 51), (0, 255, 102)
    first = np.full((8, 8), 7, np.uint16)  # road
    first[:4] = 26_001
    second = first.copy()
    second[4:, :4] = 26_001
    second[4:, 4:] = 65_535
    table = mean_colours([(image, first), (image, second)])
    assert table.shape == (NUM_IDS, 4)
    assert np.flatnonzero(table[:, 3]).tolist() == [26_001, 65_535]
    mean = (np.array([255, 0, 51]) * 64 + np.array([0, 255, 102]) * 16) / 80
    np.testing.assert_allclose(table[26_001, :3], mean / 127.5 - 1, atol=1e-6)
    np.testing.assert_allclose(table[65_535], [-1, 1, -0.2, 1], atol=1e-6)
    assert not table[7].any()


@pytest.mark.parametrize(("pixels", "is_told"), [(15, False), (16, True)])
def test_a_few_pixels_do_not_tell_a_colour(pixels, is_told):
    instance = np.zeros((6, 6), np.int32)
    instance.ravel()[:pixels] = 24_000
    table = mean_colours([(np.full((6, 6, 3), 200, np.uint8), instance)])
    assert table[24_000].any() == is_told


def test_nothing_is_told_of_no_picture():
    assert not mean_colours([]).any()
