from dataclasses import replace

import numpy as np
import pytest

from svsdata.editing.borrowing import NO_DONOR, borrow_shapes
from svsdata.editing.edit_text import parse_edits
from svsdata.editing.operations import apply_plan
from svsdata.editing.plan_table import read_plan, write_plan
from svsdata.editing.planning import plan_edits
from svsdata.editing.shape_library import ShapeLibrary
from svsdata.errors import EditPlanError
from tests.editing.test_shape_library import donor

TRUCK = """
version: 1
edits:
  - id: truck
    op: add
    class: truck
    enter: reference
    shape: {from: library}
    size_m: {height: 3.5}
    at: {ahead_m: 45, left_m: -3.5}
    checks: {off_surface: ignore}
"""


@pytest.fixture
def planned(road_scene):
    edits = parse_edits(TRUCK, "test").edits
    return edits, plan_edits(edits, road_scene(20), 0)


def test_an_edit_that_asks_for_a_library_needs_one(planned):
    edits, plan = planned
    with pytest.raises(EditPlanError, match="edit 'truck' takes its shape from a library"):
        borrow_shapes(plan, edits, None)


def test_without_a_fitting_donor_the_solid_stays_and_the_row_says_so(planned):
    edits, plan = planned
    library = ShapeLibrary((donor(class_name="car", height_m=1.5),))
    (row,) = borrow_shapes(plan, edits, library).rows
    assert (row.shape, row.note) == (None, NO_DONOR)


def test_an_object_is_drawn_with_its_donors_outline_and_the_plan_needs_no_library(
    planned, road_frame, tmp_path
):
    edits, plan = planned
    views = np.linspace(0.05, 0.2, 5)
    library = ShapeLibrary((donor(views=views, depths=np.linspace(40.0, 20.0, 5)),))
    borrowing = borrow_shapes(plan, edits, library)
    assert borrowing.hash != plan.hash
    write_plan(tmp_path / "plan.parquet", borrowing)
    again = read_plan(tmp_path / "plan.parquet")
    assert again.hash == borrowing.hash
    assert (again.rows[0].shape.donor, again.rows[0].shape.licence) == (
        "somewhere/one/1",
        "its own",
    )
    frames = [road_frame(index) for index in range(20)]
    for frame, solid in zip(apply_plan(again, frames), apply_plan(plan, frames), strict=True):
        rows, columns = np.nonzero(frame.provenance == 1)
        solid_rows, solid_columns = np.nonzero(solid.provenance == 1)
        # The donor is a rectangle with a notch at its upper left, where it stands the solid did.
        assert rows.max() == pytest.approx(solid_rows.max(), abs=1)
        assert columns.mean() == pytest.approx(solid_columns.mean(), abs=2)
        height, width = np.ptp(rows) + 1, np.ptp(columns) + 1
        assert len(rows) / (height * width) == pytest.approx(1 - 12 / 108, abs=0.1)


def test_edits_that_do_not_ask_are_left_alone(planned):
    edits, plan = planned
    plain = [
        edit.model_copy(update={"shape": edit.shape.model_copy(update={"source": "solid"})})
        for edit in edits
    ]
    kept = borrow_shapes(plan, plain, ShapeLibrary((donor(),)))
    assert [row.shape for row in kept.rows] == [None]
    assert borrow_shapes(plan, plain, None) is plan
    assert replace(plan).hash == kept.hash
