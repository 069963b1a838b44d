import numpy as np
import pytest

from svsdata.geometry.camera import assumed_camera, ego_step, pixel_rays
from svsdata.geometry.epipolar import fit_rotation

SIZE_HW = (96, 160)


def flow_of_depths(camera, turn, pitch_step, advance, seed):
    """Flow of points at random depths, seen before and after a step along an arc."""
    height, width = camera.size_hw
    rows, columns = np.indices((height, width), dtype=np.float64)
    pixels = np.stack([columns, rows], axis=-1)
    depth = np.random.default_rng(seed).uniform(5, 80, (height, width, 1))
    centre = -camera.cam_T_vehicle[:3, :3].T @ camera.cam_T_vehicle[:3, 3]
    step = ego_step(advance, turn, 1.0)
    offsets = depth * pixel_rays(camera, pixels) @ step[:3, :3].T
    offsets += step[:3, :3] @ centre + step[:3, 3] - centre
    cosine, sine = np.cos(pitch_step), np.sin(pitch_step)
    tilt = np.array([[cosine, 0, sine], [0, 1, 0], [-sine, 0, cosine]])
    seen = offsets @ tilt.T @ camera.cam_T_vehicle[:3, :3].T @ camera.intrinsics.T
    return (seen[..., :2] / seen[..., 2:] - pixels).astype(np.float32)


@pytest.mark.parametrize("pitch_step", [0.0, 0.002, -0.003])
@pytest.mark.parametrize("turn", [0.0, 0.004, -0.01])
def test_the_rotation_is_found_without_depth(turn, pitch_step):
    camera = assumed_camera(SIZE_HW)
    rotation = fit_rotation(flow_of_depths(camera, turn, pitch_step, 1.2, 0), camera)
    # The camera sits ahead of the axle that the arc is about: it slides sideways by its lever.
    assert rotation.turn_rad == pytest.approx(turn, abs=0.1 * abs(turn) + 1e-5)
    assert rotation.pitch_step_rad == pytest.approx(pitch_step, abs=3e-4)
    assert rotation.inlier_share > 0.9


def test_a_quarter_of_wrong_flow_does_not_matter():
    camera = assumed_camera(SIZE_HW)
    flow = flow_of_depths(camera, 0.004, 0.002, 1.2, 0)
    flow[:, 120:] += 9.0
    rotation = fit_rotation(flow, camera)
    assert rotation.turn_rad == pytest.approx(0.004, abs=5e-4)
    assert rotation.pitch_step_rad == pytest.approx(0.002, abs=3e-4)
