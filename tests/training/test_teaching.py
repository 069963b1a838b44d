from dataclasses import replace

import pytest
import torch

from svsdata.nets.models import build_generator, model_config
from svsdata.nets.svsgan.rollout import inference_copy
from svsdata.store.reader import StoreReader
from svsdata.training.chunks import chunk_of, reference
from svsdata.training.clips import load_clips
from svsdata.training.generating import generate, seen_before
from svsdata.training.sampler import Clip
from svsdata.training.teaching import Teacher, distillation

SIZE = (64, 128)


@pytest.fixture(scope="module")
def batch(tmp_path_factory, sliding_store):
    store = sliding_store(tmp_path_factory.mktemp("teaching") / "store")
    clips = [Clip("s0", 0, 6, flip=False), Clip("s1", 0, 6, flip=True)]
    return load_clips(StoreReader(store), clips, size_hw=SIZE, coloured=True)


@pytest.fixture(scope="module")
def generator():
    torch.manual_seed(0)
    return inference_copy(build_generator(model_config("demo", 35, width=0.1)))


@pytest.mark.parametrize("follows_flow", [False, True])
def test_a_teacher_goes_on_from_what_the_student_drew_as_it_has_learned(
    batch, generator, follows_flow
):
    chunk = chunk_of(batch, 2, 4, with_edges=True, gives_motion=True)
    past = torch.cat([reference(batch), torch.rand(2, 1, 3, *SIZE) - 0.5], dim=1)
    teacher = Teacher(generator, SIZE, follows_flow, starts_alone=False)
    assert teacher.can_draw(chunk)
    with torch.autocast("cpu", torch.bfloat16):  # as a step calls it
        taught = teacher.frames(chunk, past)
    # it takes no instance borders and no colours, and perhaps no flow
    own = replace(chunk, edges={}, colours=None, motion=chunk.motion if follows_flow else None)
    with torch.no_grad():
        expected = generate(generator, own, seen_before(generator, own, past)).image
    assert taught.shape == (4, 3, *SIZE)
    assert torch.equal(taught, expected)


def test_a_teacher_is_asked_for_what_it_knows(batch, generator):
    going_on = chunk_of(batch, 1, 2, with_edges=False)
    beginning = chunk_of(batch, 0, 1, with_edges=False)
    assert Teacher(generator, SIZE, follows_flow=False, starts_alone=True).can_draw(beginning)
    reluctant = Teacher(generator, SIZE, follows_flow=False, starts_alone=False)
    assert reluctant.can_draw(going_on)
    assert not reluctant.can_draw(beginning)
    assert not replace(reluctant, size_hw=(32, 64)).can_draw(going_on)


def test_a_student_is_compared_by_pixels_and_by_features():
    taught = torch.zeros(2, 3, 4, 4)
    drawn = [torch.full((2, 3, 4, 4), 0.5), torch.full((2, 3, 4, 4), -0.25)]
    assert distillation(drawn, taught, None).item() == pytest.approx(0.75)

    class Twice(torch.nn.Module):
        def forward(self, image):
            return [2 * image] * 5

    weights = 1 / 32 + 1 / 16 + 1 / 8 + 1 / 4 + 1
    expected = 0.75 + 2 * 0.75 * weights
    assert distillation(drawn, taught, Twice()).item() == pytest.approx(expected)
    assert distillation([taught], taught, Twice()) == 0
