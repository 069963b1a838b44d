"""How a recording goes on: the vehicle, the things, and the whole street beside repeating it."""

import math

import numpy as np
import pytest

from svsdata.editing.future import LOOK_BACK, Future
from svsdata.errors import EditPlanError
from svsdata.geometry.camera import assumed_camera, project
from svsdata.labels import CITYSCAPES
from svsdata.records import EgoMotion, Frame
from svsdata.street_world.scene import StreetWorld

SIZE_HW, FPS = (128, 256), 10.0
CAMERA = assumed_camera(SIZE_HW)
ROAD, SKY = (CITYSCAPES.by_name[name].id for name in ("road", "sky"))


def driving(
    *, ego_mps: float, car_mps: float, ahead_m: float, frames: int = LOOK_BACK
) -> list[Frame]:
    """Frames of an empty road with one car on it, in the middle of the lane."""
    rows = []
    for index in range(frames):
        semantic = np.full(SIZE_HW, SKY, np.uint8)
        semantic[52:] = ROAD
        instance = semantic.astype(np.uint16)
        place = np.array([[ahead_m + (car_mps - ego_mps) * index / FPS, 0.0, 0.0]])
        u, v, depth = project(CAMERA, place)[0]
        high, wide = 1.5 * CAMERA.intrinsics[1, 1] / depth, 1.8 * CAMERA.intrinsics[0, 0] / depth
        box = np.s_[round(v - high) : round(v) + 1, round(u - wide / 2) : round(u + wide / 2) + 1]
        semantic[box], instance[box] = 26, 26003
        rows.append(
            Frame(
                index,
                index * 100_000,
                semantic=semantic,
                instance=instance,
                camera=CAMERA,
                ego=EgoMotion(ego_mps, 0.0),
            )
        )
    return rows


def future(frames: list[Frame], **told: float) -> Future:
    return Future.of(frames, sequence_id="s", label_set=CITYSCAPES, fps=FPS, **told)


def foot_of(frame: Frame) -> int:
    assert frame.instance is not None
    return int(np.flatnonzero((frame.instance == 26003).any(axis=1)).max())


@pytest.mark.parametrize(("ego_mps", "car_mps"), [(8.0, 0.0), (8.0, 8.0), (6.0, -4.0), (0.0, 5.0)])
def test_a_car_goes_on_as_it_went(ego_mps, car_mps):
    longer = driving(ego_mps=ego_mps, car_mps=car_mps, ahead_m=24.0, frames=LOOK_BACK + 6)
    ahead = future(longer[:LOOK_BACK])
    for step in (1, 3, 6):
        told, true = ahead.frame(step), longer[LOOK_BACK - 1 + step]
        assert foot_of(told) == pytest.approx(foot_of(true), abs=3)
        assert told.frame_index == true.frame_index
        assert told.timestamp_us == true.timestamp_us
        assert told.is_synthetic
        assert told.models["semantic"] == "geometry from frame 7"


def test_what_was_seen_too_seldom_stands():
    (last,) = driving(ego_mps=5.0, car_mps=5.0, ahead_m=20.0, frames=1)
    told = future([last]).frame(4)
    standing = driving(ego_mps=5.0, car_mps=0.0, ahead_m=20.0, frames=5)[-1]
    assert foot_of(told) == pytest.approx(foot_of(standing), abs=1)


def test_the_farther_away_the_nearer_to_standing():
    """A pixel of the foot is metres there: its jitter is no drive."""
    jittered = driving(ego_mps=0.0, car_mps=0.0, ahead_m=70.0)
    for frame in jittered[::2]:
        for maps in (frame.semantic, frame.instance):
            assert maps is not None
            maps[:-1] = maps[1:]
    told = future(jittered).frame(10)
    assert abs(foot_of(told) - foot_of(jittered[-1])) <= 1


def test_the_vehicle_drives_as_it_did_or_as_it_is_told_to():
    frames = driving(ego_mps=8.0, car_mps=0.0, ahead_m=30.0)
    own, told = future(frames), future(frames, speed_mps=3.0, yaw_rate_rps=-0.2)
    assert own.ego_motion(2) == EgoMotion(8.0, 0.0, "estimated")
    assert told.ego_motion(2) == EgoMotion(3.0, -0.2, "estimated")
    assert foot_of(own.frame(5)) > foot_of(told.frame(5)) > foot_of(future(frames).last)


def test_poses_go_on_where_they_are_known():
    street = StreetWorld(7, size_hw=SIZE_HW, fps=FPS)
    frames = [street.frame(index, image=False) for index in range(30, 30 + LOOK_BACK)]
    told, true = future(frames).ego_motion(3), street.ego_motion(30 + LOOK_BACK + 2)
    assert told.world_T_vehicle is not None
    assert true.world_T_vehicle is not None
    np.testing.assert_allclose(told.world_T_vehicle, true.world_T_vehicle, atol=0.1)


@pytest.mark.parametrize("first", [24, 110])
def test_a_street_is_foretold_better_than_by_its_last_frame(first):
    street = StreetWorld(7, size_hw=SIZE_HW, fps=FPS)
    frames = [street.frame(index, image=False) for index in range(first, first + LOOK_BACK)]
    ahead, last = future(frames), frames[-1]
    gains = []
    for step in (1, 3, 6, 10):
        true = street.frame(first + LOOK_BACK - 1 + step, image=False)
        told, repeated = (
            float((one.semantic == true.semantic).mean()) for one in (ahead.frame(step), last)
        )
        gains.append(told - repeated)
    assert min(gains) > 0.02
    assert max(gains) > 0.1


def test_every_frame_is_told_alone_as_it_is_in_a_row():
    frames = driving(ego_mps=8.0, car_mps=2.0, ahead_m=25.0)
    row, alone = future(frames), future(frames)
    for step in (1, 2, 3, 4):
        kept = row.frame(step)
    for layer in ("semantic", "instance", "flow", "flow_validity", "occlusion"):
        np.testing.assert_array_equal(getattr(kept, layer), getattr(alone.frame(4), layer))


def test_a_recording_without_maps_tells_nothing():
    with pytest.raises(EditPlanError, match="has no semantic map"):
        future([Frame(0, 0)])
    assert math.isclose(future(driving(ego_mps=0, car_mps=0, ahead_m=9)).ego.speed_mps, 0)
