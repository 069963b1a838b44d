import numpy as np
import pytest

from svsdata.records import Frame, SemanticMap
from svsdata.synthesis.correspondence import Correspondence
from svsdata.synthesis.keyframes import Stretch, stretches

SIZE_HW = (20, 30)
BACKGROUND = np.zeros(SIZE_HW, np.uint8)


def frame(index: int, semantic: SemanticMap = BACKGROUND) -> Frame:
    return Frame(index, index, semantic=semantic)


def step(across: float = 0) -> Correspondence:
    flow = np.broadcast_to(np.float32([across, 0]), (*SIZE_HW, 2)).copy()
    return Correspondence.one_frame_back(flow, None)


def with_square() -> SemanticMap:
    semantic = BACKGROUND.copy()
    semantic[4:14, 5:17] = 3
    return semantic


def lengths(frames: list[Frame], *, interval: int, unseen_share: float = 0.1) -> list[int]:
    steps = [step() for _ in frames]
    chosen = stretches(BACKGROUND, frames, steps, interval=interval, unseen_share=unseen_share)
    return [len(stretch.frames) for stretch in chosen]


@pytest.mark.parametrize(
    ("num_frames", "interval", "expected"),
    [(8, 4, [4, 4]), (7, 3, [3, 3, 1]), (1, 4, [1]), (3, 8, [3]), (2, 1, [1, 1]), (0, 4, [])],
)
def test_a_still_scene_has_key_frames_at_equal_distances_and_at_its_end(
    num_frames: int, interval: int, expected: list[int]
) -> None:
    assert lengths([frame(index) for index in range(num_frames)], interval=interval) == expected


def test_what_neither_side_shows_is_a_key_frame_itself() -> None:
    """A square is there in the third frame alone: 20 % of the pixels."""
    frames = [frame(index, with_square() if index == 2 else BACKGROUND) for index in range(6)]
    assert lengths(frames, interval=6, unseen_share=0.1) == [3, 3]
    assert lengths(frames, interval=6, unseen_share=0.2) == [6]


def test_what_comes_and_stays_is_seen_from_the_frame_after() -> None:
    frames = [frame(index, with_square() if index >= 2 else BACKGROUND) for index in range(6)]
    (stretch,) = stretches(
        BACKGROUND, frames, [step() for _ in frames], interval=6, unseen_share=0.0
    )
    square = with_square() != 0
    for shown in stretch.in_before[2:5]:
        assert not shown.shown[square].any()
        assert shown.shown[~square].all()
    assert stretch.in_key[2].shown.all()
    np.testing.assert_array_equal(stretch.in_key[0].shown == 0, square)


def test_motion_is_that_of_the_whole_gap() -> None:
    frames = [frame(index) for index in range(3)]
    (stretch,) = stretches(
        BACKGROUND, frames, [step(-1), step(-2), step(-4)], interval=3, unseen_share=0.5
    )
    leap = stretch.leap
    assert leap.flow is not None
    assert leap.occlusion is not None
    assert (leap.flow[..., 0][:, 7:] == -7).all()
    np.testing.assert_array_equal(leap.occlusion[0], np.arange(SIZE_HW[1]) < 7)
    assert [int(one.flow[10, 20, 0]) for one in stretch.in_before] == [-1, -3, -7]
    assert [int(one.flow[10, 20, 0]) for one in stretch.in_key] == [6, 4]


def test_a_key_frame_alone_keeps_what_its_store_tells() -> None:
    alone = frame(3)
    assert Stretch((alone,)).leap is alone


def test_pictures_come_in_order_and_the_key_frames_is_its_own() -> None:
    frames = [frame(index) for index in range(4)]
    (stretch,) = stretches(
        BACKGROUND, frames, [step() for _ in frames], interval=4, unseen_share=0.1
    )
    before, key = (np.full((*SIZE_HW, 3), value, np.uint8) for value in (0, 200))
    made = list(stretch.pictures(before, key))
    assert [one.frame_index for one, _ in made] == [0, 1, 2, 3]
    assert [int(image[9, 9, 0]) for _, image in made] == [50, 100, 150, 200]
    assert made[-1][1] is key
