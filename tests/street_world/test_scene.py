from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields

import numpy as np
import pytest

from svsdata.flow import leaves_frame, warp
from svsdata.geometry.camera import back_project, ego_step, project
from svsdata.labels import CITYSCAPES
from svsdata.street_world.scene import StreetWorld

SIZES = [(64, 128), (61, 97), (90, 64)]
STATIC_IDS = np.array([7, 8, 11, 12, 13, 17, 19, 20, 21, 22])


@pytest.fixture(scope="module")
def world():
    return StreetWorld(3, size_hw=(96, 192))


@pytest.fixture(scope="module")
def pairs(world):
    return [(world.render(i - 1), world.render(i)) for i in (1, 120, 333, 1777)]


def pixel_grid(size_hw):
    return np.stack(np.meshgrid(np.arange(size_hw[1]), np.arange(size_hw[0])), axis=-1) * 1.0


def apply(transform, points):
    return points @ transform[:3, :3].T + transform[:3, 3]


def assert_frames_equal(one, other, *, besides=()):
    for field in fields(one):
        if field.name not in ("ego", *besides):
            np.testing.assert_array_equal(getattr(one, field.name), getattr(other, field.name))


def test_warping_by_the_flow_reproduces_image_labels_and_ids(pairs):
    for before, now in pairs:
        visible = now.occlusion == 0
        assert visible.mean() > 0.85
        for name in ("semantic", "instance"):
            warped = warp(getattr(before, name), now.flow, nearest=True)
            assert (warped == getattr(now, name))[visible].mean() > 0.995
        error = np.abs(warp(before.image, now.flow).astype(float) - now.image).mean(axis=-1)
        unmoved = np.abs(before.image.astype(float) - now.image).mean(axis=-1)
        assert error[visible].mean() < 5
        assert error[visible].mean() < 0.4 * unmoved[visible].mean()


def test_static_flow_is_the_reprojection_by_depth_and_poses(world, pairs):
    for before, now in pairs:
        static = np.isin(now.semantic, STATIC_IDS)
        grid = pixel_grid(now.semantic.shape)
        here = back_project(world.camera, grid[static], now.depth[static].astype(float))
        step = np.linalg.inv(before.ego.world_T_vehicle) @ now.ego.world_T_vehicle
        there = project(world.camera, apply(step, here))
        ahead = there[:, 2] > 1
        expected = (there[:, :2] - grid[static])[ahead]
        np.testing.assert_allclose(now.flow[static][ahead], expected, atol=0.02)


def test_depth_through_poses_lands_on_the_same_world_points(world, pairs):
    for before, now in pairs:
        visible = (now.occlusion == 0) & np.isin(now.semantic, (7, 8, 11, 22))
        rows, columns = np.nonzero(visible)
        target = np.stack([columns, rows], axis=-1) + now.flow[visible]
        exact = np.abs(target - np.rint(target)).max(axis=-1) < 0.05
        nearest = np.rint(target[exact]).astype(int)
        old = back_project(
            world.camera, nearest * 1.0, before.depth[nearest[:, 1], nearest[:, 0]].astype(float)
        )
        new = back_project(
            world.camera,
            np.stack([columns, rows], axis=-1)[exact] * 1.0,
            now.depth[visible][exact].astype(float),
        )
        near = now.depth[visible][exact] < 25
        gap = apply(before.ego.world_T_vehicle, old) - apply(now.ego.world_T_vehicle, new)
        assert near.sum() > 5
        assert np.median(np.linalg.norm(gap[near], axis=-1)) < 0.05


def test_sky_moves_by_the_camera_rotation_alone(world, pairs):
    for before, now in pairs:
        sky = now.semantic == 23
        assert np.isinf(now.depth[sky]).all()
        assert np.isfinite(now.depth[~sky]).all()
        grid = pixel_grid(sky.shape)[sky]
        step = np.linalg.inv(before.ego.world_T_vehicle) @ now.ego.world_T_vehicle
        far = back_project(world.camera, grid, np.full(len(grid), 1e9))
        expected = project(world.camera, apply(step, far))[:, :2] - grid
        np.testing.assert_allclose(now.flow[sky], expected, atol=0.02)


def test_moving_objects_differ_from_the_static_flow(world):
    before, now = world.render(119), world.render(120)
    moving = np.isin(now.semantic, (24, 25))
    grid = pixel_grid(moving.shape)
    here = back_project(world.camera, grid[moving], now.depth[moving].astype(float))
    step = np.linalg.inv(before.ego.world_T_vehicle) @ now.ego.world_T_vehicle
    still = project(world.camera, apply(step, here))[:, :2] - grid[moving]
    assert moving.sum() > 10
    assert np.abs(now.flow[moving] - still).max() > 0.05


def test_what_leaves_the_frame_is_occluded(pairs):
    for _, now in pairs:
        assert now.occlusion[leaves_frame(now.flow) == 1].all()


def test_points_nearer_than_the_surface_before_are_visible_and_those_behind_are_not(pairs):
    """The z-test, redone with nearest depths on smooth surfaces: things and their surroundings."""
    for before, now in pairs:
        old_owner = np.where(before.instance < 1000, 0, before.instance).astype(np.uint16)
        new_owner = np.where(now.instance < 1000, 0, now.instance)
        warped = warp(old_owner, now.flow, nearest=True)
        differs = (warped != new_owner) & (leaves_frame(now.flow) == 0)
        assert (now.occlusion[differs] == 1).mean() > 0.99
        assert differs.any()


def test_frame_zero_has_no_flow_and_nothing_to_trust(world):
    first = world.render(0)
    assert not first.flow.any()
    assert first.occlusion.all()
    assert first.image.std() > 20


def test_random_access_equals_sequential_rendering_in_threads():
    sequential = StreetWorld(5, size_hw=(48, 96))
    frames = [sequential.render(index) for index in range(40, 46)]
    again = StreetWorld(5, size_hw=(48, 96))
    with ThreadPoolExecutor(2) as pool:
        order = (45, 41, 43, 40, 44, 42)
        shuffled = dict(zip(order, pool.map(again.render, order), strict=True))
    for index, frame in enumerate(frames, 40):
        assert_frames_equal(frame, shuffled[index])
        assert frame.ego.speed_mps == shuffled[index].ego.speed_mps


def test_callers_may_write_into_a_frame(world):
    frame = world.render(50)
    kept = frame.semantic.copy()
    for field in fields(frame):
        if field.name != "ego":
            getattr(frame, field.name)[:] = 0
    np.testing.assert_array_equal(world.render(50).semantic, kept)


@pytest.mark.parametrize("size_hw", SIZES)
def test_labels_alone_equal_those_of_the_full_rendering(size_hw):
    world = StreetWorld(8, size_hw=size_hw)
    full, labels = world.render(77), world.render(77, image=False)
    assert labels.image is None
    assert full.image.shape == (*size_hw, 3)
    assert full.image.dtype == np.uint8
    assert_frames_equal(full, labels, besides=("image",))


def test_seeds_differ():
    frames = [StreetWorld(seed, size_hw=(48, 96)).render(9) for seed in (1, 2)]
    assert (frames[0].semantic != frames[1].semantic).mean() > 0.1


def test_ids_follow_their_class_and_return_only_long_after_they_left():
    world = StreetWorld(7, size_hw=(48, 96))
    last_seen = {}
    gone_objects = set()
    for index in range(0, 1500, 15):
        frame = world.render(index, image=False)
        things = frame.instance >= 1000
        np.testing.assert_array_equal(frame.instance[things] // 1000, frame.semantic[things])
        np.testing.assert_array_equal(frame.instance[~things], frame.semantic[~things])
        np.testing.assert_array_equal(things, np.isin(frame.semantic, list(CITYSCAPES.thing_ids)))
        for instance in np.unique(frame.instance[things]).tolist():
            last_seen[instance] = index
        gone_objects |= {k for k, seen in last_seen.items() if index - seen > 100}
    assert len(gone_objects) > 50


def test_no_two_objects_in_view_share_an_id_and_each_keeps_its_own():
    world = StreetWorld(7, size_hw=(48, 96))
    owners = {}
    for index in range(0, 3000, 10):
        time_s = index / world.fps
        actors = list(world._traffic.actors(time_s))
        assert len({actor.index for actor in actors}) == len(actors)
        for actor in actors:
            first, seen = owners.get(actor.index, (actor, index))
            assert first.phase == actor.phase or index - seen > 100
            owners[actor.index] = (actor, index)
            assert 1 <= actor.index <= 999


@pytest.mark.parametrize("seed", [1, 2])
def test_every_class_appears_and_trucks_in_a_few_per_cent_of_the_frames(seed):
    world = StreetWorld(seed, size_hw=(64, 128))
    seen = np.zeros(256)
    indices = range(0, 1800, 24)
    for index in indices:
        counts = np.bincount(world.render(index, image=False).semantic.ravel(), minlength=256)
        seen += counts >= 8
    expected = {7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 32, 33}
    assert set(np.flatnonzero(seen).tolist()) == expected
    assert 0.03 < seen[27] / len(indices) < 0.6
    assert seen[28] / len(indices) > 0.03


def test_the_ego_motion_is_the_derivative_of_the_pose():
    world = StreetWorld(4, size_hw=(16, 32), fps=50)
    for index in (5, 900, 4321):
        before, now, after = (world.ego_motion(index + k) for k in (-1, 0, 1))
        assert now.flag == "given"
        step = np.linalg.inv(before.world_T_vehicle) @ after.world_T_vehicle
        np.testing.assert_allclose(
            step, ego_step(now.speed_mps, now.yaw_rate_rps, 2 / 50), atol=2e-4
        )


def test_the_road_turns_and_the_speed_changes():
    world = StreetWorld(4, size_hw=(16, 32))
    motions = [world.ego_motion(index) for index in range(0, 2000, 10)]
    speeds = np.array([motion.speed_mps for motion in motions])
    yaw_rates = np.array([motion.yaw_rate_rps for motion in motions])
    assert speeds.min() > 3
    assert speeds.max() - speeds.min() > 4
    assert yaw_rates.min() < -0.03
    assert yaw_rates.max() > 0.03


def test_the_camera_is_given(world):
    assert world.camera.flag == "given"
    assert world.camera.size_hw == (96, 192)


@pytest.mark.parametrize("arguments", [{"size_hw": (8, 64)}, {"fps": 1.0}])
def test_worlds_that_cannot_be_are_refused(arguments):
    with pytest.raises(ValueError, match="at least"):
        StreetWorld(1, **arguments)


def test_negative_frames_are_refused(world):
    with pytest.raises(ValueError, match="at least 0"):
        world.render(-1)


def test_far_frames_are_as_exact_as_near_ones(world):
    index = 2_000_000
    before, now = world.render(index - 1), world.render(index)
    visible = now.occlusion == 0
    assert visible.mean() > 0.85
    warped = warp(before.semantic, now.flow, nearest=True)
    assert (warped == now.semantic)[visible].mean() > 0.995


def test_a_frame_holds_what_was_rendered_and_the_first_has_no_flow():
    world = StreetWorld(3, size_hw=(32, 64), fps=8.0)
    first, later = world.frame(0), world.frame(5, image=False)
    street = world.render(5)
    assert (first.flow, first.occlusion) == (None, None)
    assert (later.image, later.timestamp_us, later.source_frame) == (None, 625_000, 5)
    for layer in ("semantic", "instance", "flow", "occlusion"):
        np.testing.assert_array_equal(getattr(later, layer), getattr(street, layer))
