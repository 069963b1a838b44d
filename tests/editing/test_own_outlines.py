from collections.abc import Callable

import numpy as np
import pytest

from svsdata.editing.edit_text import parse_edits
from svsdata.editing.operations import apply_plan
from svsdata.editing.own_outlines import NEVER_WHOLE
from svsdata.editing.plan import EditPlan
from svsdata.editing.plan_table import read_plan, write_plan
from svsdata.editing.trial import plan_on_frames
from svsdata.errors import EditPlanError
from svsdata.labels import CITYSCAPES
from svsdata.pipelines.edit_words import explained_plans
from tests.editing.conftest import CAR

NUM_FRAMES = 12
LEADER = CAR * 1000 + 7
SHIFT = """
version: 1
edits:
  - id: moved
    op: shift
    target: {{class: {name}}}
    by_m: {by_m}
    checks: {{off_surface: ignore, min_px: 0}}
    {more}
"""


@pytest.fixture
def leader(paint) -> Callable[..., None]:
    """A car ahead that keeps its distance: broad below, narrow above, with a mast of its own."""

    def draw(maps, ahead_m=12.0, left_m=0.0) -> None:
        for width, height, left in ((2.4, 0.8, 0.0), (1.4, 1.4, 0.0), (0.3, 1.55, 0.4)):
            paint(
                maps, CAR, LEADER,
                ahead_m=ahead_m, left_m=left_m + left, width_m=width, height_m=height,
            )  # fmt: skip

    return draw


@pytest.fixture
def planned(road_frame, road_scene) -> Callable[..., tuple[EditPlan, list]]:
    def plan(draw, by_m: str, more: str = "", name: str = "car") -> tuple[EditPlan, list]:
        frames = [road_frame(index, draw) for index in range(NUM_FRAMES)]
        edits = parse_edits(SHIFT.format(by_m=by_m, more=more, name=name), "test").edits
        scene = road_scene(NUM_FRAMES, draw)
        return plan_on_frames(edits, scene, 0, lambda at: [frames[k] for k in at]), frames

    return plan


def silhouettes(plan: EditPlan, frames: list) -> list[np.ndarray]:
    (row,) = plan.rows
    assert row.status == "applied", row.note
    return [frame.instance == row.instance_ids[0] for frame in apply_plan(plan, frames)]


def test_an_object_that_is_moved_by_nothing_stays_as_it_was(planned, leader):
    plan, frames = planned(leader, "{left: 0}")
    for frame, mask in zip(frames, silhouettes(plan, frames), strict=True):
        np.testing.assert_array_equal(mask, frame.instance == LEADER)


def test_an_object_that_is_moved_aside_keeps_its_outline(planned, leader):
    plan, frames = planned(leader, "{left: 2}")
    # The board stands 12 m ahead of the vehicle, the camera 1.5 m ahead of its origin.
    columns = 110 * 2 / (12 - 1.5)
    for frame, mask in zip(frames, silhouettes(plan, frames), strict=True):
        before, after = (np.argwhere(it) for it in (frame.instance == LEADER, mask))
        assert len(after) == pytest.approx(len(before), rel=0.05)
        off = after.mean(axis=0) - before.mean(axis=0)
        np.testing.assert_allclose(off, (0, -columns), atol=1.0)
        top = after[after[:, 0] == after[:, 0].min()]
        assert np.ptp(top[:, 1]) < 5  # the mast, which no solid has


def test_an_object_that_is_moved_ahead_shrinks_with_the_distance(planned, leader):
    plan, frames = planned(leader, "{ahead: 6}")
    for frame, mask in zip(frames, silhouettes(plan, frames), strict=True):
        (before, _), (after, _) = (np.ptp(np.argwhere(it), axis=0) + 1 for it in (
            frame.instance == LEADER, mask
        ))  # fmt: skip
        # From 10.5 to 16.5 m before the camera, to a pixel.
        assert after == pytest.approx(before * 10.5 / 16.5, abs=1.5)


def test_a_plan_holds_the_outlines_and_where_they_go(planned, leader, tmp_path):
    plan, frames = planned(leader, "{left: 2}")
    assert plan.rows[0].shape.donor == f"own/road/{LEADER}"
    write_plan(tmp_path / "plan.parquet", plan)
    (told,) = explained_plans(tmp_path / "plan.parquet")[0]["edits"]
    assert told["words"].endswith(f"outline of {told['donor']}")
    assert told["donor"] == f"own/road/{LEADER}"
    again = read_plan(tmp_path / "plan.parquet")
    assert again.hash == plan.hash
    for mask, other in zip(silhouettes(plan, frames), silhouettes(again, frames), strict=True):
        np.testing.assert_array_equal(mask, other)


def test_what_is_never_seen_whole_is_drawn_as_a_solid_and_its_row_says_so(planned, leader, paint):
    def behind_another(maps) -> None:
        leader(maps)
        paint(
            maps, CAR, CAR * 1000 + 8, ahead_m=9.0, left_m=-1.2, width_m=1.6, height_m=0.9
        )  # fmt: skip

    def of_the_leader(shape: str) -> str:
        return f"shape: {{from: {shape}}}"

    plan, _ = planned(behind_another, "{left: 2}", of_the_leader("own"))
    row = next(row for row in plan.rows if LEADER in row.erased_ids)
    assert (row.shape, row.note) == (None, NEVER_WHOLE)
    plan, _ = planned(leader, "{left: 2}", of_the_leader("solid"))
    assert (plan.rows[0].shape, plan.rows[0].note) == (None, "")


@pytest.mark.parametrize("name", ["bicycle", "motorcycle"])
def test_a_bicycle_that_nobody_rides_is_moved_without_a_rider(planned, paint, name):
    label_id, rider = (CITYSCAPES.by_name[it].id for it in (name, "rider"))
    own = label_id * 1000 + 3

    def parked(maps) -> None:
        for width, height in ((0.9, 0.6), (0.3, 1.1)):
            paint(maps, label_id, own, ahead_m=8.0, left_m=-2.0, width_m=width, height_m=height)

    def ridden(maps) -> None:
        paint(
            maps, rider, rider * 1000 + 5, ahead_m=8.0, left_m=-2.0, width_m=0.5, height_m=1.7
        )  # fmt: skip
        parked(maps)

    for more in ("", "shape: {from: solid}"):
        plan, frames = planned(parked, "{left: 2}", more, name)
        (row,) = plan.rows
        assert (row.instance_ids, plan.class_names) == ((own,), (name,))
        assert (row.shape is None) == bool(more)
        for frame, mask in zip(apply_plan(plan, frames), silhouettes(plan, frames), strict=True):
            assert not (frame.semantic == rider).any()
            assert (frame.semantic[mask] == label_id).all()
            assert np.count_nonzero(mask) > 10
    plan, frames = planned(parked, "{left: 0}", "", name)
    for frame, mask in zip(frames, silhouettes(plan, frames), strict=True):
        np.testing.assert_array_equal(mask, frame.instance == own)
    plan, frames = planned(ridden, "{left: 2}", "", name)
    assert plan.rows[0].instance_ids == (own, rider * 1000 + 5)
    assert all((frame.semantic == rider).any() for frame in apply_plan(plan, frames))


def test_only_what_is_moved_has_an_outline_of_its_own():
    text = """
version: 1
edits:
  - {id: a, op: add, class: car, at: {left_m: 0}, shape: {from: own}}
"""
    with pytest.raises(EditPlanError, match="edit 'a': what op 'add' draws has no outline of its"):
        parse_edits(text, "test")
