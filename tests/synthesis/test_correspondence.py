import numpy as np
import pytest
import torch

from svsdata.records import Flow
from svsdata.synthesis.correspondence import Correspondence
from svsdata.tensors import compose_flow

SIZE_HW = (21, 34)


def uniform(across: float, down: float) -> Flow:
    return np.broadcast_to(np.float32([across, down]), (*SIZE_HW, 2)).copy()


def everywhere(flow: Flow) -> Correspondence:
    return Correspondence(flow, np.ones(SIZE_HW, np.uint8))


def labels(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 3, SIZE_HW, dtype=np.uint8)


def test_the_frame_before_shows_what_is_neither_occluded_nor_outside_of_it() -> None:
    occlusion = np.zeros(SIZE_HW, np.uint8)
    occlusion[3, 20] = 1
    seen = Correspondence.one_frame_back(uniform(-4, 0), occlusion)
    expected = np.ones(SIZE_HW, np.uint8)
    expected[:, :4] = 0
    expected[3, 20] = 0
    np.testing.assert_array_equal(seen.shown, expected)
    unoccluded = Correspondence.one_frame_back(uniform(-4, 0), None)
    assert unoccluded.shown.sum() == expected.sum() + 1


def test_a_third_frame_shows_what_two_steps_show() -> None:
    older = everywhere(uniform(1, 2))
    older.shown[7, 9] = 0
    newer = everywhere(uniform(-3, 1))
    newer.shown[5, 5] = 0
    both = newer.then(older)
    np.testing.assert_array_equal(both.flow, uniform(-2, 3))
    hidden = {(5, 5), (6, 12)}  # the second is 3 to the left and 1 farther down in between
    assert set(zip(*np.nonzero(both.shown == 0), strict=True)) == hidden


def test_steps_are_chained_as_tensors_are() -> None:
    rows, columns = np.indices(SIZE_HW, np.float32)
    newer = np.stack([0.04 * columns - 1, 0.03 * rows], axis=-1)
    older = np.stack([0.02 * rows, 1 - 0.03 * columns], axis=-1)
    mine = everywhere(newer).then(everywhere(older)).flow
    tensors = [torch.from_numpy(flow.transpose(2, 0, 1))[None] for flow in (newer, older)]
    theirs = compose_flow(*tensors)[0].numpy().transpose(1, 2, 0)
    np.testing.assert_allclose(mine, theirs, atol=0.04)  # of nearest samples


def test_pixels_of_another_label_are_not_shown() -> None:
    here, there = labels(0), labels(1)
    seen = everywhere(uniform(0, 0)).of_one_label(here, there)
    np.testing.assert_array_equal(seen.shown, here == there)


@pytest.mark.parametrize("shift", [(3, 0), (-2, 5), (0.4, -1.3)])
def test_turned_round_a_shift_goes_the_other_way(shift: tuple[float, float]) -> None:
    alike = np.zeros(SIZE_HW, np.uint8)
    back = everywhere(uniform(*shift)).turned_round(alike, alike)
    np.testing.assert_allclose(back.flow[back.shown != 0], -uniform(*shift)[back.shown != 0])
    expected = Correspondence.one_frame_back(-np.rint(uniform(*shift)), None)
    np.testing.assert_array_equal(back.shown, expected.shown)


def test_turned_round_pixels_of_different_labels_never_meet() -> None:
    here, there = labels(0), labels(1)
    back = everywhere(uniform(0, 0)).turned_round(here, there)
    np.testing.assert_array_equal(back.shown != 0, here == there)


def test_turned_round_what_moves_apart_keeps_no_gaps() -> None:
    rows, columns = np.indices(SIZE_HW, np.float32)
    centre = np.float32([SIZE_HW[1] // 2, SIZE_HW[0] // 2])
    grows = 0.3 * (np.stack([columns, rows], axis=-1) - centre)
    alike = np.zeros(SIZE_HW, np.uint8)
    back = everywhere(grows).turned_round(alike, alike)
    inside = np.zeros(SIZE_HW, bool)
    inside[2:-2, 2:-2] = True
    assert back.shown[inside].all()
    truth = -grows / 1.3
    assert np.abs(back.flow - truth)[inside].max() < 0.4


def test_a_pixel_that_is_not_shown_meets_none() -> None:
    alike = np.zeros(SIZE_HW, np.uint8)
    one = Correspondence(uniform(2, 1), np.zeros(SIZE_HW, np.uint8))
    one.shown[8, 10] = 1
    back = one.turned_round(alike, alike)
    assert list(zip(*np.nonzero(back.shown), strict=True)) == [(9, 12)]
    np.testing.assert_array_equal(back.flow[9, 12], [-2, -1])
    assert not back.flow[back.shown == 0].any()
