"""Depth from flow, against flow that is computed from depth."""

import numpy as np
import pytest

from svsdata.editing.parallax import Parallax
from svsdata.geometry.camera import assumed_camera, back_project, ego_step, project
from svsdata.labels import CITYSCAPES
from svsdata.records import Flow, Frame

SIZE_HW = (64, 128)
CAMERA = assumed_camera(SIZE_HW)
BOX = np.s_[20:40, 30:80]
COLUMNS = np.arange(30, 80)
PLACES = np.arange(64 * 128).reshape(SIZE_HW)[BOX].ravel()
SLANTED = 1 / 12.0 + 0.0008 * (COLUMNS - 55.0)
"""Inverse depth by column: from 16 m on the left to 10 m on the right."""


def flow_of(inverse: np.ndarray, step: np.ndarray, moved_m: tuple[float, float]) -> Flow:
    """Backward flow of pixels of inverse depths that moved so far in the vehicle's frame."""
    rows, columns = np.mgrid[: SIZE_HW[0], : SIZE_HW[1]]
    pixels = np.stack([columns, rows], axis=-1).astype(np.float64)
    places = back_project(CAMERA, pixels, 1 / inverse) - [*moved_m, 0.0]
    before = places @ step[:3, :3].T + step[:3, 3]
    return (project(CAMERA, before)[..., :2] - pixels).astype(np.float32)


def parallax(
    inverse: np.ndarray, metres: float = 1.0, turn: float = 0.02, moved_m=(0.0, 0.0), **masks
) -> Parallax:
    step = ego_step(metres, turn, 1.0)
    whole = np.broadcast_to(inverse, SIZE_HW)
    return Parallax(Frame(1, 0, flow=flow_of(whole, step, moved_m), **masks), CAMERA, step)


def columns_of(inverse: np.ndarray) -> np.ndarray:
    whole = np.full(SIZE_HW[1], 1 / 30.0)
    whole[30:80] = inverse
    return whole


@pytest.mark.parametrize("moved_m", [(0.0, 0.0), (-0.6, 0.1)])
def test_the_plane_of_a_near_thing_is_that_which_made_its_flow(moved_m):
    told = parallax(columns_of(SLANTED), 2.0, moved_m=moved_m)
    plane = told.plane(PLACES, 12.0, np.array(moved_m))
    np.testing.assert_allclose(plane[0] * COLUMNS + plane[2], SLANTED, rtol=0.12)
    assert plane[1] == 0.0


def test_where_nothing_moved_against_the_vehicle_the_foot_tells():
    told = parallax(columns_of(SLANTED), 1.0, 0.0, moved_m=(1.0, 0.0))
    plane = told.plane(PLACES, 25.0, np.array([1.0, 0.0]))
    np.testing.assert_allclose(plane, [0.0, 0.0, 1 / 25.0], atol=1e-6)


def test_a_thing_without_known_flow_stands_at_its_foot():
    told = parallax(columns_of(SLANTED), occlusion=np.ones(SIZE_HW, np.uint8))
    np.testing.assert_allclose(told.plane(PLACES, 20.0, np.zeros(2)), [0.0, 0.0, 0.05])
    assert not told.shows_standing(PLACES, 20.0)


def test_only_what_moves_as_if_it_stood_at_its_foot_stands():
    level = columns_of(np.full(50, 1 / 12.0))
    assert parallax(level, 2.0).shows_standing(PLACES, 12.5)
    assert not parallax(level, 2.0).shows_standing(PLACES, 30.0)
    assert not parallax(level, 2.0, moved_m=(-2.0, 0.0)).shows_standing(PLACES, 12.5)
    assert not parallax(level, 2.0, moved_m=(0.0, 1.0)).shows_standing(PLACES, 12.5)
    assert not parallax(level, 0.05).shows_standing(PLACES, 12.5)  # hardly any parallax


def test_every_run_of_a_column_has_the_depth_that_made_its_flow():
    rows = np.where(np.arange(64) < 30, 1 / 40.0, 1 / 9.0)[:, None]
    told = parallax(rows, 3.0)
    building, fence = (CITYSCAPES.by_name[name].id for name in ("building", "fence"))
    labels = np.broadcast_to(np.where(np.arange(64) < 30, building, fence)[:, None], SIZE_HW)
    counted = np.ones(SIZE_HW, bool)
    counted[:, 100:] = False
    depth = told.run_depths(np.ascontiguousarray(labels, np.uint8), counted)
    assert np.isnan(depth[:, 100:]).all()
    clear = ~np.isnan(depth[:, :100])
    assert clear[30:].mean() > 0.9
    np.testing.assert_allclose(depth[30:, :100][clear[30:]], 9.0, rtol=0.01)
    np.testing.assert_allclose(depth[:30, :100][clear[:30]], 40.0, rtol=0.02)


def test_a_frame_without_flow_tells_nothing():
    with pytest.raises(ValueError, match="frame 4 has no flow"):
        Parallax(Frame(4, 0), CAMERA, np.eye(4))
