"""Depth told by where pixels were seen before, against places that are projected."""

import numpy as np
import pytest

from svsdata.geometry.camera import assumed_camera, back_project, ego_step, project
from svsdata.geometry.triangulation import depth_equations, lines_before

CAMERA = assumed_camera((40, 90))


@pytest.mark.parametrize(("metres", "turn"), [(1.5, 0.0), (0.8, 0.05), (-1.0, -0.02)])
def test_slope_times_inverse_depth_is_the_offset_of_where_a_place_was_seen(metres, turn):
    step = ego_step(metres, turn, 1.0)
    rows, columns = np.mgrid[:40, :90]
    pixels = np.stack([columns, rows], axis=-1).astype(np.float64)
    depth = np.random.default_rng(1).uniform(4.0, 60.0, (40, 90))
    places = back_project(CAMERA, pixels, depth) @ step[:3, :3].T + step[:3, 3]
    seen = project(CAMERA, places)
    endless, nearing = lines_before(CAMERA, step)
    at = endless + nearing / depth[..., None]
    np.testing.assert_allclose(at[..., :2] / at[..., 2:], seen[..., :2], rtol=1e-4, atol=1e-3)
    slope, offset = depth_equations(endless, nearing, seen[..., :2].astype(np.float32))
    np.testing.assert_allclose(slope / depth[..., None], offset, atol=2e-3)
    clear = np.hypot(*np.moveaxis(offset, -1, 0)) > 0.5
    told = (slope * offset).sum(axis=-1) / (slope**2).sum(axis=-1)
    assert clear.mean() > 0.5
    np.testing.assert_allclose(1 / told[clear], depth[clear], rtol=0.02)


def test_a_camera_that_stood_tells_no_depth():
    endless, nearing = lines_before(CAMERA, np.eye(4))
    seen = endless[..., :2] / endless[..., 2:]
    slope, offset = depth_equations(endless, nearing, seen)
    np.testing.assert_allclose(slope, 0, atol=1e-5)
    np.testing.assert_allclose(offset, 0, atol=1e-5)
