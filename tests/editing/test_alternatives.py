import pytest

from svsdata.editing.alternatives import plan_with_alternatives
from svsdata.editing.edit_text import changed_edit, load_preset, parse_edits, preset_names, ways_of
from svsdata.editing.trial import plan_on_frames
from svsdata.errors import EditPlanError
from svsdata.labels import CITYSCAPES

NUM_FRAMES = 30
CAR = CITYSCAPES.by_name["car"].id
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
