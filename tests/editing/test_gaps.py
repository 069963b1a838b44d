import numpy as np

from svsdata.editing.gaps import along_rows, close_gaps
from svsdata.editing.occlusion import layers_of
from svsdata.labels import CITYSCAPES

ROAD, BUILDING, POLE, VEGETATION, SKY = (
    CITYSCAPES.by_name[name].id for name in ("road", "building", "pole", "vegetation", "sky")
)


def test_a_row_goes_on_with_what_is_nearest_in_it():
    labels = np.array([[1, 0, 0, 0, 2], [0, 0, 3, 0, 0], [7, 7, 7, 7, 7]], np.uint8)
    kept = np.array([[1, 0, 0, 0, 1], [0, 0, 1, 0, 0], [0, 0, 0, 0, 0]], bool)
    expected = [[1, 1, 1, 2, 2], [3] * 5, [7] * 5]
    np.testing.assert_array_equal(along_rows(labels, kept), expected)


def closed(row: list[int], depth: list[float]) -> tuple[list[int], list[float]]:
    """Close the gaps of one row, padded to 128 pixels with sky: gaps of 3 pixels are narrow."""
    semantic = np.full((1, 128), SKY, np.uint8)
    metres = np.full((1, 128), np.inf, np.float32)
    semantic[0, : len(row)], metres[0, : len(row)] = row, depth
    close_gaps(semantic, metres, layers_of(CITYSCAPES))
    return semantic[0, : len(row)].tolist(), metres[0, : len(row)].tolist()


def test_a_narrow_gap_between_parts_of_one_thing_is_closed_as_far_away_as_the_farther_part():
    row, depth = [BUILDING, SKY, SKY, BUILDING], [10.0, np.inf, np.inf, 12.0]
    assert closed(row, depth) == ([BUILDING] * 4, [10.0, 12.0, 12.0, 12.0])


def test_wide_gaps_gaps_between_two_things_and_what_is_nearer_stay():
    far = np.inf
    for row, depth in (
        ([BUILDING, SKY, SKY, SKY, SKY, BUILDING], [9.0, far, far, far, far, 9.0]),
        ([BUILDING, SKY, VEGETATION], [9.0, far, 9.0]),
        ([BUILDING, POLE, BUILDING], [9.0, 30.0, 9.0]),
        ([BUILDING, ROAD, BUILDING], [9.0, 5.0, 9.0]),
        ([SKY, SKY, BUILDING], [far, far, 9.0]),
    ):
        assert closed(row, depth) == (row, depth)
