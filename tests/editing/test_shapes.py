import cv2
import numpy as np
import pytest

from svsdata.editing.shapes import OBJECT_KINDS, placed, silhouette, silhouettes
from svsdata.geometry.camera import project


def middle_size(kind):
    return tuple(np.mean(span) for span in (kind.length_m, kind.width_m, kind.height_m))


@pytest.mark.parametrize("kind", OBJECT_KINDS.values(), ids=OBJECT_KINDS)
def test_a_solid_fills_its_box_and_stands_on_the_ground(kind):
    length, width, height = middle_size(kind)
    points = np.concatenate([part.points for part in kind.build(length, width, height, 0.3)])
    low, high = points.min(axis=0), points.max(axis=0)
    assert low[2] == pytest.approx(0.0, abs=0.06)
    assert high[2] == pytest.approx(height, abs=0.06)
    assert (high - low)[0] <= length + 0.1
    assert (high - low)[1] <= width + 0.1


@pytest.mark.parametrize("kind", OBJECT_KINDS.values(), ids=OBJECT_KINDS)
def test_a_silhouette_covers_the_projected_parts_and_nothing_else(camera, kind):
    size, pose = middle_size(kind), np.array([16.0, 1.0, 0.4])
    parts = kind.build(*size, 0.0)
    found = silhouette(camera, parts, kind.class_names, pose)
    points = np.concatenate([placed(part.points, pose) for part in parts])
    u, v, _ = project(camera, points).T
    rows, columns = np.nonzero(found.part_index)
    assert rows.min() + found.y == pytest.approx(v.min(), abs=1.1)
    assert rows.max() + found.y == pytest.approx(v.max(), abs=1.1)
    assert columns.min() + found.x == pytest.approx(u.min(), abs=1.1)
    assert columns.max() + found.x == pytest.approx(u.max(), abs=1.1)
    assert set(np.unique(found.part_index)) == set(range(len(kind.class_names) + 1))


def test_a_truck_beside_the_camera_is_cut_at_the_border(camera):
    kind = OBJECT_KINDS["truck"]
    found = silhouette(
        camera, kind.build(9.0, 2.5, 3.5, 0.0), kind.class_names, np.array([3.0, 4.0, 0.0])
    )
    assert found.x == 0
    assert found.part_index[:, 0].any()
    assert found.y + found.part_index.shape[0] <= camera.size_hw[0]


@pytest.mark.parametrize("pose", [(-20.0, 0.0, 0.0), (20.0, 60.0, 0.0)])
def test_what_is_behind_or_beside_the_view_has_no_silhouette(camera, pose):
    kind = OBJECT_KINDS["bus"]
    parts = kind.build(12.0, 2.5, 3.0, 0.0)
    assert silhouette(camera, parts, kind.class_names, np.array(pose)) is None


def test_legs_swing_with_the_way_and_return_after_two_steps():
    build = OBJECT_KINDS["person"].build
    still, later, round_trip = (build(0.7, 0.5, 1.75, d) for d in (0.0, 0.37, 0.84 * 1.75))
    assert np.abs(still[0].points - later[0].points).max() > 0.1
    np.testing.assert_allclose(still[0].points, round_trip[0].points, atol=1e-9)


@pytest.mark.parametrize("name", ["truck", "person"])
def test_a_pixel_is_filled_where_its_centre_lies_in_a_part(camera, name):
    kind, pose = OBJECT_KINDS[name], np.array([9.0, 1.5, 0.7])
    parts = kind.build(*middle_size(kind), 0.4)
    found = silhouette(camera, parts, kind.class_names, pose)
    expected = np.zeros_like(found.part_index)
    for part in parts:
        corners = project(camera, placed(part.points, pose))[:, :2] - (found.x, found.y)
        hull = cv2.convexHull(corners.astype(np.float32))
        for row, column in np.ndindex(expected.shape):
            if cv2.pointPolygonTest(hull, (column, row), measureDist=False) >= 0:
                expected[row, column] = 1
    np.testing.assert_array_equal(found.part_index, expected)


def test_solids_drawn_at_once_are_those_drawn_one_by_one(camera):
    solids = [
        (kind.build(*middle_size(kind), 0.3), kind.class_names, np.array(pose))
        for kind, pose in zip(
            OBJECT_KINDS.values(),
            # The second lies behind the camera, the third reaches beyond the frame.
            [(9, 1, 0.3), (-9, 0, 0), (6, 4, 0), (7, -1, 2), (30, 2, 1), (2.2, 0, 0)],
            strict=True,
        )
    ]
    together = silhouettes(camera, solids)
    assert [found is None for found in together] == [False, True, False, False, False, False]
    for solid, found in zip(solids, together, strict=True):
        alone = silhouette(camera, *solid)
        if found is None:
            assert alone is None
            continue
        assert (found.x, found.y) == (alone.x, alone.y)
        np.testing.assert_array_equal(found.part_index, alone.part_index)
        assert found.part_index.any()
    assert silhouettes(camera, []) == []
