from dataclasses import replace

import numpy as np
import pytest

from svsdata.editing.edit_text import parse_edits
from svsdata.editing.feet import Feet
from svsdata.editing.occlusion import GroundDepth, Rect, Standing
from svsdata.editing.operations import apply_plan
from svsdata.editing.planning import plan_edits
from svsdata.editing.scene import scan_scene
from svsdata.editing.track_depths import TrackDepths, track_depths
from svsdata.geometry.camera import project
from svsdata.labels import CITYSCAPES

FPS = 10.0
CAR, HOUSE = (CITYSCAPES.by_name[name].id for name in ("car", "building"))


def feet_at(camera, ahead_m, off_px=0.0, is_seen=True):
    """Feet of one thing straight ahead, at (N,) metres ahead of the vehicle."""
    count = len(ahead_m)
    level = np.zeros(count)
    u, v, _ = project(camera, np.column_stack([ahead_m, level, level])).T
    seen = np.broadcast_to(is_seen, count)
    return Feet(np.arange(count), np.full(count, 26_001), u, v + off_px, seen)


def depths(feet, camera, ego):
    found = track_depths(feet, lambda _: camera, ego, FPS)
    return np.array([found.at(k)[26_001] for k in range(len(ego))])


def drive(count, step_m=1.0):
    return np.column_stack([step_m * np.arange(count), np.zeros(count), np.zeros(count)])


def test_a_track_without_noise_is_as_far_as_its_feet(camera):
    ahead = 50.0 - np.arange(40.0)
    found = depths(feet_at(camera, ahead), camera, drive(40))
    # Centimetres are kept.
    np.testing.assert_allclose(found, project(camera, _on_axis(ahead))[:, 2], atol=0.006)


def _on_axis(ahead):
    level = np.zeros(len(ahead))
    return np.column_stack([ahead, level, level])


def test_rows_that_jump_make_no_depth_jump(camera):
    ahead = 60.0 - np.arange(30.0)
    off = np.where(np.arange(30) % 2, 0.5, -0.5)
    truth = project(camera, _on_axis(ahead))[:, 2]
    raw = GroundDepth(camera).at(87.5, feet_at(camera, ahead, off).v)
    found = depths(feet_at(camera, ahead, off), camera, drive(30))
    assert np.abs(np.diff(raw - truth)).max() > 8.0
    assert np.abs(np.diff(found - truth)).max() < 0.3


def test_where_a_foot_is_hidden_the_frames_around_tell(camera):
    ahead = 30.0 - 0.5 * np.arange(40)
    is_seen = np.ones(40, bool)
    is_seen[15:25] = False
    off = np.where(is_seen, 0.0, -1.5)
    truth = project(camera, _on_axis(ahead))[:, 2]
    told = depths(feet_at(camera, ahead, off, is_seen), camera, drive(40, 0.5))
    believed = depths(feet_at(camera, ahead, off), camera, drive(40, 0.5))
    assert np.abs(told - truth).max() < 0.25
    assert np.abs(believed - truth).max() > 1.0


def test_a_foot_above_the_horizon_amid_a_track_is_where_the_track_is(camera):
    ahead = 40.0 - np.arange(20.0)
    off = np.where(np.arange(20) == 9, -30.0, 0.0)
    truth = project(camera, _on_axis(ahead))[:, 2]
    found = depths(feet_at(camera, ahead, off), camera, drive(20))
    np.testing.assert_allclose(found, truth, atol=0.01)


def test_what_is_never_on_the_ground_has_no_depth_and_no_feet_have_none(camera):
    above = feet_at(camera, np.full(5, 20.0), -60.0)
    assert not len(track_depths(above, lambda _: camera, drive(5), FPS).frame)
    assert not len(track_depths(Feet.none(), lambda _: camera, drive(5), FPS).frame)
    assert TrackDepths().at(3) == {}


def test_two_things_are_followed_each_for_itself(camera):
    one, other = feet_at(camera, np.full(9, 20.0)), feet_at(camera, np.full(9, 30.0))
    other = replace(other, instance_id=np.full(9, 26_002))
    joined = Feet.joined([one, other])
    joined = joined.at(np.argsort(joined.frame, kind="stable"))
    found = track_depths(joined, lambda _: camera, np.zeros((9, 3)), FPS)
    # The camera is 1.5 m ahead of the axle and looks down by 0.03.
    assert found.at(4)[26_002] - found.at(4)[26_001] == pytest.approx(10 * np.cos(0.03), abs=0.02)


def test_a_rider_is_as_far_as_the_track_of_the_bicycle(camera, road_frame, paint):
    frame = road_frame(0)
    maps = (frame.semantic, frame.instance)
    rider, bicycle = (CITYSCAPES.by_name[name].id for name in ("rider", "bicycle"))
    paint(maps, rider, 25_001, ahead_m=9.5, left_m=0.0, width_m=0.6, height_m=1.7)
    paint(maps, bicycle, 33_001, ahead_m=9.5, left_m=0.0, width_m=0.6, height_m=0.8)
    standing = Standing(
        *maps,
        ground=GroundDepth(camera),
        label_set=CITYSCAPES,
        depths={33_001: 13.5, 25_001: 40.0},
    )
    runs = standing.depth(Rect(0, 0, 176, 96))
    found = np.repeat(runs.metres, runs.num_rows).reshape(-1, 96).T
    assert set(found[np.isin(frame.instance, (25_001, 33_001))]) == {np.float32(13.5)}


def plan_of_a_bus(frames, at):
    text = f"""
version: 1
edits:
  - id: bus
    op: add
    class: bus
    enter: reference
    at: {at}
    motion: {{model: constant, speed_mps: 10}}
    checks: {{collision: ignore, off_surface: ignore, pops_up: ignore, min_px: 0}}
"""
    scene = scan_scene(frames, sequence_id="road", label_set=CITYSCAPES, fps=FPS)
    plan = plan_edits(parse_edits(text, "test").edits, scene, 1)
    assert [row.status for row in plan.rows] == ["applied"]
    return plan


@pytest.fixture
def beside_a_trembling_car(road_frame, paint):
    """Frames of a car 46 m ahead whose wheels are labelled a row too low in every other frame."""

    def frame(index):
        def draw(maps):
            paint(maps, CAR, 26_001, ahead_m=46.0, left_m=0.5, width_m=3.0, height_m=1.5)
            rows = np.flatnonzero((maps[1] == 26_001).any(axis=1))
            columns = np.flatnonzero((maps[1] == 26_001).any(axis=0))
            if index % 2:
                below = rows[-1] + 1, slice(columns[0], columns[-1] + 1)
                maps[0][below], maps[1][below] = CAR, 26_001

        return road_frame(index, draw)

    return [frame(index) for index in range(12)]


def test_an_insert_does_not_pop_before_and_behind_a_car_from_frame_to_frame(
    beside_a_trembling_car,
):
    frames = beside_a_trembling_car
    plan = plan_of_a_bus(frames, "{ahead_m: 48.5, left_m: 1}")

    def car_in_front(plan):
        edited = apply_plan(plan, frames)
        return [int((frame.instance == 26_001).sum()) > 10 for frame in edited]

    assert len(set(car_in_front(plan))) == 1
    assert len(set(car_in_front(replace(plan, standing=TrackDepths())))) == 2


@pytest.fixture
def before_a_trembling_facade(road_frame, paint):
    """Frames of a house 50 m ahead that is labelled a row too low in every other frame."""

    def frame(index):
        def draw(maps):
            paint(maps, HOUSE, HOUSE, ahead_m=50.0, left_m=0.0, width_m=24.0, height_m=9.0)
            if index % 2:
                below = np.flatnonzero((maps[0] == HOUSE).any(axis=1))[-1] + 1
                columns = (maps[0] == HOUSE).any(axis=0)
                maps[0][below, columns], maps[1][below, columns] = HOUSE, HOUSE
            paint(maps, CAR, 26_001, ahead_m=12.0, left_m=4.0, width_m=1.8, height_m=1.5)

        return road_frame(index, draw)

    return [frame(index) for index in range(12)]


def test_an_insert_does_not_pop_before_and_behind_a_facade_from_frame_to_frame(
    before_a_trembling_facade,
):
    frames = before_a_trembling_facade
    plan = plan_of_a_bus(frames, "{ahead_m: 44, left_m: -2}")

    def shares_shown(plan):
        shares = []
        list(apply_plan(plan, frames, record=lambda it: shares.append(1 - it.occluded_share)))
        return set(np.round(shares, 1))

    assert shares_shown(plan) == {1.0}
    assert shares_shown(replace(plan, standing=TrackDepths())) == {0.0, 1.0}
