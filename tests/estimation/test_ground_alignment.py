from dataclasses import replace

import cv2
import numpy as np
import pytest

from svsdata.estimation.ground_alignment import homography_flow, with_ground_aligned
from svsdata.flow import warp
from svsdata.geometry.camera import assumed_camera, ego_step, ground_points, project
from svsdata.labels import CITYSCAPES
from svsdata.records import Frame

ROAD, CAR, SKY = (CITYSCAPES.label(name).id for name in ("road", "car", "sky"))
SIZE_HW = (128, 256)
CAMERA = assumed_camera(SIZE_HW)


def plane_flow(camera, ahead_m, turn_rad):
    """Flow of the ground from its points, one by one; NaN where there is none."""
    height, width = camera.size_hw
    rows, columns = np.indices((height, width), dtype=np.float64)
    pixels = np.stack([columns, rows], axis=-1)
    points = ground_points(camera, pixels)
    flat = np.stack([*np.moveaxis(points[..., :2], -1, 0), *np.zeros((1, height, width))], axis=-1)
    whole = np.concatenate([flat, np.ones((height, width, 1))], axis=-1)
    with np.errstate(invalid="ignore"):
        before = whole @ ego_step(ahead_m, turn_rad, 1.0).T
        return (project(camera, before[..., :3])[..., :2] - pixels).astype(np.float32)


def asphalt(camera, ahead_m=0.0, turn_rad=0.0):
    """A picture of ground with blotches of some decimetres, a step later; grey above."""
    height, width = camera.size_hw
    rows, columns = np.indices((height, width), dtype=np.float64)
    points = ground_points(camera, np.stack([columns, rows], axis=-1))
    whole = np.stack([points[..., 0], points[..., 1], 0 * rows, 0 * rows + 1], axis=-1)
    with np.errstate(invalid="ignore"):
        where = whole @ ego_step(ahead_m, turn_rad, 1.0).T
    noise = np.random.default_rng(5).normal(110, 45, (400, 400)).astype(np.float32)
    blotches = cv2.GaussianBlur(noise, (0, 0), 1.5) * 3 - 220
    # a pixel of the texture is a decimetre of the ground
    x, y = ((np.nan_to_num(where[..., axis], nan=-99) * 10 + 100) for axis in (0, 1))
    seen = cv2.remap(
        blotches, x.astype(np.float32), y.astype(np.float32), cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_CONSTANT, borderValue=110.0,
    )  # fmt: skip
    return np.repeat(np.clip(seen, 0, 255).astype(np.uint8)[..., None], 3, axis=2)


def labelled(image, semantic=None):
    """A frame whose flow says that all stands still, confirmed in its upper half alone."""
    height, width = image.shape[:2]
    if semantic is None:
        semantic = np.full((height, width), SKY, np.uint8)
        semantic[np.isfinite(plane_flow(CAMERA, 0, 0)[..., 0])] = ROAD
    occlusion = np.zeros((height, width), np.uint8)
    occlusion[height // 2 :] = 1
    return Frame(
        image=image, semantic=semantic, flow=np.zeros((height, width, 2), np.float32),
        flow_validity=1 - occlusion, occlusion=occlusion, frame_index=1, timestamp_us=0,
        source="test",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("ahead_m", "turn_rad"), [(0.0, 0.0), (0.4, 0.0), (1.3, 0.02), (2.6, -0.01), (-0.3, 0.0)]
)
def test_the_plane_is_found_where_single_patches_say_that_it_stands_still(ahead_m, turn_rad):
    previous, image = asphalt(CAMERA), asphalt(CAMERA, ahead_m, turn_rad)
    frame = labelled(image)
    # only the road's flow is wrong: what else is in view turns with the vehicle
    turned = turn_rad * CAMERA.intrinsics[0, 0]
    frame = replace(frame, flow=frame.flow + np.array([turned, 0], np.float32))
    found = with_ground_aligned(previous, frame, CAMERA, CITYSCAPES)
    true = plane_flow(CAMERA, ahead_m, turn_rad)
    near = np.s_[SIZE_HW[0] * 5 // 8 :]
    own = (found.flow != frame.flow).any(axis=-1) | (found.occlusion != frame.occlusion)
    error = np.hypot(*np.moveaxis(found.flow - true, -1, 0))[near][own[near]]
    assert own[near].mean() > 0.7
    assert np.median(error) < 0.2
    assert np.quantile(error, 0.95) < 0.6
    assert (found.flow_validity[own] == 1).all()
    assert (found.occlusion[own] == 0).all()


def test_what_is_not_of_the_plane_stays_as_it_was():
    previous, image = asphalt(CAMERA), asphalt(CAMERA, 1.3)
    frame = labelled(image)
    semantic = frame.semantic.copy()
    semantic[70:110, 100:160] = CAR
    star = np.s_[112:124, 20:60]  # a bonnet under a wrong label: it stands still in the picture
    pattern = np.random.default_rng(1).integers(0, 255, (12, 40, 1), np.uint8)
    for picture in (previous, image):
        picture[star] = pattern
    frame = replace(frame, semantic=semantic, image=image)
    found = with_ground_aligned(previous, frame, CAMERA, CITYSCAPES)
    assert (found.occlusion != frame.occlusion)[80:].mean() > 0.3
    for one, other in ((found.flow, frame.flow), (found.occlusion, frame.occlusion)):
        assert np.array_equal(one[semantic != ROAD], other[semantic != ROAD])
        assert np.array_equal(one[115:121, 25:55], other[115:121, 25:55])
    assert (frame.flow == 0).all()  # the frame that was given is not changed


@pytest.mark.parametrize("picture", ["grey", "unlike", "no road"])
def test_a_frame_that_cannot_be_aligned_is_returned_as_it_is(picture):
    previous, frame = asphalt(CAMERA), labelled(asphalt(CAMERA, 1.3))
    if picture == "grey":
        previous = np.full_like(previous, 90)
    elif picture == "unlike":
        noise = np.random.default_rng(2).integers(0, 255, SIZE_HW, np.uint8)
        previous = np.repeat(noise[..., None], 3, axis=2)
    else:
        frame = replace(frame, semantic=np.full(SIZE_HW, SKY, np.uint8))
    assert with_ground_aligned(previous, frame, CAMERA, CITYSCAPES) is frame


def test_layers_that_are_not_there_stay_away():
    frame = replace(labelled(asphalt(CAMERA, 1.3)), flow_validity=None, occlusion=None)
    found = with_ground_aligned(asphalt(CAMERA), frame, CAMERA, CITYSCAPES)
    assert found.flow_validity is None
    assert found.occlusion is None
    assert (found.flow != 0).any()


@pytest.mark.parametrize("size_hw", [(256, 1024), (61, 101)])
def test_other_sizes_are_aligned_too(size_hw):
    camera = assumed_camera(size_hw)
    semantic = np.full(size_hw, ROAD, np.uint8)
    frame = labelled(asphalt(camera, 1.3), semantic)
    found = with_ground_aligned(asphalt(camera), frame, camera, CITYSCAPES)
    own = (found.flow != 0).any(axis=-1)
    error = np.hypot(*np.moveaxis(found.flow - plane_flow(camera, 1.3, 0.0), -1, 0))
    assert own.mean() > 0.15
    assert np.median(error[own]) < 0.8


def test_the_flow_of_a_homography():
    assert (homography_flow(np.eye(3), (4, 6)) == 0).all()
    moved = homography_flow(np.array([[1, 0, 2], [0, 1, -1], [0, 0, 1.0]]) * -3, (4, 6))
    assert (moved == [2, -1]).all()
    # of half the picture the plane lies behind the camera
    half = homography_flow(np.array([[1, 0, 0], [0, 1, 0], [0.0, 1, -1.5]]), (4, 6))
    assert (half[:2] < -6).all()
    assert half[3, 3].tolist() == [3 / 1.5 - 3, 3 / 1.5 - 3]


def test_the_picture_is_explained_better_than_by_the_estimator_alone():
    previous, image = asphalt(CAMERA), asphalt(CAMERA, 1.3)
    frame = labelled(image)
    found = with_ground_aligned(previous, frame, CAMERA, CITYSCAPES)
    before, after = (
        np.abs(warp(previous, it.flow).astype(float) - image)[80:].mean() for it in (frame, found)
    )
    assert after < 0.3 * before
