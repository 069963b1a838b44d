"""Recordings that only imitate a GPU's: the same work, on the same memory every time."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
import torch

from svsdata.nets.models import build_generator, changed_config, model_config
from svsdata.nets.svsgan.rollout import LabelMaps, RolloutState, begin, inference_copy, rollout
from svsdata.nets.video_generator import GeneratorOutput, Motion, VideoGenerator
from svsdata.records import Frame
from svsdata.synthesis.long_video import LongVideo
from svsdata.synthesis.recorded_work import RecordedGenerator, Recording, Work, cuda_recording

H, W = 64, 128
CLASSES = 5


class Recorder:
    """Writes every repetition into the output of the first, as a CUDA graph does."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, work: Work) -> Recording:
        self.count += 1
        output = work()

        def repeat() -> None:
            for name, place in vars(output).items():
                if place is not None:
                    place.copy_(getattr(work(), name))

        return Recording(repeat, output)


def network(model: str) -> VideoGenerator:
    torch.manual_seed(2)
    config = model_config(model, CLASSES, width=0.1)
    if model == "C":
        config = changed_config(
            config, fusion=None, image_sees_occlusion=False, motion_sees_image=False,
            guidance=True, object_colours=True,
        )  # fmt: skip
    generator = build_generator(config)
    for parameter in generator.parameters():
        if not parameter.any():  # what starts at zero must count
            torch.nn.init.normal_(parameter, std=0.1)
    return inference_copy(generator)


def labels(count: int, *, motion: bool = False) -> list[LabelMaps]:
    draws = torch.Generator().manual_seed(7)
    ids = torch.randint(0, CLASSES, (count, 1, H // 8, W // 8), generator=draws, dtype=torch.uint8)
    maps = ids.repeat_interleave(8, 2).repeat_interleave(8, 3)
    moved = None
    if motion:
        moved = Motion(torch.ones(1, 2, H, W), torch.zeros(1, 1, H, W))
    return [LabelMaps(one, motion=moved) for one in maps]


def outputs(generator: VideoGenerator, maps: list[LabelMaps]) -> list[GeneratorOutput]:
    image = torch.linspace(-1, 1, 3 * H * W).view(1, 3, H, W)
    with torch.no_grad():
        drawn = list(rollout(generator, RolloutState(image, maps[0]), maps[1:], chunk=3))
        return [*drawn, begin(generator, maps[0])]


def same(one: list[GeneratorOutput], other: list[GeneratorOutput]) -> None:
    for a, b in zip(one, other, strict=True):
        for name, value in vars(a).items():
            if value is None:
                assert getattr(b, name) is None
            else:
                torch.testing.assert_close(getattr(b, name), value, rtol=0, atol=0)


@pytest.mark.parametrize("model", ["A", "C", "E", "carry"])
def test_frames_are_those_of_the_generator_and_recorded_once(model: str) -> None:
    generator, recorder = network(model), Recorder()
    maps = labels(7)
    recorded = RecordedGenerator(generator, recorder)
    same(outputs(generator, maps), outputs(recorded, maps))
    assert recorder.count == 1
    assert recorded.dtype == generator.dtype


def test_other_sizes_and_kinds_of_input_have_recordings_of_their_own() -> None:
    generator, recorder = network("C"), Recorder()
    recorded = RecordedGenerator(generator, recorder)
    plain, moved = labels(4), labels(4, motion=True)
    four = torch.linspace(0, 1, 4 * H * W).view(1, 4, H, W)
    coloured = [replace(one, colours=four) for one in plain]
    guided = [replace(one, guide=lambda _: four) for one in plain]
    twice = [LabelMaps.side_by_side([one, one]) for one in plain]
    for maps in (plain, moved, coloured, guided):
        same(outputs(generator, maps), outputs(recorded, maps))
    assert recorder.count == 3  # a given motion is of the same kind
    image = torch.zeros(2, 3, H, W)
    pairs = [
        list(rollout(it, RolloutState(image, twice[0]), twice)) for it in (generator, recorded)
    ]
    same(*pairs)
    assert recorder.count == 4


def test_a_long_video_has_the_same_bytes() -> None:
    def frames() -> Iterator[Frame]:
        for index, maps in enumerate(labels(9)):
            image = np.full((H, W, 3), 90, np.uint8) if index == 0 else None
            yield Frame(index, index, image=image, semantic=maps.semantic[0].numpy())

    generator = network("carry")
    videos = [
        [one.frame.image for one in LongVideo(it, "tiny").render(frames(), None)]
        for it in (generator, RecordedGenerator(generator, Recorder()))
    ]
    np.testing.assert_array_equal(*videos)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
def test_a_gpu_repeats_what_it_recorded() -> None:
    generator, maps = network("carry").to("cuda"), labels(7)
    on_gpu = [replace(one, semantic=one.semantic.to("cuda")) for one in maps]
    image = torch.zeros(1, 3, H, W, device="cuda")
    drawn = [
        list(rollout(it, RolloutState(image, on_gpu[0]), on_gpu[1:]))
        for it in (generator, RecordedGenerator(generator, cuda_recording))
    ]
    for a, b in zip(*drawn, strict=True):
        torch.testing.assert_close(b.image, a.image)
