from dataclasses import replace

import numpy as np
import pytest

from svsdata.editing.checks import Fault
from svsdata.editing.duplicates import reject_duplicate
from svsdata.editing.edit_text import parse_edits
from svsdata.editing.fill import LOOK_AROUND
from svsdata.editing.footing import Footing
from svsdata.editing.moments import tries_like
from svsdata.editing.operations import apply_plan
from svsdata.editing.planning import plan_edits
from svsdata.editing.setting import Setting
from svsdata.editing.trial import (
    faults_on_frames,
    plan_on_frames,
    rejected,
    tried_frames,
)
from svsdata.errors import EditPlanError
from svsdata.geometry.camera import mounted_camera
from svsdata.labels import CITYSCAPES
from svsdata.randomness import derived_seed

BUILDING, CAR = (CITYSCAPES.by_name[name].id for name in ("building", "car"))
NUM_FRAMES = 90


def edits(text: str):
    return parse_edits(f"version: 1\nedits:\n  - {text}", "test").edits


def checked(plan, **changes):
    """The plan with other thresholds."""
    rows = (
        replace(row, checks=row.checks.model_copy(update=changes)) if row.is_live else row
        for row in plan.rows
    )
    return replace(plan, rows=tuple(rows))


@pytest.fixture
def base(road_frame):
    """Reads frames of the road; ``draw`` paints what else is in them."""

    def reading(draw=None, asked=None):
        def frames_at(wanted):
            if asked is not None:
                asked.append(list(wanted))
            return (road_frame(index, draw) for index in wanted)

        return frames_at

    return reading


@pytest.fixture
def screen(paint):
    """Paint a wall across the road, nearer than anything that is added."""

    def draw(maps):
        paint(maps, BUILDING, BUILDING, ahead_m=4.5, left_m=0.0, width_m=30.0, height_m=9.0)

    return draw


@pytest.fixture
def truck_plan(road_scene, standing_truck):
    return plan_edits(standing_truck, road_scene(NUM_FRAMES), 1)


@pytest.fixture
def events(truck_plan, road_frame):
    seen = []
    frames = [road_frame(index) for index in tried_frames(truck_plan, truck_plan.rows)]
    list(apply_plan(truck_plan, frames, record=seen.append))
    return seen


def test_what_is_seen_well_has_no_fault(truck_plan, base):
    assert faults_on_frames(truck_plan, base()) == {}


def test_what_is_hidden_most_of_its_way_is_a_fault(truck_plan, base, screen):
    fault = faults_on_frames(truck_plan, base(screen))[0]
    assert fault.code == "HIDDEN"
    assert "100%" in fault.note
    allowed = checked(truck_plan, min_visible=0.0, min_px=0)
    assert faults_on_frames(allowed, base(screen)) == {}


@pytest.mark.parametrize(
    ("what", "hidden", "is_fault"),
    [
        (BUILDING, slice(None, 40), False),
        (BUILDING, slice(40, 48), True),
        (BUILDING, slice(60, None), False),
        (CAR, slice(40, 48), False),
    ],
)
def test_what_vanishes_behind_a_house_and_comes_back_is_a_fault(
    truck_plan, road_frame, screen, what, hidden, is_fault
):
    def draw(maps):
        screen(maps)
        for values in maps:
            values[values == BUILDING] = what

    hides = range(NUM_FRAMES)[hidden]

    def frames_at(wanted):
        return (road_frame(index, draw if index in hides else None) for index in wanted)

    lenient = checked(truck_plan, min_visible=0.0)
    faults = faults_on_frames(lenient, frames_at)
    assert bool(faults) == is_fault
    if is_fault:
        assert faults[0].code == "POPS_UP"
        assert "frame 40 and be back at frame 48" in faults[0].note
        assert faults_on_frames(checked(lenient, pops_up="ignore"), frames_at) == {}


@pytest.mark.parametrize(("hides", "is_fault"), [(range(41, 44), True), (range(0), False)])
def test_what_happens_between_the_frames_that_are_tried_first_is_found(
    road_scene, standing_truck, road_frame, screen, hides, is_fault
):
    def frames_at(wanted):
        return (road_frame(index, screen if index in hides else None) for index in wanted)

    checks = standing_truck[0].checks.model_copy(update={"on_fail": "skip"})
    chosen = [standing_truck[0].model_copy(update={"checks": checks})]
    scene = road_scene(NUM_FRAMES)
    assert faults_on_frames(plan_edits(chosen, scene, 1), frames_at) == {}
    (row,) = plan_on_frames(chosen, scene, 1, frames_at).rows
    assert row.reason == ("POPS_UP" if is_fault else "")
    assert is_fault == ("frame 41 and be back at frame 44" in row.note)


def test_what_shows_few_pixels_is_a_fault(truck_plan, base, events):
    most, area = max(it.visible_px for it in events), 96 * 176 / (512 * 1024)
    assert faults_on_frames(checked(truck_plan, min_px=int(most / area) - 40), base()) == {}
    fault = faults_on_frames(checked(truck_plan, min_px=int(most / area) + 40), base())[0]
    assert fault.code == "TINY"
    assert f"{most} pixels at most" in fault.note


def test_what_changes_too_much_of_a_frame_is_a_fault(truck_plan, base, events):
    largest = max(events, key=lambda it: it.visible_px)
    share = largest.visible_px / (96 * 176)
    assert faults_on_frames(checked(truck_plan, max_visible_change=share + 1e-6), base()) == {}
    fault = faults_on_frames(checked(truck_plan, max_visible_change=share - 1e-6), base())[0]
    assert fault.code == "CHANGE"
    assert f"frame {largest.frame_index}" in fault.note


def test_what_floats_is_a_fault(truck_plan, base, events):
    most = max(it.float_px for it in events)
    assert most > 0
    assert faults_on_frames(checked(truck_plan, float_px=most + 1e-6), base()) == {}
    assert faults_on_frames(checked(truck_plan, float_px=most - 1e-6), base())[0].code == "FLOAT"


def test_only_what_is_lower_than_the_camera_must_stay_below_the_horizon(truck_plan, base):
    # The camera of the road is 1.4 m high, lower than the truck.
    strict = checked(truck_plan, horizon_px=1e-3)
    assert faults_on_frames(strict, base()) == {}
    mast = mounted_camera(
        strict.camera.intrinsics,
        strict.size_hw,
        position_m=(1.5, 0.0, 3.6),
        yaw_pitch_roll_rad=(0.0, 0.03, 0.0),
    )
    # Its roof lies in the row of the horizon, a rounding above it.
    assert faults_on_frames(replace(truck_plan, camera=mast), base()) == {}
    assert faults_on_frames(replace(strict, camera=mast), base())[0].code == "HORIZON"


def test_what_is_to_come_out_of_hiding_must_be_hidden_at_first(truck_plan, base, screen):
    (row,) = truck_plan.rows
    plan = replace(truck_plan, rows=(replace(row, appears_hidden=True),))
    fault = faults_on_frames(plan, base())[0]
    assert fault.code == "POPS_UP"
    assert f"frame {row.first_frame}" in fault.note
    behind = faults_on_frames(checked(plan, min_visible=0.0, min_px=0), base(screen))
    assert behind == {}


def test_frames_without_maps_are_passed_over(truck_plan, base, screen):
    def without_maps(wanted):
        for frame in base(screen)(wanted):
            yield replace(frame, instance=None)
            yield replace(frame, semantic=None)

    assert faults_on_frames(truck_plan, without_maps) == {}


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ("region: {along_m: [20, 30], left_m: [-2, 2]}, from: road, to: terrain", ""),
        # Frames of which none is among those that are tried first.
        (
            "region: {along_m: [20, 30], left_m: [-2, 2]}, from: road, to: terrain, "
            "frames: {from: 5, to: 7}",
            "",
        ),
        ("region: {along_m: [20, 30], left_m: [-2, 2]}, from: sidewalk, to: terrain", "NO_TARGET"),
        ("region: {along_m: [-90, -80], left_m: [-2, 2]}, from: road, to: terrain", "UNSEEN"),
    ],
)
def test_a_relabelling_that_changes_nothing_is_rejected(road_scene, base, words, code):
    (row,) = plan_on_frames(
        edits(f"{{id: a, op: relabel, {words}}}"), road_scene(20), 1, base()
    ).rows
    assert (row.status, row.reason) == ("rejected" if code else "applied", code)
    assert bool(row.note) == bool(code)
    if code == "UNSEEN":
        assert "-90 to -80 m ahead of frame 0 and -2 to 2 m left, is never in view" in row.note


def test_a_relabelling_of_frames_without_maps_is_not_judged(road_scene, base):
    def without_maps(wanted):
        return (replace(frame, semantic=None) for frame in base()(wanted))

    strip = "region: {along_m: [9, 30], left_m: [-2, 2]}"
    relabel = edits(f"{{id: a, op: relabel, {strip}, from: terrain, to: road}}")
    (row,) = plan_on_frames(relabel, road_scene(9), 1, without_maps).rows
    assert row.is_live


def test_a_relabelling_of_what_another_made_changes_something(road_scene, base):
    strip = "op: relabel, region: {along_m: [9, 30], left_m: [-2, 2]}"
    first = f"{{id: a, {strip}, from: road, to: sidewalk}}"
    then = f"{{id: b, {strip}, from: sidewalk, to: terrain, frames: {{from: 5, to: 6}}}}"
    plan = plan_on_frames(edits(f"{first}\n  - {then}"), road_scene(12), 1, base())
    assert [row.status for row in plan.rows] == ["applied", "applied"]


def test_some_frames_are_tried_and_those_in_which_something_appears(truck_plan):
    (row,) = truck_plan.rows
    plan = replace(truck_plan, rows=(replace(row, is_shown=row.is_shown.copy()),))
    plan.rows[0].is_shown[:3] = False
    plan.rows[0].is_shown[20:40] = False
    shown = row.first_frame + np.flatnonzero(plan.rows[0].is_shown)
    expected = {int(shown[0])} | {int(index) for index in shown if index % 4 == 0}
    assert tried_frames(plan, plan.rows) == sorted(expected)
    gone = replace(plan, rows=(replace(plan.rows[0], status="rejected"),))
    assert tried_frames(gone, gone.rows) == []


def test_around_what_is_erased_the_frames_that_fill_it_are_read(road_scene):
    def draw(maps):
        maps[0][52:58, 80:92], maps[1][52:58, 80:92] = CAR, 26_001

    edit = edits("{id: gone, op: remove, target: {class: car}, frames: {from: 40, to: 44}}")
    plan = plan_edits(edit, road_scene(NUM_FRAMES, draw), 0)
    expected = range(40 - LOOK_AROUND, 44 + LOOK_AROUND + 1, 4)
    assert tried_frames(plan, plan.rows) == list(expected)


def test_what_turns_out_bad_is_drawn_anew_if_the_edit_allows_it(road_scene, base, paint):
    """A wall hides the left side of the road."""

    def draw(maps):
        paint(maps, BUILDING, BUILDING, ahead_m=4.5, left_m=8.0, width_m=15.5, height_m=9.0)

    text = (
        "{{id: one, op: add, class: person, enter: far, at: {{left_m: [-4, 4]}}, "
        "frames: {{from: 20}}, motion: {{model: static}}, checks: {{on_fail: {}}}}}"
    )
    scene = road_scene(80)
    seeds = range(6)
    first = [plan_edits(edits(text.format("shift")), scene, seed).rows[0] for seed in seeds]
    seed = next(seed for seed in seeds if first[seed].poses[0, 1] > 2)
    (skipped,) = plan_on_frames(edits(text.format("skip")), scene, seed, base(draw)).rows
    assert (skipped.status, skipped.reason) == ("rejected", "HIDDEN")
    assert skipped.note
    with pytest.raises(EditPlanError, match="'one' fails: HIDDEN"):
        plan_on_frames(edits(text.format("error")), scene, seed, base(draw))
    plans = [plan_on_frames(edits(text.format("shift")), scene, seed, base(draw)) for seed in seeds]
    shifted = [
        plan
        for plan, tried in zip(plans, first, strict=True)
        if plan.rows[0].is_live and plan.rows[0].seed != tried.seed
    ]
    assert shifted
    assert all(faults_on_frames(plan, base(draw)) == {} for plan in shifted)


def test_planning_again_gives_what_planning_from_the_start_gives(road_scene, base, paint):
    """Verdicts and misses that are kept change nothing, and save frames."""

    def draw(maps):
        paint(maps, BUILDING, BUILDING, ahead_m=9.0, left_m=3.0, width_m=4.0, height_m=9.0)

    chosen = edits(
        "{id: left, op: add, class: person, enter: far, at: {left_m: [1.5, 8]}, "
        "motion: {model: static}, repeat: {gap_m: [2, 9]}}"
    )
    scene, asked = road_scene(60, draw), []
    found = plan_on_frames(chosen, scene, 1, base(draw, asked))
    barred, rounds = set(), 0
    for _ in range(3):
        plan, rounds = plan_edits(chosen, scene, 1, barred=barred), rounds + 1
        footing = Footing(plan, 4)
        faults = faults_on_frames(plan, base(draw), footing=footing)
        right = [row for number, row in enumerate(plan.rows) if number not in faults]
        faults = faults_on_frames(plan, base(draw), right, every=1) | faults
        again = {plan.rows[k].seed for k in faults if plan.rows[k].draws}
        if not again:
            break
        barred |= again
    # Every round asks for some frames of what is new, then for all of what is right in these.
    assert rounds == 3
    assert len(asked) == 6
    assert len(asked[4]) < len(asked[0])
    plan = replace(plan, rows=tuple(footing.noted(k, row) for k, row in enumerate(plan.rows)))
    assert found.hash == rejected(plan, faults).hash


def test_rejecting_says_why_or_stops(truck_plan):
    fault = Fault("HIDDEN", "behind a wall")
    (row,) = rejected(truck_plan, {0: fault}).rows
    assert (row.status, row.reason, row.note) == ("rejected", "HIDDEN", "behind a wall")
    assert rejected(truck_plan, {}).hash == truck_plan.hash
    with pytest.raises(EditPlanError, match=r"'truck' fails: HIDDEN, behind a wall"):
        rejected(checked(truck_plan, on_fail="error"), {0: fault})


def test_a_variant_that_does_the_same_is_a_duplicate(truck_plan):
    (row,) = truck_plan.rows

    def moved(by_m):
        return replace(
            truck_plan, rows=(replace(row, poses=row.poses + np.array([by_m, 0.0, 0.0])),)
        )

    (found,) = reject_duplicate(truck_plan, [moved(3.0), moved(0.3)]).rows
    assert (found.status, found.reason) == ("rejected", "NEARDUP")
    assert reject_duplicate(truck_plan, [moved(0.7)]) is truck_plan
    assert reject_duplicate(truck_plan, []) is truck_plan
    wider = replace(row, size_m=(row.size_m[0], row.size_m[1] + 0.2, row.size_m[2]))
    assert reject_duplicate(truck_plan, [replace(truck_plan, rows=(wider,))]) is truck_plan
    later = replace(row, first_frame=row.first_frame + 1, last_frame=row.last_frame + 1)
    assert reject_duplicate(truck_plan, [replace(truck_plan, rows=(later,))]) is truck_plan
    nothing = rejected(truck_plan, {0: Fault("HIDDEN", "")})
    assert reject_duplicate(truck_plan, [nothing]) is truck_plan
    allowed = checked(truck_plan, near_duplicate="ignore")
    assert reject_duplicate(allowed, [truck_plan]).rows[0].is_live


def test_where_a_try_is_hidden_those_soon_after_it_are_not_made(road_scene):
    text = "{id: a, op: add, class: car, enter: far, at: {left_m: 3}%s}"
    setting = Setting.of(road_scene(300), 5)
    seeds = [derived_seed(5, "a", start) for start in range(1, 300)]
    (once,), (again,) = edits(text % ""), edits(text % ", repeat: {gap_m: 9}")
    # Half of what is left but for ten seconds of ten frames each.
    assert tries_like(seeds[0], once, setting) == set(seeds[: 1 + (299 - 100) // 2])
    assert tries_like(seeds[150], once, setting) == set(seeds[150 : 151 + (149 - 100) // 2])
    assert tries_like(seeds[250], once, setting) == {seeds[250]}
    assert tries_like(seeds[0], again, setting) == {seeds[0]}
    assert tries_like(7, once, setting) == {7}
