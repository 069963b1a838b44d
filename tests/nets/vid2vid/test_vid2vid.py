from dataclasses import replace
from functools import cache

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from svsdata.errors import LabelSetError
from svsdata.nets.models import build_generator, model_config
from svsdata.nets.svsgan.rollout import (
    LabelMaps,
    RolloutState,
    begin,
    inference_copy,
    rollout,
    step,
)
from svsdata.nets.vid2vid.config import PatchImageConfig, Vid2VidConfig
from svsdata.nets.vid2vid.generator import Vid2VidGenerator
from svsdata.nets.vid2vid.image_discriminator import PatchImageDiscriminator
from svsdata.nets.video_generator import Motion, without_previous
from svsdata.tensors import warp

CLASSES, SIZE = 6, (16, 24)
TINY = Vid2VidConfig(CLASSES, width=4, num_residual=3, foreground_width=4, foreground=(3,))


def millions(module):
    return sum(parameter.numel() for parameter in module.parameters()) / 1e6


@cache
def on_meta(**options):
    with torch.device("meta"):
        return build_generator(model_config("A", 35, **options)).eval()


@pytest.fixture
def generator():
    torch.manual_seed(0)
    made = Vid2VidGenerator(TINY)
    for head in (made.flow_head, made.occlusion_head):
        torch.nn.init.normal_(head.weight, std=0.02)
    return made.eval()


def labels(*seeds, size_hw=SIZE):
    maps = [
        torch.randint(0, CLASSES, (1, *size_hw), generator=torch.Generator().manual_seed(seed))
        for seed in seeds
    ]
    return torch.stack(maps, dim=1).to(torch.uint8)


def images(seed, count=2, size_hw=SIZE):
    maker = torch.Generator().manual_seed(seed)
    return torch.rand(1, 3 * count, *size_hw, generator=maker) * 2 - 1


def test_parameters_are_those_that_the_paper_prints():
    edged, plain = on_meta(edges=True), on_meta()
    assert millions(edged) == pytest.approx(411.335, abs=5e-4)
    assert millions(plain) == pytest.approx(411.307, abs=5e-4)
    parts = {
        "label_encoder": 101.28, "image_encoder": 100.64, "foreground_net": 45.94,
        "image_decoder": 75.52 + 6.20, "flow_decoder": 75.52 + 6.20,
    }  # fmt: skip
    for name, expected in parts.items():
        assert millions(getattr(edged, name)) == pytest.approx(expected, abs=0.012), name


@pytest.mark.parametrize(("extra_blocks", "added"), [(1, 2.880), (2, 2.880 + 0.860)])
def test_enhancers_have_the_tabled_parameters(extra_blocks, added):
    grown = on_meta(edges=True, extra_blocks=extra_blocks)
    assert millions(grown) - millions(on_meta(edges=True)) == pytest.approx(added, abs=6e-4)


# Those of vid2vid are 1,650.5 and 2,532.0: it also computes the heads of the sizes below.
@pytest.mark.parametrize(
    ("extra_blocks", "gmac"),
    [(0, 1057.5), (1, 1650.5 - 6.165), (2, 2532.0 - 6.165 - 12.331)],
    ids=["base", "G1", "G2"],
)
def test_operations_are_the_tabled(extra_blocks, gmac):
    generator = on_meta(edges=True, extra_blocks=extra_blocks)
    height, width = 256 * 2**extra_blocks, 512 * 2**extra_blocks
    with torch.device("meta"), FlopCounterMode(display=False) as counter, torch.no_grad():
        maps = torch.zeros(1, 2, height, width, dtype=torch.uint8)
        edges = torch.zeros(1, 2, height, width)
        features = generator.label_features(
            maps, maps[:, 0], previous_edges=edges, edges=edges[:, :1]
        )
        generator.render(torch.zeros(1, 6, height, width), features)
    assert counter.get_total_flops() / 2e9 == pytest.approx(gmac, abs=0.07)


def test_the_image_blends_what_is_drawn_and_what_is_warped(generator):
    past = images(1)
    maps = labels(0, 1, 2)
    output = generator.render(past, generator.label_features(maps[:, :2], maps[:, 2]))
    warped = warp(past[:, 3:], output.backward_flow)
    torch.testing.assert_close(output.warped, warped)
    mask = output.occlusion_mask
    foreground = (maps[:, 2] == 3).unsqueeze(1)
    blended = output.raw * mask + warped * (1 - mask)
    torch.testing.assert_close(output.image, torch.where(foreground, output.raw, blended))
    assert output.backward_flow.abs().max() > 0.1
    assert 0 < mask.min() < mask.max() < 1


def test_the_foreground_is_drawn_from_labels_alone(generator):
    maps = labels(0, 1, 2)
    features = generator.label_features(maps[:, :2], maps[:, 2])
    one, other = (generator.render(images(seed), features).image for seed in (1, 2))
    foreground = (maps[:, 2] == 3).expand(3, *SIZE)[None]
    assert torch.equal(one[foreground], other[foreground])
    assert not torch.equal(one[~foreground], other[~foreground])


def test_both_past_frames_and_all_three_label_maps_are_seen(generator):
    maps, past = labels(0, 1, 2), images(1)
    before = generator.render(past, generator.label_features(maps[:, :2], maps[:, 2])).image
    for index in range(3):
        changed = maps.clone()
        changed[:, index] = 5 - changed[:, index]
        features = generator.label_features(changed[:, :2], changed[:, 2])
        assert not torch.equal(generator.render(past, features).image, before), index
    features = generator.label_features(maps[:, :2], maps[:, 2])
    older = torch.cat([-past[:, :3], past[:, 3:]], dim=1)
    assert not torch.equal(generator.render(older, features).image, before)


def test_without_previous_nothing_is_warped(generator):
    maps = labels(0, 0, 0)
    features = generator.label_features(maps[:, :2], maps[:, 2])
    output = generator.render(*without_previous(images(1), features, torch.tensor([True])))
    torch.testing.assert_close(output.image, output.raw)


def test_every_parameter_learns(generator):
    generator.train()
    maps = labels(0, 1, 2)
    output = generator.render(images(1), generator.label_features(maps[:, :2], maps[:, 2]))
    (output.image * torch.randn(1, 3, *SIZE)).sum().backward()
    assert [name for name, p in generator.named_parameters() if p.grad is None] == []


def test_a_rollout_equals_the_loop_by_hand_and_steps_equal_the_rollout(generator):
    maps = labels(*range(6))
    entries = [LabelMaps(maps[:, t]) for t in range(1, 6)]
    reference = images(3, 1)
    state = RolloutState(reference, LabelMaps(maps[:, 0]))
    frames, semantic = [reference, reference], [maps[:, 0], maps[:, 0]]
    with torch.no_grad():
        for t in range(1, 6):
            known = torch.stack(semantic[-2:], dim=1)
            features = generator.label_features(known, maps[:, t])
            frames.append(generator.render(torch.cat(frames[-2:], dim=1), features).image)
            semantic.append(maps[:, t])
        expected = torch.cat(frames[2:])
        for chunk in (1, 2, 8):
            rolled = torch.cat([o.image for o in rollout(generator, state, entries, chunk=chunk)])
            # another batch size rounds otherwise, and each frame feeds the next
            errors = (rolled - expected).abs().amax(dim=(1, 2, 3))
            assert errors.max() == 0 if chunk == 1 else errors[0] < 1e-4 and errors[1] < 1e-3
        for entry, image in zip(entries, expected, strict=True):
            state, output = step(generator, state, entry)
            assert torch.equal(output.image[0], image)
    assert state.earlier is not None
    assert state.earlier.earlier is None  # memory does not grow


def test_odd_sizes_are_padded_and_a_first_frame_needs_labels_alone(generator):
    maps = labels(0, size_hw=(19, 21))
    with torch.no_grad():
        output = begin(generator, LabelMaps(maps[:, 0]))
    assert output.image.shape == output.raw.shape == (1, 3, 19, 21)


def test_the_copy_for_inference_draws_the_same_and_keeps_flow_in_float32(generator):
    maps = labels(0, 1, 2)
    # an even slope: in noise, a flow that is rounded differently would change single pixels far
    slope = torch.linspace(-1, 1, SIZE[1]).expand(1, 6, *SIZE)
    expected = generator.render(slope, generator.label_features(maps[:, :2], maps[:, 2]))
    for dtype, tolerance in ((torch.float32, 1e-5), (torch.bfloat16, 0.1)):
        fast = inference_copy(generator, dtype)
        with torch.no_grad():
            output = fast.render(slope, fast.label_features(maps[:, :2], maps[:, 2]))
        torch.testing.assert_close(output.image, expected.image, atol=tolerance, rtol=0)
        assert output.image.dtype == torch.float32
        assert fast.flow_head.weight.dtype == torch.float32
        assert fast.dtype == dtype


def test_inputs_that_do_not_fit_are_refused(generator):
    maps = labels(0, 1, 2)
    with pytest.raises(LabelSetError, match="id 6"):
        generator.label_features(maps[:, :2], torch.full_like(maps[:, 2], 6))
    with pytest.raises(ValueError, match="takes no edge map"):
        generator.label_features(maps[:, :2], maps[:, 2], edges=torch.zeros(1, 1, *SIZE))
    edged = Vid2VidGenerator(replace(TINY, edges=True))
    with pytest.raises(ValueError, match="needs an edge map"):
        edged.label_features(maps[:, :2], maps[:, 2])
    odd = labels(0, 1, 2, size_hw=(16, 20))
    with pytest.raises(ValueError, match="20x16 do not fit"):
        generator.label_features(odd[:, :2], odd[:, 2])


@pytest.fixture
def grown(generator):
    torch.manual_seed(1)
    made = Vid2VidGenerator(replace(TINY, extra_blocks=1)).eval()
    for head in (made.enhancers[0].flow_head, made.enhancers[0].occlusion_head):
        torch.nn.init.normal_(head.weight, std=0.02)
    missing, unexpected = made.load_state_dict(generator.state_dict(), strict=False)
    assert not unexpected
    assert all(name.startswith("enhancers.0.") for name in missing)
    return made


def drawn(generator, maps, past):
    return generator.render(past, generator.label_features(maps[:, :2], maps[:, 2]))


def test_a_given_motion_is_refused(generator):
    maps = torch.zeros(1, 64, 64, dtype=torch.uint8)
    motion = Motion(torch.zeros(1, 2, 64, 64), torch.zeros(1, 1, 64, 64))
    with pytest.raises(ValueError, match="follows no other"):
        generator.label_features(maps[:, None].repeat(1, 2, 1, 1), maps, motion=motion)


def test_an_enhancer_sees_what_the_base_averages_away(grown):
    double = (2 * SIZE[0], 2 * SIZE[1])
    maps, past = labels(0, 1, 2, size_hw=double), images(1, size_hw=double)
    board = torch.ones(double)
    board[::2, ::2], board[1::2, 1::2] = -1, -1  # averages to 0 over every 2x2
    before = drawn(grown, maps, past)
    finer = drawn(grown, maps, past + 0.1 * board)
    assert before.image.shape[2:] == double
    assert not torch.allclose(before.image, finer.image, atol=1e-4)
    seen = []
    grown.image_encoder.register_forward_pre_hook(lambda _m, inputs: seen.append(inputs[0]))
    drawn(grown, maps, past)
    drawn(grown, maps, past + 0.1 * board)
    assert seen[0].shape[2:] == SIZE
    torch.testing.assert_close(seen[0], seen[1])


def test_an_enhancer_builds_on_the_features_of_the_base(grown):
    double = (2 * SIZE[0], 2 * SIZE[1])
    maps, past = labels(0, 1, 2, size_hw=double), images(1, size_hw=double)
    before = drawn(grown, maps, past)
    foreground = (maps[:, 2] == 3).expand(3, *double)[None]
    for part in (grown.image_decoder, grown.flow_decoder, grown.foreground_net[1]):
        torch.nn.init.normal_(next(part.parameters()), std=0.5)
    after = drawn(grown, maps, past)
    assert not torch.allclose(before.raw[~foreground], after.raw[~foreground], atol=1e-5)
    assert not torch.allclose(before.backward_flow, after.backward_flow, atol=1e-5)
    assert not torch.allclose(before.raw[foreground], after.raw[foreground], atol=1e-5)


def test_flow_of_an_enhancer_is_in_its_own_pixels(grown):
    double = (2 * SIZE[0], 2 * SIZE[1])
    maps, past = labels(0, 1, 2, size_hw=double), images(1, size_hw=double)
    with torch.no_grad():
        grown.enhancers[0].flow_head.weight.zero_()
        grown.enhancers[0].flow_head.bias.copy_(torch.tensor([0.1, -0.05]))
    flow = drawn(grown, maps, past).backward_flow
    expected = torch.tensor([4.0, -2.0]).view(1, 2, 1, 1).expand_as(flow)
    torch.testing.assert_close(flow, expected)


def test_what_an_enhancer_brought_is_the_newest_and_rows_are_taken_of_every_size(grown, generator):
    assert grown.newest_modules() == [grown.enhancers[0]]
    with pytest.raises(ValueError, match="no extra block"):
        generator.newest_modules()
    double = (2 * SIZE[0], 2 * SIZE[1])
    maps = labels(0, 1, 2, size_hw=double).repeat(3, 1, 1, 1)
    rows = grown.label_features(maps[:, :2], maps[:, 2]).rows(1, 2)
    assert [one.shape[0] for one in rows.encoded] == [1, 1]
    grown.cast(torch.bfloat16)
    assert grown.dtype == torch.bfloat16
    assert grown.enhancers[0].flow_head.weight.dtype == torch.float32


def test_edges_stand_beside_the_labels_of_their_frame():
    torch.manual_seed(0)
    generator = Vid2VidGenerator(replace(TINY, edges=True)).eval()
    maps, edges = labels(0, 1, 2), torch.zeros(1, 2, *SIZE)
    seen = []
    generator.label_encoder.register_forward_pre_hook(lambda _m, inputs: seen.append(inputs[0]))
    edges[:, 1] = 1
    generator.label_features(
        maps[:, :2], maps[:, 2], previous_edges=edges, edges=torch.zeros(1, 1, *SIZE)
    )
    sums = seen[0].sum(dim=(2, 3))[0].view(3, CLASSES + 1)
    assert sums[:, :CLASSES].sum(dim=1).tolist() == [SIZE[0] * SIZE[1]] * 3
    assert sums[:, CLASSES].tolist() == [0, SIZE[0] * SIZE[1], 0]


def test_the_patch_discriminator_sees_labels_and_has_vid2vids_size():
    with torch.device("meta"):
        real = PatchImageDiscriminator(PatchImageConfig(35, edges=True))
    per_resolution = (39 * 64 + 64 * 128 + 128 * 256 + 256 * 512 + 512) * 16
    per_resolution += 64 + 128 + 256 + 512 + 1 + 2 * (128 + 256 + 512)
    assert sum(p.numel() for p in real.parameters()) == 2 * per_resolution
    torch.manual_seed(0)
    judge = PatchImageDiscriminator(PatchImageConfig(CLASSES, width=4))
    image = images(0, 1)
    one, other = (judge(image, labels(seed)[:, 0], None) for seed in (0, 1))
    assert len(one) == 2
    assert all(scores[-1].shape[1] == 1 for scores in one)
    assert not torch.equal(one[0][-1], other[0][-1])
