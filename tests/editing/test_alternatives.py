import pytest

from svsdata.editing.alternatives import plan_with_alternatives
from svsdata.editing.edit_text import changed_edit, load_preset, parse_edits, preset_names, ways_of
from svsdata.editing.language import Checks, Motion, Selector
from svsdata.editing.trial import plan_on_frames
from svsdata.errors import EditPlanError
from svsdata.labels import CITYSCAPES

NUM_FRAMES = 30
CAR, TRUCK = (CITYSCAPES.by_name[name].id for name in ("car", "truck"))
# In three seconds nothing comes near from afar.
FAR = (
    "id: truck, op: add, class: truck, enter: far, at: {left_m: -2.7}, "
    "motion: {model: static}, checks: {min_px: 2000}"
)
NEAR = "{enter: reference}"
OUT_OF_SIGHT = "{at: {ahead_m: 400}}"


def edits(*texts):
    lines = "".join(f"\n  - {{{text}}}" for text in texts)
    return parse_edits(f"version: 1\nedits:{lines}", "test").edits


@pytest.fixture
def planned(road_scene, road_frame):
    def plan(chosen, how=plan_with_alternatives, draw=None):
        def frames_at(wanted):
            return (road_frame(index, draw) for index in wanted)

        return how(chosen, road_scene(NUM_FRAMES, draw), 3, frames_at)

    return plan


def test_an_edit_that_cannot_be_applied_as_written_is_planned_otherwise(planned):
    (plain,) = planned(edits(FAR)).rows
    assert (plain.status, plain.reason) == ("rejected", "TINY")
    (row,) = planned(edits(f"{FAR}, otherwise: [{OUT_OF_SIGHT}, {NEAR}]")).rows
    assert (row.status, row.first_frame) == ("applied", 0)
    (asked_for,) = planned(edits(FAR.replace("far", "reference"))).rows
    assert (row.poses == asked_for.poses).all()
    assert row.note.startswith(f"by otherwise.1 (enter); as written TINY, {plain.note}")
    assert "; otherwise.0 " in row.note


def test_an_edit_that_can_be_applied_as_written_is(planned):
    near = FAR.replace("far", "reference")
    plan = planned(edits(f"{near}, otherwise: [{OUT_OF_SIGHT}]"))
    assert plan.hash == planned(edits(near), plan_on_frames).hash
    assert plan.rows[0].note == ""


def test_what_no_alternative_helps_is_rejected_and_told_of_each(planned):
    (row,) = planned(edits(f"{FAR}, otherwise: [{OUT_OF_SIGHT}]")).rows
    assert row.status == "rejected"
    assert "by otherwise.0 (at); as written TINY, " in row.note


def test_an_edit_that_is_to_stop_stops_when_no_alternative_helps(planned):
    stop = FAR.replace("min_px: 2000", "min_px: 2000, on_fail: error")
    (row,) = planned(edits(f"{stop}, otherwise: [{OUT_OF_SIGHT}, {NEAR}]")).rows
    assert row.is_live
    with pytest.raises(EditPlanError, match="edit 'truck' fails: "):
        planned(edits(f"{stop}, otherwise: [{OUT_OF_SIGHT}]"))


def test_what_comes_after_an_alternative_makes_room_for_it(planned):
    there = FAR.replace("truck,", "other,", 1).replace(
        "far, at: {", "reference, at: {ahead_m: 42, "
    )
    assert planned(edits(there)).rows[0].is_live
    first, other = planned(
        edits(f"{FAR}, otherwise: [{{enter: reference, at: {{ahead_m: 40}}}}]", there)
    ).rows
    assert first.is_live
    assert (other.status, other.reason) == ("rejected", "COLLIDE")


def test_alternatives_have_what_the_edit_does_not_say_otherwise():
    (edit,) = edits(f"{FAR}, otherwise: [{{checks: {{jump_px: 9}}}}, {NEAR}]")
    plain, patient, near = ways_of(edit)
    assert (plain.enter, patient.enter, near.enter) == ("far", "far", "reference")
    assert (patient.checks.jump_px, patient.checks.min_px) == (9.0, 2000)
    assert plain.otherwise == patient.otherwise == near.otherwise == ()
    changed = changed_edit(edit, {"colour": "red"}, "edits.truck")
    assert [way.colour for way in ways_of(changed)] == [("#ff0000",)] * 3
    assert ways_of(changed_edit(edit, {"otherwise": []}, "edits.truck")) == (plain,)


def test_alternatives_name_selectors():
    text = (
        "version: 1\nselect: {near: {class: car, pick: nearest}, far: {class: car, pick: farthest}}"
        "\nedits: [{id: a, op: remove, target: near, otherwise: [{target: far}]}]"
    )
    (edit,) = parse_edits(text, "test").edits
    assert [way.target.pick for way in ways_of(edit)] == ["nearest", "farthest"]


def test_a_named_selector_takes_the_place_of_another_whole():
    text = (
        "version: 1\nselect: {near: {class: car, where: ahead_m < 40, pick: nearest, track: 3},"
        " trucks: {class: truck}}\nedits:"
        "\n  - {id: a, op: remove, target: near, otherwise: [{target: trucks}]}"
        "\n  - {id: b, op: add, class: car, at: {ahead_m: 9, left_m: 0}, motion: {like: near},"
        " otherwise: [{motion: {like: trucks}}]}"
    )
    gone, added = parse_edits(text, "test").edits
    trucks = Selector.model_validate({"class": "truck"})
    assert ways_of(gone)[1].target == ways_of(added)[1].motion.like == trucks
    assert ways_of(changed_edit(gone, {"fill": "columns"}, "edits.a"))[1].target == trucks


def test_another_motion_model_keeps_the_words_alone_that_mean_the_same_to_it(tmp_path):
    (tmp_path / "track.csv").write_text("s,ahead_m,left_m\n0,10,-3\n9,20,-3\n")
    text = (
        "version: 1\nedits:"
        "\n  - {id: a, op: add, class: car, at: {left_m: 1},"
        " motion: {model: follow_road, speed_mps: 5},"
        " otherwise: [{motion: {model: static}}, {motion: {model: constant}}]}"
        "\n  - {id: b, op: add, class: car, motion: {file: track.csv},"
        " otherwise: [{at: {left_m: 2}, motion: {model: static}}]}"
    )
    driving, following = parse_edits(text, "test", folder=tmp_path).edits
    assert [way.motion.speed_mps for way in ways_of(driving)] == [(5, 5), (0, 0), (5, 5)]
    assert ways_of(following)[1].motion == Motion()


def test_a_table_of_thousands_of_waypoints_can_be_laid_over(tmp_path):
    rows = "".join(f"{k},{k},1\n" for k in range(9000))
    (tmp_path / "track.csv").write_text(f"s,ahead_m,left_m\n{rows}")
    text = (
        "version: 1\nedits: [{id: a, op: add, class: car, motion: {file: track.csv}, "
        "otherwise: [{enter: reference}]}]"
    )
    (edit,) = parse_edits(text, "test", folder=tmp_path).edits
    assert len(ways_of(edit)[1].motion.waypoints) == 9000


def test_null_takes_a_word_away():
    text = FAR.replace("far,", "far, repeat: {gap_m: 9}, colour: red,")
    (edit,) = edits(f"{text}, otherwise: [{{repeat: null, at: {{left_m: null, lane: right}}}}]")
    repeated, once = ways_of(edit)
    assert (repeated.repeat is None, once.repeat) == (False, None)
    assert (once.at.left_m, once.at.lane, once.checks.min_px) == (None, "right", 2000)
    assert changed_edit(edit, {"checks": None, "colour": None}, "edits.truck").checks == Checks()
    with pytest.raises(EditPlanError, match=r"edits\.truck\.colr: unknown key.*'colour'"):
        changed_edit(edit, {"colr": None}, "edits.truck")


def test_classes_that_only_alternatives_name_are_known_before_anything_is_tried(planned):
    near = FAR.replace("far", "reference")
    for otherwise, message in (
        ("{class: spaceship}", "cannot add a 'spaceship'"),
        ("{at: {on: sky}}", "stands on the ground; 'sky' is not of it"),
        ("{motion: {like: {class: ship}}}", "'truck'.*ship"),
        ("{shape: {from: library}}", "takes its shape from a library and none is named"),
    ):
        with pytest.raises(EditPlanError, match=message):
            planned(edits(f"{near}, otherwise: [{otherwise}]"))


def test_an_edit_that_is_to_stop_tells_which_alternative_failed(planned):
    one_place = FAR.replace("far", "reference").replace("at: {", "at: {ahead_m: 30, ")
    both = f"{one_place.replace('truck', 'first', 1)}", f"{one_place}, otherwise: [{OUT_OF_SIGHT}]"
    assert [row.status for row in planned(edits(*both)).rows] == ["applied", "rejected"]
    stop = [text.replace("min_px: 2000", "min_px: 2000, on_fail: error") for text in both]
    with pytest.raises(EditPlanError, match=r"edit 'truck' fails: .*'truck' is tried by otherwise"):
        planned(edits(*stop))
    (row,) = planned(edits(f"{stop[0]}, otherwise: [{NEAR}]")).rows
    assert (row.is_live, row.checks.on_fail) == (True, "error")


def test_an_edit_that_is_to_stop_stops_where_only_some_of_it_is_applied(planned, paint):
    def draw(maps):
        for label_id, index, left_m in ((CAR, 1, 0), (CAR, 2, 5), (TRUCK, 1, -3)):
            place = {"ahead_m": 20, "left_m": left_m, "width_m": 1.8, "height_m": 1.5}
            paint(maps, label_id, label_id * 1000 + index, **place)

    moved = "id: moved, op: shift, target: {class: car}, by_m: {left: -3}"
    rows = planned(edits(f"{moved}, otherwise: [{{by_m: {{left: 0.1}}}}]"), draw=draw).rows
    assert [row.is_live for row in rows] == [False, True]
    stop = f"{moved}, checks: {{on_fail: error}}, otherwise: [{{by_m: {{left: 0.1}}}}]"
    with pytest.raises(EditPlanError, match="edit 'moved' fails: COLLIDE"):
        planned(edits(stop), draw=draw)


def test_what_an_alternative_contradicts_is_told_with_its_name(planned, paint):
    def draw(maps):
        paint(maps, CAR, CAR * 1000 + 1, ahead_m=20, left_m=2, width_m=2, height_m=1.5)

    gone = "id: gone, op: remove, target: {class: car}"
    moved = (
        "id: moved, op: shift, by_m: {left: 1}, target: {class: bus}, "
        "otherwise: [{target: {class: car}}]"
    )
    with pytest.raises(EditPlanError, match=r"contradict.*'moved' is tried by otherwise\.0"):
        planned(edits(gone, moved), draw=draw)


@pytest.mark.parametrize(
    ("otherwise", "message"),
    [
        ("[{entr: far}]", r"otherwise\.0\.entr: unknown key.*did you mean 'enter'"),
        ("[{enter: sideways}]", r"otherwise\.0.*'sideways'"),
        ("[{fill: columns}]", r"otherwise\.0.*'fill' means nothing to op 'add'"),
        ("[{id: b}]", r"otherwise\.0: 'id' cannot be changed; add another edit"),
        ("[{op: remove}]", "'op' cannot be changed"),
        (f"[{NEAR}, {{otherwise: [{NEAR}]}}]", r"otherwise\.1: 'otherwise' cannot be changed"),
        ("[{}]", r"otherwise\.0 changes nothing; say what to change"),
        ("far", "otherwise"),
        ("[far]", "otherwise"),
        ("[{motion: {like: nobody}}]", r"otherwise\.0\.motion\.like: no selector 'nobody'"),
    ],
)
def test_a_fault_in_an_alternative_is_told_with_its_place(otherwise, message):
    with pytest.raises(EditPlanError, match=message) as caught:
        edits(f"{FAR}, otherwise: {otherwise}")
    assert "\n" not in str(caught.value)


def test_the_alternatives_of_presets_are_valid():
    ways = [ways_of(edit) for name in preset_names() for edit in load_preset(name).edits]
    assert sum(len(of_edit) - 1 for of_edit in ways) >= 12
