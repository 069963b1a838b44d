"""A straight empty road, and poles and cars painted where they stand."""

from collections.abc import Callable

import numpy as np
import pytest

from svsdata.editing.edit_text import parse_edits
from svsdata.editing.language import Edit
from svsdata.editing.scene import Scene, scan_scene
from svsdata.geometry.camera import ego_step, horizon_row, mounted_camera, project
from svsdata.labels import CITYSCAPES
from svsdata.records import Camera, EgoMotion, Frame

FPS = 10.0
SIZE_HW = (96, 176)
ROAD, SKY, POLE, CAR, TRUCK, BUILDING = (
    CITYSCAPES.by_name[name].id for name in ("road", "sky", "pole", "car", "truck", "building")
)


@pytest.fixture
def camera() -> Camera:
    return mounted_camera(
        np.array([[110.0, 0.0, 87.5], [0.0, 110.0, 47.5], [0.0, 0.0, 1.0]]),
        SIZE_HW,
        position_m=(1.5, 0.0, 1.4),
        yaw_pitch_roll_rad=(0.0, 0.03, 0.0),
    )


@pytest.fixture
def paint(camera: Camera) -> Callable[..., None]:
    """Paint an upright board that faces the camera at a place on the ground."""

    def paint_board(maps, label_id, instance_id, *, ahead_m, left_m, width_m, height_m):
        corners = np.array(
            [(ahead_m, left_m + side * width_m / 2, z) for side in (1, -1) for z in (0.0, height_m)]
        )
        u, v, _ = project(camera, corners).T
        columns = slice(max(0, round(u.min())), max(0, round(u.max()) + 1))
        rows = slice(max(0, int(np.ceil(v.min()))), max(0, int(v.max()) + 1))
        maps[0][rows, columns] = label_id
        maps[1][rows, columns] = instance_id

    return paint_board


@pytest.fixture
def road_frame(camera: Camera) -> Callable[..., Frame]:
    """Frame of a road to the horizon, driven at 10 m/s."""

    def frame(index: int, draw=None) -> Frame:
        semantic = np.full(SIZE_HW, SKY, np.uint8)
        semantic[int(np.ceil(horizon_row(camera))) :] = ROAD
        maps = (semantic, semantic.astype(np.uint16))
        if draw is not None:
            draw(maps)
        return Frame(
            index,
            index * 100_000,
            semantic=maps[0],
            instance=maps[1],
            camera=camera,
            ego=EgoMotion(10.0, 0.0),
        )

    return frame


@pytest.fixture
def road_scene(road_frame) -> Callable[..., Scene]:
    def scene(num_frames: int, draw=None) -> Scene:
        frames = (road_frame(index, draw) for index in range(num_frames))
        return scan_scene(frames, sequence_id="road", label_set=CITYSCAPES, fps=FPS)

    return scene


@pytest.fixture
def turning_motions() -> list[EgoMotion]:
    """Speeds, yaw rates and poses of a drive through two bends."""
    pose, motions = np.eye(4), []
    for index in range(120):
        yaw_rate = 0.25 * np.sin(index / 15)
        if index:
            pose = pose @ ego_step(9.0, yaw_rate, 1 / FPS)
        motions.append(EgoMotion(9.0, yaw_rate, "given", pose))
    return motions


@pytest.fixture
def standing_truck() -> tuple[Edit, ...]:
    text = """
version: 1
edits:
  - {id: truck, op: add, class: truck, enter: far, at: {left_m: -3.5}, motion: {model: static}}
"""
    return parse_edits(text, "test").edits
