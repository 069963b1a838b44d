import numpy as np
import pytest

from svsdata.editing.near_frames import NearFrame, first_seen, labels_at
from svsdata.labels import NO_LABEL

ROAD, CAR, WALL = 7, 26, 12
# Looks along x from the origin: u = -y / x, v = -z / x.
LOOKS_AHEAD = np.array([[0.0, -1.0, 0.0, 0.0], [0.0, 0.0, -1.0, 0.0], [1.0, 0.0, 0.0, 0.0]])


def label_at(semantic, u, v, depth, near_m):
    """Slow twin for one place."""
    height, width = semantic.shape
    if depth <= near_m:
        return NO_LABEL
    column, row = round(u / depth), round(v / depth)
    inside = 0 <= column < width and 0 <= row < height
    return semantic[row, column] if inside else NO_LABEL


@pytest.mark.parametrize("count", [0, 1, 500, 20_000, 40_000])
def test_any_number_of_places_is_looked_up_as_one_by_one(count):
    rng = np.random.default_rng(count)
    semantic = rng.integers(0, 34, (11, 17)).astype(np.uint8)
    depth = rng.choice([-5.0, 0.0, 0.3, 0.30001, 1.0, 2.0, 8.0], count)
    # Halves of pixels are rounded to even ones.
    pixels = rng.integers(-4, 40, (2, count)) / 2
    projected = np.concatenate([pixels * depth, depth[None]])
    expected = [label_at(semantic, u, v, z, 0.3) for u, v, z in projected.T]
    np.testing.assert_array_equal(labels_at(semantic, projected.copy(), 0.3), expected)


def test_places_far_outside_are_not_seen():
    far = np.array([[1e9, -1e9, 65536.0, 0.0], [0.0, 0.0, 0.0, -1e12], [1.0, 1.0, 1.0, 1.0]])
    assert labels_at(np.zeros((4, 4), np.uint8), far).tolist() == [NO_LABEL] * 4


def test_the_first_frame_that_shows_something_wanted_counts():
    is_wanted = np.zeros(256, bool)
    is_wanted[[ROAD, WALL, NO_LABEL]] = True
    maps = [[CAR, CAR, ROAD, NO_LABEL], [WALL, CAR, WALL, NO_LABEL], [ROAD, WALL, WALL, NO_LABEL]]
    frames = [NearFrame(np.array([row], np.uint8), LOOKS_AHEAD) for row in maps]
    places = np.array([[2.0] * 5, [0.0, -2.0, -4.0, -6.0, -8.0], [0.0] * 5, [1.0] * 5])
    found = first_seen(frames, places, is_wanted)
    assert found.tolist() == [WALL, WALL, ROAD, NO_LABEL, NO_LABEL]
    assert first_seen(frames, places[:, :0], is_wanted).shape == (0,)
    assert first_seen([], places, is_wanted).tolist() == [NO_LABEL] * 5
