import numpy as np
import pytest

from svsdata.flow import leaves_frame, warp
from svsdata.synthesis.rims import look_past_rims, rim

GROUND, OBJECT, STAINED = 10, 200, 99


def slow_rim(ids, width):
    height, width_px = ids.shape
    marked = np.zeros(ids.shape, np.uint8)
    for row in range(height):
        for column in range(width_px):
            for down, across in ((0, 1), (1, 0), (0, -1), (-1, 0)):
                y, x = row + down, column + across
                if 0 <= y < height and 0 <= x < width_px and ids[y, x] != ids[row, column]:
                    reach = slice(max(0, row - width + 1), row + width)
                    marked[reach, max(0, column - width + 1) : column + width] = 1
    return marked


def blocks(rng, size_hw, dtype):
    small = rng.integers(0, 4, (size_hw[0] // 6 + 1, size_hw[1] // 9 + 1)).astype(dtype)
    return np.ascontiguousarray(
        small.repeat(6, axis=0).repeat(9, axis=1)[: size_hw[0], : size_hw[1]]
    )


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("width", [1, 2, 5])
def test_rims_are_those_of_the_slow_twin(dtype, width):
    ids = blocks(np.random.default_rng(width), (23, 41), dtype)
    np.testing.assert_array_equal(rim(ids, width), slow_rim(ids, width))


def test_one_region_has_no_rim():
    assert not rim(np.full((4, 7), 3, np.uint8), 3).any()
    assert not rim(np.full((1, 1), 3, np.uint8), 1).any()


def passing_object(moved):
    """A bar of 12 columns drives over still ground; what touches it took on a stain."""
    ids = np.full((2, 30, 60), 7, np.uint16)
    ids[0, 5:25, 10:22] = ids[1, 5:25, 10 + moved : 22 + moved] = 26_001
    image = np.where(ids[0] == 7, GROUND, OBJECT).astype(np.uint8)
    image[(rim(ids[0], 2) != 0) & (ids[0] == 7)] = STAINED
    flow = np.zeros((30, 60, 2), np.float32)
    flow[ids[1] != 7, 0] = -moved
    occlusion = ((ids[0] != 7) & (ids[1] == 7)).astype(np.uint8)
    return ids, image, flow, occlusion


@pytest.mark.parametrize("moved", [1, 3, 12])
def test_ground_behind_an_object_keeps_no_colour_of_its_rim(moved):
    ids, image, flow, occlusion = passing_object(moved)
    shown = (occlusion == 0) & (ids[1] == 7) & (rim(ids[1], 2) == 0)
    assert (warp(image, flow, nearest=True)[shown] == STAINED).any()
    steered, came_out = look_past_rims(flow, occlusion, ids[0], ids[1], width=2)
    assert (warp(image, steered, nearest=True)[shown] == GROUND).all()
    # No more than what was stained and is no longer next to the object.
    assert (image[came_out != 0] == STAINED).all()
    assert came_out.any()
    assert not came_out[(occlusion != 0) | (rim(ids[1], 2) != 0)].any()


def test_what_does_not_come_out_of_a_rim_keeps_its_flow():
    ids, _, flow, occlusion = passing_object(3)
    before = flow.copy()
    steered, came_out = look_past_rims(flow, occlusion, ids[0], ids[1], width=2)
    np.testing.assert_array_equal(flow, before)
    np.testing.assert_array_equal(steered[came_out == 0], flow[came_out == 0])
    still, none = look_past_rims(np.zeros_like(flow), None, ids[0], ids[0], width=2)
    np.testing.assert_array_equal(still, np.zeros_like(flow))
    assert not none.any()


@pytest.mark.parametrize("seed", range(5))
def test_sources_lie_in_no_rim_of_the_same_region_and_near(seed):
    rng, width = np.random.default_rng(seed), 2
    ids = [blocks(rng, (37, 53), np.uint8) for _ in range(2)]
    flow = rng.normal(0, 4, (37, 53, 2)).astype(np.float32)
    occlusion = (rng.random((37, 53)) < 0.2).astype(np.uint8)
    steered, came_out = look_past_rims(flow, occlusion, ids[0], ids[1], width=width)
    changed = (steered != flow).any(axis=-1)
    assert changed.any()
    assert not changed[came_out == 0].any()
    assert not leaves_frame(steered)[changed].any()
    assert (warp(ids[0], steered, nearest=True)[changed] == ids[1][changed]).all()
    assert not warp(rim(ids[0], width), steered, nearest=True)[changed].any()
    # OpenCV's distances are right within some hundredths.
    aside = np.linalg.norm((steered - flow)[changed], axis=-1)
    assert aside.max() <= 1.05 * 4 * width + 1
    # What was left alone has no such pixel nearest to it.
    left_alone = (came_out != 0) & ~changed
    inner = np.argwhere(rim(ids[0], width) == 0)
    for row, column in np.argwhere(left_alone):
        source = np.rint([row, column] + flow[row, column, ::-1])
        distances = np.linalg.norm(inner - source, axis=1)
        nearest = inner[distances <= distances.min() * 1.05]
        is_same = ids[0][tuple(nearest.T)] == ids[1][row, column]
        assert not is_same.all() or distances.min() > 4 * width / 1.05


def test_pixels_that_leave_the_frame_come_out_of_no_rim():
    ids, _, flow, _ = passing_object(3)
    away = np.full_like(flow, 100.0)
    steered, came_out = look_past_rims(away, None, ids[0], ids[1], width=2)
    assert not came_out.any()
    np.testing.assert_array_equal(steered, away)


def test_a_neighbour_that_left_the_frame_leaves_no_mark():
    ids = np.full((12, 30), 7, np.uint16)
    ids[:, :2] = 8
    image = np.broadcast_to(np.arange(30, dtype=np.uint8), ids.shape).copy()
    flow = np.zeros((12, 30, 2), np.float32)
    flow[..., 0] = 3
    steered, came_out = look_past_rims(flow, None, ids, np.full_like(ids, 7), width=3)
    assert not came_out.any()
    np.testing.assert_array_equal(warp(image, steered), warp(image, flow))


def test_where_all_is_rim_the_flow_stays():
    ids = np.arange(35, dtype=np.uint8).reshape(5, 7)
    flow = np.zeros((5, 7, 2), np.float32)
    same = np.zeros_like(ids)
    steered, came_out = look_past_rims(flow, None, ids, same, width=1)
    assert came_out[1:-1, 1:-1].all()
    np.testing.assert_array_equal(steered, flow)
