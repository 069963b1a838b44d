from dataclasses import replace

import pytest

from svsdata.editing.feet import Feet, feet_in
from svsdata.editing.occlusion import Layer, layers_of
from svsdata.editing.things import things_in
from svsdata.labels import CITYSCAPES

IS_FLAT = layers_of(CITYSCAPES) == Layer.FLAT
ids = {label.name: label.id for label in CITYSCAPES.labels}


def feet(frame):
    return feet_in(frame, things_in(frame.instance), IS_FLAT)


def put(frame, name, instance_id, rows, columns):
    frame.semantic[rows, columns] = ids[name]
    frame.instance[rows, columns] = instance_id


@pytest.fixture
def frame(road_frame):
    frame = road_frame(3)
    put(frame, "car", 26_001, slice(50, 60), slice(40, 61))
    return frame


def test_a_foot_on_the_road_is_seen_and_lies_at_the_border_of_its_lowest_pixels(frame):
    found = feet(frame)
    assert (found.frame, found.instance_id, found.u, found.v) == (3, 26_001, 50.0, 59.5)
    assert found.is_seen


@pytest.mark.parametrize(
    ("name", "instance_id"), [("car", 26_002), ("building", ids["building"]), ("pole", 17)]
)
def test_a_foot_above_something_else_is_hidden(frame, name, instance_id):
    put(frame, name, instance_id, slice(58, 64), slice(30, 70))
    found = feet(frame)
    assert not found.is_seen[found.instance_id == 26_001].any()


@pytest.mark.parametrize("columns", [slice(0, 20), slice(160, 176)])
def test_a_foot_at_the_border_of_the_frame_is_hidden(road_frame, columns):
    frame = road_frame(0)
    put(frame, "car", 26_001, slice(50, 60), columns)
    assert not feet(frame).is_seen.any()


def test_a_rim_without_an_id_belongs_to_the_thing_above_it_and_another_thing_does_not(frame):
    put(frame, "car", ids["car"], slice(60, 61), slice(38, 63))
    assert feet(frame).v == 60.5
    put(frame, "car", 26_002, slice(60, 61), slice(38, 63))
    assert feet(frame).v.tolist() == [59.5, 60.5]


def test_a_thing_that_reaches_the_last_row_is_cut(road_frame):
    frame = road_frame(0)
    put(frame, "car", 26_001, slice(80, 96), slice(40, 60))
    assert not feet(frame).is_seen.any()


def test_an_empty_frame_has_no_feet_and_nothing_joins_to_nothing(road_frame):
    assert not len(feet(road_frame(0)).frame)
    assert not len(Feet.joined([]).frame)
    assert replace(Feet.none()).is_seen.dtype == bool
