import numpy as np
import pytest

from svsdata.editing.shape_harvest import DONOR_CLASSES, Harvest, Origin
from svsdata.editing.shapes import OBJECT_KINDS, silhouette
from svsdata.geometry.camera import assumed_camera, horizon_row
from svsdata.labels import CITYSCAPES
from svsdata.records import Frame

FPS = 10.0
SIZE_HW = (200, 400)
CAMERA = assumed_camera(SIZE_HW)
ORIGIN = Origin("drawn", "one", "free")
EGO = np.zeros((20, 3))


def street(frame_index: int, *things) -> Frame:
    """A road under the sky with solids: class, index, pose and size of each, far ones first."""
    semantic = np.full(SIZE_HW, CITYSCAPES.label("sky").id, np.uint8)
    semantic[int(horizon_row(CAMERA)) :] = CITYSCAPES.label("road").id
    instance = semantic.astype(np.uint16)
    for name, index, pose, size_m in things:
        kind = OBJECT_KINDS[name]
        drawn = silhouette(CAMERA, kind.build(*size_m, 0.0), (name,), np.array(pose))
        height, width = drawn.part_index.shape
        where = (slice(drawn.y, drawn.y + height), slice(drawn.x, drawn.x + width))
        inside = drawn.part_index > 0
        semantic[where][inside] = CITYSCAPES.label(name).id
        instance[where][inside] = CITYSCAPES.label(name).id * 1000 + index
    return Frame(frame_index, 0, semantic=semantic, instance=instance)


def car(pose, index=5):
    return "car", index, pose, (4.4, 1.8, 1.5)


def harvested(things_at, classes=DONOR_CLASSES, frames=10, ego=EGO):
    harvest = Harvest(CAMERA, CITYSCAPES, classes)
    for index in range(frames):
        harvest.add(street(index, *things_at(index)))
    return harvest.tracks(ego, FPS, ORIGIN)


def test_a_moving_car_is_a_donor_with_its_view_distance_and_height():
    (track,) = harvested(lambda k: [car((12 + 0.8 * k, -2.0, 0.0))])
    assert (track.name, track.class_name, track.licence) == ("drawn/one/26005", "car", "free")
    np.testing.assert_array_equal(track.frame_index, np.arange(10))
    # Behind and to the right: its bearing is negative.
    np.testing.assert_allclose(
        track.view_rad, np.arctan2(2.1, 10.3 + 0.8 * np.arange(10)), atol=0.1
    )
    rear_wheels = 12 + 0.8 * np.arange(10) - 1.28 - 1.7
    np.testing.assert_allclose(track.depth_m, rear_wheels, rtol=0.06)
    assert track.height_m == pytest.approx(1.5, rel=0.12)
    assert track.mask(0).max() == 255


def test_a_vehicle_that_only_seems_to_move_because_we_do_is_none():
    ego = np.column_stack([0.9 * np.arange(20), np.zeros(20), np.zeros(20)])
    assert harvested(lambda k: [car((25 - 0.9 * k, -2.0, 0.0))], ego=ego) == []


def test_an_oncoming_vehicle_shows_its_front():
    (track,) = harvested(lambda k: [car((30 - 0.8 * k, 3.0, np.pi))])
    assert (np.abs(track.view_rad) > 2.5).all()


def test_a_walking_person_is_a_donor_but_not_where_people_were_not_asked_for():
    def walker(k):
        return [("person", 1, (10.0, -2 + 0.14 * k, np.pi / 2), (0.6, 0.5, 1.8))]

    assert [track.class_name for track in harvested(walker)] == ["person"]
    assert harvested(walker, classes=("car",)) == []


def test_what_is_hidden_cut_or_far_away_is_left_out():
    def behind_another(k):
        return [
            car((16 + 0.8 * k, -1.0, 0.0), index=1),
            car((9 + 0.8 * k, -1.8, 0.0), index=2),
        ]

    assert [track.instance_id for track in harvested(behind_another)] == [26002]
    for ahead, left in ((9.0, -3.6), (70.0, 0.0)):
        assert harvested(lambda k, x=ahead, y=left: [car((x + 0.22 * k, y, 0.0))]) == []


def test_a_moment_at_which_the_foot_is_hidden_is_left_out():
    harvest = Harvest(CAMERA, CITYSCAPES, ("truck",))
    for index in range(10):
        frame = street(index, ("truck", 1, (24 + 0.8 * index, 0.0, 0.0), (8.0, 2.5, 3.5)))
        if index == 4:
            lowest = np.flatnonzero((frame.instance >= 1000).any(axis=1))[-1]
            frame.instance[lowest - 8 :] = frame.semantic[-1, 0]
            frame.semantic[lowest - 8 :] = frame.semantic[-1, 0]
        harvest.add(frame)
    (track,) = harvest.tracks(EGO, FPS, ORIGIN)
    np.testing.assert_array_equal(track.frame_index, [0, 1, 2, 3, 5, 6, 7, 8, 9])


def covered(frame: Frame, rows: slice, columns: slice, by: str) -> Frame:
    """Hide a part of the box around the thing of a frame, in shares of its height and width."""
    inside = np.argwhere(frame.instance >= 1000)
    (top, left), (foot, right) = inside.min(axis=0), inside.max(axis=0)
    high, wide = foot - top + 1, right - left + 1
    where = (
        slice(top + round(rows.start * high), top + round(rows.stop * high)),
        slice(left + round(columns.start * wide), left + round(columns.stop * wide)),
    )
    for layer in (frame.semantic, frame.instance):
        layer[where] = CITYSCAPES.label(by).id
    return frame


@pytest.mark.parametrize(
    ("rows", "columns", "by", "is_left_out"),
    [
        (slice(0.4, 0.7), slice(0.3, 0.6), "building", True),  # a hole
        (slice(0.0, 0.5), slice(0.8, 1.1), "vegetation", True),  # a bush before its corner
        (slice(0.5, 0.56), slice(0.5, 0.56), "building", False),  # a speck, which is filled
    ],
)
def test_a_vehicle_with_a_gap_is_no_donor_at_that_moment(rows, columns, by, is_left_out):
    harvest = Harvest(CAMERA, CITYSCAPES, ("truck",))
    for index in range(10):
        frame = street(index, ("truck", 1, (18 + 0.3 * index, 0.0, 0.0), (8.0, 2.5, 3.5)))
        harvest.add(covered(frame, rows, columns, by) if index == 4 else frame)
    (track,) = harvest.tracks(EGO, FPS, ORIGIN)
    kept = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]
    np.testing.assert_array_equal(track.frame_index, [k for k in kept if k != 4 or not is_left_out])
    for k in range(len(kept) - is_left_out):
        # No two runs of background in any column inside it: no hole.
        mask = track.mask(k)[: track.mask(k).shape[0] // 2]
        assert (np.diff(mask.astype(int), axis=0) != 0).sum(axis=0).max() <= 1


def test_a_gap_between_the_limbs_of_a_person_stays():
    harvest = Harvest(CAMERA, CITYSCAPES, ("person",))
    for index in range(10):
        pose = (9.0, -2 + 0.14 * index, np.pi / 2)
        frame = street(index, ("person", 1, pose, (0.6, 0.5, 1.8)))
        harvest.add(covered(frame, slice(0.45, 0.5), slice(0.45, 0.6), "building"))
    (track,) = harvest.tracks(EGO, FPS, ORIGIN)
    assert any((np.diff(track.mask(k).astype(int), axis=0) < 0).any() for k in range(5))


def test_a_few_moments_are_not_enough_and_nothing_gives_nothing():
    assert harvested(lambda k: [car((12 + 0.8 * k, -2.0, 0.0))], frames=4) == []
    assert harvested(lambda _: []) == []
