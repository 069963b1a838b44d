from dataclasses import replace

import cv2
import numpy as np
import pytest

from svsdata.flow import warp
from svsdata.geometry.standing_world import (
    StandingWorld,
    empty_world,
    look_on,
    standing_ids,
)
from svsdata.labels import CITYSCAPES
from svsdata.street_world.scene import StreetWorld

SIZE = (128, 256)
STANDING = standing_ids(CITYSCAPES)
STREET = StreetWorld(7, size_hw=SIZE)


@pytest.fixture(scope="module")
def frames():
    return [replace(STREET.frame(t), camera=STREET.camera) for t in range(28)]


def walked(frames, images=None, world=None):
    """Yield frame, world and guidance from the second frame on."""
    images = images or [frame.image for frame in frames]
    world = world or empty_world(frames[0].ego)
    for frame, previous in zip(frames[1:], images[:-1], strict=True):
        world, told = look_on(world, frame, previous, standing=STANDING, fps=STREET.fps)
        yield frame, world, told


def difference(image, real, where):
    return np.abs(image[where].astype(int) - real[where]).mean()


def test_what_a_vehicle_hid_comes_back_with_the_colour_it_had(frames):
    known, possible, ours, warped = 0, 0, [], []
    for frame, _, told in walked(frames):
        before = frames[frame.frame_index - 1].image
        rows, columns = np.mgrid[: SIZE[0], : SIZE[1]]
        x, y = columns + frame.flow[..., 0], rows + frame.flow[..., 1]
        inside = (x >= 0) & (x <= SIZE[1] - 1) & (y >= 0) & (y <= SIZE[0] - 1)
        uncovered = (frame.occlusion == 1) & inside & np.isin(frame.semantic, list(STANDING))
        # areas, not the lines along every border whose pixels show two things
        uncovered &= cv2.erode(uncovered.astype(np.uint8), np.ones((3, 3), np.uint8)) == 1
        shown = uncovered & (told.mask == 1)
        possible, known = possible + uncovered.sum(), known + shown.sum()
        ours.append(np.abs(told.image[shown].astype(int) - frame.image[shown]))
        taken = warp(before, frame.flow)
        warped.append(np.abs(taken[shown].astype(int) - frame.image[shown]))
    assert known > 0.05 * possible > 100
    # shadows that drove on are no longer there, so it is not the last level
    assert np.concatenate(ours).mean() < 0.6 * np.concatenate(warped).mean()


def test_most_of_what_stands_still_is_known_and_nothing_else(frames):
    for frame, _, told in walked(frames):
        stands = np.isin(frame.semantic, list(STANDING))
        assert not told.mask[~stands].any()
        assert not told.image[told.mask == 0].any()
    assert told.mask.sum() > 0.6 * stands.sum()
    assert difference(told.image, frame.image, told.mask == 1) < 10


def test_the_depth_of_points_is_the_streets(frames):
    _, world, told = next(walked(frames[:2]))
    depth = STREET.render(1, image=False).depth[told.mask == 1]
    in_camera = world.points @ STREET.camera.cam_T_vehicle[2, :3]
    in_camera += STREET.camera.cam_T_vehicle[2, 3]
    error = np.abs(in_camera / depth - 1)
    assert np.median(error) < 0.005
    assert np.quantile(error, 0.99) < 0.05


def test_a_point_keeps_its_first_colour_whatever_is_drawn_later(frames):
    white = np.full_like(frames[0].image, 255)
    images = [frame.image if frame.frame_index < 4 else white for frame in frames]
    known = [told for _, _, told in walked(frames[:9], images[:9])][-1]
    kept = (known.mask == 1) & (known.image != 255).any(axis=-1)
    assert kept.sum() > 0.3 * known.mask.sum()  # what comes near is seen in more detail: new points
    assert difference(known.image, frames[8].image, kept) < 10


def test_a_world_that_was_kept_as_arrays_goes_on_to_the_same_bytes(frames):
    whole = list(walked(frames[:9]))
    half = StandingWorld.from_arrays(
        {name: array.copy() for name, array in whole[3][1].arrays().items()}
    )
    again = list(walked(frames[4:9], world=half))
    for (_, world, told), (_, same, expected) in zip(again, whole[4:], strict=True):
        assert np.array_equal(told.image, expected.image)
        assert all(np.array_equal(world.arrays()[n], a) for n, a in same.arrays().items())


def test_speeds_stand_in_for_poses_that_are_not_known(frames):
    bare = [replace(f, ego=replace(f.ego, world_T_vehicle=None)) for f in frames[:6]]
    *_, (frame, _, told) = walked(bare)
    assert told.mask.sum() > 0.5 * np.isin(frame.semantic, list(STANDING)).sum()
    assert difference(told.image, frame.image, told.mask == 1) < 12


def test_a_standing_camera_learns_nothing_and_forgets_nothing(frames):
    *_, (frame, world, told) = walked(frames[:6])
    still = replace(frame, flow=np.zeros_like(frame.flow), occlusion=np.zeros_like(frame.occlusion))
    after, same = look_on(world, still, frame.image, standing=STANDING, fps=STREET.fps)
    assert len(after.points) == len(world.points)
    assert (same.mask == told.mask).mean() > 0.98
    assert np.array_equal(after.colours, world.colours)


@pytest.mark.parametrize("missing", ["camera", "flow", "ego"])
def test_without_a_known_motion_everything_is_forgotten(frames, missing):
    *_, (frame, world, _) = walked(frames[:3])
    lost = replace(frame, **{missing: None})
    after, told = look_on(world, lost, frame.image, standing=STANDING, fps=STREET.fps)
    assert len(after.points) == 0
    assert not told.mask.any()
    assumed = replace(frame, ego=replace(frame.ego, flag="assumed"))
    after, _ = look_on(world, assumed, frame.image, standing=STANDING, fps=STREET.fps)
    assert len(after.points) == 0


def test_unknown_and_occluded_flow_adds_no_point(frames):
    none = np.zeros(SIZE, np.uint8)
    for unknown in ({"flow_validity": none}, {"occlusion": none + 1}):
        frame = replace(frames[1], **unknown)
        world, told = look_on(
            empty_world(frame.ego), frame, frames[0].image, standing=STANDING, fps=STREET.fps
        )
        assert len(world.points) == 0
        assert not told.mask.any()


def test_memory_is_bounded_and_what_was_not_seen_longest_goes_first(frames):
    *_, (frame, world, _) = walked(frames[:4])
    most = 3 * SIZE[0] * SIZE[1]
    copies = most // len(world.points) + 2
    # far out of view, but ahead
    aside = world.points + np.array([5.0, 500.0, 0.0], np.float32)
    crowd = StandingWorld(
        np.concatenate([world.points, *[aside] * copies]),
        np.concatenate([world.colours] * (copies + 1)),
        np.concatenate([world.labels] * (copies + 1)),
        np.repeat(np.arange(copies + 1, dtype=np.uint16), len(world.points)),
        world.world_T_vehicle,
    )
    after, told = look_on(crowd, frames[4], frame.image, standing=STANDING, fps=STREET.fps)
    alone, expected = look_on(world, frames[4], frame.image, standing=STANDING, fps=STREET.fps)
    assert len(after.points) == most
    assert np.array_equal(told.image, expected.image)
    assert after.unseen.max() <= copies
    assert len(alone.points) < most
