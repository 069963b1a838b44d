import numpy as np
import pytest

from svsdata.editing.base_tracks import base_track
from svsdata.editing.feet import Feet
from svsdata.editing.language import Selector
from svsdata.editing.placement import RoadPath
from svsdata.editing.scene import Scene, Sighting, Sightings
from svsdata.editing.selection import selected_ids
from svsdata.editing.smooth_ways import steady_velocity
from svsdata.geometry.camera import assumed_camera, ground_points, project
from svsdata.labels import CITYSCAPES

FPS, EGO_MPS = 10.0, 10.0
CAR = 26_001


def scene_of(speed_mps, num_frames=20, *, hidden_rows=0, rows_off=(0,)):
    """Return the scene of a car first seen 45 m ahead, and the vehicle's way.

    Its lowest rows may be hidden until it is near, or its foot be labelled too high, frame
    by frame in turn.
    """
    camera = assumed_camera((256, 512))
    ego = np.column_stack([EGO_MPS * np.arange(num_frames) / FPS, np.zeros((num_frames, 2))])
    sightings, feet = [], []
    for frame in range(num_frames):
        ahead_m = 45 + speed_mps * frame / FPS - ego[frame, 0]
        corners = [(ahead_m, 3.5 + side, z) for side in (0.9, -0.9) for z in (0.0, 1.5)]
        u, v, _ = project(camera, np.array(corners)).T
        hidden = hidden_rows if ahead_m > 15 else 0
        foot = v.max() - hidden - rows_off[frame % len(rows_off)]
        box = tuple(round(edge + 0.5) for edge in (u.min(), v.min(), u.max(), foot))
        place = ground_points(camera, np.array([[u.mean(), box[3] - 0.5]]))[0]
        sightings.append(Sighting(frame, CAR, place[0], place[1], box))
        feet.append((frame, CAR, u.mean(), box[3] - 0.5, not hidden))
    scene = Scene(
        "s", CITYSCAPES, FPS, num_frames, camera, (), frozenset((CAR,)), True,
        Sightings.of(sightings), feet=Feet(*map(np.array, zip(*feet, strict=True))),
    )  # fmt: skip
    return scene, ego


def track_of(*arguments, **numbers):
    scene, ego = scene_of(*arguments, **numbers)
    track = base_track(CAR, scene, ego, RoadPath.of(ego))
    assert track is not None
    return track


def test_an_oncoming_car_seen_for_two_seconds_is_not_taken_to_stand():
    oncoming = track_of(-9.0)
    assert not oncoming.stands
    assert oncoming.world[-1, 0] - oncoming.world[9, 0] == pytest.approx(-9.0, abs=1.5)
    assert np.cos(oncoming.world[-1, 2]) < -0.99


@pytest.mark.parametrize(("hidden_rows", "rows_off"), [(0, (0,)), (0, (1,)), (8, (0,))])
def test_a_standing_car_stands_where_its_nearest_feet_are(hidden_rows, rows_off):
    parked = track_of(0.0, num_frames=40, hidden_rows=hidden_rows, rows_off=rows_off)
    assert parked.stands
    # The board's foot is taken for a wheel, 1.3 m before the middle of a car.
    assert parked.world[0, 0] == pytest.approx(45 + 1.3, abs=0.5)


def test_a_selector_by_speed_means_what_drives_and_not_what_jitters():
    def is_selected(where, scene, ego):
        selector = Selector(label_class="car", where=where)
        return bool(selected_ids(selector, scene, ego, np.random.default_rng(0)))

    parked = scene_of(0.0, num_frames=40, rows_off=(0, 0, 1, 1, 0, -1))
    assert not is_selected("speed_mps > 1", *parked)
    assert is_selected("speed_mps < 1", *parked)
    oncoming = scene_of(-9.0)
    assert is_selected("speed_mps > 7 and speed_mps < 11", *oncoming)
    assert not is_selected("speed_mps < 3", *oncoming)


@pytest.fixture
def approached():
    """Places of something at 5 m beside the road that is neared at 10 m/s, and rows in metres."""
    seconds = np.arange(30) / FPS
    away = np.column_stack([45 - EGO_MPS * seconds, np.full(30, 5.0)])
    metres = np.linalg.norm(away, axis=1)
    row_m = away * (metres / 600)[:, None]
    sigma = 0.2 + metres**2 / 600
    precision = np.eye(2) / np.square(sigma)[:, None, None]
    return seconds, np.tile([45.0, 5.0], (30, 1)), precision, row_m


def test_a_steady_motion_is_found_and_how_sure_it_is(approached):
    seconds, still, precision, row_m = approached
    moving = still + seconds[:, None] * [-6.0, 1.0]
    velocity, sigmas = steady_velocity(seconds, moving, precision, row_m)
    np.testing.assert_allclose(velocity, [-6.0, 1.0], atol=0.6)
    assert sigmas > 2.5
    assert sigmas < steady_velocity(seconds, moving, 4 * precision, row_m)[1]


@pytest.mark.parametrize("rows", [-1.0, 0.0, 1.0])
def test_a_camera_that_looks_a_row_too_low_moves_nothing(approached, rows):
    seconds, still, precision, row_m = approached
    velocity, sigmas = steady_velocity(seconds, still + rows * row_m, precision, row_m)
    assert np.linalg.norm(velocity) < 1.0
    assert sigmas < 1.0


def test_an_identity_that_jumps_at_the_end_does_not_hide_a_motion(approached):
    seconds, still, precision, row_m = approached
    moving = still + seconds[:, None] * [-6.0, 0.0]
    moving[-3:] += 20.0
    velocity, sigmas = steady_velocity(seconds, moving, precision, row_m)
    assert velocity[0] == pytest.approx(-6.0, abs=1.5)
    assert sigmas > 2.5
