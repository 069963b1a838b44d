import numpy as np
import pytest

from svsdata.geometry.camera import (
    assumed_camera,
    camera_centre,
    ground_points,
    horizon_row,
    mounted_camera,
    project,
)
from svsdata.geometry.self_calibration import (
    MIN_CARS,
    camera_of_horizon,
    car_boxes,
    fit_horizon,
)
from svsdata.labels import CITYSCAPES
from svsdata.street_world.scene import StreetWorld

HEIGHT = 256
CAR = CITYSCAPES.label("car").id
ROAD = CITYSCAPES.label("road").id
SKY = CITYSCAPES.label("sky").id


def line_of_boxes(horizon: float, scale: float, count: int, seed: int = 0):
    """Boxes of cars of exactly the mean height at random distances."""
    rows = horizon + np.random.default_rng(seed).uniform(6, 110, count)
    return np.stack([rows, scale * (rows - horizon)], axis=1)


def test_boxes_on_a_line_give_it_back():
    fit = fit_horizon(line_of_boxes(101.5, 1.1, 30), HEIGHT)
    assert fit.horizon_row == pytest.approx(101.5, abs=1e-6)
    assert fit.scale == pytest.approx(1.1, abs=1e-9)
    assert (fit.inlier_share, fit.num_cars) == (1.0, 30)
    assert fit.is_trusted(HEIGHT)


def test_noise_and_a_fifth_of_half_hidden_cars_move_the_horizon_by_a_few_pixels_at_most():
    errors = []
    for seed in range(20):
        rng = np.random.default_rng(seed)
        boxes = line_of_boxes(101.5, 1.1, 100, seed)
        boxes[:, 1] *= rng.normal(1, 0.08, 100)
        boxes += rng.normal(0, 0.75, boxes.shape)
        boxes[:20, 1] *= rng.uniform(0.3, 0.8, 20)
        fit = fit_horizon(boxes, HEIGHT)
        assert fit.scale == pytest.approx(1.1, rel=0.08)
        errors.append(abs(fit.horizon_row - 101.5))
    assert np.percentile(errors, 90) < 3
    assert np.median(errors) < 1.5


def test_many_sights_of_few_cars_are_no_more_certain_than_these_cars():
    deviations = []
    for seed in range(100):
        rng = np.random.default_rng(seed)
        below = rng.uniform(6, 110, (20, 40))
        # Twenty cars, each seen 40 times, and always as much too high or too low as it is.
        scales = 1.1 * rng.normal(1, 0.08, (20, 1))
        boxes = np.stack([101.5 + below, scales * below], axis=-1).reshape(-1, 2)
        apart = fit_horizon(boxes, HEIGHT)
        fit = fit_horizon(boxes, HEIGHT, np.repeat(np.arange(20), 40))
        assert (fit.scale, fit.horizon_row) == (apart.scale, apart.horizon_row)
        off = abs(fit.scale / 1.1 - 1)
        deviations.append((off / fit.scale_error, off / apart.scale_error))
    told, untold = np.percentile(deviations, 90, axis=0)
    assert told < 2.2  # 1.7 of Student's distribution for 20 cars, and spreads are told too small
    assert untold > 4


def test_one_moment_alone_tells_no_spread_and_the_boxes_own_error_stays():
    boxes = line_of_boxes(101.5, 1.1, 30)
    assert fit_horizon(boxes, HEIGHT, np.zeros(30, int)) == fit_horizon(boxes, HEIGHT)


def test_too_few_or_too_similar_cars_are_not_trusted():
    assert not fit_horizon(np.zeros((0, 2)), HEIGHT).is_trusted(HEIGHT)
    assert not fit_horizon(np.array([[150.0, 40.0]] * 50), HEIGHT).is_trusted(HEIGHT)
    assert not fit_horizon(line_of_boxes(101.5, 1.1, MIN_CARS - 1), HEIGHT).is_trusted(HEIGHT)
    scattered = np.random.default_rng(0).uniform(5, 200, (60, 2))
    assert not fit_horizon(scattered, HEIGHT).is_trusted(HEIGHT)
    # A lorry's cab or a child's bicycle: no camera stands there.
    assert not fit_horizon(line_of_boxes(101.5, 0.3, 50), HEIGHT).is_trusted(HEIGHT)


def test_the_camera_has_the_horizon_and_sees_a_car_as_high_as_the_line_says():
    size_hw = (300, 640)
    fit = fit_horizon(line_of_boxes(120.0, 1.2, 30), size_hw[0])
    camera = camera_of_horizon(fit, size_hw)
    assert camera.flag == "estimated"
    assert horizon_row(camera) == pytest.approx(120.0, abs=1e-3)
    assert camera_centre(camera)[2] == pytest.approx(1.5 / 1.2)
    foot = project(camera, np.array([25.0, 0.0, 0.0]))
    roof = project(camera, np.array([25.0, 0.0, 1.5]))
    assert foot[1] - roof[1] == pytest.approx(1.2 * (foot[1] - 120.0), rel=0.015)


def test_only_whole_cars_on_visible_ground_count():
    semantic = np.full((100, 200), SKY, np.uint8)
    semantic[40:] = ROAD
    instance = semantic.astype(np.uint16)

    def paint(index, rows, columns):
        semantic[rows, columns] = CAR
        instance[rows, columns] = CAR * 1000 + index

    paint(1, slice(50, 70), slice(10, 40))  # whole
    paint(2, slice(50, 70), slice(180, 200))  # cut by the border
    paint(3, slice(50, 60), slice(60, 90))  # stands on a wall
    semantic[60:64, 60:90] = CITYSCAPES.label("wall").id
    paint(4, slice(45, 65), slice(100, 120))  # torn in two
    paint(4, slice(45, 65), slice(130, 150))
    paint(5, slice(41, 42), slice(160, 170))  # a speck
    np.testing.assert_array_equal(car_boxes(semantic, instance, CITYSCAPES), [[69.5, 20.0]])
    nothing = np.full((30, 50), ROAD, np.uint8)
    assert car_boxes(nothing, nothing.astype(np.uint16), CITYSCAPES).shape == (0, 2)


def test_the_street_world_tells_its_own_camera():
    world = StreetWorld(4, size_hw=(256, 512))
    frames = [world.render(index, image=False) for index in range(0, 600, 30)]
    boxes = [car_boxes(frame.semantic, frame.instance, CITYSCAPES) for frame in frames]
    fit = fit_horizon(np.concatenate(boxes), 256)
    assert fit.is_trusted(256)
    assert fit.horizon_row == pytest.approx(horizon_row(world.camera), abs=1.5)
    camera = camera_of_horizon(fit, (256, 512))
    assert camera_centre(camera)[2] == pytest.approx(1.22, rel=0.07)
    # A wheel 20 m ahead is placed to within a metre.
    pixel = project(world.camera, np.array([[20.0, -2.0, 0.0]]))[:, :2]
    assert ground_points(camera, pixel)[0, 0] == pytest.approx(20.0, abs=1.0)


def test_a_lower_camera_is_told_from_a_higher_one():
    for height_m in (1.0, 2.0):
        camera = mounted_camera(
            assumed_camera((256, 512)).intrinsics,
            (256, 512),
            position_m=(1.7, 0.0, height_m),
            yaw_pitch_roll_rad=(0.0, 0.05, 0.0),
        )
        ahead = np.linspace(8.0, 60.0, 40)
        places = np.stack([ahead, np.zeros_like(ahead), np.zeros_like(ahead)], axis=1)
        feet, roofs = project(camera, places), project(camera, places + np.array([0, 0, 1.5]))
        fit = fit_horizon(np.stack([feet[:, 1], feet[:, 1] - roofs[:, 1]], axis=1), 256)
        found = camera_of_horizon(fit, (256, 512))
        assert camera_centre(found)[2] == pytest.approx(height_m, rel=0.02)
        assert horizon_row(found) == pytest.approx(horizon_row(camera), abs=0.5)
