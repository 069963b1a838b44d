import numpy as np
import pytest

from svsdata.flow import leaves_frame
from svsdata.synthesis.entering import entering

HW = (30, 60)


def still(size_hw=HW):
    return np.zeros((*size_hw, 2), np.float32)


def coming_from_the_left(visible, moved):
    """A bar of rows 5 to 24 shows its last ``visible`` columns, ``moved`` of them new."""
    ids = np.full(HW, 7, np.uint16)
    ids[5:25, :visible] = 27_001
    flow = still()
    flow[5:25, :visible, 0] = -moved
    return ids, flow


@pytest.mark.parametrize(("visible", "moved", "is_marked"), [(5, 5, 1), (20, 2, 1), (41, 2, 0)])
def test_an_object_is_marked_whole_while_enough_of_it_is_new(visible, moved, is_marked):
    ids, flow = coming_from_the_left(visible, moved)
    marked = entering(ids, flow, None, share=0.05)
    np.testing.assert_array_equal(marked, is_marked * (ids == 27_001))


def test_the_share_itself_is_not_more_than_the_share():
    ids, flow = coming_from_the_left(visible=20, moved=2)
    assert entering(ids, flow, None, share=0.0999).any()
    assert not entering(ids, flow, None, share=0.1).any()
    assert not entering(ids, flow, None, share=1.0).any()


def test_occluded_pixels_are_new_too():
    ids, _ = coming_from_the_left(visible=20, moved=0)
    occlusion = np.zeros(HW, np.uint8)
    occlusion[5:8, :20] = 1
    assert entering(ids, still(), occlusion, share=0.1).sum() == 20 * 20
    assert not entering(ids, still(), occlusion, share=0.2).any()
    assert not entering(ids, still(), None, share=0.1).any()


@pytest.mark.parametrize(
    ("rows", "columns", "is_marked"),
    [
        (slice(5, 15), slice(0, 9), 1),
        (slice(5, 15), slice(51, 60), 1),
        (slice(20, 30), slice(20, 29), 1),
        (slice(0, 10), slice(20, 29), 0),  # below a bridge nothing enters from above
        (slice(5, 15), slice(20, 29), 0),  # what others uncover
    ],
)
def test_objects_enter_at_three_borders(rows, columns, is_marked):
    ids = np.full(HW, 7, np.uint16)
    ids[rows, columns] = 26_003
    everywhere = np.ones(HW, np.uint8)
    assert entering(ids, still(), everywhere, share=0.05).any() == is_marked


def test_ground_and_specks_are_not_marked():
    everywhere = np.ones(HW, np.uint8)
    ids = np.full(HW, 26, np.uint16)  # a class, not an object
    assert not entering(ids, still(), everywhere, share=0.0).any()
    ids[10, :4] = 26_001  # 4 of 1,800 pixels
    assert not entering(ids, still(), everywhere, share=0.0).any()
    ids[10, :5] = 26_001
    assert entering(ids, still(), everywhere, share=0.0).sum() == 5


@pytest.mark.parametrize("seed", range(4))
def test_marks_are_those_of_the_slow_twin(seed):
    rng = np.random.default_rng(seed)
    ids = rng.choice(np.array([7, 999, 1000, 26_000, 65_535], np.uint16), (11, 17))
    flow = rng.normal(0, 3, (11, 17, 2)).astype(np.float32)
    occlusion = rng.integers(0, 2, (11, 17)).astype(np.uint8)
    expected = np.zeros((11, 17), np.uint8)
    for one in (1000, 26_000, 65_535):
        its = ids == one
        touches = its[:, 0].any() or its[:, -1].any() or its[-1].any()
        new = (occlusion | leaves_frame(flow))[its].mean()
        expected[its & (touches and new > 0.6)] = 1
    np.testing.assert_array_equal(entering(ids, flow, occlusion, share=0.6), expected)
