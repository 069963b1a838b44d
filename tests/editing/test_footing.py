"""A truck far ahead, where planning knows no ground: what frames show under it decides."""

from dataclasses import replace

import numpy as np
import pytest

from svsdata.editing.checks import GROUND_UNKNOWN
from svsdata.editing.edit_text import parse_edits
from svsdata.editing.footing import GROUND_FROM_AFAR, Footing
from svsdata.editing.planning import plan_edits
from svsdata.editing.trial import plan_on_frames
from svsdata.geometry.camera import ground_points, horizon_row
from svsdata.labels import CITYSCAPES
from tests.editing.conftest import CAR, ROAD, SKY

SIDEWALK = CITYSCAPES.by_name["sidewalk"].id
NUM_FRAMES = 20
TRUCK = """
version: 1
edits:
  - id: truck
    op: add
    class: truck
    enter: reference
    size_m: {height: 3.5}
    at: {ahead_m: 60, left_m: 0}
    motion: {model: follow_road, speed_mps: 10}
    checks: {min_px: 0%s}
"""


@pytest.fixture
def bend(camera):
    """Paint a sidewalk over all ground that lies farther ahead than 36 m: there the road bends."""
    rows = np.arange(camera.size_hw[0], dtype=np.float64)
    ahead = ground_points(camera, np.stack([np.full_like(rows, 87.5), rows], axis=1))[:, 0]
    beyond = (rows > horizon_row(camera)) & (np.nan_to_num(ahead) > 36.0)

    def draw(maps) -> None:
        for layer in maps:
            layer[beyond] = SIDEWALK

    return draw


def planned(road_scene, road_frame, draw, checks=""):
    edits = parse_edits(TRUCK % checks, "test").edits
    scene = road_scene(NUM_FRAMES, draw)
    assert plan_edits(edits, scene, 0).rows[0].note == (GROUND_UNKNOWN if not checks else "")
    (row,) = plan_on_frames(
        edits, scene, 0, lambda wanted: (road_frame(index, draw) for index in wanted)
    ).rows
    return row


def test_a_far_object_on_foreign_ground_is_rejected_and_the_reason_names_it(
    road_scene, road_frame, bend
):
    row = planned(road_scene, road_frame, bend)
    assert (row.status, row.reason) == ("rejected", "OFFSURF")
    assert row.note.startswith("100% of it would stand on sidewalk, as frame ")


def test_a_far_object_on_its_own_ground_is_applied_and_its_note_says_who_judged(
    road_scene, road_frame
):
    row = planned(road_scene, road_frame, None)
    assert (row.status, row.note) == ("applied", GROUND_FROM_AFAR)


def test_a_check_that_is_ignored_is_not_made_from_afar_either(road_scene, road_frame, bend):
    assert planned(road_scene, road_frame, bend, ", off_surface: ignore").status == "applied"


@pytest.mark.parametrize(
    ("under", "code"),
    [
        ([SIDEWALK] * 2 + [ROAD] * 18, None),
        ([SIDEWALK] * 3 + [ROAD] * 17, "OFFSURF"),
        ([CAR] * 20, None),
        ([CAR] * 17 + [SIDEWALK] * 3, "OFFSURF"),
        ([SKY] * 20, None),
    ],
)
def test_nine_of_ten_frames_that_show_the_ground_must_show_allowed_one(
    road_scene, road_frame, under, code
):
    def frame(index: int):
        bare = road_frame(index)
        semantic = np.where(bare.semantic == ROAD, np.uint8(under[index]), bare.semantic)
        return replace(bare, semantic=semantic)

    plan = plan_edits(parse_edits(TRUCK % "", "test").edits, road_scene(NUM_FRAMES), 0)
    footing = Footing(plan)
    frames = [frame(index) for index in range(NUM_FRAMES)]
    lacking = replace(frames[0], semantic=None)
    assert len(list(footing.watch([lacking, *frames]))) == NUM_FRAMES
    fault = footing.fault(0)
    assert (fault.code if fault else None) == code
    is_seen = under[0] != SKY and under != [CAR] * 20
    note = footing.noted(0, plan.rows[0]).note
    assert note == (GROUND_FROM_AFAR if is_seen else GROUND_UNKNOWN)
