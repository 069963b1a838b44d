import numpy as np

from svsdata.labeling.track_matching import (
    area_ratios,
    assign,
    box_overlaps,
    grown,
    numbered,
    pieces,
    sighting,
)
from svsdata.records import Frame

SIZE = (6, 20)


def seen(instance: np.ndarray, carried: np.ndarray, num_objects: int, confidence=None):
    return sighting(Frame(0, 0, instance=instance, confidence=confidence), carried, num_objects)


def test_a_sighting_measures_things_alone():
    instance = np.full(SIZE, 7, np.uint16)
    instance[1:3, 2:5], instance[4, 10:14] = 26003, 24001
    carried = np.zeros(SIZE, np.uint16)
    carried[1:3, 3:7] = 2
    confidence = np.full(SIZE, 255, np.uint8)
    confidence[1, 2:5] = 0
    it = seen(instance, carried, 2, confidence)
    assert it.ids.tolist() == [24001, 26003]
    assert it.labels.tolist() == [24, 26]
    assert it.boxes.tolist() == [[10, 4, 14, 5], [2, 1, 5, 3]]
    assert it.areas.tolist() == [4, 6]
    assert it.confidences.tolist() == [1.0, 0.5]
    assert it.shared.tolist() == [[120 - 4 - 2 - 8, 4, 2], [0, 0, 0], [4, 0, 4]]
    np.testing.assert_allclose(it.overlaps(), [[0, 0], [0, 4 / 10]])


def test_an_empty_frame_has_no_segments():
    it = seen(np.full(SIZE, 7, np.uint16), np.ones(SIZE, np.uint16), 1)
    assert (it.boxes.shape, it.overlaps().shape) == ((0, 4), (1, 0))
    owners = np.full(0, -1)
    assert pieces(it, owners).shape == (1, 0)


def test_shared_pixels_are_those_of_a_slow_count():
    rng = np.random.default_rng(0)
    carried = rng.integers(0, 4, SIZE).astype(np.uint16)
    instance = rng.choice([7, 24000, 26001], SIZE).astype(np.uint16)
    segments = numbered(instance, np.array([24000, 26001]))
    expected = [[((carried == a) & (segments == b)).sum() for b in range(3)] for a in range(4)]
    assert seen(instance, carried, 3).shared.tolist() == expected


def test_boxes_overlap_by_area_and_small_ones_meet_when_grown():
    first = np.array([[0, 0, 4, 2], [10, 0, 12, 2]], float)
    second = np.array([[2, 0, 6, 2], [13, 0, 15, 2], [0, 0, 4, 2]], float)
    np.testing.assert_allclose(box_overlaps(first, second), [[1 / 3, 0, 1], [0, 0, 0]])
    assert box_overlaps(grown(first), grown(second))[1, 1] > 0.2
    np.testing.assert_allclose(area_ratios(np.array([8.0, 0]), np.array([2.0])), [[0.25], [0.0]])


def test_what_has_an_owner_is_left_alone():
    owners = np.array([-1, 0, -1])
    assign(np.array([[9.0, 9, 9], [1, 2, 0], [2, 0, 0]]), owners)
    assert owners.tolist() == [2, 0, -1]


def test_a_piece_makes_its_object_fit_better_and_a_neighbour_does_not():
    carried, instance = np.zeros(SIZE, np.uint16), np.full(SIZE, 7, np.uint16)
    carried[1:5, 2:12] = 1
    instance[1:5, 2:8], instance[1:5, 8:12], instance[1:5, 12:20] = 26000, 26001, 26002
    it = seen(instance, carried, 1)
    assert pieces(it, np.array([0, -1, -1])).tolist() == [[False, True, False]]
    assert not pieces(it, np.array([-1, -1, -1])).any()
