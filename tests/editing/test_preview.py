from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from svsdata.editing.occlusion import Rect
from svsdata.editing.painting import EditFrame
from svsdata.editing.plan import PROVENANCE_INFERRED
from svsdata.editing.preview import names_apart, preview_row
from svsdata.images import text_size
from svsdata.labels import CITYSCAPES
from svsdata.records import Frame

SIZE_HW = (40, 60)
ROAD, CAR, SKY = (CITYSCAPES.label(name) for name in ("road", "car", "sky"))


@pytest.fixture
def before() -> Frame:
    semantic = np.full(SIZE_HW, ROAD.id, np.uint8)
    return Frame(3, 0, image=np.full((*SIZE_HW, 3), 100, np.uint8), semantic=semantic)


@pytest.fixture
def after(before: Frame) -> Frame:
    """A car in rows and columns 20 to 29, and sky uncovered in 20 to 29 and 40 to 49."""
    semantic, provenance = before.semantic.copy(), np.zeros(SIZE_HW, np.uint8)
    semantic[20:30, 20:30], provenance[20:30, 20:30] = CAR.id, 1
    semantic[20:30, 40:50], provenance[20:30, 40:50] = SKY.id, PROVENANCE_INFERRED
    return replace(before, semantic=semantic, provenance=provenance)


def test_a_row_shows_the_edit_over_the_picture_and_labels_before_and_after(before, after):
    row = preview_row(before, after, (), CITYSCAPES, SIZE_HW)
    assert row.shape == (40, 180, 3)
    over, old, new = np.split(row[18:], 3, axis=1)  # below the frame's number
    np.testing.assert_array_equal(over[7, 25], np.rint(0.35 * 100 + 0.65 * np.array(CAR.color)))
    np.testing.assert_array_equal(over[7, 45], np.rint(0.6 * 100 + 0.4 * np.array(SKY.color)))
    assert (over[:, 52:] == 100).all()
    assert (old == ROAD.color).all()
    np.testing.assert_array_equal(new[7, 25], CAR.color)
    np.testing.assert_array_equal(new[0, 0], np.rint(0.45 * np.array(ROAD.color)))
    for cell in (over, new):  # a white rim, where what changed begins and ends
        assert (cell[2, 20:30] == 255).all()
        assert (cell[2:12, 20] == 255).all()
        assert (cell[2:12, 30] == 255).all()


def test_without_a_picture_its_cell_is_left_out(before, after):
    row = preview_row(replace(before, image=None), after, (), CITYSCAPES, SIZE_HW)
    assert row.shape == (40, 120, 3)


def test_nothing_is_dimmed_where_nothing_changed(before):
    unchanged = replace(before, provenance=np.zeros(SIZE_HW, np.uint8))
    _, old, new = np.split(preview_row(before, unchanged, (), CITYSCAPES, SIZE_HW)[18:], 3, axis=1)
    np.testing.assert_array_equal(old, new)


def test_edits_are_named_at_their_boxes_unless_they_are_specks(before, after):
    def row(visible_px: int) -> np.ndarray:
        area = np.zeros(SIZE_HW, bool)
        area[20:30, 20:30] = True
        event = EditFrame.of_area(3, 1, "lorry", Rect.around(area), visible_px)
        return preview_row(before, after, (event,), CITYSCAPES, SIZE_HW)

    unnamed = preview_row(before, after, (), CITYSCAPES, SIZE_HW)
    np.testing.assert_array_equal(row(1), unnamed)
    assert (row(100) != unnamed).any()


def test_what_takes_another_things_place_is_named_once(before, after):
    def event(place: int, instance_id: int) -> EditFrame:
        area = np.zeros(SIZE_HW, bool)
        area[20:30, place : place + 10] = True
        found = EditFrame.of_area(3, 1, "lorry", Rect.around(area), 100)
        return replace(found, instance_id=instance_id)

    def row(*events: EditFrame) -> np.ndarray:
        return preview_row(before, after, events, CITYSCAPES, SIZE_HW)

    hole, drawn = event(0, 0), event(20, 27_001)
    np.testing.assert_array_equal(row(hole, drawn), row(drawn))
    assert (row(hole) != row()).any()


@pytest.mark.parametrize("lacking", ["semantic", "provenance"])
def test_frames_without_maps_are_refused(before, after, lacking):
    with pytest.raises(ValueError, match="frame 3 lacks maps"):
        preview_row(before, replace(after, **{lacking: None}), (), CITYSCAPES, SIZE_HW)


@given(
    st.lists(
        st.tuples(st.sampled_from(["a", "person_right"]), st.integers(0, 320), st.integers(-9, 90)),
        max_size=8,
    )
)
def test_names_are_written_inside_the_cell_and_not_on_one_another(names):
    placed = names_apart(names, 320)
    assert [name for name, _, _ in placed] == [name for name, _, _ in names]
    boxes = []
    for name, x, y in placed:
        width, height = text_size(name, 0.38)
        assert 0 <= x <= 320 - width
        assert y >= height
        boxes.append(Rect(x, y - height, x + width, y))
    for one, other in combinations(boxes, 2):
        beside = one.x1 <= other.x0 or other.x1 <= one.x0
        assert beside or one.y1 <= other.y0 or other.y1 <= one.y0


def test_names_that_lie_apart_stay_where_they_are():
    names = [("a", 10, 40), ("b", 100, 40), ("c", 10, 80)]
    assert names_apart(names, 320) == names
