import numpy as np
import pytest

from svsdata.evaluation.curves import Curve
from svsdata.evaluation.identity import Identity

CAR = 26_003


@pytest.fixture
def identity():
    return Identity(Curve(1), Curve(1))


def frame(color, *, car=True):
    image = np.full((16, 24, 3), 90, np.uint8)
    instance = np.full((16, 24), 7, np.uint16)
    if car:
        image[4:12, 6:18] = color
        instance[4:12, 6:18] = CAR
    return image, instance


def test_an_object_that_keeps_its_colours_is_at_no_distance(identity):
    for index in range(3):
        identity.add("a", index, *frame((200, 10, 10)))
    assert identity.by_age.points() == [(1, 0.0), (2, 0.0)]
    assert identity.after_occlusion.count == 0


def test_a_repainted_object_is_at_distance_one_and_counts_after_occlusion(identity):
    identity.add("a", 0, *frame((200, 10, 10)))
    identity.add("a", 1, *frame((0, 0, 0), car=False))
    identity.add("a", 2, *frame((10, 10, 200)))
    assert identity.by_age.points() == [(2, 1.0)]
    assert identity.after_occlusion.points() == [(2, 1.0)]


def test_half_of_the_colours_in_common_are_hellingers_distance(identity):
    image, instance = frame((200, 10, 10))
    identity.add("a", 0, image, instance)
    image[4:8, 6:18] = (10, 200, 10)
    identity.add("a", 1, image, instance)
    assert identity.by_age.mean == pytest.approx(np.sqrt(1 - np.sqrt(0.5)))


def test_ids_belong_to_their_sequence_and_small_views_do_not_count(identity):
    identity.add("a", 0, *frame((200, 10, 10)))
    identity.forget("a")
    identity.add("a", 1, *frame((10, 10, 200)))
    identity.add("b", 1, *frame((10, 200, 10)))
    image, instance = frame((1, 1, 1), car=False)
    instance[0, :63] = CAR
    identity.add("b", 2, image, instance)
    assert identity.by_age.count == 0
