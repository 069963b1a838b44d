from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from svsdata.editing.edit_text import load_preset
from svsdata.editing.language import Checks
from svsdata.editing.plan import EditPlan, PlannedEdit, row_facts, standing_facts
from svsdata.editing.plan_table import read_plan, write_plan
from svsdata.editing.planning import plan_edits
from svsdata.editing.track_depths import TrackDepths
from svsdata.errors import EditPlanError


@pytest.fixture
def plan(road_scene) -> EditPlan:
    edits = (*load_preset("add_truck").edits, *load_preset("remove_cars").edits)
    plan = plan_edits(edits, replace(road_scene(200), base_hash="ab" * 32), 2**62 + 1)
    lane = PlannedEdit(
        index=9,
        edit_id="lane",
        occurrence=0,
        op="relabel",
        class_name="sidewalk",
        status="clipped",
        reason="END",
        note="só",
        from_classes=("road", "parking"),
        region=np.array([[1.5, 0.1], [7.0, 1 / 3], [9.0, -2.0]]),
        last_frame=199,
        checks=Checks(min_px=1, on_fail="skip"),
    )
    return replace(plan, rows=(*plan.rows, lane))


def test_a_plan_that_is_written_and_read_is_the_same_plan(plan, tmp_path):
    path = tmp_path / "edits" / "plan.parquet"
    write_plan(path, plan)
    again = read_plan(path)
    assert again.hash == plan.hash
    assert again.rows[-1].checks == plan.rows[-1].checks
    assert again.rows[0].poses.dtype == np.float64
    np.testing.assert_array_equal(again.rows[0].poses, plan.rows[0].poses)
    np.testing.assert_array_equal(again.ego, plan.ego)
    assert [path.name] == [one.name for one in path.parent.iterdir()]
    first = path.read_bytes()
    write_plan(path, again)
    assert path.read_bytes() == first


def test_a_plan_of_rejected_rows_alone_can_be_written(plan, tmp_path):
    nothing = replace(
        plan, rows=(PlannedEdit(1, "a", 0, "add", "truck", "rejected", "TINY", "too small"),)
    )
    write_plan(tmp_path / "plan.parquet", nothing)
    assert read_plan(tmp_path / "plan.parquet").hash == nothing.hash


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("status", "rejected"),
        ("reason", "COLLIDE"),
        ("class_name", "bus"),
        ("first_frame", 3),
        ("size_m", (1.0, 2.0, 3.0)),
        ("colour", "#102030"),
        ("checks", Checks(min_px=65)),
        ("checks", Checks(min_px=1, on_fail="skip", surfaces=("sidewalk",))),
        ("checks", Checks(min_px=1, on_fail="skip", pops_up="ignore")),
        ("erased_ids", (26_001,)),
        ("poses", np.zeros((1, 3))),
    ],
)
def test_every_choice_of_a_row_is_in_the_hash(plan, field, value):
    changed = replace(plan.rows[0], **{field: value})
    assert replace(plan, rows=(changed, *plan.rows[1:])).hash != plan.hash


def test_checks_that_came_later_leave_the_hash_of_older_plans(plan):
    assert not {"surfaces", "pops_up"} & row_facts(plan.rows[0])["checks"].keys()


def test_colours_that_came_later_leave_the_hash_of_older_plans_and_come_back(plan, tmp_path):
    assert "colour" not in row_facts(plan.rows[0])
    painted = replace(plan, rows=(replace(plan.rows[0], colour="#102030"), *plan.rows[1:]))
    write_plan(tmp_path / "plan.parquet", painted)
    again = read_plan(tmp_path / "plan.parquet")
    assert [row.colour for row in again.rows] == ["#102030", *("" for _ in plan.rows[1:])]


def test_depths_of_tracks_that_came_later_leave_the_hash_of_older_plans_and_come_back(
    plan, tmp_path
):
    assert standing_facts(plan) == {}
    columns = (
        np.array(values, np.int32) for values in ([0, 0, 7], [26_001, 26_002, 26_001], [1, 9, 2])
    )
    tracked = replace(plan, standing=TrackDepths(*columns))
    assert tracked.hash != plan.hash
    write_plan(tmp_path / "plan.parquet", tracked)
    again = read_plan(tmp_path / "plan.parquet")
    assert again.hash == tracked.hash
    assert again.standing.at(0) == {26_001: 0.01, 26_002: 0.09}
    assert again.standing.at(3) == {}


def test_the_base_and_the_camera_are_in_the_hash(plan):
    assert replace(plan, base_hash="cd" * 32).hash != plan.hash
    assert replace(plan, camera=replace(plan.camera, flag="estimated")).hash != plan.hash
    assert replace(plan, ego=plan.ego + 1e-9).hash != plan.hash


def test_a_plan_for_another_base_is_refused(plan):
    plan.require_base("ab" * 32)
    with pytest.raises(EditPlanError, match=r"has changed.*abababab.*got cdcdcdcd.*plan again"):
        plan.require_base("cd" * 32)


def test_a_table_that_was_changed_by_hand_is_refused(plan, tmp_path):
    path = tmp_path / "plan.parquet"
    write_plan(path, plan)
    table = pq.read_table(path)
    column = pa.array(["applied"] * len(table))
    index = table.schema.get_field_index("status")
    pq.write_table(table.set_column(index, table.schema.field(index), column), path)
    with pytest.raises(EditPlanError, match="was changed since it was made"):
        read_plan(path)


def test_files_that_are_no_plans_are_told(plan, tmp_path):
    with pytest.raises(EditPlanError, match=r"cannot read plan.*none\.parquet"):
        read_plan(tmp_path / "none.parquet")
    (tmp_path / "text.parquet").write_text("hello")
    with pytest.raises(EditPlanError, match="cannot read plan"):
        read_plan(tmp_path / "text.parquet")
    pq.write_table(pa.table({"a": [1]}), tmp_path / "other.parquet")
    with pytest.raises(EditPlanError, match="it is no plan"):
        read_plan(tmp_path / "other.parquet")
    path = tmp_path / "old.parquet"
    write_plan(path, plan)
    table = pq.read_table(path)
    meta = dict(table.schema.metadata)
    key = b"svsdata_plan"
    newer = meta | {key: meta[key].replace(b'"version": 1', b'"version": 2')}
    pq.write_table(table.replace_schema_metadata(newer), path)
    with pytest.raises(EditPlanError, match="version 2, this program reads 1"):
        read_plan(path)
    pq.write_table(table.drop_columns(["ahead_m"]), path)
    with pytest.raises(EditPlanError, match="is damaged"):
        read_plan(path)
