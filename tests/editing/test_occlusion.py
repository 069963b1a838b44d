import numpy as np
import pytest

from svsdata.editing.occlusion import GroundDepth, Rect, Standing
from svsdata.geometry.camera import assumed_camera, ground_points
from svsdata.labels import CITYSCAPES

ids = {label.name: label.id for label in CITYSCAPES.labels}


def depths(maps, camera, rect=None, known=None, slack_px=0.0):
    height, width = maps[0].shape
    standing = Standing(
        *maps,
        ground=GroundDepth(camera),
        label_set=CITYSCAPES,
        depths=known or {},
        slack_px=slack_px,
    )
    runs = standing.depth(rect or Rect(0, 0, width, height))
    return np.repeat(runs.metres, runs.num_rows).reshape(-1, runs.height).T


@pytest.mark.parametrize(("width", "count"), [(1, 1), (7, 1), (8, 2), (21, 3)])
def test_bands_cover_a_rectangle_once(width, count):
    bands = Rect(3, 5, 3 + width, 9).bands(7)
    assert len(bands) == count
    assert [band.x0 for band in bands] + [3 + width] == [3] + [band.x1 for band in bands]
    assert all(0 < band.x1 - band.x0 <= 7 and (band.y0, band.y1) == (5, 9) for band in bands)


def test_ground_depth_is_that_of_the_camera():
    camera = assumed_camera((96, 176))
    pixels = np.array([[10.0, 60.0], [100.0, 90.0], [170.0, 55.0]])
    np.testing.assert_allclose(
        GroundDepth(camera).at(pixels[:, 0], pixels[:, 1]),
        ground_points(camera, pixels)[:, 2],
        rtol=1e-4,
    )


@pytest.mark.parametrize(("name", "instance"), [("car", 26_003), ("building", 11), ("pole", 17)])
def test_what_stands_on_the_ground_is_as_far_as_its_foot(camera, road_frame, paint, name, instance):
    frame = road_frame(0)
    maps = (frame.semantic, frame.instance)
    paint(maps, ids[name], instance, ahead_m=14.0, left_m=1.0, width_m=1.6, height_m=2.0)
    found = depths(maps, camera)[frame.semantic == ids[name]]
    # 12.5 m from the camera; a row is 0.8 m of ground there, a thin one counts as 0.5 m nearer.
    assert np.ptp(found) < 0.6
    assert found.mean() == pytest.approx(12.5 - 0.5 * (name == "pole"), abs=0.8)


def test_ground_and_sky_are_behind_everything_and_the_ego_vehicle_before(camera, road_frame):
    frame = road_frame(0)
    frame.semantic[-8:] = ids["ego vehicle"]
    found = depths((frame.semantic, frame.instance), camera)
    assert np.isinf(found[:-8]).all()
    assert (found[-8:] == 0).all()


def test_a_sign_on_a_pole_is_as_near_as_the_pole(camera, road_frame, paint):
    frame = road_frame(0)
    maps = (frame.semantic, frame.instance)
    paint(maps, ids["building"], 11, ahead_m=40.0, left_m=0.0, width_m=30.0, height_m=9.0)
    paint(maps, ids["pole"], 17, ahead_m=11.5, left_m=-2.0, width_m=0.1, height_m=2.0)
    columns = np.flatnonzero((maps[0] == ids["pole"]).any(axis=0))
    top = np.flatnonzero((maps[0] == ids["pole"]).any(axis=1))[0]
    maps[0][top - 6 : top, columns[0] - 3 : columns[-1] + 4] = ids["traffic sign"]
    found = depths(maps, camera)
    assert found[maps[0] == ids["traffic sign"]].max() < 11.0
    assert found[maps[0] == ids["building"]].min() > 25.0


def test_a_building_behind_a_car_is_as_far_as_beside_it(camera, road_frame, paint):
    frame = road_frame(0)
    maps = (frame.semantic, frame.instance)
    paint(maps, ids["building"], 11, ahead_m=31.5, left_m=0.0, width_m=30.0, height_m=9.0)
    paint(maps, ids["car"], 26_001, ahead_m=11.5, left_m=0.0, width_m=1.8, height_m=1.5)
    found = depths(maps, camera)[maps[0] == ids["building"]]
    assert found.min() > 24.0


@pytest.mark.parametrize("rim_rows", [0, 2])
def test_a_pole_whose_foot_a_car_hides_stands_behind_the_car(camera, road_frame, paint, rim_rows):
    frame = road_frame(0)
    maps = (frame.semantic, frame.instance)
    # So thick that, taken for a pole of usual width, it would be 6 m away.
    paint(maps, ids["pole"], 17, ahead_m=26.5, left_m=0.0, width_m=0.6, height_m=4.0)
    paint(maps, ids["car"], 26_001, ahead_m=15.5, left_m=0.0, width_m=1.8, height_m=1.5)
    is_car = maps[1] == 26_001
    top = np.flatnonzero(is_car.any(axis=1))[0]
    rim = maps[1][top : top + rim_rows]
    rim[rim == 26_001] = ids["car"]
    found = depths(maps, camera, known={26_001: 14.0})
    assert found[maps[0] == ids["pole"]] == pytest.approx(14.0 + 1.7 - 0.5)
    # Where the car's foot of the moment is all that is known, the pole's size tells.
    assert depths(maps, camera)[maps[0] == ids["pole"]].max() < 7.0


@pytest.mark.parametrize("pole_rows", [0, 4])
def test_a_sign_that_hangs_before_a_building_is_as_far_as_its_size_tells(
    camera, road_frame, paint, pole_rows
):
    frame = road_frame(0)
    maps = (frame.semantic, frame.instance)
    paint(maps, ids["building"], 11, ahead_m=31.5, left_m=0.0, width_m=30.0, height_m=9.0)
    paint(maps, ids["car"], 26_001, ahead_m=15.5, left_m=0.0, width_m=1.8, height_m=1.5)
    top = np.flatnonzero((maps[1] == 26_001).any(axis=1))[0]
    maps[0][top - 12 : top - 5, 85:90] = ids["traffic sign"]
    # How high both are together tells nothing.
    maps[0][top - 5 : top - 5 + pole_rows, 87] = ids["pole"]
    found = depths(maps, camera, known={26_001: 14.0})
    # 0.7 m in 7 rows at a focal length of 110.
    is_told = np.isin(maps[0], [ids["traffic sign"], ids["pole"]])
    assert found[is_told] == pytest.approx(11.0 - 0.5)


@pytest.mark.parametrize(("speck_rows", "is_told"), [(3, False), (12, True)])
def test_a_speck_near_by_tells_nothing_of_the_house_whose_foot_is_hidden_above_it(
    camera, road_frame, paint, speck_rows, is_told
):
    frame = road_frame(0)
    maps = (frame.semantic, frame.instance)
    paint(maps, ids["building"], 11, ahead_m=31.5, left_m=0.0, width_m=30.0, height_m=9.0)
    paint(maps, ids["car"], 26_001, ahead_m=15.5, left_m=0.0, width_m=1.8, height_m=1.5)
    columns = np.flatnonzero((maps[1] == 26_001).any(axis=0))
    house = (maps[0] == ids["building"]) & np.isin(np.arange(maps[0].shape[1]), columns)
    # As labels of the bonnet are, 3 m ahead: 3 rows are 8 cm, 12 are 33 cm.
    maps[0][-speck_rows:, columns] = ids["building"]
    found = depths(maps, camera)[house]
    assert (found.min() < 5.0) == is_told
    assert (found.max() == pytest.approx(30.0, abs=3.0)) != is_told


def test_the_arm_of_a_pole_is_as_far_as_its_thickness_tells_however_long_it_is(camera, road_frame):
    frame = road_frame(0)
    maps = frame.semantic, frame.instance
    standing, lying = np.zeros((2, *maps[0].shape), bool)
    standing[5:35, 20:22] = lying[5:7, 100:130] = True
    maps[0][standing | lying] = ids["pole"]
    found = depths(maps, camera)
    assert found[lying] == pytest.approx(found[standing].mean())


@pytest.mark.parametrize("is_open_to_the_sky", [False, True])
def test_a_pole_whose_foot_is_hidden_is_nearer_than_what_is_on_both_sides_of_it(
    camera, road_frame, paint, is_open_to_the_sky
):
    frame = road_frame(0)
    maps = (frame.semantic, frame.instance)
    paint(maps, ids["building"], 11, ahead_m=8.0, left_m=0.0, width_m=30.0, height_m=3.0)
    paint(maps, ids["car"], 26_001, ahead_m=6.0, left_m=0.0, width_m=1.8, height_m=1.5)
    top = np.flatnonzero((maps[1] == 26_001).any(axis=1))[0]
    maps[0][top - 12 : top, 88] = ids["pole"]
    if is_open_to_the_sky:
        maps[0][: top + 1, 89:] = ids["sky"]
    found = depths(maps, camera)[maps[0] == ids["pole"]]
    # A pixel of 15 cm at a focal length of 110, which may be nearly two: 8.25 m.
    by_size = 110 * 0.15 / 2
    house = depths(maps, camera)[maps[0] == ids["building"]].min()
    assert house < by_size
    assert found == pytest.approx((by_size if is_open_to_the_sky else house) - 0.5, abs=0.1)


@pytest.mark.parametrize(("rows", "columns"), [(1, 40), (3, 30), (30, 3), (2, 3)])
def test_how_far_a_pole_or_its_arm_in_the_air_is_its_thickness_tells(
    camera, road_frame, rows, columns
):
    frame = road_frame(0)
    maps = (frame.semantic, frame.instance)
    maps[0][8 : 8 + rows, 70 : 70 + columns] = ids["pole"]
    thickness = rows if columns > rows * 2 else columns
    by_size = 110 * 0.15 / (thickness + 1)
    assert depths(maps, camera)[maps[0] == ids["pole"]] == pytest.approx(by_size - 0.5)


@pytest.mark.parametrize("side", ["left", "right", "above", "below"])
def test_the_rim_of_a_thing_that_has_no_id_stands_where_the_thing_does(
    camera, road_frame, paint, side
):
    frame = road_frame(0)
    maps = (frame.semantic, frame.instance)
    paint(maps, ids["car"], 26_001, ahead_m=11.5, left_m=0.0, width_m=1.8, height_m=1.5)
    rows, columns = np.nonzero(maps[1] == 26_001)
    edge = {
        "left": columns == columns.min(), "right": columns == columns.max(),
        "above": rows == rows.min(), "below": rows == rows.max(),
    }[side]  # fmt: skip
    maps[1][rows[edge], columns[edge]] = ids["car"]
    found = depths(maps, camera, known={26_001: 14.0}, slack_px=1.5)
    assert found[maps[0] == ids["car"]] == pytest.approx(14.0)


def test_a_car_without_an_id_far_from_others_stands_at_its_own_foot(camera, road_frame, paint):
    frame = road_frame(0)
    maps = (frame.semantic, frame.instance)
    paint(maps, ids["car"], 26_001, ahead_m=11.5, left_m=0.0, width_m=1.8, height_m=1.5)
    paint(maps, ids["car"], ids["car"], ahead_m=8.5, left_m=-4.0, width_m=1.8, height_m=1.5)
    found = depths(maps, camera, known={26_001: 14.0})
    assert found[maps[1] == ids["car"]] == pytest.approx(7.0, abs=0.5)


def test_a_rider_is_as_near_as_the_bicycle(camera, road_frame, paint):
    frame = road_frame(0)
    maps = (frame.semantic, frame.instance)
    paint(maps, ids["rider"], 25_001, ahead_m=9.5, left_m=0.0, width_m=0.6, height_m=1.7)
    paint(maps, ids["bicycle"], 33_001, ahead_m=9.5, left_m=0.0, width_m=0.6, height_m=0.8)
    found = depths(maps, camera)
    assert found[maps[0] == ids["rider"]].max() == found[maps[0] == ids["bicycle"]].max()


def test_slack_lets_houses_stand_rows_farther_and_leaves_things_and_poles(
    camera, road_frame, paint
):
    frame = road_frame(0)
    maps = (frame.semantic, frame.instance)
    paint(maps, ids["building"], 11, ahead_m=31.5, left_m=0.0, width_m=30.0, height_m=9.0)
    paint(maps, ids["pole"], 17, ahead_m=14.5, left_m=4.0, width_m=0.2, height_m=4.0)
    for number, left_m in ((1, 0.0), (2, -4.0)):
        paint(
            maps,
            ids["car"],
            26_000 + number,
            ahead_m=11.5,
            left_m=left_m,
            width_m=1.8,
            height_m=1.5,
        )
    exact, slack = (depths(maps, camera, known={26_001: 9.9}, slack_px=px) for px in (0.0, 1.5))
    is_house = maps[0] == ids["building"]
    # One over the depth grows by as much a row: one over the height times the focal length.
    per_row = 1 / (1.4 * 110.0)
    np.testing.assert_allclose(1 / exact[is_house] - 1 / slack[is_house], 1.5 * per_row, rtol=5e-3)
    np.testing.assert_array_equal(exact[~is_house], slack[~is_house])


def test_a_part_of_the_frame_gives_what_the_whole_gives(camera, road_frame, paint):
    frame = road_frame(0)
    maps = (frame.semantic, frame.instance)
    paint(maps, ids["car"], 26_001, ahead_m=11.5, left_m=0.0, width_m=1.8, height_m=1.5)
    paint(maps, ids["pole"], 17, ahead_m=8.5, left_m=-1.5, width_m=0.15, height_m=3.0)
    rect = Rect(70, 30, 110, 60)
    np.testing.assert_array_equal(depths(maps, camera, rect), depths(maps, camera)[30:60, 70:110])


def test_pixels_behind_a_depth_are_those_that_are_farther_column_by_column(
    camera, road_frame, paint
):
    frame = road_frame(0)
    maps = (frame.semantic, frame.instance)
    paint(maps, ids["car"], 26_001, ahead_m=11.5, left_m=0.0, width_m=1.8, height_m=1.5)
    rect = Rect(60, 30, 120, 75)
    limits = np.linspace(5.0, 15.0, 60)
    standing = Standing(*maps, ground=GroundDepth(camera), label_set=CITYSCAPES)
    found = standing.depth(rect).behind(limits)
    np.testing.assert_array_equal(found, limits < depths(maps, camera, rect))
    is_car = maps[0][rect.slices] == ids["car"]
    assert found[is_car].any()
    assert not found[is_car].all()
