from dataclasses import replace

import numpy as np
import pytest

from svsdata.editing.placement import RoadPath, ego_poses, pose_step, seen_from, view_of
from svsdata.records import EgoMotion


def test_adding_up_steps_and_taking_poses_agree(turning_motions):
    by_pose = ego_poses(turning_motions, 10.0)
    without = [replace(motion, world_T_vehicle=None) for motion in turning_motions]
    np.testing.assert_allclose(ego_poses(without, 10.0), by_pose, atol=1e-9)


def test_the_ego_sees_itself_at_the_origin(turning_motions):
    ego = ego_poses(turning_motions, 10.0)
    np.testing.assert_allclose(seen_from(ego, ego), 0, atol=1e-12)


def test_a_ground_point_moved_between_poses_keeps_its_place(turning_motions):
    ego = ego_poses(turning_motions, 10.0)
    point = np.array([[12.0, -3.0, 0.4]])
    later = seen_from(point, ego[50:51])
    earlier = seen_from(point, ego[20:21])
    moved = pose_step(ego[20], ego[50]) @ [*earlier[0, :2], 1.0]
    np.testing.assert_allclose(moved[:2], later[0, :2], atol=1e-9)


def test_the_road_follows_the_ego_through_bends(turning_motions):
    ego = ego_poses(turning_motions, 10.0)
    path = RoadPath.of(ego)
    on_path = path.poses(path.at_frame_m, np.zeros(len(ego)))
    # A mean over 7 knots of a metre cuts a bend of radius 36 m by 6^2 / 18 / 36 m.
    assert np.abs(on_path[:, :2] - ego[:, :2]).max() < 0.06
    assert np.abs(on_path[5:-5, 2] - ego[5:-5, 2]).max() < 0.06


def test_an_offset_to_the_left_is_to_the_left():
    path = RoadPath.of(ego_poses([EgoMotion(10.0, 0.0)] * 20, 10.0))
    np.testing.assert_allclose(
        path.poses(np.array([-50.0, 5.0, 90.0]), np.array([2.0, 2.0, -1.0])),
        [[-50, 2, 0], [5, 2, 0], [90, -1, 0]],
        atol=1e-9,
    )


@pytest.mark.parametrize("speed", [0.0, -3.0])
def test_a_vehicle_that_stands_or_backs_up_has_a_road_ahead(speed):
    path = RoadPath.of(ego_poses([EgoMotion(speed, 0.0)] * 30, 10.0))
    np.testing.assert_allclose(
        path.poses(np.array([40.0]), np.array([-3.0])), [[40.0, -3.0, 0.0]], atol=1e-6
    )


def test_a_single_frame_has_a_road():
    path = RoadPath.of(ego_poses([EgoMotion(5.0, 0.0)], 10.0))
    assert path.poses(np.array([10.0]), np.array([0.0]))[0, 0] == pytest.approx(10.0)


def test_height_on_the_screen_is_focal_length_times_height_over_depth(camera):
    poses = np.array([[41.5, 0.0, 0.0], [81.5, 0.0, 0.0], [-10.0, 0.0, 0.0]])
    view = view_of(camera, poses, (0.01, 2.0, 3.5))
    np.testing.assert_allclose(view.height_px[:2], [110 * 3.5 / 40, 110 * 3.5 / 80], rtol=0.02)
    assert view.is_visible.tolist() == [True, True, False]
    assert view.share_inside[:2].tolist() == [1.0, 1.0]


def test_a_box_beside_the_camera_reaches_over_the_border(camera):
    beside = np.array([[2.0, 4.0, 0.0], [3.0, -4.0, 0.0]])
    view = view_of(camera, beside, (10.0, 2.5, 3.5))
    assert view.is_visible.all()
    assert (view.share_inside < 0.5).all()
