"""Motion over frames that are left out, against what is known of the whole way."""

from dataclasses import replace

import numpy as np
import pytest

from svsdata.records import Frame
from svsdata.street_world.scene import StreetWorld
from svsdata.training.strides import chained, every

SIZE = (96, 192)


def frame(flow, validity=None, occlusion=None):
    flow = np.broadcast_to(np.asarray(flow, np.float32), (4, 7, 2)).copy()
    return Frame(0, 0, flow=flow, flow_validity=validity, occlusion=occlusion)


def mask(*places):
    marked = np.zeros((4, 7), np.uint8)
    for place in places:
        marked[place] = 1
    return marked


def test_a_stride_of_one_hands_frames_on_as_they_are():
    frames = [frame((t, 0)) for t in range(4)]
    assert all(a is b for a, b in zip(every(frames, 1), frames, strict=True))


@pytest.mark.parametrize(("count", "kept"), [(0, []), (1, [0]), (6, [0, 3]), (7, [0, 3, 6])])
def test_flow_tells_of_the_frame_that_was_yielded_before(count, kept):
    frames = [replace(frame((t, -1)), frame_index=t) for t in range(count)]
    picked = list(every(iter(frames), 3))
    assert [one.frame_index for one in picked] == kept
    for one in picked[1:]:
        t = one.frame_index
        assert (one.flow == (t + t - 1 + t - 2, -3)).all()
    assert all(one.flow is None for one in picked[:1])


@pytest.mark.parametrize("stride", [2, 3])
@pytest.mark.parametrize("seed", [3, 7])
def test_a_streets_chained_flow_is_that_of_a_camera_that_takes_fewer_frames(stride, seed):
    fine = StreetWorld(seed, size_hw=SIZE, fps=12.0)
    coarse = StreetWorld(seed, size_hw=SIZE, fps=12.0 / stride)
    frames = (fine.frame(t, image=False) for t in range(4 * stride, 6 * stride + 1))
    _, *picked = every(frames, stride)
    for index, one in enumerate(picked, start=5):
        true = coarse.frame(index, image=False)
        assert np.array_equal(one.semantic, true.semantic)
        shown = (one.flow_validity == 1) & (one.occlusion == 0)
        error = np.linalg.norm(one.flow - true.flow, axis=-1)[shown & (true.occlusion == 0)]
        assert np.median(error) < 0.02
        assert (error > 0.5).mean() < 0.01
        assert shown.mean() > 0.7
        assert (true.occlusion[shown] == 1).mean() < 0.02  # told as visible, and is not
        assert shown[true.occlusion == 1].mean() < 0.25
        assert one.occlusion[true.occlusion == 1].mean() > 0.6


def test_what_was_hidden_on_the_way_is_hidden():
    older = frame((1, 0), occlusion=mask((2, 3)))
    newer = frame((2, 0), occlusion=mask((0, 0)))
    one = chained(newer, older)
    leaves = [(row, column) for row in range(4) for column in (5, 6)]
    assert np.array_equal(one.occlusion, mask((0, 0), (2, 1), *leaves))
    assert (one.flow == (3, 0)).all()


def test_flow_is_unknown_where_either_is_and_where_a_neighbour_is_hidden():
    older = frame((0, 0), validity=1 - mask((1, 3)), occlusion=mask((3, 3)))
    newer = frame((0.25, 0), validity=1 - mask((0, 0)), occlusion=mask())
    one = chained(newer, older)
    leaves = [(row, 6) for row in range(4)]
    unknown = mask((0, 0), (1, 2), (1, 3), (3, 2), *leaves)
    assert np.array_equal(one.occlusion, mask((3, 3), *leaves))
    assert np.array_equal(one.flow_validity, (1 - unknown) * (1 - mask(*leaves)))


def test_without_a_flow_on_the_way_there_is_none():
    one = chained(frame((1, 0)), Frame(0, 0))
    assert one.flow is None
    assert one.occlusion is None
    assert chained(frame((1, 0)), frame((1, 0))).occlusion is None
