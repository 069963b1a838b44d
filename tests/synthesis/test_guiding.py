from dataclasses import replace
from functools import lru_cache

import numpy as np
import pytest
import torch

from svsdata.geometry.standing_world import empty_world, look_on, standing_ids
from svsdata.labels import CITYSCAPES
from svsdata.nets.svsgan.config import GeneratorConfig, MotionConfig
from svsdata.nets.svsgan.generator import Generator
from svsdata.nets.svsgan.rollout import inference_copy
from svsdata.street_world.scene import StreetWorld
from svsdata.synthesis.advancing import Take
from svsdata.synthesis.guiding import Guiding
from svsdata.synthesis.long_video import LongVideo
from svsdata.synthesis.video_state import VideoState

SIZE = (62, 126)  # no multiple of the net's stride
STREETS = {seed: StreetWorld(seed, size_hw=SIZE) for seed in (3, 7)}
STANDING = standing_ids(CITYSCAPES)
GUIDING = Guiding(STANDING, STREETS[7].fps)


@lru_cache
def frame(index, seed=7):
    return replace(STREETS[seed].frame(index), camera=STREETS[seed].camera)


def frames(start, stop, seed=7):
    for index in range(start, stop):
        drawn = frame(index, seed)
        yield drawn if index == 0 else replace(drawn, image=None)


@pytest.fixture(scope="module")
def generator():
    """One that has learned to look at its guidance."""
    torch.manual_seed(2)
    config = GeneratorConfig(
        CITYSCAPES.num_classes,
        motion=MotionConfig(widths=(4, 8), up_widths=(4,), num_residual=1, head_kernel=3),
        image_widths=(4, 8, 8), semantic_stem=(4, 4), decoder_widths=(8, 4, 4),
        modulation_kernels=(3, 1, 1), guidance_width=4,
    )  # fmt: skip
    made = Generator(config)
    for modulator in made.guidance_modulators:
        torch.nn.init.normal_(modulator.head.conv.weight, std=0.2)
    return inference_copy(made)


def pictures(rendered):
    return np.stack([one.frame.image for one in rendered])


def test_frames_are_shown_what_was_drawn_of_the_standing_world(generator):
    """The guidance is that of a walk along the pictures as they were drawn."""
    shown = []
    watched = generator.guidance_modulators[-1].register_forward_pre_hook(
        lambda _, inputs: shown.append(inputs[0])
    )
    video = LongVideo(generator, "tiny", chunk_length=3, guiding=GUIDING)
    drawn = list(video.render(frames(0, 8), None))
    watched.remove()
    world = empty_world(frame(0).ego)
    for index, seen in enumerate(shown, start=1):
        before = drawn[index - 1].frame.image
        world, told = look_on(world, frame(index), before, standing=STANDING, fps=GUIDING.fps)
        height, width = SIZE
        assert np.array_equal(seen[0, 3, :height, :width].numpy(), told.mask)
        colours = told.image.transpose(2, 0, 1) / 127.5 - 1
        assert np.abs(seen[0, :3, :height, :width].numpy() - told.mask * colours).max() < 1e-5
        assert not seen[0, :, height:].any()
    assert len(shown) == 7
    assert told.mask.mean() > 0.3
    plain = list(LongVideo(generator, "tiny", chunk_length=3).render(frames(0, 8), None))
    assert (pictures(plain)[1:] != pictures(drawn)[1:]).any()


def test_a_guided_video_stopped_at_a_border_goes_on_with_the_same_bytes(generator):
    video = LongVideo(generator, "tiny", chunk_length=4, guiding=GUIDING)
    whole = list(video.render(frames(0, 11), None))
    state = whole[7].state
    assert len(state.world.points) > 0
    kept = {name: array.copy() for name, array in state.arrays().items()}
    rest = list(video.render(frames(8, 11), VideoState.from_arrays(kept)))
    np.testing.assert_array_equal(pictures(rest), pictures(whole)[8:])


def test_guided_videos_drawn_together_keep_a_world_each(generator):
    video = LongVideo(generator, "tiny", chunk_length=4, guiding=GUIDING)
    videos = [Take(frames(0, 6, 7)), Take(frames(0, 5, 3))]
    together = {0: [], 1: []}
    for number, rendered in video.render_together(videos, rows=3):  # one row fills up
        together[number].append(rendered)
    for number, (seed, length) in enumerate(((7, 6), (3, 5))):
        alone = pictures(list(video.render(frames(0, length, seed), None)))
        difference = np.abs(alone.astype(int) - pictures(together[number]))
        assert difference.max() <= 2  # batches round otherwise


def test_a_cut_forgets_the_world(generator):
    def with_a_cut():
        yield from frames(0, 3)
        other = frame(3, seed=3)
        yield replace(other, semantic=(other.semantic + 9) % 35, frame_index=3)

    video = LongVideo(generator, "tiny", chunk_length=3, cut_below=0.25, guiding=GUIDING)
    drawn = list(video.render(with_a_cut(), None))
    assert [one.is_reference for one in drawn] == [True, False, False, True]
    assert len(drawn[2].state.world.points) > 0
    assert len(drawn[3].state.world.points) == 0
