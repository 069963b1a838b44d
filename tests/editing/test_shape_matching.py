import itertools

import numpy as np
import pytest

from svsdata.editing.shape_library import ShapeLibrary
from svsdata.editing.shape_matching import (
    Match,
    Stand,
    best_match,
    borrowed_silhouette,
    monotone_path,
    stand_of,
    views_of,
)
from svsdata.editing.shapes import OBJECT_KINDS, silhouette
from svsdata.geometry.camera import assumed_camera, camera_centre
from svsdata.images import decode_map
from tests.editing.test_shape_library import donor


@pytest.mark.parametrize("seed", range(5))
def test_the_path_is_the_cheapest_of_all_that_never_go_back(seed):
    costs = np.random.default_rng(seed).uniform(0, 1, (4, 5))
    path, cost = monotone_path(costs)

    def price(columns):
        hurry = 0.02 * (columns[-1] - columns[0])
        return sum(costs[row, column] for row, column in enumerate(columns)) + hurry

    every = [p for p in itertools.product(range(5), repeat=4) if list(p) == sorted(p)]
    assert price(list(path)) == pytest.approx(min(price(p) for p in every))
    assert cost == pytest.approx(np.mean([costs[row, column] for row, column in enumerate(path)]))


def test_a_single_frame_takes_the_nearest_moment():
    path, cost = monotone_path(np.array([[3.0, 1.0, 2.0]]))
    assert (list(path), cost) == ([1], 1.0)


def test_the_donor_seen_from_the_same_side_is_taken_and_run_in_the_direction_that_fits():
    views, depths = np.linspace(0.0, 0.5, 6), np.linspace(30.0, 10.0, 6)
    behind = donor(1, views=views, depths=depths)
    front = donor(2, views=views + np.pi, depths=depths)
    library = ShapeLibrary((front, behind))
    match = best_match(library, "truck", views, depths, 3.5)
    assert match is not None
    assert (match.track.instance_id, match.mirrored) == (1, False)
    np.testing.assert_array_equal(match.moments, np.arange(6))
    receding = best_match(library, "truck", views[::-1], depths[::-1], 3.5)
    np.testing.assert_array_equal(receding.moments, np.arange(6)[::-1])
    other_side = best_match(library, "truck", -views, depths, 3.5)
    assert other_side.mirrored


def test_donors_of_another_class_height_or_side_are_no_match():
    library = ShapeLibrary((donor(1), donor(2, "car", 1.5)))
    views, depths = np.zeros(3), np.full(3, 15.0)
    assert best_match(library, "truck", views, depths, 3.5) is not None
    assert best_match(library, "bus", views, depths, 3.0) is None
    assert best_match(library, "truck", views, depths, 2.5) is None
    assert best_match(library, "truck", views + 1.5, depths, 3.5) is None
    # From far away a donor would be coarse; the other way round it is fine.
    assert best_match(library, "truck", views, np.full(3, 4.0), 3.5) is None
    assert best_match(library, "truck", views, np.full(3, 40.0), 3.5) is not None


@pytest.mark.parametrize("scale", [0.3, 1.0, 2.5])
def test_a_borrowed_silhouette_stands_where_it_is_told_and_is_as_large(scale):
    mask = np.full((20, 30), 255, np.uint8)
    drawn = borrowed_silhouette(mask, scale, Stand(50.0, 69.5, 1.0), (100, 120))
    height, _ = drawn.part_index.shape
    assert drawn.y + height - 1 == pytest.approx(69.5, abs=1)
    rows, columns = np.nonzero(drawn.part_index)
    assert columns.mean() + drawn.x == pytest.approx(50.0, abs=0.51)
    assert len(rows) == pytest.approx(600 * scale**2, rel=0.12)


def test_an_object_borrows_the_masks_it_needs_scaled_to_its_own_height():
    track = donor(1, views=np.linspace(0, 0.6, 7), depths=np.full(7, 20.0), height_m=3.5)
    match = Match(track, True, np.array([1, 1, 2, 5]), 0.1)
    shape = match.borrowed(3.85)
    assert (shape.donor, shape.licence) == ("somewhere/one/1", "its own")
    assert len(shape.masks) == 3
    np.testing.assert_array_equal(shape.mask_of_frame, [0, 0, 1, 2])
    np.testing.assert_allclose(shape.pixels_per_m, 5.0 / 1.1)
    np.testing.assert_array_equal(decode_map(shape.masks[0], "mask"), track.mask(1)[:, ::-1])

    camera, kind = assumed_camera((256, 512)), OBJECT_KINDS["truck"]
    parts, pose = kind.build(8.0, 2.5, 3.85, 0.0), np.array([30.0, 2.0, 0.0])
    stand = stand_of(camera, parts, pose)
    drawn = shape.drawn(3, camera, parts, pose)
    height, _ = drawn.part_index.shape
    assert height == pytest.approx(12 * stand.pixels_per_m / 5.0 * 1.1, abs=1.5)
    assert drawn.y + height - 1 == pytest.approx(stand.lowest_row, abs=1)
    # The notch of the mask is at the upper left, mirrored at the upper right.
    assert drawn.part_index[height // 6, 2] == 1
    assert drawn.part_index[height // 6, -3] == 0
    # Beside the camera only the solid knows what is seen.
    near = np.array([3.0, 2.5, 0.0])
    solid = silhouette(camera, parts, kind.class_names, near)
    np.testing.assert_array_equal(shape.drawn(3, camera, parts, near).part_index, solid.part_index)


def test_a_silhouette_moved_by_parts_of_a_pixel_moves_by_as_much_on_average():
    mask = np.full((20, 30), 255, np.uint8)
    places = np.arange(50.0, 52.0, 0.1)
    means = []
    for place in places:
        drawn = borrowed_silhouette(mask, 0.73, Stand(place, 60.0, 1.0), (100, 120))
        means.append(np.nonzero(drawn.part_index)[1].mean() + drawn.x)
    np.testing.assert_allclose(means, places, atol=0.55)


def test_a_borrowed_silhouette_is_cut_by_the_frame_and_gone_outside():
    mask = np.full((20, 30), 255, np.uint8)
    cut = borrowed_silhouette(mask, 1.0, Stand(-0.5, 99.0, 1.0), (90, 120))
    assert (cut.x, cut.part_index.shape[1]) == (0, 15)
    assert cut.y + cut.part_index.shape[0] == 90
    assert borrowed_silhouette(mask, 1.0, Stand(-40.0, 60.0, 1.0), (90, 120)) is None


def test_a_solid_stands_where_its_own_silhouette_does():
    camera, kind = assumed_camera((256, 512)), OBJECT_KINDS["car"]
    parts, pose = kind.build(4.4, 1.8, 1.5, 0.0), np.array([14.0, 2.0, 0.3])
    stand = stand_of(camera, parts, pose)
    drawn = silhouette(camera, parts, kind.class_names, pose)
    assert stand.lowest_row == pytest.approx(drawn.y + drawn.part_index.shape[0] - 1, abs=1)
    _, columns = np.nonzero(drawn.part_index)
    assert stand.middle_column == pytest.approx(
        (columns.min() + columns.max()) / 2 + drawn.x, abs=1
    )
    assert stand_of(camera, parts, np.array([1.0, 0.0, 0.0])) is None


def test_a_view_is_heading_minus_bearing():
    camera = assumed_camera((64, 128))
    x, y, _ = camera_centre(camera)
    poses = np.array([[x + 10, y, 0.0], [x + 10, y + 10, 0.0], [x + 10, y, np.pi]])
    np.testing.assert_allclose(views_of(camera, poses), [0, -np.pi / 4, np.pi], atol=1e-12)
