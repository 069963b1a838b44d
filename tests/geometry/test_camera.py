import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from svsdata.geometry.camera import (
    assumed_camera,
    back_project,
    camera_centre,
    ego_step,
    ground_points,
    horizon_row,
    mounted_camera,
    project,
)


def level_camera(size_hw=(100, 200)):
    intrinsics = np.array([[150.0, 0, 99.5], [0, 150.0, 49.5], [0, 0, 1]])
    return mounted_camera(
        intrinsics, size_hw, position_m=(1.0, 0.0, 1.5), yaw_pitch_roll_rad=(0, 0, 0)
    )


@pytest.mark.parametrize(("ahead_m", "height_px"), [(10, 481), (20, 217), (40, 104), (80, 51)])
def test_a_truck_has_the_height_of_the_published_table(ahead_m, height_px):
    camera = assumed_camera((512, 1024))
    ends = project(camera, np.array([[ahead_m, 0, 0], [ahead_m, 0, 3.5]], np.float64))
    assert ends[0, 1] - ends[1, 1] == pytest.approx(height_px, abs=1.0)


def test_the_horizon_of_the_assumed_camera_is_the_published_row():
    assert horizon_row(assumed_camera((512, 1024))) == pytest.approx(213.5, abs=0.5)


def test_far_ground_converges_to_the_horizon():
    camera = assumed_camera((256, 512))
    row = project(camera, np.array([1e7, 1e7 * np.tan(-0.0195), 0.0]))[1]
    assert row == pytest.approx(horizon_row(camera), abs=0.05)


def test_a_level_camera_projects_by_hand_computed_numbers():
    u, v, depth = project(level_camera(), np.array([11.0, 2.0, 0.0]))
    assert (u, v, depth) == pytest.approx((99.5 - 30, 49.5 + 22.5, 10.0))


def test_positive_pitch_looks_down_and_positive_yaw_left():
    intrinsics = level_camera().intrinsics
    ahead = np.array([50.0, 0.0, 1.5])
    look = {"position_m": (1.0, 0.0, 1.5)}
    down = mounted_camera(intrinsics, (100, 200), yaw_pitch_roll_rad=(0, 0.05, 0), **look)
    left = mounted_camera(intrinsics, (100, 200), yaw_pitch_roll_rad=(0.05, 0, 0), **look)
    assert project(down, ahead)[1] < 49.5
    assert project(left, ahead)[0] > 99.5


@given(u=st.floats(0, 511), v=st.floats(0, 255), depth=st.floats(0.5, 300))
def test_back_projection_undoes_projection(u, v, depth):
    camera = assumed_camera((256, 512))
    point = back_project(camera, np.array([u, v]), np.array(depth))
    np.testing.assert_allclose(project(camera, point), [u, v, depth], rtol=1e-9, atol=1e-7)


def test_ground_points_lie_on_the_ground_and_end_at_the_horizon():
    camera = assumed_camera((97, 131))
    grid = np.stack(np.meshgrid(np.arange(131.0), np.arange(97.0)), axis=-1)
    found = ground_points(camera, grid)
    known = ~np.isnan(found[..., 2])
    assert not known[: int(horizon_row(camera)) - 1].any()
    assert known[int(horizon_row(camera)) + 2 :].all()
    points = back_project(camera, grid[known], found[known][:, 2])
    np.testing.assert_allclose(points[:, 2], 0, atol=1e-6)
    np.testing.assert_allclose(points[:, :2], found[known][:, :2], rtol=1e-9)


@pytest.mark.parametrize("size_hw", [(256, 512), (64, 300), (1024, 2048)])
def test_a_resized_camera_keeps_pixel_areas_in_place(size_hw):
    camera, resized = assumed_camera((512, 1024)), assumed_camera((512, 1024)).resized(size_hw)
    point = np.array([12.0, 1.0, 0.5])
    before, after = project(camera, point), project(resized, point)
    np.testing.assert_allclose((before[0] + 0.5) / 1024, (after[0] + 0.5) / size_hw[1])
    np.testing.assert_allclose((before[1] + 0.5) / 512, (after[1] + 0.5) / size_hw[0])
    assert resized.size_hw == size_hw
    assert resized.flag == "assumed"


def test_the_centre_is_where_the_camera_was_mounted():
    np.testing.assert_allclose(camera_centre(assumed_camera((64, 128))), [1.7, 0.1, 1.22])


def test_straight_and_turning_steps_follow_the_arc():
    np.testing.assert_allclose(ego_step(8, 0, 0.5)[:3, 3], [4, 0, 0])
    quarter = ego_step(np.pi / 2, np.pi / 2, 1.0)
    np.testing.assert_allclose(quarter[:2, 3], [1, 1])
    np.testing.assert_allclose(quarter[:2, :2], [[0, -1], [1, 0]], atol=1e-12)


def test_small_steps_compose_to_a_great_one():
    step = ego_step(7.0, -0.2, 0.1)
    np.testing.assert_allclose(np.linalg.matrix_power(step, 20), ego_step(7.0, -0.2, 2.0))
