import copy
import math
from dataclasses import replace
from functools import cache

import pytest
import torch
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from svsdata.errors import ConfigError, LabelSetError
from svsdata.nets.models import trusting_its_mask
from svsdata.nets.svsgan.config import GeneratorConfig, MotionConfig
from svsdata.nets.svsgan.generator import Generator
from svsdata.nets.svsgan.motion import MotionNet
from svsdata.nets.svsgan.presets import generator_config
from svsdata.nets.svsgan.pyramids import LabelInput
from svsdata.nets.svsgan.rollout import inference_copy
from svsdata.nets.vid2vid.config import Vid2VidConfig
from svsdata.nets.vid2vid.generator import Vid2VidGenerator
from svsdata.nets.video_generator import Motion, without_previous
from svsdata.tensors import warp

MODELS = ["C", "D", "E", "fast", "C-plain", "E-plain", "demo", "carry"]


def millions(module: torch.nn.Module) -> float:
    return sum(parameter.numel() for parameter in module.parameters()) / 1e6


@cache
def on_meta(model: str, num_classes: int = 35, **options) -> Generator:
    with torch.device("meta"):
        return Generator(generator_config(model, num_classes, **options))


@pytest.mark.parametrize(
    ("model", "expected", "printed"),
    [("C", 105.762, 105.9), ("D", 105.762, 105.9), ("E", 152.966, 153.0)],
)
def test_parameters_are_the_papers(model, expected, printed):
    count = millions(on_meta(model))
    assert count == pytest.approx(expected, abs=5e-4)
    assert count == pytest.approx(printed, rel=0.003)


def test_parts_of_c_have_the_tabled_parameters():
    generator = on_meta("C")
    assert sum(p.numel() for p in generator.motion.parameters()) == (
        219_712 + 74_112 + 295_680 + 1_181_184 + 3 * 4_721_664
        + 1_180_416 + 295_296 + 73_920 + 6_274 + 3_137
    )  # fmt: skip
    assert millions(generator.semantic_pyramid) == pytest.approx(0.214, abs=5e-4)
    # the tables count a norm's scale and shift, which the colour-safe pyramid has not
    norms = 2 * (128 + 128 + 256 + 256 + 512 + 512 + 512 + 512 + 1024 + 1024 + 1024)
    tabled = 147_840 + 590_592 + 2 * 2_360_832 + 9_440_256 + 3_840 + 295_680 + 1_181_184
    tabled += 2_360_832 + 4_721_664 + 9_440_256
    assert sum(p.numel() for p in generator.image_pyramid.parameters()) == tabled - norms
    assert [sum(p.numel() for p in fusion.parameters()) for fusion in generator.fusions] == [
        2_098_176, 524_800, 524_800, 131_328, 32_896,
    ]  # fmt: skip
    pairs = zip(generator.blocks, generator.semantic_modulators, strict=True)
    assert [sum(p.numel() for m in pair for p in m.parameters()) for pair in pairs] == [
        23_599_104, 13_506_560, 7_080_960, 4_852_736, 1_951_232, 856_832,
    ]  # fmt: skip
    assert millions(generator.heads) == pytest.approx(0.001731)


def test_a_class_costs_6560_parameters_and_edges_as_many_again():
    base = on_meta("C")
    assert millions(base) - millions(on_meta("C", 34)) == pytest.approx(0.006560)
    assert millions(on_meta("C", edges=True)) - millions(base) == pytest.approx(0.006560)


def test_extra_blocks_add_the_tabled_parameters():
    base, doubled = millions(on_meta("C")), millions(on_meta("C", extra_blocks=1))
    # block, condition stem, head, image stem with its join and its fusion
    assert doubled - base == pytest.approx((398_720 + 28_800 + 867 + 1_792 + 73_856 + 8_256) / 1e6)


@pytest.mark.parametrize(
    ("model", "expected_gmac"), [("C", 424.6), ("E", 710.6), ("fast", 338.7), ("demo", 4.4)]
)
def test_operations_are_the_tabled(model, expected_gmac):
    with torch.device("meta"), FlopCounterMode(display=False) as counter, torch.no_grad():
        labels = torch.zeros(1, 256, 512, dtype=torch.uint8)
        on_meta(model)(torch.zeros(1, 3, 256, 512), labels, labels)
    assert counter.get_total_flops() / 2e9 == pytest.approx(expected_gmac, abs=0.06)


def test_the_demo_model_is_small():
    assert 1 < millions(on_meta("demo")) < 6


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("extra_blocks", [0, 1])
def test_every_model_returns_full_size_float32(make_generator, make_labels, model, extra_blocks):
    generator = make_generator(model, extra_blocks=extra_blocks)
    size = (64 * (1 + extra_blocks), 128)
    output = generator(torch.rand(2, 3, *size), make_labels(2, size), make_labels(2, size, 1))
    assert output.image.shape == output.warped.shape == (2, 3, *size)
    assert output.backward_flow.shape == (2, 2, *size)
    assert output.occlusion_mask.shape == (2, 1, *size)
    assert {value.dtype for value in vars(output).values() if value is not None} == {torch.float32}
    assert output.image.abs().max() <= 1
    assert 0 <= output.occlusion_mask.min() <= output.occlusion_mask.max() <= 1


@pytest.mark.parametrize("model", MODELS)
def test_every_parameter_learns(make_generator, make_labels, model):
    generator = make_generator(model, extra_blocks=1)
    for zeroed in [*generator.heads[1:], *generator.image_pyramid.joins]:
        torch.nn.init.normal_(zeroed.weight, std=0.1)
    size = (128, 128)
    output = generator(torch.rand(1, 3, *size), make_labels(1, size), make_labels(1, size, 1))
    (output.image * torch.randn(1, 3, *size)).sum().backward()
    idle = [name for name, p in generator.named_parameters() if p.grad is None]
    assert idle == []
    assert generator.motion.head.weight.grad[:2].abs().sum() > 0  # through the warp
    assert generator.motion.head.weight.grad[2:].abs().sum() > 0  # through the fusions


def test_motion_starts_at_rest_with_occlusion_one_half(make_labels):
    generator = Generator(generator_config("demo", 6))
    previous = torch.rand(1, 3, 64, 64)
    output = generator(previous, make_labels(1, (64, 64)), make_labels(1, (64, 64), 1))
    assert output.backward_flow.abs().max() == 0
    torch.testing.assert_close(output.warped, previous)
    torch.testing.assert_close(output.occlusion_mask, torch.full((1, 1, 64, 64), 0.5))


def test_occlusion_is_one_where_the_flow_leaves_the_frame(make_generator, make_labels):
    generator = make_generator("C")
    torch.nn.init.zeros_(generator.motion.head.weight)
    generator.motion.head.bias.data.copy_(torch.tensor([0.5, 0.0, -9.0]))  # 10 px to the right
    features = generator.label_features(make_labels(1, (64, 64)), make_labels(1, (64, 64), 1))
    torch.testing.assert_close(features.backward_flow[:, 0], torch.full((1, 64, 64), 10.0))
    assert features.occlusion_mask[..., 54:].min() == 1
    assert features.occlusion_mask[..., :54].max() < 0.001


def test_a_generator_trusting_its_mask_differs_only_where_the_flow_leaves_the_frame(
    make_generator, make_labels
):
    generator = make_generator("C").eval()
    torch.nn.init.zeros_(generator.motion.head.weight)
    generator.motion.head.bias.data.copy_(torch.tensor([0.5, 0.0, -9.0]))  # 10 px to the right
    labels = make_labels(2, (64, 64))
    trusting = inference_copy(trusting_its_mask(generator))
    masks = [
        network.label_features(labels[:1], labels[1:]).occlusion_mask
        for network in (inference_copy(generator), trusting)
    ]
    assert masks[0][..., 54:].min() == 1
    assert masks[1].max() < 0.001
    torch.testing.assert_close(masks[0][..., :54], masks[1][..., :54])


def test_vid2vid_trusts_its_mask_anyway():
    generator = Vid2VidGenerator(Vid2VidConfig(4, width=4, foreground_width=4, foreground=()))
    assert trusting_its_mask(generator) is generator


@pytest.mark.parametrize("model", ["C", "demo"])
def test_label_features_batched_over_time_equal_those_frame_by_frame(
    make_generator, make_labels, model
):
    generator = make_generator(model)
    maps = make_labels(5, (64, 96))
    batched = generator.label_features(maps[:-1], maps[1:])
    for index in range(4):
        alone = generator.label_features(maps[index : index + 1], maps[index + 1 : index + 2])
        row = batched.rows(index, index + 1)
        torch.testing.assert_close(row.backward_flow, alone.backward_flow, atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(row.occlusion_mask, alone.occlusion_mask)
        for a, b in zip(row.conditions, alone.conditions, strict=True):
            torch.testing.assert_close(a, b, atol=1e-4, rtol=1e-4)


def colour_response(generator: Generator, labels: torch.Tensor) -> float:
    """Change of the last features by a colour offset, over their change by another image."""
    patch, size_hw = generator.config.patch, labels.shape[1:]
    features = generator.label_features(labels, labels)
    smooth = F.interpolate(torch.rand(2, 3, 8, 8) - 0.5, size_hw, mode="bilinear")
    images = torch.cat([smooth, smooth[:1] + 0.3])
    with torch.no_grad():
        image, other, brighter = (
            generator._decode(
                generator.image_pyramid([F.pixel_unshuffle(picture[None], patch)]), features
            )
            for picture in images
        )
    return float((brighter - image).norm() / (other - image).norm())


@pytest.mark.parametrize("norm", ["instance", "group"])
def test_a_colour_offset_survives_unless_the_pyramid_is_normed(make_labels, norm):
    torch.manual_seed(0)
    config = replace(generator_config("demo", 6), decoder_norm=norm)
    generator, labels = Generator(config).eval(), make_labels(1, (128, 128))
    safe = colour_response(generator, labels)
    for module in generator.image_pyramid.modules():
        if isinstance(module, torch.nn.Conv2d):
            module.register_forward_hook(lambda _m, _i, output: F.instance_norm(output))
    normed = colour_response(generator, labels)
    assert safe > 0.3
    assert normed < 0.5 * safe


def test_variant_d_warps_features_by_the_flow_of_their_size(make_generator, make_labels):
    generator = make_generator("D").eval()
    torch.nn.init.zeros_(generator.motion.head.weight)
    generator.motion.head.bias.data[0] = 32 / 20  # 32 px: whole pixels at strides up to 32
    labels = make_labels(1, (64, 128))
    seen = []
    generator.fusions[-1].register_forward_hook(lambda _m, inputs, _o: seen.append(inputs[1]))
    image = torch.rand(1, 3, 64, 128)
    generator(image, labels, labels)
    finest = generator.image_pyramid([image])[0]
    torch.testing.assert_close(seen[0], warp(finest, torch.tensor([32.0, 0]).view(1, 2, 1, 1)
        .expand(1, 2, 64, 128)), atol=1e-5, rtol=1e-4)  # fmt: skip


def test_a_larger_size_starts_as_the_base_upsampled(make_generator, make_labels):
    base, larger = make_generator("C"), make_generator("C", extra_blocks=1)
    missing, unexpected = larger.load_state_dict(base.state_dict(), strict=False)
    assert unexpected == []
    assert missing
    small = torch.rand(1, 3, 64, 64) - 0.5
    labels, previous = make_labels(1, (64, 64)), make_labels(1, (64, 64), 1)
    base.eval(), larger.eval()
    expected = base(small, previous, labels).image
    double = lambda maps: maps.repeat_interleave(2, 1).repeat_interleave(2, 2)  # noqa: E731
    output = larger(F.interpolate(small, scale_factor=2.0), double(previous), double(labels))
    actual = F.avg_pool2d(torch.atanh(output.image), 2)
    wanted = F.avg_pool2d(
        F.interpolate(torch.atanh(expected), scale_factor=2.0, mode="bilinear"), 2
    )
    torch.testing.assert_close(actual, wanted, atol=1e-4, rtol=1e-3)


def test_correcting_nothing_copies_visible_pixels(make_generator, make_labels):
    generator = make_generator("demo")
    for head in generator.heads:
        torch.nn.init.zeros_(head.weight), torch.nn.init.zeros_(head.bias)
    labels = make_labels(1, (64, 64))
    generator.motion.head.bias.data[2] = -30.0  # nothing is occluded
    torch.nn.init.zeros_(generator.motion.head.weight)
    previous = torch.rand(1, 3, 64, 64) * 2 - 1
    torch.testing.assert_close(generator(previous, labels, labels).image, previous)


@pytest.mark.parametrize("model", ["C", "demo"])
def test_motion_that_is_known_in_part_is_completed_by_the_network(
    make_generator, make_labels, model
):
    generator = make_generator(model)
    before, now = make_labels(1, (64, 64), 0), make_labels(1, (64, 64), 1)
    told = generator.label_features(before, now)
    known = torch.zeros(1, 1, 64, 64)
    known[..., :32] = 1
    motion = Motion(torch.full((1, 2, 64, 64), 3.0), torch.full((1, 1, 64, 64), 0.25), known)
    features = generator.label_features(before, now, motion=motion)
    assert (features.backward_flow[..., :32] == 3).all()
    assert (features.occlusion_mask[..., :32] == 0.25).all()
    assert torch.equal(features.backward_flow[..., 32:], told.backward_flow[..., 32:])
    assert torch.equal(features.occlusion_mask[..., 32:], told.occlusion_mask[..., 32:])


def test_a_share_is_drawn_anew_of_what_is_given_and_of_what_is_told(make_generator, make_labels):
    plain = make_generator("demo").eval()
    generator = make_generator("demo", forgetting=0.2, doubt=0.4).eval()
    generator.load_state_dict(plain.state_dict())
    before, now = make_labels(1, (64, 64), 0), make_labels(1, (64, 64), 1)
    told, doubted = (it.label_features(before, now).occlusion_mask for it in (plain, generator))
    assert told.min() < 0.6
    torch.testing.assert_close(doubted, 0.4 + 0.6 * told)
    known = torch.zeros(1, 1, 64, 64)
    known[..., :32] = 1
    given = Motion(torch.zeros(1, 2, 64, 64), torch.full((1, 1, 64, 64), 0.25), known)
    mixed = generator.label_features(before, now, motion=given).occlusion_mask
    torch.testing.assert_close(mixed[..., :32], torch.full_like(mixed[..., :32], 0.4))
    torch.testing.assert_close(mixed[..., 32:], doubted[..., 32:])


@pytest.mark.parametrize("warp_use", ["guide", "correct", "keep"])
@pytest.mark.parametrize("occluded", [0.0, 0.25, 1.0])
def test_the_warped_image_guides_is_corrected_or_is_kept(
    make_generator, make_labels, warp_use, occluded
):
    generator = make_generator("demo", warp_use=warp_use, forgetting=0.1)
    for head in generator.heads:
        torch.nn.init.zeros_(head.weight), torch.nn.init.constant_(head.bias, 0.5)
    labels = make_labels(1, (64, 64))
    motion = Motion(torch.zeros(1, 2, 64, 64), torch.full((1, 1, 64, 64), occluded))
    features = generator.label_features(labels, labels, motion=motion)
    previous = torch.rand(1, 3, 64, 64) - 0.7
    share, drawn = 0.1 + 0.9 * occluded, torch.full_like(previous, 0.5).tanh()
    expected = {
        "guide": drawn,
        "correct": (1 - share) * previous + drawn,
        "keep": (1 - share) * previous + share * drawn,
    }
    output = generator.render(previous, features)
    torch.testing.assert_close(output.image, expected[warp_use], atol=1e-5, rtol=1e-5)
    if warp_use == "keep":
        torch.testing.assert_close(output.raw, drawn)
    else:
        assert output.raw is None


def test_what_is_kept_stays_in_range_where_sharp_warps_overshoot(make_generator, make_labels):
    generator = make_generator("demo", warp_use="keep", interpolation="balanced")
    labels = make_labels(1, (64, 64))
    previous = torch.ones(1, 3, 64, 64)
    previous[..., 30:] = -1
    motion = Motion(torch.full((1, 2, 64, 64), 0.4), torch.zeros(1, 1, 64, 64))
    features = generator.label_features(labels, labels, motion=motion)
    output = generator.render(previous, features)
    assert output.warped.abs().max() > 1.05
    assert output.image.abs().max() == 1


def test_a_decoder_that_forgets_adds_its_own_share_to_the_occlusion_masks(
    make_generator, make_labels
):
    generator = make_generator("demo", warp_use="keep", learned_forgetting=True)
    (head,) = generator.heads
    logits = head.bias[-4:]  # one for each pixel of a 2x2 patch
    torch.testing.assert_close(torch.sigmoid(logits), torch.full((4,), 0.018), atol=1e-3, rtol=0)
    assert not head.weight[-4:].any()
    torch.nn.init.zeros_(head.weight), torch.nn.init.constant_(head.bias, 0.5)
    head.bias.data[-4:] = torch.tensor([0.0, -30.0, 30.0, math.log(3)])
    labels = make_labels(1, (64, 64))
    motion = Motion(torch.zeros(1, 2, 64, 64), torch.full((1, 1, 64, 64), 0.5))
    previous = torch.rand(1, 3, 64, 64) - 0.7
    output = generator.render(previous, generator.label_features(labels, labels, motion=motion))
    own = torch.tensor([[0.5, 0.0], [1.0, 0.75]]).repeat(32, 32)
    share, drawn = 0.5 + 0.5 * own, math.tanh(0.5)
    torch.testing.assert_close(output.image, (1 - share) * previous + share * drawn)
    assert (output.occlusion_mask == 0.5).all()


def test_a_larger_decoder_that_forgets_starts_with_the_share_of_its_base():
    base, larger = Generator(generator_config("carry", 6, extra_blocks=1)).heads
    assert base.bias[-4:].mean() == -4
    assert not larger.weight.any()
    assert not larger.bias.any()


def test_a_network_that_warps_features_has_no_warped_image_to_paint_on(make_generator):
    with pytest.raises(ConfigError, match="go with warped images, not with warp_features"):
        make_generator("D", object_colours=True)


def test_only_what_keeps_can_forget(make_generator):
    with pytest.raises(ConfigError, match="goes with warp_use 'keep', not 'correct'"):
        make_generator("demo", learned_forgetting=True)


def test_without_previous_depends_on_labels_only_and_only_where_asked(make_generator, make_labels):
    generator = make_generator("demo").eval()
    labels = make_labels(2, (64, 64))
    features = generator.label_features(labels, labels)
    which = torch.tensor([True, False])

    def images(seed: int) -> torch.Tensor:
        maker = torch.Generator().manual_seed(seed)
        previous = torch.rand(2, 3, 64, 64, generator=maker)
        return generator.render(*without_previous(previous, features, which)).image

    first, second = images(0), images(1)
    assert torch.equal(first[0], second[0])
    assert not torch.equal(first[1], second[1])


def test_edges_must_be_given_exactly_where_the_model_takes_them(make_generator, make_labels):
    labels = make_labels(1, (64, 64))
    edges = torch.zeros(1, 1, 64, 64)
    with pytest.raises(ValueError, match="takes no edge map"):
        make_generator("C").label_features(labels, labels, previous_edges=edges, edges=edges)
    generator = make_generator("demo", edges=True)
    with pytest.raises(ValueError, match="needs an edge map"):
        generator.label_features(labels, labels, edges=edges)
    plain = generator.label_features(labels, labels, previous_edges=edges, edges=edges)
    marked = generator.label_features(labels, labels, previous_edges=edges, edges=edges + 1)
    assert not torch.equal(plain.conditions[-1], marked.conditions[-1])


@pytest.mark.parametrize("model", ["C", "demo"])
def test_foreign_ids_and_unfit_sizes_are_refused(make_generator, make_labels, model):
    generator = make_generator(model)
    labels = make_labels(1, (64, 64))
    with pytest.raises(LabelSetError, match="id 6"):
        generator.label_features(labels, torch.full_like(labels, 6))
    odd = make_labels(1, (64, 72))
    with pytest.raises(ValueError, match="72x64 do not fit"):
        generator.label_features(odd, odd)
    small = make_labels(1, (32, 64))
    with pytest.raises(ValueError, match=r"64x32 do not fit.*at least 64"):
        generator.label_features(small, small)


def test_the_label_table_is_a_one_hot_map_and_a_1x1_convolution(make_generator, make_labels):
    label_input = make_generator("demo").label_input
    labels = make_labels(2, (8, 16))
    one_hot = F.one_hot(labels.long(), 6).float() @ label_input.table
    torch.testing.assert_close(label_input(labels, None), one_hot.movedim(-1, 1))


@pytest.mark.parametrize("embedding", [0, 5])
@pytest.mark.parametrize("with_edges", [False, True])
def test_folded_labels_are_the_labels_folded(embedding, with_edges):
    label_input = LabelInput(
        GeneratorConfig(num_classes=6, label_embedding=embedding, edges=with_edges)
    )
    labels = torch.randint(0, 6, (2, 8, 12), dtype=torch.uint8)
    borders = torch.randint(0, 2, (2, 1, 8, 12)).float() if with_edges else None
    whole = label_input(labels, borders)
    assert whole.shape[1] == label_input.channels
    folded = label_input(labels, borders, patch=2)
    torch.testing.assert_close(folded, F.pixel_unshuffle(whole, 2), rtol=0, atol=0)


def test_generation_repeats_bit_for_bit(make_generator, make_labels):
    labels, image = make_labels(1, (64, 64)), torch.rand(1, 3, 64, 64)
    first, second = make_generator("demo").eval(), make_generator("demo").eval()
    assert torch.equal(first(image, labels, labels).image, second(image, labels, labels).image)
    assert torch.equal(
        copy.deepcopy(first)(image, labels, labels).image, first(image, labels, labels).image
    )


def test_motion_sees_where_a_pixel_lies_if_told_so():
    seen = []
    for sees_position in (False, True):
        net = MotionNet(3, MotionConfig((4, 6), (4,), 1, sees_position=sees_position))
        net.stem[0].register_forward_hook(lambda *call: seen.append(call[1][0]))
        net(torch.full((2, 3, 16, 32), 7.0))
    plain, placed = seen
    assert plain.shape[1] == 3
    assert torch.equal(placed[:, :3], plain)
    columns = torch.arange(32) / 31 * 2 - 1
    rows = torch.arange(16) / 15 * 2 - 1
    torch.testing.assert_close(placed[:, 3], columns.expand(2, 16, 32))
    torch.testing.assert_close(placed[:, 4], rows[:, None].expand(2, 16, 32))


@pytest.mark.parametrize("extra_blocks", [0, 1])
def test_motion_of_the_features_is_that_of_the_drawn_frame(
    make_generator, make_labels, extra_blocks
):
    generator = make_generator("C", extra_blocks=extra_blocks)
    size_hw = (64 * 2**extra_blocks, 128 * 2**extra_blocks)
    features = generator.label_features(make_labels(1, size_hw, 0), make_labels(1, size_hw, 1))
    flow, occlusion_mask = generator.motion_of(features)
    output = generator.render(torch.zeros(1, 3, *size_hw), features)
    torch.testing.assert_close(flow, output.backward_flow)
    torch.testing.assert_close(occlusion_mask, output.occlusion_mask)
    assert flow.shape == (1, 2, *size_hw)
    assert flow.abs().max() > 0
