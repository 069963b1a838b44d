"""What is seen from farther along the way, against places that geometry tells."""

import numpy as np
import pytest

from svsdata.editing.prospect import Prospect
from svsdata.flow import warp
from svsdata.geometry.camera import assumed_camera, ego_step, project
from svsdata.labels import CITYSCAPES
from svsdata.records import Frame
from svsdata.street_world.scene import StreetWorld

SIZE_HW = (128, 256)
CAMERA = assumed_camera(SIZE_HW)
ROAD, SIDEWALK, BUILDING, POLE, SKY, PERSON, CAR, EGO = (
    CITYSCAPES.by_name[name].id
    for name in ("road", "sidewalk", "building", "pole", "sky", "person", "car", "ego vehicle")
)


def pixel_of(x_m: float, y_m: float, z_m: float = 0.0) -> tuple[int, int]:
    """Return column and row of a place of the vehicle frame."""
    u, v, _ = project(CAMERA, np.array([[x_m, y_m, z_m]]))[0]
    return round(float(u)), round(float(v))


def empty_street() -> tuple[np.ndarray, np.ndarray]:
    semantic = np.full(SIZE_HW, SKY, np.uint8)
    _, horizon = pixel_of(1e6, 0.0)
    semantic[horizon + 1 :] = ROAD
    return semantic, semantic.astype(np.uint16)


def put(maps: tuple[np.ndarray, np.ndarray], foot: tuple[int, int], wide: int, high: int, ids: int):
    """Draw a box that stands on a foot pixel, its lowest row."""
    rows = slice(foot[1] - high + 1, foot[1] + 1)
    columns = slice(foot[0] - wide // 2, foot[0] - wide // 2 + wide)
    maps[0][rows, columns], maps[1][rows, columns] = (ids // 1000 if ids > 999 else ids), ids


def prospect(maps: tuple[np.ndarray, np.ndarray]) -> Prospect:
    return Prospect(Frame(0, 0, semantic=maps[0], instance=maps[1]), CAMERA, CITYSCAPES)


def after(metres: float, turn: float = 0.0) -> np.ndarray:
    """Takes the start's vehicle frame to that after driving so far, and turning so much."""
    return np.linalg.inv(ego_step(metres, turn, 1.0))


def box_of(mask: np.ndarray) -> tuple[int, int, int, int]:
    rows, columns = np.nonzero(mask)
    return columns.min(), rows.min(), columns.max() + 1, rows.max() + 1


def test_a_patch_of_ground_lies_where_it_lay():
    maps = empty_street()
    u, v = pixel_of(20.0, 2.0)
    maps[0][v - 1 : v + 2, u - 6 : u + 7] = SIDEWALK
    seen = prospect(maps).view(after(8.0), {}).semantic == SIDEWALK
    x0, y0, x1, y1 = box_of(seen)
    expected = pixel_of(12.0, 2.0)
    assert (x0 + x1 - 1) / 2 == pytest.approx(expected[0], abs=2)
    assert (y0 + y1 - 1) / 2 == pytest.approx(expected[1], abs=2)
    assert x1 - x0 > 13  # nearer, and so larger


@pytest.mark.parametrize("metres", [0.0, 6.0, 14.0])
def test_a_thing_grows_as_it_nears_and_stands_where_it_stood(metres):
    maps = empty_street()
    put(maps, pixel_of(26.0, 1.0), 8, 9, 26001)
    before = box_of(maps[1] == 26001)
    view = prospect(maps).view(after(metres), {})
    x0, y0, x1, y1 = box_of(view.instance == 26001)
    depth = 26.0 - 1.7  # the camera is 1.7 m ahead of the vehicle's origin
    scale = depth / (depth - metres)
    assert x1 - x0 == pytest.approx(scale * (before[2] - before[0]), abs=1.5)
    assert y1 - y0 == pytest.approx(scale * (before[3] - before[1]), abs=1.5)
    foot = pixel_of(26.0 - metres, 1.0)
    assert y1 - 1 == pytest.approx(foot[1], abs=2)
    assert (x0 + x1 - 1) / 2 == pytest.approx(foot[0], abs=2)
    np.testing.assert_array_equal(view.semantic == CAR, view.instance == 26001)


def test_a_thing_that_drives_as_far_as_the_vehicle_stays_where_it_is():
    maps = empty_street()
    put(maps, pixel_of(20.0, 0.0), 12, 10, 26001)
    view = prospect(maps).view(after(7.0), {26001: np.array([7.0, 0.0])})
    np.testing.assert_array_equal(view.instance == 26001, maps[1] == 26001)


def test_what_stands_nearer_hides_what_is_behind_whatever_comes_first_in_the_map():
    maps = empty_street()
    put(maps, pixel_of(30.0, 0.0), 30, 12, 26001)
    put(maps, pixel_of(15.0, 0.0), 4, 20, 24001)
    put(maps, pixel_of(10.0, -0.9), 2, 60, POLE)
    whole = prospect(maps)
    view = whole.view(after(4.0), {26001: np.array([-9.0, 0.0])})
    person, pole = (view.instance == 24001), (view.semantic == POLE)
    assert person.sum() > 80
    assert pole.sum() > 100
    # the car came to 17 m behind a person at 11 m, who hides it, as does the pole at 6 m
    rows = slice(*box_of(person)[1::2])
    assert set(np.unique(view.instance[rows][person[rows]])) == {24001}
    assert (view.instance == 26001).sum() > (maps[1] == 26001).sum()


def test_between_what_stands_near_along_whole_rows_no_sky_comes_through():
    maps = empty_street()
    for layer in maps:
        layer[: pixel_of(30.0, 0.0)[1]] = BUILDING
    put(maps, pixel_of(12.0, 1.0), 16, 60, POLE)
    view = prospect(maps).view(after(5.0), {})
    assert (view.semantic == POLE).sum() > 100
    assert not (view.semantic == SKY).any()


def test_the_own_vehicle_stays_and_hides_all():
    maps = empty_street()
    maps[0][110:], maps[1][110:] = EGO, EGO
    view = prospect(maps).view(after(5.0), {})
    np.testing.assert_array_equal(view.semantic[110:], EGO)
    assert not (view.semantic[:110] == EGO).any()
    now = prospect(maps)
    flow, valid, hidden = now.flow(now.view(after(5.0), {}), now.start)
    assert not flow[110:].any()
    assert valid[110:].all()
    assert not hidden[110:].any()


def test_to_the_left_everything_moves_to_the_right():
    maps = empty_street()
    put(maps, pixel_of(30.0, 0.0), 8, 8, 26001)
    x0 = box_of(maps[1] == 26001)[0]
    left, right = (
        box_of(prospect(maps).view(after(0.0, turn), {}).instance == 26001)[0]
        for turn in (0.1, -0.1)
    )
    focal = CAMERA.intrinsics[0, 0]
    assert left - x0 == pytest.approx(0.1 * focal, abs=3)
    assert right - x0 == pytest.approx(-0.1 * focal, abs=3)


def test_vehicles_are_completed_behind_what_is_nearer_and_people_are_not():
    maps = empty_street()
    put(maps, pixel_of(25.0, 0.0), 16, 10, 26001)
    put(maps, pixel_of(25.0, 5.0), 16, 10, 24001)
    for y_m, ids in ((0.0, 25001), (5.0, 25002)):
        put(maps, pixel_of(12.0, y_m * 0.46), 4, 30, ids)
    view = prospect(maps).view(
        after(0.0), {25001: np.array([0.0, 9.0]), 25002: np.array([0, 20.0])}
    )
    car, person = (box_of(view.instance == one) for one in (26001, 24001))
    x0, y0, x1, y1 = car
    assert (view.instance[y0:y1, x0:x1] == 26001).all()
    x0, y0, x1, y1 = person
    assert not (view.instance[y0:y1, x0:x1] == 24001).all()


def test_flow_leads_back_to_what_was_seen_and_tells_what_was_not():
    street = StreetWorld(7, size_hw=SIZE_HW, fps=10.0)
    frame = street.frame(40, image=False)
    assert frame.semantic is not None
    whole = Prospect(frame, street.camera, CITYSCAPES)
    moves = {int(one): np.array([-0.4, 0.1]) for one in np.unique(frame.instance) if one > 26000}
    before = whole.view(after(0.8, 0.01), moves)
    now = whole.view(after(1.6, 0.02), {one: 2 * moved for one, moved in moves.items()})
    flow, valid, hidden = whole.flow(now, before)
    came = warp(before.semantic, flow, nearest=True)
    seen = (hidden == 0) & (valid == 1)
    assert (came == now.semantic)[seen].mean() > 0.96
    assert 0.01 < hidden.mean() < 0.3
    assert (came == now.semantic)[~seen].mean() < 0.8


def test_a_thing_without_an_id_stands_like_a_wall_and_rims_go_with_their_thing():
    maps = empty_street()
    put(maps, pixel_of(20.0, 0.0), 12, 10, 26001)
    rim = np.roll(maps[1] == 26001, 1, axis=1) & (maps[1] != 26001)
    maps[0][rim] = CAR
    view = prospect(maps).view(after(6.0), {26001: np.array([-2.0, 0.0])})
    np.testing.assert_array_equal(view.semantic == CAR, view.instance == 26001)
    put(maps, pixel_of(20.0, 5.0), 12, 10, CAR)
    view = prospect(maps).view(after(6.0), {})
    alone = (view.semantic == CAR) & (view.instance == CAR)
    assert alone.sum() > 12 * 10


def test_a_frame_without_instances_or_anything_that_stands_can_be_looked_at():
    semantic = np.full(SIZE_HW, ROAD, np.uint8)
    whole = Prospect(Frame(0, 0, semantic=semantic), CAMERA, CITYSCAPES)
    view = whole.view(after(3.0), {})
    assert set(np.unique(view.semantic)) <= {ROAD, SKY}
    with pytest.raises(ValueError, match="frame 3 has no semantic map"):
        Prospect(Frame(3, 0), CAMERA, CITYSCAPES)
