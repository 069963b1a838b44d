"""Long videos of which only key frames are drawn."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
import torch

from svsdata.nets.svsgan.config import GeneratorConfig
from svsdata.nets.svsgan.generator import Generator
from svsdata.nets.svsgan.rollout import inference_copy
from svsdata.records import Frame
from svsdata.synthesis.advancing import Take
from svsdata.synthesis.long_video import LongVideo, Rendered
from svsdata.synthesis.video_state import VideoState
from tests.synthesis.memory import peak_bytes
from tests.synthesis.test_long_video import (
    NUM_CLASSES,
    SIZE_HW,
    calm_generator,
    flowing,
    frames,
    labelled,
    pictures,
    scene,
    tiny_generator,
)

FILLED = "tiny, filled between key frames"


def carrier(*, forgetting: float = 0.0) -> Generator:
    """Draws grey: all else is carried over."""
    config = replace(tiny_generator().config, warp_use="correct", forgetting=forgetting)
    assert isinstance(config, GeneratorConfig)
    generator = Generator(config)
    for head in generator.heads:
        torch.nn.init.zeros_(head.weight)
    return inference_copy(generator)


def shifting(start: int, stop: int) -> Iterator[Frame]:
    """A scene that moves to the right as a whole, with its flow."""
    flow = np.broadcast_to(np.float32([-1, 0]), (*SIZE_HW, 2)).copy()
    occlusion = np.zeros(SIZE_HW, np.uint8)
    for frame in frames(start, stop):
        yield replace(frame, flow=flow if frame.frame_index else None, occlusion=occlusion)


def key_frames(rendered: list[Rendered]) -> list[int]:
    return [one.frame.frame_index for one in rendered if one.frame.models.get("image") == "tiny"]


@pytest.mark.parametrize(
    ("chunk_length", "interval", "expected"),
    [
        (4, 4, [3, 7, 9]),
        (1, 3, [2, 5, 8, 9]),
        (4, 3, [3, 5, 8, 9]),
        (2, 1, list(range(1, 10))),
        (1, 64, [9]),
    ],
)
def test_every_so_many_frames_and_the_last_one_are_drawn(
    chunk_length: int, interval: int, expected: list[int]
) -> None:
    video = LongVideo(
        carrier(), "tiny", chunk_length, follows_flow=True, keyframe_interval=interval
    )
    assert video.chunk_frames >= max(chunk_length, interval)
    assert video.chunk_frames % interval == 0
    rendered = list(video.render(shifting(0, 10), None))
    assert [one.frame.frame_index for one in rendered] == list(range(10))
    assert key_frames(rendered) == expected
    others = {one.frame.models["image"] for one in rendered[1:]} - {"tiny"}
    assert others == ({FILLED} if interval > 1 else set())
    assert all(one.frame.is_synthetic and not one.is_reference for one in rendered[1:])


def test_frames_between_are_where_motion_takes_the_key_frames() -> None:
    video = LongVideo(carrier(), "tiny", 4, follows_flow=True, keyframe_interval=4)
    rendered = list(video.render(shifting(0, 10), None))
    reference = rendered[0].frame.image
    assert reference is not None
    for index, image in enumerate(pictures(rendered)):
        shifted = image[:, index:].astype(int) - reference[:, : SIZE_HW[1] - index]
        assert np.abs(shifted).max() <= 1


def test_a_key_frame_forgets_as_much_as_the_frames_that_it_leaps_over() -> None:
    every, fourth = (
        LongVideo(carrier(forgetting=0.2), "tiny", 4, follows_flow=True, keyframe_interval=interval)
        for interval in (1, 4)
    )
    one, other = (pictures(list(video.render(shifting(0, 8), None))) for video in (every, fourth))
    difference = one[[3, 7], :, 8:].astype(int) - other[[3, 7], :, 8:]
    assert np.abs(difference).max() <= 1
    assert np.abs(one[7, :, 8:].astype(int) - one[0, :, 1:-7]).max() > 20


def test_labels_are_those_of_the_frames_whatever_is_drawn() -> None:
    video = LongVideo(tiny_generator(), "tiny", 4, follows_flow=True, keyframe_interval=4)
    for one, given in zip(video.render(flowing(0, 9), None), flowing(0, 9), strict=True):
        np.testing.assert_array_equal(one.frame.semantic, given.semantic)
        np.testing.assert_array_equal(one.frame.instance, given.instance)
        np.testing.assert_array_equal(one.frame.flow, given.flow)
        np.testing.assert_array_equal(one.frame.occlusion, given.occlusion)
        assert one.frame.flow_validity is None


@pytest.mark.parametrize("follows_flow", [False, True])
@pytest.mark.parametrize("edges", [False, True])
def test_a_video_stopped_at_any_border_goes_on_with_the_same_bytes(
    *, edges: bool, follows_flow: bool
) -> None:
    video = LongVideo(
        tiny_generator(edges=edges),
        "tiny",
        2,
        colour_pull=0.1,
        follows_flow=follows_flow,
        rim_px=1,
        keyframe_interval=3,
        unseen_share=0.05,
    )
    whole = list(video.render(flowing(0, 14), None))
    borders = [one.frame.frame_index for one in whole if one.state is not None]
    assert borders == [2, 5, 8, 11, 13]
    assert set(borders) <= set(key_frames(whole))
    for border in borders[:-1]:
        state = whole[border].state
        assert state is not None
        kept = VideoState.from_arrays(state.arrays())
        rest = list(video.render(flowing(border + 1, 14), kept))
        np.testing.assert_array_equal(pictures(rest), pictures(whole)[border + 1 :])
        assert [one.frame.models for one in rest] == [
            one.frame.models for one in whole[border + 1 :]
        ]


def test_an_object_that_shows_for_one_frame_has_that_frame_drawn() -> None:
    def flashing() -> Iterator[Frame]:
        for frame in shifting(0, 9):
            if frame.frame_index == 6 and frame.semantic is not None:
                frame.semantic[5:25, 10:30] = NUM_CLASSES - 1
            yield frame

    video = LongVideo(
        carrier(), "tiny", 4, follows_flow=True, keyframe_interval=4, unseen_share=0.15
    )
    assert key_frames(list(video.render(flashing(), None))) == [3, 6, 7, 8]


def test_a_scene_ends_with_a_key_frame_and_the_next_begins_with_its_own() -> None:
    video = LongVideo(
        tiny_generator(), "tiny", 4, cut_below=0.2, follows_flow=True, keyframe_interval=4
    )
    other_scene = [replace(labelled(i, seed=2), image=labelled(0, seed=2).image) for i in (6, 7, 8)]
    rendered = list(video.render([*shifting(0, 6), *other_scene], None))
    assert [one.frame.frame_index for one in rendered if one.is_reference] == [0, 6]
    np.testing.assert_array_equal(pictures(rendered)[6], other_scene[0].image)
    assert {3, 5} <= set(key_frames(rendered))
    assert rendered[4].frame.models["image"] == FILLED


def test_where_flow_is_not_known_it_is_that_of_the_label_beside() -> None:
    def partly() -> Iterator[Frame]:
        unknown = np.zeros(SIZE_HW, np.uint8)
        unknown[:10, 20:] = 1
        for frame in shifting(0, 9):
            if frame.flow is None:
                yield frame
                continue
            flow = np.where(unknown[..., None] == 1, np.float32(0), frame.flow)
            yield replace(frame, flow=flow, flow_validity=1 - unknown, occlusion=unknown)

    video = LongVideo(carrier(), "tiny", 4, follows_flow=True, keyframe_interval=4)
    whole, partial = (list(video.render(stream, None)) for stream in (shifting(0, 8), partly()))
    np.testing.assert_array_equal(pictures(partial)[:8], pictures(whole))
    assert all(one.frame.flow_validity is not None for one in partial[1:])


def test_a_flow_of_which_nothing_is_known_is_none() -> None:
    def lacking(*, layer: bool) -> Iterator[Frame]:
        for frame in flowing(0, 8):
            if frame.frame_index != 5:
                yield frame
            elif layer:
                yield replace(frame, flow_validity=np.zeros(SIZE_HW, np.uint8))
            else:
                yield replace(frame, flow=None, occlusion=None)

    video = LongVideo(calm_generator(), "tiny", 4, follows_flow=True, keyframe_interval=4)
    unknown, absent, whole = (
        pictures(list(video.render(stream, None)))
        for stream in (lacking(layer=True), lacking(layer=False), flowing(0, 8))
    )
    assert np.abs(unknown.astype(int) - absent).max() <= 1  # batches round otherwise
    assert np.abs(unknown.astype(int) - whole).max() > 10


def test_a_generator_that_tells_motion_from_labels_looks_at_no_flow() -> None:
    video = LongVideo(tiny_generator(), "tiny", 4, keyframe_interval=4)
    flowless = (replace(one, flow=None, occlusion=None) for one in flowing(0, 8))
    one, other = (
        pictures(list(video.render(stream, None))) for stream in (flowing(0, 8), flowless)
    )
    np.testing.assert_array_equal(one, other)


def test_videos_of_key_frames_have_the_same_bytes_beside_others_and_beside_none() -> None:
    video = LongVideo(tiny_generator(), "tiny", follows_flow=True, keyframe_interval=2)

    def streams() -> list[Take]:
        return [Take(scene(4, seed=3)), Take(flowing(0, 15)), Take(scene(11, seed=5))]

    beside = [one for number, one in video.render_together(streams(), rows=2) if number == 1]
    state = beside[7].state
    assert state is not None
    kept = VideoState.from_arrays(state.arrays())
    gone_on = [one for _, one in video.render_together([Take(flowing(8, 15), kept)], rows=2)]
    np.testing.assert_array_equal(pictures(gone_on), pictures(beside)[8:])


def test_no_more_than_a_chunk_is_looked_ahead() -> None:
    drawn = []

    def watched() -> Iterator[Frame]:
        for frame in shifting(0, 18):
            drawn.append(frame.frame_index)
            yield frame

    video = LongVideo(carrier(), "tiny", 4, follows_flow=True, keyframe_interval=3)
    assert video.chunk_frames == 6
    for one in video.render(watched(), None):
        assert drawn[-1] // 6 == one.frame.frame_index // 6


def test_memory_does_not_grow_with_the_length_of_a_video_of_key_frames() -> None:
    video = LongVideo(carrier(), "tiny", 4, follows_flow=True, keyframe_interval=4)

    peak_bytes(video.render(shifting(0, 8), None))  # what is loaded once
    short, long = (peak_bytes(video.render(shifting(0, count), None)) for count in (20, 80))
    picture_bytes = 3 * SIZE_HW[0] * SIZE_HW[1]
    assert long - short < 10 * picture_bytes
