import re
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from svsdata.editing.edit_text import load_preset, parse_edits, preset_names
from svsdata.editing.placement import ego_poses, view_of
from svsdata.editing.planning import EGO_ASSUMED, RESERVED_INDEX, REUSED_AFTER, plan_edits
from svsdata.editing.scene import Sighting, Sightings, scan_scene
from svsdata.editing.selection import require_object
from svsdata.errors import EditPlanError
from svsdata.labels import CITYSCAPES, KITTI360
from svsdata.records import EgoMotion

TRUCK_ID = 27
CAR = CITYSCAPES.by_name["car"].id


def one(text: str):
    return parse_edits(f"version: 1\nedits:\n  - {text}", "test").edits


def test_the_same_plan_twice_is_identical_and_another_seed_is_another(road_scene):
    scene, edits = road_scene(300), load_preset("add_truck").edits
    assert plan_edits(edits, scene, 1).hash == plan_edits(edits, scene, 1).hash
    assert plan_edits(edits, scene, 1).hash != plan_edits(edits, scene, 2).hash


@pytest.mark.parametrize("name", preset_names())
def test_every_preset_works_on_a_straight_road(road_frame, paint, name):
    def frame(index):
        def draw(maps):
            if index < 25:  # parked; a metre nearer in every frame
                paint(maps, 26, 26_002, ahead_m=30 - index, left_m=-7, width_m=1.8, height_m=1.5)
            paint(maps, 26, 26_001, ahead_m=14, left_m=-4.5, width_m=1.8, height_m=1.5)

        return road_frame(index, draw)

    frames = (frame(index) for index in range(400))
    scene = scan_scene(frames, sequence_id="road", label_set=CITYSCAPES, fps=10.0)
    plan = plan_edits(load_preset(name).edits, scene, 3)
    assert any(row.status == "applied" for row in plan.rows)
    assert all(row.reason and row.note for row in plan.rows if row.status != "applied")


def test_nothing_is_in_view_at_the_reference_frame_unless_asked(road_scene):
    scene = road_scene(300)
    plan = plan_edits(load_preset("add_truck").edits, scene, 1)
    assert not plan.changes_reference
    assert min(row.first_frame for row in plan.rows if row.status == "applied") > 0
    near = "at: {left_m: -3, ahead_m: 20}"
    (row,) = plan_edits(one(f"{{id: a, op: add, class: car, {near}}}"), road_scene(12), 1).rows
    assert (row.status, row.reason) == ("rejected", "REFERENCE")
    asked = one(f"{{id: a, op: add, class: car, enter: reference, {near}}}")
    assert plan_edits(asked, road_scene(12), 1).changes_reference


STANDING = "{id: a, op: add, class: truck, at: {left_m: -3}%s}"


def test_what_may_be_in_the_reference_frame_is_near(road_scene):
    for seed in range(8):
        scene = road_scene(20)
        (row,) = plan_edits(one(STANDING % ", enter: reference"), scene, seed).rows
        height = view_of(scene.camera, row.poses[:1], row.size_m).height_px[0]
        assert (row.status, row.first_frame, row.note) == ("applied", 0, "")
        # Where its back is: the height is told of its middle, half a length farther.
        assert 0.1 < height / scene.camera.size_hw[0] < 0.45


def test_what_stays_far_says_what_would_bring_it_near(road_scene):
    advice = "; with --set edits.a.enter=reference it is near from row 0 on"
    far = STANDING % ", enter: far"
    scene = road_scene(20)
    (row,) = plan_edits(one(far), scene, 1).rows
    height = view_of(scene.camera, row.poses, row.size_m).height_px.max()
    assert row.status == "applied"
    told = f"stays far, {height:.0f} px high at most in the 2.0 s of the sequence{advice}"
    assert row.note.endswith(told)
    leaves = far.replace("}", "}, motion: {model: follow_road, speed_mps: 25}", 1)
    (unseen,) = plan_edits(one(leaves), scene, 1).rows
    assert unseen.reason == "UNSEEN"
    assert unseen.note.endswith(f"it is drawn from 4.8 px on{advice}")
    # Long enough, it comes near: nothing is said, however far a last one of several is.
    for repeat in ("", ", repeat: {gap_m: 30}"):
        rows = plan_edits(one(STANDING % (", enter: far" + repeat)), road_scene(200), 1).rows
        assert not any("stays far" in row.note for row in rows)
    # Whose place is told is where it was wanted.
    placed = far.replace("left_m: -3", "left_m: -3, ahead_m: 120")
    assert "stays far" not in plan_edits(one(placed), scene, 1).rows[0].note


@pytest.mark.parametrize(
    ("at", "told"),
    [
        ("ahead_m: 200, left_m: 0", r"never in view: 0\.\d px high at most in the 1\.2 s of the "),
        ("ahead_m: -20, left_m: 0", r"never in view: outside the frame in the 1\.2 s of the "),
    ],
)
def test_what_is_never_in_view_is_too_far_away_or_beside_the_frame(road_scene, at, told):
    edits = one(f"{{id: a, op: add, class: car, at: {{{at}}}, checks: {{collision: ignore}}}}")
    (row,) = plan_edits(edits, road_scene(12), 1).rows
    assert row.reason == "UNSEEN"
    assert re.match(told, row.note)


def test_removing_from_the_reference_frame_on_changes_it(road_scene, paint):
    def draw(maps):
        paint(maps, 26, 26_001, ahead_m=12, left_m=0, width_m=1.8, height_m=1.5)

    plan = plan_edits(load_preset("remove_cars").edits, road_scene(5, draw), 0)
    assert plan.changes_reference
    assert plan.class_names == ()


def test_a_colour_is_drawn_for_every_object_and_none_for_riders(road_scene):
    (edit,) = one(
        "{id: m, op: add, class: motorcycle, colour: [red, '#00f'], at: {left_m: [3, 3.6]}, "
        "motion: {model: follow_road, speed_mps: -9}, repeat: {gap_m: 30}}"
    )
    scene = road_scene(400)
    plans = [plan_edits([edit], scene, seed) for seed in range(4)]
    live = [row for plan in plans for row in plan.rows if row.is_live]
    assert {row.colour for row in live} == {"#ff0000", "#0000ff"}
    first = plans[0]
    told = {row.instance_ids[0]: row.colour for row in first.rows if row.is_live}
    assert all(len(row.instance_ids) == 2 for row in first.rows if row.is_live)
    levels = {"#ff0000": (255, 0, 0), "#0000ff": (0, 0, 255)}
    assert first.object_colours == {one_id: levels[colour] for one_id, colour in told.items()}
    assert plan_edits([edit], scene, 0).hash == first.hash
    plain = plan_edits([edit.model_copy(update={"colour": ()})], scene, 0)
    assert plain.object_colours == {}


def test_new_ids_are_the_smallest_that_nobody_has(road_scene):
    scene = replace(road_scene(400), used_ids=frozenset({27_001, 27_003, 24_001}))
    plan = plan_edits(load_preset("add_truck").edits, scene, 1)
    ids = [i for row in plan.rows for i in row.instance_ids]
    expected = [27_002, *range(27_004, 27_004 + len(ids) - 1)]
    assert ids == expected
    assert len({row.track_id for row in plan.rows if row.draws}) == len(ids)


def test_where_not_all_ids_are_known_new_ones_keep_to_the_reserved_range(road_scene):
    scene = replace(road_scene(100), knows_all_ids=False)
    plan = plan_edits(load_preset("add_truck").edits, scene, 1)
    used = [i for row in plan.rows for i in row.instance_ids]
    assert min(used) == TRUCK_ID * 1000 + RESERVED_INDEX


def test_no_pixels_asked_for_lifts_all_of_what_is_too_tiny(road_scene):
    text = "{id: a, op: add, class: person, at: {ahead_m: 44, left_m: 3}, "
    text += "size_m: {height: 1.9}, enter: reference%s}"
    scene = road_scene(5)
    (row,) = plan_edits(one(text % ""), scene, 1).rows
    assert (row.reason, "less than 6%" in row.note) == ("TINY", True)
    (row,) = plan_edits(one(text % ", checks: {min_px: 1}"), scene, 1).rows
    assert row.reason == "TINY"
    (row,) = plan_edits(one(text % ", checks: {min_px: 0}"), scene, 1).rows
    assert row.is_live


def test_running_out_of_ids_is_an_error(road_scene):
    scene = replace(road_scene(200), used_ids=frozenset(range(27_001, 28_000)))
    with pytest.raises(EditPlanError, match="no instance id of class 'truck'"):
        plan_edits(load_preset("add_truck").edits, scene, 1)


def test_a_static_object_keeps_its_place_in_the_world(road_scene, standing_truck, turning_motions):
    scene = replace(road_scene(120), motions=tuple(turning_motions))
    (row,) = plan_edits(standing_truck, scene, 1).rows
    ego = ego_poses(scene.motions, scene.fps)[row.first_frame : row.last_frame + 1]
    cosine, sine = np.cos(ego[:, 2]), np.sin(ego[:, 2])
    x = ego[:, 0] + cosine * row.poses[:, 0] - sine * row.poses[:, 1]
    y = ego[:, 1] + sine * row.poses[:, 0] + cosine * row.poses[:, 1]
    assert np.ptp(x) < 1e-4
    assert np.ptp(y) < 1e-4


def test_a_place_that_is_taken_is_not_used(road_scene):
    scene = road_scene(200)
    free = plan_edits(one("{id: a, op: add, class: car, enter: far, at: {left_m: 3}}"), scene, 1)
    (row,) = free.rows
    passing = tuple(
        Sighting(frame, 26_007, float(x), float(y))
        for frame, (x, y, _) in enumerate(row.poses, start=row.first_frame)
        if x < 60
    )
    taken = plan_edits(
        one("{id: a, op: add, class: car, enter: far, at: {left_m: 3}}"),
        replace(scene, sightings=Sightings.of(passing)),
        1,
    )
    assert taken.rows[0].first_frame > row.first_frame
    everywhere = tuple(
        Sighting(f, 26_007, float(x), 3.0) for f in range(0, 200, 4) for x in range(4, 60, 2)
    )
    (blocked,) = plan_edits(
        one("{id: a, op: add, class: car, enter: far, at: {left_m: 3}}"),
        replace(scene, sightings=Sightings.of(everywhere)),
        1,
    ).rows
    # feet farther away than 30 m are not trusted: only there is a car still placed
    assert row.poses[:, 0].min() < 10
    assert np.hypot(blocked.poses[:, 0], blocked.poses[:, 1]).min() > 30
    beside = (
        "{id: a, op: add, class: car, motion: {model: beside_ego, waypoints: ["
        "{s: 0, ahead_m: 6, left_m: 3}, {s: 4, ahead_m: 24, left_m: 3}]}}"
    )
    assert plan_edits(one(beside), scene, 1).rows[0].status == "applied"
    (blocked,) = plan_edits(one(beside), replace(scene, sightings=Sightings.of(everywhere)), 1).rows
    assert (blocked.status, blocked.reason) == ("rejected", "COLLIDE")


def test_an_object_in_the_way_of_the_vehicle_is_rejected(road_scene):
    (row,) = plan_edits(
        one("{id: a, op: add, class: truck, enter: reference, at: {left_m: 0, ahead_m: 25}}"),
        road_scene(60),
        1,
    ).rows
    assert (row.status, row.reason) == ("rejected", "COLLIDE")
    assert "vehicle itself" in row.note


def test_what_cannot_wait_for_a_later_moment_tries_other_numbers(road_scene):
    text = "{id: a, op: add, class: car, enter: reference, at: {ahead_m: 15, left_m: [-4, 4]}%s}"
    scene = road_scene(40)
    stubborn = one(text % ", checks: {on_fail: skip}")
    once = [plan_edits(stubborn, scene, seed).rows[0] for seed in range(12)]
    rows = [plan_edits(one(text % ""), scene, seed).rows[0] for seed in range(12)]
    assert {row.reason for row in once} == {"", "COLLIDE"}
    assert all(row.is_live and row.is_drawn(0) for row in rows)
    for tried, row in zip(once, rows, strict=True):  # the first draw is taken where it suits
        assert row.seed == tried.seed or not tried.is_live


def test_a_standing_object_may_stand_at_an_angle(road_scene):
    text = "{id: a, op: add, class: car, enter: far, at: {left_m: 4}, motion: {heading_deg: 90}}"
    (row,) = plan_edits(one(text), road_scene(200), 1).rows
    np.testing.assert_allclose(row.poses[:, 2], np.pi / 2, atol=1e-5)


def test_ids_are_taken_again_when_their_owner_is_long_gone(road_scene):
    most = 27_000 + 3  # three trucks' worth of ids
    scene = replace(road_scene(900), used_ids=frozenset(range(most + 1, 28_000)))
    row = "{id: a, op: add, class: truck, enter: far, at: {left_m: 4}, repeat: {gap_m: %d}}"
    plan = plan_edits(one(row % 120), scene, 1)
    spans: dict[int, list[tuple[int, int]]] = {}
    for it in plan.rows:
        spans.setdefault(it.instance_ids[0], []).append((it.first_frame, it.last_frame))
    assert sorted(spans) == [27_001, 27_002, 27_003]
    assert len(plan.rows) > 3
    for own in spans.values():
        assert all(then[0] - now[1] > REUSED_AFTER for now, then in pairwise(own))
    with pytest.raises(EditPlanError, match="no instance id of class 'truck'"):
        plan_edits(one(row % 20), scene, 1)


def test_objects_of_one_plan_keep_apart(road_scene):
    both = "at: {left_m: -3}, repeat: {gap_m: 1}"
    plan = plan_edits(
        one(f"{{id: a, op: add, class: truck, enter: far, {both}}}"), road_scene(200), 1
    )
    assert len(plan.rows) > 3
    for frame in range(200):
        ahead = sorted(
            row.poses[frame - row.first_frame, 0]
            for row in plan.rows
            if row.first_frame <= frame <= row.last_frame
        )
        assert (np.diff(ahead) > 7).all()


def test_a_standing_vehicle_never_meets_what_stands_far_away(road_scene, standing_truck):
    scene = replace(road_scene(50), motions=tuple([EgoMotion(0.0, 0.0, "assumed")] * 50))
    (row,) = plan_edits(standing_truck, scene, 1).rows
    assert row.status == "rejected"
    assert row.reason


def test_a_track_that_is_not_there_cannot_be_removed(road_scene):
    edits = one("{id: a, op: remove, target: {class: car, track: 26009}}")
    (row,) = plan_edits(edits, road_scene(3), 1).rows
    assert (row.status, row.reason) == ("rejected", "NO_TARGET")


def test_an_unknown_class_is_told(road_scene):
    with pytest.raises(EditPlanError, match="cannot add a 'dragon'; it can add: car, truck"):
        plan_edits(one("{id: a, op: add, class: dragon, at: {left_m: 1}}"), road_scene(3), 1)


@pytest.mark.parametrize(
    ("edit", "told"),
    [
        ("op: add, class: trukc, at: {left_m: 1}", "cannot add a 'trukc' .did you mean 'truck'"),
        ("op: add, class: Car, at: {left_m: 1}", "cannot add a 'Car' .did you mean 'car'"),
        ("op: remove, target: {class: cars}", "edit 'a': .*no class 'cars' .did you mean 'car'"),
        (
            "op: replace, target: {class: car}, class: buss",
            "cannot replace with a 'buss' .did you mean 'bus'..; it can replace with: car, truck",
        ),
        (
            "op: replace, target: {class: car}, class: building",
            "cannot replace with a 'building'; it can replace with: car, truck",
        ),
        (
            "op: relabel, region: {along_m: [1, 9], left_m: [1, 2]}, from: rood, to: terrain",
            "edit 'a': .*no class 'rood' .did you mean 'road'",
        ),
    ],
)
def test_the_class_that_was_probably_meant_is_told(road_scene, edit, told):
    with pytest.raises(EditPlanError, match=told):
        plan_edits(one(f"{{id: a, {edit}}}"), road_scene(3), 1)


@pytest.mark.parametrize("op", ["remove", "replace", "shift", "retime"])
@pytest.mark.parametrize("name", ["sky", "pole", "building", "road"])
def test_what_is_no_object_cannot_be_taken_away(road_scene, op, name):
    words = {"remove": "", "replace": "class: car,", "shift": "by_m: {left: 1},"}
    edits = one(f"{{id: a, op: {op}, {words.get(op, 'by_s: 1,')} target: {{class: {name}}}}}")
    told = f"cannot {op} a '{name}', which is no object; it can {op}: person, rider, car"
    with pytest.raises(EditPlanError, match=told):
        plan_edits(edits, road_scene(3), 1)


def test_objects_are_what_a_label_set_gives_ids_but_no_houses():
    text = "{id: a, op: remove, target: {class: %s}}"
    (pole,), (house,) = one(text % "pole"), one(text % "building")
    require_object(pole, KITTI360)
    for edit, label_set in ((pole, CITYSCAPES), (house, KITTI360)):
        with pytest.raises(EditPlanError, match="which is no object"):
            require_object(edit, label_set)


def test_objects_without_ids_of_their_own_are_not_said_to_be_missing(road_scene):
    def group(maps):
        for one_map in maps:
            one_map[60:70, 40:60] = CAR

    edits = one("{id: a, op: remove, target: {class: car, where: 'ahead_m < 40'}}")
    (row,) = plan_edits(edits, road_scene(3, group), 1).rows
    assert row.reason == "NO_TARGET"
    assert "car is seen, but without instance ids" in row.note
    assert "no car is seen at all" in plan_edits(edits, road_scene(3), 1).rows[0].note


def scene_without(road_frame, *layers):
    frames = (replace(road_frame(index), **dict.fromkeys(layers)) for index in range(12))
    return scan_scene(frames, sequence_id="road", label_set=CITYSCAPES, fps=10)


def test_a_base_without_instance_maps_is_refused_before_anything_is_planned(road_frame):
    with pytest.raises(EditPlanError, match=r"'road' has no instance maps.*label it with both"):
        scene_without(road_frame, "instance")


def test_a_way_of_the_vehicle_that_nothing_tells_is_noted(road_scene, road_frame):
    edits = one(
        "{id: a, op: relabel, region: {along_m: [5, 50], left_m: [1, 3]}, from: road, to: sidewalk}"
    )
    (row,) = plan_edits(edits, scene_without(road_frame, "ego"), 1).rows
    assert (row.status, row.note) == ("applied", EGO_ASSUMED)
    assert plan_edits(edits, road_scene(12), 1).rows[0].note == ""


def test_classes_that_are_drawn_are_named(road_scene):
    edits = one("{id: a, op: add, class: bicycle, enter: far, at: {left_m: -3}}")
    assert plan_edits(edits, road_scene(200), 1).class_names == ("bicycle", "rider")


def test_what_would_be_in_view_before_its_frames_begin_is_planned_or_refused(road_scene):
    text = "{id: a, op: add, class: person, enter: far, frames: {from: 20}, %s}"
    far = "at: {left_m: 2}, motion: {model: static}"
    (row,) = plan_edits(one(text % far), road_scene(120), 1).rows
    assert row.status == "applied"
    assert row.first_frame >= 20
    near = "at: {left_m: 3, ahead_m: 12}, motion: {model: static}, checks: {on_fail: skip}"
    (row,) = plan_edits(one(text % near), road_scene(120), 1).rows
    assert (row.status, row.reason) == ("rejected", "POPS_UP")


@pytest.mark.parametrize("name", preset_names())
def test_whatever_is_not_applied_as_asked_says_why(road_scene, name):
    statuses = set()
    for num_frames in (3, 60):
        for row in plan_edits(load_preset(name).edits, road_scene(num_frames), 5).rows:
            statuses.add(row.status)
            assert (row.status == "applied") == (row.reason == "")
            is_unjudged = row.note == "OFFSURF not judged: the ground under it is never seen"
            assert (bool(row.note) and not is_unjudged) == bool(row.reason)
    assert statuses - {"applied"}
