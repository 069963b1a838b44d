from dataclasses import replace

import numpy as np
import pytest

from svsdata.editing.edit_text import load_preset, parse_edits
from svsdata.editing.fill import Hole, MapWindow, fill_hole
from svsdata.editing.occlusion import Rect
from svsdata.editing.operations import apply_plan
from svsdata.editing.placement import RoadPath, ego_poses, seen_from
from svsdata.editing.plan import EditPlan
from svsdata.editing.planning import plan_edits
from svsdata.editing.roadside import Roadside, RoadsideMemory
from svsdata.editing.viewpoint import RoadView
from svsdata.geometry.camera import ground_points, project
from svsdata.labels import CITYSCAPES, NO_LABEL
from svsdata.records import Frame

ROAD, SIDEWALK, CAR, BUILDING = (
    CITYSCAPES.label(name).id for name in ("road", "sidewalk", "car", "building")
)
KERB_M, HOUSES_M = -5.0, -8.0
STEP_M = 1.0


@pytest.fixture
def street(road_frame, paint, camera):
    """A street whose right sidewalk a row of parked cars hides, with and without the cars."""

    def frame(index: int, *, cars: bool):
        bare = road_frame(index)
        height, width = bare.semantic.shape
        pixels = np.stack(np.meshgrid(np.arange(width), np.arange(height)), axis=-1)
        _, y, _ = np.moveaxis(ground_points(camera, pixels.astype(float)), -1, 0)
        with np.errstate(invalid="ignore"):
            bare.semantic[(y < KERB_M)] = SIDEWALK
            bare.semantic[(y < HOUSES_M)] = BUILDING
        bare.instance[:] = bare.semantic
        if cars:
            for place in np.arange(44.0, 24.0, -0.5):
                board = {"ahead_m": place - index * STEP_M, "left_m": -3.9}
                paint(
                    (bare.semantic, bare.instance), CAR, 26_001, **board, width_m=1.8, height_m=1.5
                )
        return bare

    return frame


def test_a_kerb_goes_on_behind_a_row_of_parked_cars(road_scene, street):
    scene = replace(road_scene(16), used_ids=frozenset({26_001}))
    frames = [street(k, cars=True) for k in range(16)]
    right = {}
    for fill in ("temporal", "columns"):
        text = (
            f"version: 1\nedits:\n  - {{id: a, op: remove, target: {{class: car}}, fill: {fill}, "
        )
        plan = plan_edits(parse_edits(text + "enter: reference}", "test").edits, scene, 1)
        hidden = kept = 0
        for frame in apply_plan(plan, frames):
            truth = street(frame.frame_index, cars=False).semantic
            filled = frame.provenance == 251
            ground = filled & (truth == ROAD)
            assert (frame.semantic[ground] == ROAD).mean() > 0.9
            hidden += (filled & (truth == SIDEWALK)).sum()
            kept += (frame.semantic[filled & (truth == SIDEWALK)] == SIDEWALK).sum()
        assert hidden > 300
        right[fill] = kept / hidden
    assert right["temporal"] > 0.7
    assert right["columns"] < 0.5


def test_what_is_seen_along_the_road_is_continued_and_nothing_else(road_scene, street):
    scene = road_scene(16)
    plan = plan_edits(load_preset("remove_cars").edits, scene, 1)
    memory = RoadsideMemory(plan, CITYSCAPES)
    roadside = memory.around(tuple(street(k, cars=True) for k in range(16)))
    along = np.array([30.0, 34.0, 40.0, 30.0, 30.0, 1000.0])
    left = np.array([-6.5, -6.5, -6.5, 0.0, -9.9, 0.0])
    found = roadside.ground(along, left).tolist()
    assert found == [SIDEWALK] * 3 + [ROAD, NO_LABEL, NO_LABEL]
    np.testing.assert_allclose(roadside.wall(along[:3], left[:3]), -HOUSES_M, atol=0.7)
    assert np.isinf(roadside.wall(along[:1], -left[:1])).all()


def test_hidden_cells_show_the_nearest_that_is_seen_in_their_line():
    rng = np.random.default_rng(1)
    width, length, first = 140, 230, -7
    labels = np.where(rng.random((width, length)) < 0.02, rng.integers(0, 9, (width, length)), 255)
    labels[3] = NO_LABEL
    roadside = Roadside(first, labels.astype(np.uint8), (np.zeros(length), np.zeros(length)))
    lines, steps = rng.integers(-2, width + 2, 3000), rng.integers(-3, length + 3, 3000)
    expected = np.full(3000, NO_LABEL)
    for number, (line, step) in enumerate(zip(lines, steps, strict=True)):
        if 0 <= line < width and 0 <= step < length:
            seen = np.flatnonzero(labels[line] != NO_LABEL)
            # Of two as near as each other the one before counts; 80 cells are 40 m.
            distance = np.abs(seen - step)
            if len(seen) and distance.min() <= 80:
                expected[number] = labels[line, seen[distance.argmin()]]
    found = roadside.ground((first + steps + 0.5) * 0.5, (lines + 0.5) * 0.2 - 14.0)
    assert 0.6 < (expected != NO_LABEL).mean() < 0.95
    np.testing.assert_array_equal(found, expected)


def test_down_a_wall_the_inverse_depth_runs_in_a_straight_line(road_scene, street):
    plan = plan_edits(load_preset("remove_cars").edits, road_scene(16), 1)
    memory = RoadsideMemory(plan, CITYSCAPES)
    roadside = memory.around(tuple(street(k, cars=False) for k in range(16)))
    height, width = plan.size_hw
    sight, columns = memory.viewpoint(4).sight, np.arange(width // 2, width)
    top, middle, bottom = (
        memory.wall_depth(sight.rays_at(columns, np.full(len(columns), row)), roadside, 4)
        for row in (0.0, height / 4, height / 2)
    )
    known = np.isfinite(top) & np.isfinite(middle) & np.isfinite(bottom)
    assert known.sum() > 40
    np.testing.assert_allclose(2 / middle[known], 1 / top[known] + 1 / bottom[known], rtol=0.05)
    rays = sight.rays_at(columns[known], np.full(known.sum(), height / 4))
    left = sight.centre[1] + middle[known] * rays[1]
    np.testing.assert_allclose(left, HOUSES_M, atol=0.7)


def test_the_road_is_seen_where_it_is(turning_motions):
    ego = ego_poses(turning_motions, 10.0)
    path = RoadPath.of(ego)
    rng = np.random.default_rng(0)
    for index in (0, 40, 90):
        here = path.at_frame_m[index]
        along, left = here + rng.uniform(2, 35, 50), rng.uniform(-9, 9, 50)
        poses = path.poses(along, left)
        places = seen_from(poses, np.broadcast_to(ego[index], poses.shape))[:, :2]
        again = RoadView.of(path, ego[index], here).coordinates(*places.T)
        np.testing.assert_allclose(again[0], along, atol=0.6)
        np.testing.assert_allclose(again[1], left, atol=0.1)


def test_cells_beside_a_bend_show_the_ground_that_the_picture_shows_there(turning_motions, camera):
    ego = ego_poses(turning_motions, 10.0)
    plan = EditPlan(
        "bend", "", CITYSCAPES.name, camera.size_hw, 10.0, len(ego), camera, 0, ego, ()
    )  # fmt: skip
    memory = RoadsideMemory(plan, CITYSCAPES)
    height, width = camera.size_hw
    semantic = np.random.default_rng(0).choice(
        np.array([ROAD, SIDEWALK], np.uint8), (height, width)
    )
    for index in (0, 40, 89):
        roadside = memory.around((Frame(index, 0, semantic=semantic),))
        first = np.floor((memory.path.at_frame_m[index] + 3.0) * 2)
        along = (first + np.arange(84) + 0.5) / 2
        along, left = (it.ravel() for it in np.meshgrid(along, np.arange(-69.5, 70) / 5))
        poses = memory.path.poses(along, left)
        places = seen_from(poses, np.broadcast_to(ego[index], poses.shape))
        places[:, 2] = 0.0
        u, v, depth = project(camera, places).T
        u, v = np.rint(u).astype(int), np.rint(v).astype(int)
        seen = (depth > 1) & (u >= 0) & (u < width) & (v >= 0) & (v < height)
        assert seen.sum() > 3000
        found = roadside.ground(along[seen], left[seen])
        np.testing.assert_array_equal(found, semantic[v[seen], u[seen]])


def test_what_one_near_frame_hides_and_one_is_past_is_looked_up_in_the_next(road_scene, street):
    plan = plan_edits(load_preset("remove_cars").edits, road_scene(16), 1)
    frames = {index: street(index, cars=False) for index in (0, 4, 8, 12)}
    wall = CITYSCAPES.label("wall").id
    for index, label in ((0, wall), (4, CAR)):
        semantic = frames[index].semantic
        semantic[semantic == BUILDING] = label
    hole = np.zeros(frames[8].semantic.shape, bool)
    hole[46:54, 168:] = True
    filled = frames[8].semantic.copy()
    assert (filled[hole] == BUILDING).all()
    window = MapWindow(frames[8], (frames[0], frames[4]), (frames[12],))
    memory = RoadsideMemory(plan, CITYSCAPES)
    taken = Hole(Rect(168, 46, hole.shape[1], 54), np.ones((8, hole.shape[1] - 168), np.uint8))
    fill_hole(filled, taken, window, memory, columns_only=False)
    assert (filled[hole] == wall).all()
    np.testing.assert_array_equal(filled[~hole], frames[8].semantic[~hole])


def test_a_row_of_houses_goes_on_and_a_front_across_the_road_does_not(
    road_scene, road_frame, camera
):
    """Houses 8 m to the right, of which some metres are seen; or one front, 30 m ahead."""
    plan = plan_edits(load_preset("remove_cars").edits, road_scene(1), 1)

    def wall_at(ahead_m, is_house):
        frame = road_frame(0)
        height, width = frame.semantic.shape
        pixels = np.stack(np.meshgrid(np.arange(width), np.arange(height)), axis=-1)
        x, y = np.moveaxis(ground_points(camera, pixels.astype(float)), -1, 0)[:2]
        with np.errstate(invalid="ignore"):
            lower = is_house(x, y)
        frame.semantic[np.logical_or.accumulate(lower[::-1])[::-1]] = BUILDING
        roadside = RoadsideMemory(plan, CITYSCAPES).around((frame,))
        return float(roadside.wall(np.array([ahead_m]), np.array([-4.0]))[0])

    def row(x, y):
        return (y < -8) & (x > 14) & (x < 24)

    def front(x, y):
        return (y < -2) & (x > 30)

    assert wall_at(18.0, row) == pytest.approx(8.0, abs=0.5)
    assert wall_at(6.0, row) == pytest.approx(8.0, abs=0.8)
    assert np.isfinite(wall_at(31.0, front))
    assert wall_at(12.0, front) == np.inf
