import gc
import weakref
from dataclasses import replace

import numpy as np
import pytest

from svsdata.editing.edit_text import load_preset, parse_edits
from svsdata.editing.fill import LOOK_AROUND, Hole
from svsdata.editing.occlusion import Rect
from svsdata.editing.operations import apply_plan
from svsdata.editing.painting import Maps, Painter
from svsdata.editing.plan import PROVENANCE_INFERRED
from svsdata.editing.planning import plan_edits
from svsdata.errors import EditPlanError
from svsdata.geometry.camera import ground_points
from svsdata.labels import CITYSCAPES

ROAD, SKY, POLE, CAR, TRUCK, BUILDING, EGO = (
    CITYSCAPES.by_name[name].id
    for name in ("road", "sky", "pole", "car", "truck", "building", "ego vehicle")
)


def one(text: str):
    return parse_edits(f"version: 1\nedits:\n  - {text}", "test").edits


def layers(frame):
    return frame.semantic, frame.instance, frame.provenance


def assert_same(left, right):
    assert len(left) == len(right)
    for a, b in zip(left, right, strict=True):
        assert a.frame_index == b.frame_index
        for x, y in zip(layers(a), layers(b), strict=True):
            np.testing.assert_array_equal(x, y)


@pytest.fixture
def moving_plan(road_frame, road_scene):
    """Trucks everywhere and the base's cars gone, with the frames it is made for."""

    def draw_car(maps):
        maps[0][52:58, 80:92], maps[1][52:58, 80:92] = CAR, 26_001

    edits = (*load_preset("add_truck").edits, *load_preset("remove_cars").edits)
    plan = plan_edits(edits, road_scene(150, draw_car), 1)
    return plan, [road_frame(index, draw_car) for index in range(150)]


def test_chunking_does_not_matter(moving_plan):
    plan, frames = moving_plan
    whole = list(apply_plan(plan, frames))
    lazily = list(apply_plan(plan, iter(frames)))
    assert_same(whole, lazily)
    pieces = []
    for start in range(0, 150, 64):
        window = frames[max(0, start - LOOK_AROUND) : start + 64 + LOOK_AROUND]
        edited = apply_plan(plan, window, first_frame=start)
        pieces += [frame for frame in edited if frame.frame_index < start + 64]
    assert_same(whole, pieces)


def test_the_base_is_left_alone(moving_plan):
    plan, frames = moving_plan
    before = [frame.semantic.copy() for frame in frames]
    list(apply_plan(plan, frames))
    for frame, semantic in zip(frames, before, strict=True):
        np.testing.assert_array_equal(frame.semantic, semantic)


def test_what_is_not_marked_is_not_changed(moving_plan):
    plan, frames = moving_plan
    for base, frame in zip(frames, apply_plan(plan, frames), strict=True):
        untouched = frame.provenance == 0
        np.testing.assert_array_equal(frame.semantic[untouched], base.semantic[untouched])
        np.testing.assert_array_equal(frame.instance[untouched], base.instance[untouched])
        inserted = (frame.provenance > 0) & (frame.provenance < PROVENANCE_INFERRED)
        assert (frame.semantic[inserted] == TRUCK).all()
        assert frame.is_synthetic
        assert frame.plan_hash == plan.hash


def test_a_static_insert_keeps_its_place_on_the_ground(
    road_scene, road_frame, camera, standing_truck
):
    plan = plan_edits(standing_truck, road_scene(250), 1)
    events = []
    for _ in apply_plan(plan, (road_frame(i) for i in range(250)), record=events.append):
        pass
    places = []
    for event in events:
        x, y, _ = ground_points(camera, np.array(event.foot_uv))
        places.append((x + 1.0 * event.frame_index, y))
    near = [place for place, event in zip(places, events, strict=True) if event.ahead_m > 2]
    assert len(near) > 30
    assert np.ptp(np.array(near), axis=0).max() < 0.02


def test_the_lowest_row_of_an_insert_is_where_its_wheels_touch_the_road(
    road_scene, road_frame, camera, standing_truck
):
    plan = plan_edits(standing_truck, road_scene(250), 1)
    (row,) = plan.rows
    for frame in apply_plan(plan, (road_frame(i) for i in range(250))):
        step = frame.frame_index - row.first_frame
        if (
            not 0 <= step < len(row.poses)
            or row.poses[step, 0] < row.size_m[0] / 2 + 8
            or row.poses[step, 0] > 45
        ):
            continue
        lowest = np.flatnonzero((frame.provenance == 1).any(axis=1))[-1]
        column = np.median(np.flatnonzero(frame.provenance[lowest] == 1))
        x, _, depth = ground_points(camera, np.array([column, lowest + 0.5]))
        nearest_wheel = row.poses[step, 0] - row.size_m[0] / 2 + 1.2
        # One row of this small frame is depth^2 / (110 px * 1.4 m) metres of ground.
        assert x == pytest.approx(nearest_wheel, abs=0.6 + depth**2 / 154)


def test_an_insert_grows_as_it_nears(road_scene, road_frame, standing_truck):
    plan = plan_edits(standing_truck, road_scene(250), 1)
    events = []
    list(apply_plan(plan, (road_frame(i) for i in range(250)), record=events.append))
    heights = [e.box.y1 - e.box.y0 for e in events if e.ahead_m > 12]
    assert heights == sorted(heights)
    assert heights[-1] > 6 * heights[0]


def test_a_pole_in_front_stays_and_a_building_behind_goes(
    road_scene, road_frame, paint, standing_truck
):
    def draw(maps):
        paint(maps, BUILDING, BUILDING, ahead_m=60, left_m=-8, width_m=40, height_m=9)
        paint(maps, POLE, POLE, ahead_m=9, left_m=-2.3, width_m=0.15, height_m=6)

    plan = plan_edits(standing_truck, road_scene(250), 1)
    (row,) = plan.rows
    hidden = 0
    for frame in apply_plan(plan, (road_frame(i, draw) for i in range(250))):
        base = road_frame(frame.frame_index, draw)
        step = frame.frame_index - row.first_frame
        if not 0 <= step < len(row.poses) or not 16 < row.poses[step, 0] < 50:
            continue
        is_pole = base.semantic == POLE
        assert (frame.semantic[is_pole] == POLE).all()
        hidden += np.count_nonzero((base.semantic == BUILDING) & (frame.semantic == TRUCK))
    assert hidden > 200


def test_the_ego_vehicle_is_never_covered(road_scene, road_frame):
    def draw(maps):
        maps[0][80:], maps[1][80:] = EGO, EGO

    edits = one("{id: a, op: add, class: bus, enter: far, at: {left_m: -3}}")
    plan = plan_edits(edits, road_scene(250), 1)
    for frame in apply_plan(plan, (road_frame(i, draw) for i in range(250))):
        assert (frame.semantic[80:] == EGO).all()


def test_of_two_inserts_the_nearer_covers_the_farther(road_scene, road_frame):
    edits = (
        *one("{id: near, op: add, class: bus, enter: reference, at: {left_m: 2, ahead_m: 20}}"),
        *one("{id: far, op: add, class: truck, enter: reference, at: {left_m: -3, ahead_m: 40}}"),
    )
    for order in (edits, edits[::-1]):
        plan = plan_edits(order, road_scene(8), 1)
        alone = plan_edits([e for e in edits if e.id == "near"], road_scene(8), 1)
        (both,) = apply_plan(plan, [road_frame(0)])
        (single,) = apply_plan(alone, [road_frame(0)])
        is_bus = single.provenance > 0
        assert (both.semantic[is_bus] == single.semantic[is_bus]).all()
        assert (both.semantic == TRUCK).any()


def test_a_removed_car_leaves_road_below_and_what_is_behind_above(road_scene, road_frame, paint):
    def draw(maps):
        paint(maps, BUILDING, BUILDING, ahead_m=25, left_m=0, width_m=60, height_m=9)

    def draw_car(maps):
        draw(maps)
        paint(maps, CAR, 26_001, ahead_m=12, left_m=0, width_m=1.8, height_m=1.5)

    plan = plan_edits(load_preset("remove_cars").edits, road_scene(1, draw_car), 1)
    (frame,) = apply_plan(plan, [road_frame(0, draw_car)])
    clean = road_frame(0, draw)
    assert np.count_nonzero(road_frame(0, draw_car).semantic == CAR) > 100
    np.testing.assert_array_equal(frame.semantic, clean.semantic)
    np.testing.assert_array_equal(frame.instance, clean.instance)
    is_car = road_frame(0, draw_car).semantic == CAR
    np.testing.assert_array_equal(frame.provenance, is_car * PROVENANCE_INFERRED)


def test_what_fills_a_hole_stands_behind_what_takes_its_place(road_scene, road_frame, paint):
    def draw_car(maps):
        paint(maps, CAR, 26_001, ahead_m=16, left_m=0, width_m=1.8, height_m=1.5)

    frame = road_frame(0, draw_car)
    is_gone = frame.semantic == CAR
    rect = Rect.around(is_gone)
    hole = Hole(rect, is_gone[rect.slices].astype(np.uint8))
    # The fill takes the house far behind down to where the car stood.
    semantic = np.where(is_gone, BUILDING, frame.semantic).astype(np.uint8)
    instance = np.where(is_gone, BUILDING, frame.instance).astype(np.uint16)

    def hidden_share(ahead_m, hole):
        text = "{id: a, op: add, class: truck, enter: reference, at: {left_m: 0, ahead_m: %s}}"
        plan = plan_edits(one(text % ahead_m), road_scene(1), 1)
        maps = Maps(semantic.copy(), instance.copy(), np.zeros_like(semantic))
        (event,) = Painter(plan, CITYSCAPES).paint(plan.rows, frame, maps, hole)
        return event.occluded_share

    assert hidden_share(22, hole) == 0.0
    assert hidden_share(22, None) > 0.1
    assert hidden_share(60, hole) > 0.1


def test_an_object_goes_with_the_rim_that_has_no_id(road_scene, road_frame):
    def draw_cars(maps):
        for columns, instance_id in ((slice(60, 80), 26_001), (slice(80, 100), 26_002)):
            maps[0][50:62, columns], maps[1][50:62, columns] = CAR, CAR
            inner = slice(columns.start + 1, columns.stop - 2)
            maps[1][51:61, inner] = instance_id

    scene = replace(road_scene(1, draw_cars), used_ids=frozenset({26_001, 26_002}))
    text = "{id: a, op: remove, target: {class: car, track: 26001}, enter: reference}"
    (frame,) = apply_plan(plan_edits(one(text), scene, 1), [road_frame(0, draw_cars)])
    base = road_frame(0, draw_cars)
    assert not (frame.semantic[:, 60:79] == CAR).any()
    assert (frame.provenance[50:62, 60:79] == PROVENANCE_INFERRED).all()
    np.testing.assert_array_equal(frame.semantic[:, 81:], base.semantic[:, 81:])
    np.testing.assert_array_equal(frame.provenance[:, 81:], 0)


def test_ground_under_a_removed_car_is_taken_from_frames_that_saw_it(road_scene, road_frame):
    sidewalk = CITYSCAPES.by_name["sidewalk"].id
    seen = replace(road_scene(9), used_ids=frozenset({26_001}))
    plan = plan_edits(load_preset("remove_cars").edits, seen, 1)

    def frame_at(index):
        """A patch of sidewalk 12 to 14 m ahead of frame 4; a car hides it there only."""
        frame = road_frame(index)
        rows, columns = np.indices(frame.semantic.shape)
        pixels = np.stack([columns, rows], axis=-1).astype(float)
        x, y = np.moveaxis(ground_points(frame.camera, pixels), -1, 0)[:2]
        patch = (np.abs(x + (index - 4) * 1.0 - 13) < 1) & (np.abs(y) < 1.5)
        frame.semantic[patch], frame.instance[patch] = sidewalk, sidewalk
        return frame

    truth = frame_at(4).semantic
    frames = [frame_at(i) for i in range(9)]
    frames[4].semantic[50:62, 70:105] = CAR
    frames[4].instance[50:62, 70:105] = 26_001
    edited = list(apply_plan(plan, frames))[4]
    wrong = np.count_nonzero(edited.semantic != truth)
    assert np.count_nonzero(truth == sidewalk) > 50
    assert wrong < 25


def test_frames_that_do_not_fit_the_plan_are_refused(road_scene, road_frame, standing_truck):
    plan = plan_edits(standing_truck, road_scene(100), 1)
    cases = [
        (replace(road_frame(0), instance=None), "need semantic and instance maps"),
        (replace(road_frame(0), semantic=np.zeros((4, 4), np.uint8)), r"expected maps of \(96"),
        (road_frame(100), "covers 100 frames"),
    ]
    for frame, message in cases:
        with pytest.raises(EditPlanError, match=message):
            list(apply_plan(plan, [frame]))


def test_a_base_that_got_the_new_id_since_is_refused(road_scene, road_frame, standing_truck):
    plan = plan_edits(standing_truck, road_scene(250), 1)
    (row,) = plan.rows

    def draw(maps):
        maps[0][20:90], maps[1][20:90] = TRUCK, row.instance_ids[0]

    with pytest.raises(EditPlanError, match="base has changed"):
        list(apply_plan(plan, [road_frame(row.last_frame - 10, draw)]))


def test_no_more_frames_are_held_than_the_window_needs(moving_plan, road_frame):
    plan, _ = moving_plan
    most = 0

    def stream():
        for index in range(150):
            frame = road_frame(index)
            weak.append(weakref.ref(frame))
            yield frame

    weak = []
    for _ in apply_plan(plan, stream()):
        gc.collect(0)
        most = max(most, sum(ref() is not None for ref in weak))
    assert most <= 2 * LOOK_AROUND + 3


def test_an_empty_stream_gives_nothing(moving_plan):
    plan, _ = moving_plan
    assert list(apply_plan(plan, [])) == []
