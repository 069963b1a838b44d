from dataclasses import replace

import numpy as np
import pytest

from svsdata.editing.changes import _picked
from svsdata.editing.edit_text import parse_edits
from svsdata.editing.operations import apply_plan
from svsdata.editing.plan import PROVENANCE_INFERRED, PlannedEdit
from svsdata.editing.planning import plan_edits
from svsdata.editing.scene import scan_scene
from svsdata.errors import EditPlanError
from svsdata.geometry.camera import ground_points
from svsdata.labels import CITYSCAPES
from svsdata.records import EgoMotion

ROAD, CAR, TRUCK, SIDEWALK = (
    CITYSCAPES.by_name[name].id for name in ("road", "car", "truck", "sidewalk")
)
PARKED = 26_001


@pytest.fixture
def parked_frames(road_frame, paint):
    """A car that stands at 30 m ahead of frame 0 and 3.5 m to the right; driven at 10 m/s."""

    def draw(index):
        ahead_m = 30 - index - 2.1
        return lambda maps: paint(
            maps, CAR, PARKED, ahead_m=ahead_m, left_m=-3.5, width_m=1.8, height_m=1.5
        )

    return [road_frame(index, draw(index)) for index in range(22)]


@pytest.fixture
def parked_scene(parked_frames):
    return scan_scene(parked_frames, sequence_id="s", label_set=CITYSCAPES, fps=10.0)


def planned(text, scene, seed=1):
    return plan_edits(parse_edits(f"version: 1\nedits:\n  - {text}", "test").edits, scene, seed)


def world_of(row):
    """x and y over the ground: the vehicle drives 1 m a frame, straight on."""
    frames = np.arange(row.first_frame, row.last_frame + 1)
    return row.poses[:, 0] + frames, row.poses[:, 1]


def test_a_replacement_stands_where_the_car_stood_and_does_not_slide(parked_scene):
    (row,) = planned("{id: a, op: replace, target: {class: car}, class: truck}", parked_scene).rows
    assert (row.status, row.erased_ids) == ("applied", (PARKED,))
    x, y = world_of(row)
    shown = row.is_shown
    assert np.ptp(x[shown]) < 1e-4
    assert np.ptp(y[shown]) < 1e-4
    # The end that is seen stays: the board's foot is taken for a wheel of a car.
    assert x[shown][0] - row.size_m[0] / 2 == pytest.approx(27.0, abs=1.2)
    # Its middle is told by the column of its far corner, which a board has not.
    assert y[shown][0] == pytest.approx(-3.5, abs=1.0)


def test_what_is_replaced_is_gone_and_the_new_one_has_an_id_of_its_own(parked_scene, parked_frames):
    plan = planned("{id: a, op: replace, target: {class: car}, class: truck}", parked_scene)
    (row,) = plan.rows
    for frame in apply_plan(plan, parked_frames):
        assert not (frame.instance == PARKED).any()
        assert not (frame.semantic == CAR).any()
        drawn = frame.provenance == 1
        assert (frame.semantic[drawn] == TRUCK).all()
        assert (frame.instance[drawn] == row.instance_ids[0]).all()


@pytest.mark.parametrize(("left", "ahead"), [(0.0, 0.0), (1.0, 0.0), (0.0, 8.0)])
def test_a_shift_moves_by_metres_and_keeps_the_id(parked_scene, parked_frames, left, ahead):
    still = planned("{id: a, op: shift, target: {class: car}, by_m: {}}", parked_scene)
    text = f"{{id: a, op: shift, target: {{class: car}}, by_m: {{left: {left}, ahead: {ahead}}}}}"
    plan = planned(text, parked_scene)
    (here,), (there,) = still.rows, plan.rows
    assert there.instance_ids == (PARKED,)
    moved = np.array(world_of(there))[:, there.is_shown][:, 0]
    unmoved = np.array(world_of(here))[:, here.is_shown][:, 0]
    np.testing.assert_allclose(moved - unmoved, (ahead, left), atol=1e-4)
    seen = [frame for frame in apply_plan(plan, parked_frames) if (frame.provenance == 1).any()]
    assert len(seen) > 10
    assert {PARKED} == {int(i) for f in seen for i in np.unique(f.instance[f.provenance == 1])}


def test_a_retimed_car_drives_the_same_way_later(road_frame, paint):
    """It drives 15 m/s ahead, from 10 m on; two seconds later it is 30 m less far."""

    def frame_at(index):
        ahead_m = 10 + 0.5 * index
        return road_frame(
            index,
            lambda maps: paint(
                maps, CAR, PARKED, ahead_m=ahead_m, left_m=-3.5, width_m=1.8, height_m=1.5
            ),
        )

    frames = [frame_at(index) for index in range(60)]
    scene = scan_scene(frames, sequence_id="s", label_set=CITYSCAPES, fps=10.0)
    (now,) = planned("{id: a, op: shift, target: {class: car}, by_m: {}}", scene).rows
    (later,) = planned("{id: a, op: retime, target: {class: car}, by_s: 2}", scene).rows
    assert now.status == later.status == "applied"
    x, _ = world_of(now)
    x_later, _ = world_of(later)
    seen = np.flatnonzero(later.is_shown)
    assert len(seen) > 10
    np.testing.assert_allclose(
        x_later[seen], x[seen + later.first_frame - 20 - now.first_frame], atol=0.01
    )
    assert np.gradient(x)[now.is_shown].mean() == pytest.approx(1.5, abs=0.1)


def test_what_stands_cannot_be_retimed(parked_scene):
    (row,) = planned("{id: a, op: retime, target: {class: car}, by_s: 2}", parked_scene).rows
    assert (row.status, row.reason) == ("rejected", "STANDS")
    assert row.note == f"object {PARKED} stands all along, at any time; 'shift' moves it"


def test_selectors_choose_by_place_and_tell_what_there_is(parked_scene):
    near = "{id: a, op: remove, target: {class: car, where: 'left_m < 0 and ahead_m < 20'}}"
    (row,) = planned(near, parked_scene).rows
    assert (row.status, row.erased_ids) == ("applied", (PARKED,))
    left = "{id: a, op: remove, target: {class: car, where: 'left_m > 0'}}"
    (row,) = planned(left, parked_scene).rows
    assert (row.status, row.reason) == ("rejected", "NO_TARGET")
    assert "seen are 26001" in row.note
    by_index = planned("{id: a, op: remove, target: {class: car, track: 1}}", parked_scene).rows
    assert by_index[0].erased_ids == (PARKED,)
    fast = "{id: a, op: remove, target: {class: car, where: 'speed_mps > 8'}}"
    assert planned(fast, parked_scene).rows[0].reason == "NO_TARGET"


def test_who_stands_in_for_what_was_picked_is_told(road_frame, paint):
    def draw(maps):
        paint(maps, CAR, PARKED, ahead_m=9.0, left_m=3.0, width_m=1.7, height_m=1.5)
        paint(maps, CAR, PARKED + 1, ahead_m=16.0, left_m=-3.0, width_m=1.7, height_m=1.5)

    frames = [replace(road_frame(i, draw), ego=EgoMotion(0.0, 0.0)) for i in range(12)]
    scene = scan_scene(frames, sequence_id="s", label_set=CITYSCAPES, fps=10.0)
    text = "{id: a, op: shift, target: {class: car, pick: nearest}, by_m: {left: -3, ahead: -6}%s}"
    (row,) = planned(text % "", scene).rows
    assert row.is_live
    assert row.erased_ids == (PARKED + 1,)
    assert row.note == f"object {PARKED + 1} instead of what was picked ({PARKED}: COLLIDE)"
    (row,) = planned(text % ", checks: {on_fail: skip}", scene).rows
    assert (row.status, row.reason) == ("rejected", "COLLIDE")
    (row,) = planned(text % ", checks: {collision: ignore}", scene).rows
    assert row.erased_ids == (PARKED,)
    assert "instead" not in row.note


@pytest.mark.parametrize(
    ("passed", "told"),
    [
        (3, "(0: COLLIDE, 1: COLLIDE, 2: COLLIDE)"),
        (5, "(0: COLLIDE, 1: COLLIDE, 2: COLLIDE, 2 more)"),
    ],
)
def test_of_many_that_were_passed_over_three_are_named(passed, told):
    live = PlannedEdit(1, "a", 0, "shift", "car", "applied")
    tries = [*[replace(live, status="rejected", reason="COLLIDE")] * passed, live]
    assert (
        _picked(tries, list(range(9))).note == f"object {passed} instead of what was picked {told}"
    )


def test_ground_that_nobody_saw_is_not_judged_and_told(parked_frames):
    def unknown(frame):
        nothing = CITYSCAPES.by_name["unlabeled"].id
        return np.where(frame.semantic == ROAD, nothing, frame.semantic).astype(np.uint8)

    frames = [replace(f, semantic=unknown(f)) for f in parked_frames]
    scene = scan_scene(frames, sequence_id="s", label_set=CITYSCAPES, fps=10.0)
    for text in (
        "{id: a, op: replace, target: {class: car}, class: truck%s}",
        "{id: a, op: add, class: car, at: {ahead_m: 15, left_m: 3}, enter: reference%s}",
    ):
        (row,) = planned(text % "", scene).rows
        assert row.is_live
        assert row.note == "OFFSURF not judged: the ground under it is never seen"
        (row,) = planned(text % ", checks: {off_surface: ignore}", scene).rows
        assert (row.is_live, row.note) == (True, "")


def test_contradicting_edits_are_refused(parked_scene):
    text = """
version: 1
edits:
  - {id: gone, op: remove, target: {class: car}}
  - {id: nudge, op: shift, target: {class: car, track: 26001}, by_m: {left: 1}}
"""
    with pytest.raises(EditPlanError, match=r"'gone' \(remove\) and 'nudge' \(shift\) contradict"):
        plan_edits(parse_edits(text, "").edits, parked_scene, 1)
    twice = text.replace("op: shift", "op: remove").replace(", by_m: {left: 1}", "")
    assert all(
        row.is_live for row in plan_edits(parse_edits(twice, "").edits, parked_scene, 1).rows
    )


@pytest.mark.parametrize(
    ("second", "contradicts"),
    [
        ("region: {along_m: [8, 14], left_m: [-3, -1]}, from: road, to: terrain", True),
        ("region: {along_m: [8, 14], left_m: [-3, -1]}, from: road, to: sidewalk", False),
        ("region: {along_m: [8, 14], left_m: [-3, -1]}, from: sidewalk, to: terrain", False),
        ("region: {along_m: [8, 14], left_m: [0, 2]}, from: road, to: terrain", False),
        (
            "region: {along_m: [8, 14], left_m: [-3, -1]}, from: road, to: terrain, "
            "frames: {from: 11}",
            False,
        ),
        ("region: {polygon_ground_m: [[9, 1], [30, -20], [30, 1]]}, from: road, to: terrain", True),
        ("region: {polygon_ground_m: [[9, 1], [20, 1], [20, 9]]}, from: road, to: terrain", False),
    ],
)
def test_the_same_ground_cannot_become_two_things(parked_scene, second, contradicts):
    text = (
        "version: 1\nedits:\n"
        "  - {id: a, op: relabel, region: {along_m: [10, 20], left_m: [-4, 0]}, from: road, "
        f"to: sidewalk, frames: {{to: 10}}}}\n  - {{id: b, op: relabel, {second}}}"
    )
    edits = parse_edits(text, "").edits
    if contradicts:
        with pytest.raises(EditPlanError, match=r"'a' and 'b' \(relabel\) contradict: the same"):
            plan_edits(edits, parked_scene, 1)
    else:
        assert all(row.is_live for row in plan_edits(edits, parked_scene, 1).rows)


def test_checks_have_their_codes(parked_scene):
    cases = {
        "{id: a, op: replace, target: {class: car}, class: truck, size_m: {height: 9}}": "SIZE",
        "{id: a, op: replace, target: {class: car}, class: truck, size_m: {length: 60}}": "SIZE",
        "{id: a, op: replace, target: {class: car}, class: truck, size_m: {width: 0.1}}": "SIZE",
        "{id: a, op: replace, target: {class: car}, class: truck, enter: edge}": "REFERENCE",
        "{id: a, op: shift, target: {class: car}, by_m: {left: 4.4, ahead: -6}}": "COLLIDE",
        "{id: a, op: remove, target: {class: car}, frames: {from: 90}}": "TOO_SHORT",
        "{id: a, op: add, class: person, at: {left_m: 3, ahead_m: 40}, enter: far, "
        "motion: {model: follow_road, speed_mps: -9}}": "SPEED",
    }
    number = "{id: a, op: add, class: car, at: {left_m: 3%s}, %s}"
    for place in ("", ", ahead_m: 20"):
        for enter in ("enter: reference", "enter: far"):
            cases[number % (place, f"motion: {{model: follow_road, speed_mps: 200}}, {enter}")] = (
                "SPEED"
            )
            cases[number % (place, f"size_m: {{height: 30}}, {enter}")] = "SIZE"
    for text, code in cases.items():
        (row,) = planned(text, parked_scene).rows
        assert (row.status, row.reason) == ("rejected", code), text
        assert row.note
        assert not row.erased_ids
    shifted = "{id: a, op: shift, target: {class: car}, by_m: {left: 4.4, ahead: -6}, checks: "
    stop = shifted + "{on_fail: error}}"
    with pytest.raises(EditPlanError, match="edit 'a' fails: COLLIDE"):
        planned(stop, parked_scene)
    ignored = shifted + "{collision: ignore}}"
    assert planned(ignored, parked_scene).rows[0].status == "applied"


def test_what_would_stand_on_terrain_is_off_its_surface(parked_frames):
    terrain = CITYSCAPES.by_name["terrain"].id
    frames = [
        replace(f, semantic=np.where(f.semantic == ROAD, terrain, f.semantic).astype(np.uint8))
        for f in parked_frames
    ]
    scene = scan_scene(frames, sequence_id="s", label_set=CITYSCAPES, fps=10.0)
    truck = "{id: a, op: replace, target: {class: car}, class: truck}"
    (row,) = planned(truck, scene).rows
    assert (row.status, row.reason) == ("rejected", "OFFSURF")
    assert "terrain" in row.note
    person = "{id: a, op: replace, target: {class: car}, class: person}"
    assert planned(person, scene).rows[0].status == "applied"


@pytest.mark.parametrize("name", ["motorcycle", "car"])
def test_a_bicycle_that_nobody_rides_is_replaced_without_a_rider(road_frame, paint, name):
    bicycle = CITYSCAPES.by_name["bicycle"].id

    def draw(index):
        ahead_m = 26.0 - index
        return lambda maps: paint(
            maps, bicycle, 33_001, ahead_m=ahead_m, left_m=-3, width_m=0.8, height_m=1.1
        )

    frames = [road_frame(index, draw(index)) for index in range(20)]
    scene = scan_scene(frames, sequence_id="s", label_set=CITYSCAPES, fps=10.0)
    (row,) = planned(
        f"{{id: a, op: replace, target: {{class: bicycle}}, class: {name}}}", scene
    ).rows
    assert row.is_live, row.note
    assert row.class_names == (name,)
    assert len(row.instance_ids) == 1


def test_a_bicycle_that_takes_a_cars_place_is_ridden(parked_scene):
    (row,) = planned(
        "{id: a, op: replace, target: {class: car}, class: bicycle}", parked_scene
    ).rows
    assert row.class_names == ("bicycle", "rider")


def test_the_ground_that_an_edit_names_is_what_it_must_stand_on(parked_frames):
    sidewalk = CITYSCAPES.by_name["sidewalk"].id
    walk = [
        replace(f, semantic=np.where(f.semantic == ROAD, sidewalk, f.semantic).astype(np.uint8))
        for f in parked_frames
    ]
    on_road, on_walk = (
        scan_scene(frames, sequence_id="s", label_set=CITYSCAPES, fps=10.0)
        for frames in (parked_frames, walk)
    )
    add = "{id: a, op: add, class: car, enter: reference, at: {left_m: 4, ahead_m: 28%s}}"
    shift = "{id: a, op: shift, target: {class: car}, by_m: {left: 0.2}, checks: {surfaces: %s}}"
    for text, scene, reason in (
        (add % "", on_road, ""),
        (add % ", on: sidewalk", on_road, "OFFSURF"),
        (add % "", on_walk, "OFFSURF"),
        (add % ", on: sidewalk", on_walk, ""),
        (shift % "[road]", on_road, ""),
        (shift % "[sidewalk, terrain]", on_road, "OFFSURF"),
    ):
        (row,) = planned(text, scene).rows
        assert row.reason == reason, (text, row.note)
    with pytest.raises(EditPlanError, match="stands on the ground; 'building' is not of it"):
        planned(add % ", on: building", on_road)


def test_nothing_happens_to_an_object_in_full_view_unless_asked(parked_scene):
    cases = {
        "op: remove": "vanish in full view at frame 8",
        "op: replace, class: truck": "change in full view at frame 8",
        "op: shift, by_m: {left: 1}": "change in full view at frame 8",
    }
    text = "{id: a, target: {class: car%s}, frames: {from: 8}, %s%s}"
    for words, told in cases.items():
        (row,) = planned(text % (", pick: nearest", words, ""), parked_scene).rows
        assert (row.reason, told in row.note) == ("POPS_UP", True), row.note
        assert not row.erased_ids
        (row,) = planned(
            text % (", track: 1", words, ", checks: {pops_up: ignore}"), parked_scene
        ).rows
        assert (row.is_live, row.first_frame) == (True, 8)
    # All of a class at once, and the end of the frames as well as their beginning.
    (row,) = planned(text % ("", "op: remove", ""), parked_scene).rows
    assert (row.reason, row.erased_class) == ("POPS_UP", "")
    (row,) = planned(
        "{id: a, op: remove, target: {class: car}, frames: {to: 9}}", parked_scene
    ).rows
    assert "come back in full view at frame 10" in row.note
    # A car that is seen from frame 0 on and no longer from 22 on goes by itself.
    whole = "{id: a, op: remove, target: {class: car}, frames: {from: 0, to: 21}}"
    assert planned(whole, parked_scene).rows[0].is_live


def test_what_is_low_on_the_screen_may_change(road_frame, paint):
    def draw(maps):
        paint(maps, CAR, PARKED, ahead_m=50, left_m=-3.5, width_m=1.8, height_m=1.5)

    frames = [replace(road_frame(k, draw), ego=EgoMotion(0.0, 0.0)) for k in range(22)]
    scene = scan_scene(frames, sequence_id="s", label_set=CITYSCAPES, fps=10.0)
    text = "{id: a, op: remove, target: {class: car, track: 1}, frames: {from: 8}}"
    assert planned(text, scene).rows[0].is_live


def test_an_edit_beyond_the_end_is_clipped(parked_scene):
    text = "{id: a, op: remove, target: {class: car}, frames: {to: 500}}"
    (row,) = planned(text, parked_scene).rows
    assert (row.status, row.reason, row.last_frame) == ("clipped", "END", 21)


def test_a_region_of_the_road_becomes_sidewalk_and_stays_where_it_is(parked_scene, parked_frames):
    text = (
        "{id: a, op: relabel, region: {polygon_ground_m: [[12, 1], [20, 1], [20, 3], [12, 3]]}, "
        "from: road, to: sidewalk}"
    )
    plan = planned(text, parked_scene)
    strip = planned(
        "{id: a, op: relabel, region: {along_m: [12, 20], left_m: [1, 3]}, from: road, "
        "to: sidewalk}",
        parked_scene,
    )
    seen = 0
    for frame, other in zip(
        apply_plan(plan, parked_frames), apply_plan(strip, parked_frames), strict=True
    ):
        # A corner of one more or less moves a border by a part of a pixel.
        area = np.count_nonzero(frame.semantic == SIDEWALK)
        assert np.count_nonzero(frame.semantic != other.semantic) <= 9 + 0.05 * area
        rows, columns = np.nonzero(frame.semantic == SIDEWALK)
        if not len(rows):
            continue
        x, y, depth = ground_points(plan.camera, np.stack([columns, rows], axis=1) * 1.0).T
        x = x + frame.frame_index
        slack = 0.1 + depth**2 / 100
        assert (
            (x > 12 - slack) & (x < 20 + slack) & (y > 1 - depth / 60) & (y < 3 + depth / 60)
        ).all()
        assert (frame.provenance[rows, columns] == 1).all()
        assert (frame.instance[rows, columns] == SIDEWALK).all()
        seen += 1
    assert seen > 10
    with pytest.raises(EditPlanError, match="'car' is not of it"):
        planned(text.replace("to: sidewalk", "to: car"), parked_scene)
    (row,) = planned(text.replace("from: road", "from: [terrain, road]"), parked_scene).rows
    assert row.from_classes == ("terrain", "road")
    both = replace(plan, rows=(row,))
    for frame, one in zip(
        apply_plan(both, parked_frames), apply_plan(plan, parked_frames), strict=True
    ):
        np.testing.assert_array_equal(frame.semantic, one.semantic)


def test_columns_alone_fill_where_asked(parked_scene, parked_frames):
    text = "{id: a, op: remove, target: {class: car}, fill: columns}"
    for frame in apply_plan(planned(text, parked_scene), parked_frames):
        assert not (frame.semantic == CAR).any()
        assert set(np.unique(frame.provenance)) <= {0, PROVENANCE_INFERRED}


def test_a_vehicle_that_seems_too_fast_casts_doubt_on_the_frame_rate(road_scene):
    text = """
version: 1
edits:
  - {id: a, op: add, class: truck, enter: reference, at: {ahead_m: 20, left_m: -3},
     motion: {model: follow_road, speed_mps: 40}}
"""
    edits = parse_edits(text, "test").edits
    given = road_scene(80)
    for speed, flag, is_doubted in ((10, "given", False), (26, "estimated", True)):
        motions = tuple(EgoMotion(speed, 0.0, flag) for _ in given.motions)
        (row,) = plan_edits(edits, replace(given, motions=motions), 1).rows
        assert row.reason == "SPEED"
        assert ("--set fps=N" in row.note) == is_doubted


def test_what_goes_beside_a_vehicle_whose_estimated_way_trembles_does_not_jump(road_scene):
    text = """
version: 1
edits:
  - id: a
    op: add
    class: car
    enter: reference
    checks: {collision: ignore, off_surface: ignore}
    motion: {model: beside_ego, waypoints: [{s: 0, ahead_m: 8, left_m: 3},
             {s: 9, ahead_m: 9, left_m: 3}]}
"""
    scene = road_scene(60)
    trembling = [EgoMotion(10.0 + 4 * (-1) ** k, 0.0, "given") for k in range(60)]
    for motions in (scene.motions, tuple(trembling)):
        (row,) = plan_edits(parse_edits(text, "t").edits, replace(scene, motions=motions), 1).rows
        assert row.reason in ("", "END"), row.note
