from dataclasses import replace

import numpy as np
import pytest

from svsdata.geometry.camera import (
    assumed_camera,
    ego_step,
    ground_points,
    mounted_camera,
    project,
)
from svsdata.geometry.ego_motion import (
    clean_ego_motions,
    estimate_ego_motion,
    fit_ground_motion,
)
from svsdata.records import Camera, EgoMotion

FPS = 10.0
SIZE_HW = (96, 160)


def pitched(camera: Camera, down_rad: float) -> Camera:
    turn = np.eye(4)
    cosine, sine = np.cos(down_rad), np.sin(down_rad)
    turn[1:3, 1:3] = [[cosine, -sine], [sine, cosine]]
    return replace(camera, cam_T_vehicle=turn @ camera.cam_T_vehicle)


def ground_flow(camera, speed, yaw_rate, pitch_step=0.0):
    """Exact backward flow of the plane z = 0, and the mask of pixels that see it."""
    height, width = camera.size_hw
    rows, columns = np.indices((height, width), dtype=np.float64)
    pixels = np.stack([columns, rows], axis=-1)
    with np.errstate(invalid="ignore"):
        points = ground_points(camera, pixels)
        mask = points[..., 2] < 200
    homogeneous = np.concatenate(
        [np.nan_to_num(points[..., :2]), np.zeros((height, width, 1)), np.ones((height, width, 1))],
        axis=-1,
    )
    previous = homogeneous @ ego_step(speed, yaw_rate, 1 / FPS).T
    moved = project(pitched(camera, -pitch_step), previous[..., :3])[..., :2]
    flow = np.where(mask[..., None], moved - pixels, 0).astype(np.float32)
    return flow, mask.astype(np.uint8)


@pytest.mark.parametrize(
    ("speed", "yaw_rate", "pitch_step"),
    [(0.0, 0.0, 0.0), (12.0, 0.0, 0.0), (8.0, 0.3, 0.0), (15.0, -0.1, 0.003), (-2.0, 0.0, 0.0)],
)
def test_exact_flow_of_the_ground_gives_back_the_motion(speed, yaw_rate, pitch_step):
    camera = assumed_camera(SIZE_HW)
    flow, mask = ground_flow(camera, speed, yaw_rate, pitch_step)
    motion = fit_ground_motion(flow, mask, camera, FPS)
    assert motion.speed_mps == pytest.approx(speed, abs=1e-3)
    assert motion.yaw_rate_rps == pytest.approx(yaw_rate, abs=1e-4)
    assert motion.pitch_step_rad == pytest.approx(pitch_step, abs=1e-5)


def test_pitch_step_is_positive_when_the_camera_turned_downwards():
    camera = mounted_camera(
        assumed_camera(SIZE_HW).intrinsics,
        SIZE_HW,
        position_m=(1.7, 0.0, 1.2),
        yaw_pitch_roll_rad=(0.0, 0.05, 0.0),
    )
    flow, mask = ground_flow(camera, 0.0, 0.0, pitch_step=0.002)
    # What the camera sees moved up in the picture, so the flow to the previous frame points down.
    assert np.median(flow[mask == 1, 1]) > 0
    assert fit_ground_motion(flow, mask, camera, FPS).pitch_step_rad > 0


def test_noise_and_a_quarter_of_wrong_flow_cost_little():
    camera = assumed_camera(SIZE_HW)
    flow, mask = ground_flow(camera, 10.0, 0.1)
    random = np.random.default_rng(5)
    flow += random.normal(0, 0.3, flow.shape).astype(np.float32)
    is_wrong = random.random(mask.shape) < 0.25
    flow[is_wrong] += random.uniform(-15, 15, (is_wrong.sum(), 2)).astype(np.float32)
    motion = estimate_ego_motion(flow, mask, camera, FPS)
    assert motion.flag == "estimated"
    assert motion.speed_mps == pytest.approx(10.0, abs=0.15)
    assert motion.yaw_rate_rps == pytest.approx(0.1, abs=0.01)


def test_without_road_a_standing_vehicle_is_assumed():
    flow = np.zeros((*SIZE_HW, 2), np.float32)
    motion = estimate_ego_motion(flow, np.zeros(SIZE_HW, np.uint8), assumed_camera(SIZE_HW), FPS)
    assert motion == EgoMotion(0.0, 0.0, "assumed")


def test_flow_that_fits_no_motion_is_not_believed():
    random = np.random.default_rng(0)
    flow = random.uniform(-60, 60, (*SIZE_HW, 2)).astype(np.float32)
    camera = assumed_camera(SIZE_HW)
    _, mask = ground_flow(camera, 0.0, 0.0)
    assert estimate_ego_motion(flow, mask, camera, FPS).flag == "assumed"


def test_bare_asphalt_that_seems_to_stand_still_is_outvoted():
    camera = assumed_camera((256, 512))
    flow, mask = ground_flow(camera, 12.0, 0.0)
    flow[:, ::6] = 0
    flow[175:] = 0  # nearer than 10 m: more than half of the road's pixels
    motion = estimate_ego_motion(flow, mask, camera, FPS)
    assert motion.speed_mps == pytest.approx(12.0, abs=0.1)
    assert motion.yaw_rate_rps == pytest.approx(0.0, abs=0.005)


def test_cleaning_fills_gaps_and_drops_spikes_but_keeps_what_was_given():
    motions = [EgoMotion(10.0, 0.0, "estimated") for _ in range(11)]
    motions[3] = EgoMotion(0.0, 0.0, "assumed")
    motions[6] = EgoMotion(90.0, 2.0, "estimated")
    motions[10] = EgoMotion(77.0, 0.0, "given")
    cleaned = clean_ego_motions(motions)
    assert cleaned[3] == cleaned[6] == EgoMotion(10.0, 0.0, "interpolated")
    assert cleaned[10] == motions[10]


def test_cleaning_keeps_the_steps_of_a_recording_with_gaps():
    motions = [EgoMotion(10.0 + 5 * (i % 3 == 1), 0.01 * i, "estimated") for i in range(12)]
    assert clean_ego_motions(motions) == motions


def test_cleaning_leaves_a_sequence_of_which_nothing_is_known():
    motions = [EgoMotion(0.0, 0.0, "assumed")] * 3
    assert clean_ego_motions(motions) == motions
    assert clean_ego_motions([]) == []
