import numpy as np

from svsdata.synthesis.continuing import continued

SIZE_HW = (9, 13)


def test_known_values_stay_and_unknown_ones_are_those_of_their_label() -> None:
    semantic = np.zeros(SIZE_HW, np.uint8)
    semantic[:, 6:] = 5
    values = np.where(semantic[..., None] == 5, np.float32([3, -1]), np.float32([8, 2]))
    unknown = np.zeros(SIZE_HW, bool)
    unknown[2:7, 3:11] = True
    given = np.where(unknown[..., None], np.float32(99), values)
    found = continued(given, unknown, semantic)
    np.testing.assert_array_equal(found, values)
    assert found.dtype == np.float32
    assert (given[unknown] == 99).all()


def test_a_region_of_which_nothing_is_known_takes_what_is_nearest() -> None:
    semantic = np.zeros(SIZE_HW, np.uint8)
    semantic[3:5, 3:5] = 7
    values = np.zeros((*SIZE_HW, 1), np.uint8)
    values[:, :4] = 10
    values[:, 4:] = 20
    found = continued(np.where(semantic[..., None] == 7, 0, values), semantic == 7, semantic)
    np.testing.assert_array_equal(found, values)


def test_a_label_is_not_continued_across_another_one() -> None:
    semantic = np.zeros(SIZE_HW, np.uint8)
    semantic[:, 4:6] = 3
    values = np.zeros((*SIZE_HW, 1), np.uint8)
    values[:, :4] = 50
    values[:, 4:6] = 100
    unknown = np.zeros(SIZE_HW, bool)
    unknown[:, 6:] = True
    assert (continued(values, unknown, semantic)[:, 6:] == 100).all()


def test_nothing_known_and_nothing_unknown_leave_values_as_they_are() -> None:
    values = np.random.default_rng(1).random((*SIZE_HW, 2), np.float32)
    semantic = np.zeros(SIZE_HW, np.uint8)
    same = continued(values, np.zeros(SIZE_HW, bool), semantic)
    np.testing.assert_array_equal(same, values)
    none = continued(values * 0, np.ones(SIZE_HW, bool), semantic)
    assert not none.any()
