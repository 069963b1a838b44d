from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial import ConvexHull

from svsdata.editing.edit_text import load_preset, parse_edits
from svsdata.editing.occlusion import Layer, Rect, layers_of
from svsdata.editing.operations import LOOK_BACK, apply_plan
from svsdata.editing.placement import pose_step
from svsdata.editing.planning import plan_edits
from svsdata.editing.scene import scan_scene
from svsdata.editing.shapes import OBJECT_KINDS
from svsdata.editing.surfaces import (
    Stance,
    eyes_before,
    nearest_surface,
    part_motions,
    seen_before,
    seen_from_camera,
)
from svsdata.geometry.camera import (
    back_project,
    camera_centre,
    ground_points,
    pixel_rays,
    project,
)
from svsdata.labels import CITYSCAPES
from svsdata.street_world.scene import StreetWorld

ROAD, CAR, TRUCK = (CITYSCAPES.label(name).id for name in ("road", "car", "truck"))
STEP_M = 1.0
"""The vehicle's way from frame to frame, straight on."""


@pytest.fixture
def flowing(road_frame):
    """Make frames with flow and occlusion: nothing moves and all is seen."""

    def frame(index: int, draw=None):
        made = road_frame(index, draw)
        if index == 0:
            return made
        size_hw = made.semantic.shape
        flow, occlusion = np.zeros((*size_hw, 2), np.float32), np.zeros(size_hw, np.uint8)
        return replace(made, flow=flow, occlusion=occlusion)

    return frame


@pytest.fixture
def truck_plan(road_scene, standing_truck):
    return plan_edits(standing_truck, road_scene(250), 1)


def pixels_of(mask):
    return np.argwhere(mask)[:, ::-1].astype(float)


def test_a_standing_insert_flows_as_its_points_pass_by(truck_plan, flowing, camera):
    (row,) = truck_plan.rows
    index = next(
        k for k in range(250) if row.is_present(k) and row.poses[k - row.first_frame, 0] < 20
    )
    *_, frame = apply_plan(
        truck_plan, [flowing(k) for k in range(index - 1, index + 1)], first_frame=index
    )
    x, y, heading = row.poses[index - row.first_frame]
    assert heading == pytest.approx(0)
    # The rear of the body is a board at one distance: what its pixels show is known.
    rear_x = x - row.size_m[0] / 2
    depth_of_x = project(camera, np.array([rear_x, y, 2.0]))[2]
    pixels = pixels_of(frame.provenance == row.index)
    rays, centre = pixel_rays(camera, pixels), camera_centre(camera)
    points = centre + ((rear_x - centre[0]) / rays[:, 0])[:, None] * rays
    on_rear = (np.abs(points[:, 1] - y) < row.size_m[1] / 2 - 0.1) & (points[:, 2] > 1.2)
    expected = project(camera, points + np.array([STEP_M, 0.0, 0.0]))[:, :2] - pixels
    found = frame.flow[tuple(pixels.astype(int).T[::-1])]
    assert on_rear.sum() > 100
    assert depth_of_x > 5
    np.testing.assert_allclose(found[on_rear], expected[on_rear], atol=1e-3)
    assert (frame.flow_validity[frame.provenance == row.index] == 1).all()
    seen = frame.occlusion[frame.provenance == row.index] == 0
    assert seen.mean() > 0.9


def test_what_was_not_there_before_is_occluded(truck_plan, flowing):
    (row,) = truck_plan.rows
    shown = []
    for frame in apply_plan(truck_plan, (flowing(k) for k in range(row.first_frame + 40))):
        own = frame.provenance == row.index
        if own.any():
            shown.append((frame, own))
    (first, own), (second, again) = shown[0], shown[20]
    assert (first.occlusion[own] == 1).all()
    assert (first.flow_validity[own] == 1).all()
    assert (second.occlusion[again] == 0).mean() > 0.5


def test_what_comes_out_from_behind_an_insert_is_occluded(road_scene, flowing):
    text = """
version: 1
edits:
  - {id: a, op: add, class: truck, enter: reference, at: {ahead_m: 14, left_m: 0},
     motion: {model: constant, speed_mps: 10, heading_deg: 90}, checks: {speed: ignore}}
"""
    plan = plan_edits(parse_edits(text, "test").edits, road_scene(6), 1)
    before, after = list(apply_plan(plan, [flowing(k) for k in range(3)]))[1:]
    left_behind = (before.provenance == 1) & (after.provenance == 0)
    assert left_behind.sum() > 20
    assert (after.occlusion[left_behind] == 1).all()
    elsewhere = (before.provenance == 0) & (after.provenance == 0)
    assert not after.occlusion[elsewhere].any()
    np.testing.assert_array_equal(after.flow[elsewhere], 0)


def test_uncovered_ground_flows_under_the_vehicle_and_walls_are_unknown(
    road_scene, flowing, paint, camera
):
    building = CITYSCAPES.label("building").id

    def draw(maps):
        paint(maps, building, building, ahead_m=30, left_m=0, width_m=80, height_m=9)
        paint(maps, CAR, 26_001, ahead_m=9, left_m=0, width_m=1.8, height_m=1.9)

    plan = plan_edits(load_preset("remove_cars").edits, road_scene(4, draw), 1)
    frame = list(apply_plan(plan, [flowing(k, draw) for k in range(4)]))[2]
    filled = frame.provenance == 251
    ground = filled & (frame.semantic == ROAD)
    pixels = pixels_of(ground)
    there = ground_points(camera, pixels)
    there[:, 0] += STEP_M
    there[:, 2] = 0.0
    expected = project(camera, there)[:, :2] - pixels
    np.testing.assert_allclose(frame.flow[ground], expected, atol=1e-3)
    assert (frame.flow_validity[ground] == 1).all()
    assert (frame.occlusion[ground] == 0).mean() > 0.9
    wall = filled & (frame.semantic == building)
    assert wall.any()
    assert not frame.flow_validity[wall].any()
    assert (frame.occlusion[wall] == 1).all()


def test_ground_on_both_sides_of_a_wide_frame_flows_under_the_vehicle():
    world = StreetWorld(7, size_hw=(256, 512), fps=10.0)
    frames = [world.frame(k, image=False) for k in range(3)]
    scene = scan_scene(frames, sequence_id="street", label_set=CITYSCAPES, fps=10.0)
    plan = plan_edits(load_preset("remove_cars").edits, scene, 1)
    frame = list(apply_plan(plan, frames))[2]
    camera, is_flat = plan.camera_at(2), layers_of(CITYSCAPES) == Layer.FLAT
    pixels = pixels_of((frame.provenance == 251) & is_flat[frame.semantic])
    there = ground_points(camera, pixels)
    pixels, there = pixels[there[:, 2] < 190], there[there[:, 2] < 190]
    # Wider than one of the bands that holes are cut into.
    assert np.ptp(pixels[:, 0]) > 256
    on_ground = np.column_stack([there[:, :2], np.ones(len(there))])
    moved = pose_step(plan.ego[2], plan.ego[1]) @ on_ground.T
    before = project(plan.camera_at(1), np.column_stack([moved[:2].T, np.zeros(len(there))]))
    found = frame.flow[tuple(pixels.astype(int).T[::-1])]
    np.testing.assert_allclose(found, before[:, :2] - pixels, atol=2e-3)


def test_without_an_occlusion_layer_what_was_hidden_is_unknown(truck_plan, flowing):
    (row,) = truck_plan.rows
    stream = (replace(flowing(k), occlusion=None) for k in range(row.first_frame + 30))
    first = next(f for f in apply_plan(truck_plan, stream) if (f.provenance == row.index).any())
    own = first.provenance == row.index
    assert first.occlusion is None
    assert not first.flow_validity[own].any()
    assert first.flow_validity[~own].all()


def test_frames_that_no_edit_touches_keep_their_flow_as_it_is(truck_plan, flowing):
    (row,) = truck_plan.rows
    frames = [flowing(k) for k in range(row.first_frame + 2)]
    edited = list(apply_plan(truck_plan, frames))
    untouched = [k for k, frame in enumerate(edited) if not frame.provenance.any()]
    assert len(untouched) > 2
    for k in untouched:
        for layer in ("flow", "flow_validity", "occlusion"):
            assert getattr(edited[k], layer) is getattr(frames[k], layer)
    assert edited[-1].flow is not frames[-1].flow


def test_frames_without_flow_stay_without(truck_plan, road_frame):
    for frame in apply_plan(truck_plan, [road_frame(0), road_frame(1)]):
        assert frame.flow is None
        assert frame.flow_validity is None


@pytest.mark.parametrize(("length", "begin", "end"), [(1, 70, 75), (64, 0, 70)])
def test_chunking_does_not_matter_for_flow(road_scene, flowing, length, begin, end):
    def draw(maps):
        maps[0][52:58, 80:92], maps[1][52:58, 80:92] = CAR, 26_001

    text = """
version: 1
edits:
  - {id: a, op: add, class: truck, enter: reference, at: {ahead_m: 90, left_m: -3},
     motion: {model: static}}
"""
    edits = (*parse_edits(text, "test").edits, *load_preset("remove_cars").edits)
    plan = plan_edits(edits, road_scene(80, draw), 1)
    frames = [flowing(k, draw) for k in range(80)]
    window = frames[max(0, begin - LOOK_BACK - 5) : end + LOOK_BACK]
    whole = [it for it in apply_plan(plan, window, first_frame=begin) if it.frame_index < end]
    pieces = []
    for start in range(begin, end, length):
        window = frames[max(0, start - LOOK_BACK) : start + length + LOOK_BACK]
        edited = apply_plan(plan, window, first_frame=start)
        pieces += [it for it in edited if it.frame_index < min(start + length, end)]
    assert any((frame.provenance == 1).any() for frame in whole)
    for a, b in zip(whole, pieces, strict=True):
        for layer in ("semantic", "instance", "provenance", "flow", "flow_validity", "occlusion"):
            np.testing.assert_array_equal(getattr(a, layer), getattr(b, layer))


@pytest.mark.parametrize("kind", OBJECT_KINDS.values(), ids=OBJECT_KINDS)
def test_a_point_of_a_solid_is_found_again_when_it_has_moved_its_limbs(camera, kind):
    size = tuple(float(np.mean(span)) for span in (kind.length_m, kind.width_m, kind.height_m))
    rest = kind.build(*size, 0.0)
    now = Stance(camera, kind.build(*size, 1.0), rest, np.array([9.0, 1.0, 0.7]))
    then = Stance(camera, kind.build(*size, 0.8), rest, np.array([9.5, 1.2, 0.6]))
    rng = np.random.default_rng(0)
    motions = part_motions(now, then)
    for part, other, motion in zip(now.parts, then.parts, motions, strict=True):
        weights = rng.dirichlet(np.ones(len(part.points)), size=5)
        moved = weights @ part.points @ motion[:3, :3].T + motion[:3, 3]
        np.testing.assert_allclose(moved, weights @ other.points, atol=1e-9)
    whole = Rect(0, 0, camera.size_hw[1], camera.size_hw[0])
    shown = nearest_surface(now, whole, eyes_before(then, motions))
    hit = shown.inverse_depth > 0
    assert hit.sum() > 10
    points = object_points(now, pixels_of(hit), 1 / shown.inverse_depth[hit])
    again = seen_from_camera(now, points)
    np.testing.assert_allclose(again[:, :2], pixels_of(hit), atol=1e-6)
    np.testing.assert_allclose(again[:, 2], 1 / shown.inverse_depth[hit], atol=1e-6)
    low, high = (
        f([f(part.points, axis=0) for part in now.parts], axis=0) for f in (np.min, np.max)
    )
    assert (points >= low - 1e-6).all()
    assert (points <= high + 1e-6).all()
    # Point by point, what the affine functions tell of the whole rectangle.
    moved = np.stack(
        [
            motions[part][:3, :3] @ point + motions[part][:3, 3]
            for part, point in zip(shown.part[hit], points, strict=True)
        ]
    )
    expected = seen_from_camera(then, moved)
    u, v, ratio = seen_before(now, then, motions, whole, shown)[:, hit]
    np.testing.assert_allclose(u / ratio, expected[:, 0], atol=1e-6)
    np.testing.assert_allclose(v / ratio, expected[:, 1], atol=1e-6)
    np.testing.assert_allclose(ratio, expected[:, 2] * shown.inverse_depth[hit], atol=1e-9)


@pytest.mark.parametrize("kind", OBJECT_KINDS.values(), ids=OBJECT_KINDS)
@pytest.mark.parametrize("pose", [(9.0, 1.0, 0.7), (5.6, -1.5, 0.1)], ids=["ahead", "beside"])
def test_the_nearest_surface_is_where_rays_first_enter_a_part(camera, kind, pose):
    size = tuple(float(np.mean(span)) for span in (kind.length_m, kind.width_m, kind.height_m))
    stance = Stance(camera, kind.build(*size, 1.0), kind.build(*size, 0.0), np.array(pose))
    rect = Rect(3, 2, camera.size_hw[1], camera.size_hw[0] - 1)
    was = object_points(replace(stance, pose=np.array([-3.0, 4.0, 2.0])), np.zeros((1, 2)), 0)[0]
    shown = nearest_surface(stance, rect, [was] * len(stance.parts))
    hulls, checked = [ConvexHull(part.points).equations for part in stance.parts], 0
    for row, column in np.argwhere(shown.inverse_depth >= 0)[::101]:
        pixel = np.array([[column + rect.x0, row + rect.y0]], float)
        eye, beyond = (object_points(stance, pixel, depth)[0] for depth in (0.0, 1.0))
        depth, part, normal = first_entry(hulls, eye, beyond - eye)
        inverse = 1 / depth
        assert shown.inverse_depth[row, column] == pytest.approx(inverse, rel=1e-6)
        if inverse > 0:
            assert shown.part[row, column] == part
            looks = (was - eye - depth * (beyond - eye)) @ normal
            assert shown.was_turned[row, column] == (looks <= 0)
            checked += 1
    assert checked > 0


def first_entry(hulls, eye, ray):
    """Depth, part and normal where a ray enters the first of all hulls."""
    nearest = (np.inf, 0, np.zeros(3))
    for index, planes in enumerate(hulls):
        enter, leave, normal = -np.inf, np.inf, np.zeros(3)
        for *outwards, offset in planes:
            height, along = np.dot(outwards, eye) + offset, np.dot(outwards, ray)
            if along < 0 and -height / along > enter:
                enter, normal = -height / along, np.array(outwards)
            elif along > 0:
                leave = min(leave, -height / along)
            elif along == 0 and height > 0:
                leave = -np.inf
        if 0 < enter <= leave and enter < nearest[0]:
            nearest = (enter, index, normal)
    return nearest


def object_points(stance, pixels, depth):
    """(N, 3) what pixels see at z-depths, object's frame."""
    points = back_project(stance.camera, pixels, np.broadcast_to(depth, len(pixels)))
    x, y, heading = stance.pose
    cosine, sine = np.cos(heading), np.sin(heading)
    turn = np.array([[cosine, -sine, 0], [sine, cosine, 0], [0, 0, 1]])
    return (points - [x, y, 0]) @ turn
