import cv2
import numpy as np
import pytest

from svsdata.geometry.camera import assumed_camera, horizon_row, yaw_pitch_roll
from svsdata.geometry.pitch import pitch_of_steps, pitch_step, pitched
from svsdata.records import Camera
from svsdata.street_world.scene import StreetWorld

FPS = 10.0


def nodded(flow, camera: Camera, before_rad: float, now_rad: float):
    """The flow that a camera sees which turned down by some angle before and by another now."""

    def homography(angle):
        turn = pitched(camera, angle).cam_T_vehicle @ np.linalg.inv(camera.cam_T_vehicle)
        return camera.intrinsics @ turn[:3, :3] @ np.linalg.inv(camera.intrinsics)

    height, width = camera.size_hw
    rows, columns = np.indices((height, width), dtype=np.float64)
    pixels = np.stack([columns, rows, np.ones_like(rows)], axis=-1)
    at_rest = pixels @ np.linalg.inv(homography(now_rad)).T
    at_rest = at_rest[..., :2] / at_rest[..., 2:]
    u, v = np.moveaxis(at_rest.astype(np.float32), -1, 0)
    moved = at_rest + cv2.remap(flow, u, v, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    before = np.concatenate([moved, pixels[..., 2:]], axis=-1) @ homography(before_rad).T
    return (before[..., :2] / before[..., 2:] - pixels[..., :2]).astype(np.float32)


@pytest.mark.parametrize("wrong_by_deg", [0.0, 0.5])
def test_the_nodding_of_a_street_camera_is_found_even_where_its_horizon_is_wrong(wrong_by_deg):
    world = StreetWorld(3, size_hw=(96, 192), fps=FPS)
    seconds = np.arange(50) / FPS
    truth = 0.35 * np.sin(2 * np.pi * 1.1 * seconds) + 0.25 * np.sin(2 * np.pi * 0.4 * seconds + 1)
    angles = np.deg2rad(truth - truth.mean())
    noise = np.random.default_rng(0)
    said = pitched(world.camera, np.deg2rad(wrong_by_deg))
    steps = [0.0]
    for index in range(1, len(seconds)):
        flow = world.render(index, image=False).flow
        flow = nodded(flow, world.camera, angles[index - 1], angles[index])
        flow += noise.normal(0, 0.3, flow.shape).astype(np.float32)
        steps.append(pitch_step(flow, None, said))
    found = pitch_of_steps(np.array(steps))
    error_deg = np.rad2deg(found - angles)
    assert np.std(np.rad2deg(angles)) > 0.25
    assert np.sqrt(np.mean(np.square(error_deg))) < 0.06


def test_steps_are_summed_about_their_mean_and_a_common_error_cancels_where_it_is_old():
    steps = np.zeros(2001)
    steps[1000] = 0.01
    pitch = pitch_of_steps(steps)
    assert pitch[1000] - pitch[999] == pytest.approx(0.01, rel=0.01)
    assert abs(pitch.mean()) < 1e-12
    np.testing.assert_allclose(pitch_of_steps(np.full(2001, 0.001))[950:1050], 0, atol=2e-5 * 60)
    assert pitch_of_steps(np.zeros(0)).shape == (0,)
    np.testing.assert_array_equal(pitch_of_steps(np.array([0.0])), [0.0])


def test_flow_that_says_nothing_or_is_not_valid_is_no_step():
    camera = assumed_camera((60, 100))
    wild = np.random.default_rng(0).uniform(-40, 40, (60, 100, 2)).astype(np.float32)
    still = np.zeros((60, 100, 2), np.float32)
    assert pitch_step(wild, None, camera) == 0.0
    assert pitch_step(still, None, camera) == pytest.approx(0.0, abs=1e-12)
    assert pitch_step(still + 3.0, np.zeros((60, 100), np.uint8), camera) == 0.0


def test_invalid_flow_is_not_looked_at():
    camera = assumed_camera((60, 100))
    flow = nodded(np.zeros((60, 100, 2), np.float32), camera, 0.0, 0.004)
    half = np.ones((60, 100), np.uint8)
    half[:, ::2] = 0
    spoiled = np.where(half[..., None] > 0, flow, 0).astype(np.float32)
    assert pitch_step(spoiled, half, camera) == pytest.approx(0.004, rel=0.02)


def test_a_pitched_camera_looks_lower_from_the_same_place():
    camera = assumed_camera((100, 180))
    lower = pitched(camera, 0.01)
    assert yaw_pitch_roll(lower)[1] == pytest.approx(yaw_pitch_roll(camera)[1] + 0.01, abs=1e-5)
    assert horizon_row(lower) < horizon_row(camera)
    centres = [np.linalg.inv(one.cam_T_vehicle)[:3, 3] for one in (camera, lower)]
    np.testing.assert_allclose(*centres, atol=1e-12)
