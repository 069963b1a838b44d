"""A camera that nods: planned from flow, kept in the plan, followed by what is inserted."""

from dataclasses import replace

import numpy as np
import pytest

from svsdata.editing.edit_text import parse_edits
from svsdata.editing.operations import apply_plan
from svsdata.editing.plan_table import read_plan, write_plan
from svsdata.editing.planning import plan_edits
from svsdata.editing.scene import scan_scene
from svsdata.geometry.camera import ground_points, project, yaw_pitch_roll
from svsdata.labels import CITYSCAPES
from tests.geometry.test_pitch import nodded

STANDING_TRUCK = """
version: 1
edits:
  - id: truck
    op: add
    class: truck
    enter: reference
    at: {ahead_m: 40, left_m: -3.5}
    checks: {off_surface: ignore}
"""
ANGLES = np.deg2rad(0.5) * np.sin(np.arange(20))


def test_flow_of_a_nodding_camera_becomes_the_pitch_of_a_scene(road_frame, camera):
    ground = np.zeros((*camera.size_hw, 2), np.float32)
    frames = [road_frame(0)]
    for index in range(1, 20):
        flow = nodded(ground, camera, ANGLES[index - 1], ANGLES[index])
        frames.append(replace(road_frame(index), flow=flow))
    scene = scan_scene(frames, sequence_id="nods", label_set=CITYSCAPES, fps=10.0)
    np.testing.assert_allclose(scene.pitch_rad, ANGLES - ANGLES.mean(), atol=6e-4)
    still = scan_scene(frames[:1] * 3, sequence_id="still", label_set=CITYSCAPES, fps=10.0)
    assert still.pitch_rad.shape == (0,)


def test_an_insert_nods_with_the_camera_and_keeps_its_place_on_the_ground(
    road_scene, road_frame, tmp_path
):
    scene, edits = road_scene(20), parse_edits(STANDING_TRUCK, "test").edits
    plan = plan_edits(edits, replace(scene, pitch_rad=ANGLES), 0)
    assert plan.rows[0].status == "applied"
    write_plan(tmp_path / "plan.parquet", plan)
    again = read_plan(tmp_path / "plan.parquet")
    np.testing.assert_array_equal(again.pitch_rad, ANGLES)
    assert again.hash == plan.hash != plan_edits(edits, scene, 0).hash
    events = []
    list(apply_plan(again, [road_frame(index) for index in range(20)], record=events.append))
    assert len(events) > 5
    for event in events:
        nods = plan.camera_at(event.frame_index)
        place = ground_points(nods, np.array(event.foot_uv))[:2]
        np.testing.assert_allclose(place, (event.ahead_m, event.left_m), atol=1e-3)
        foot = np.array([event.ahead_m, event.left_m, 0.0])
        at_rest = project(plan.camera, foot)[1]
        pixels_per_rad = plan.camera.intrinsics[1, 1]
        assert at_rest - event.foot_uv[1] == pytest.approx(
            pixels_per_rad * ANGLES[event.frame_index], abs=0.2
        )
    assert yaw_pitch_roll(plan.camera_at(2))[1] == pytest.approx(
        yaw_pitch_roll(plan.camera)[1] + ANGLES[2], abs=1e-6
    )
