"""What svs-gan leaves open, in its other readings: plain presets, fusions, what sees what."""

from dataclasses import replace

import pytest
import torch
from torch.nn import functional as F

from svsdata.errors import ConfigError
from svsdata.nets.models import changed_config, model_config
from svsdata.nets.svsgan.blocks import OcclusionFusion, occlusion_fusion
from svsdata.nets.svsgan.generator import Generator
from svsdata.nets.svsgan.presets import generator_config
from svsdata.nets.svsgan.rollout import LabelMaps, RolloutState, begin, rollout, step
from svsdata.nets.video_generator import Motion, without_previous


def millions(*modules: torch.nn.Module) -> float:
    return sum(p.numel() for module in modules for p in module.parameters()) / 1e6


@pytest.mark.parametrize(("model", "tabled"), [("C-plain", 106.513), ("E-plain", 153.940)])
def test_plain_presets_have_the_tabled_parameters(model, tabled):
    with torch.device("meta"):
        generator = Generator(generator_config(model, 35))
    # the table counts a norm's scale and shift, which the colour-safe pyramid has not
    norms = 2 * sum((64, 128, 256, 512, 1024, 1024)) / 1e6
    assert millions(generator) == pytest.approx(tabled - norms, abs=1e-3)
    assert millions(generator.motion) == pytest.approx(22.216, abs=5e-4)
    assert millions(generator.image_pyramid) == pytest.approx(15.715 - norms, abs=5e-4)
    drawing = (generator.blocks, generator.semantic_modulators, generator.heads)
    styles = millions(generator.style_modulators)
    assert millions(*drawing) == pytest.approx(68.367, abs=5e-4)
    assert styles == pytest.approx(115.795 - 68.368 if model == "E-plain" else 0, abs=5e-4)
    assert millions(generator.fusions) == 0


@pytest.mark.parametrize(
    ("fusion", "expected"),
    [("blend", [[1.75], [1.5]]), ("gate", [[2.5], [2.0]]), ("cat", [[1, 1.5], [1, 1]])],
)
def test_fusions_without_parameters_are_their_formulas(fusion, expected):
    join = occlusion_fusion(fusion, 1)
    generated, skip = torch.ones(1, 1, 1, 2), torch.full((1, 1, 2, 4), 2.0)
    mask = torch.full((1, 1, 2, 4), 0.25)
    mask[..., 2:] = 0.5
    fused = join(generated, skip, mask)
    assert fused.shape[2:] == (2, 4)
    assert fused[0, :, 0, [0, 3]].T.tolist() == expected
    same_size = join(torch.ones(1, 1, 2, 4), skip, mask)
    torch.testing.assert_close(same_size, fused)


def test_a_projection_fuses_on_the_skips_grid_too():
    torch.manual_seed(0)
    join = OcclusionFusion(3)
    torch.nn.init.normal_(join.proj.weight)
    small, skip = torch.randn(1, 3, 2, 3), torch.randn(1, 3, 4, 6)
    mask = torch.rand(1, 1, 4, 6)
    doubled = F.interpolate(small, scale_factor=2.0, mode="nearest")
    torch.testing.assert_close(join(doubled, skip, mask), join(small, skip, mask))


VARIANTS = {
    "blend": {"fusion": "blend"},
    "gate": {"fusion": "gate"},
    "cat": {"fusion": "cat"},
    "mask seen": {"image_sees_occlusion": True},
}


@pytest.mark.parametrize("name", VARIANTS)
@pytest.mark.parametrize("model", ["C", "demo"])
def test_every_parameter_of_a_variant_learns_at_both_sizes(
    make_generator, make_labels, name, model
):
    for extra_blocks in (0, 1):
        generator = make_generator(model, extra_blocks=extra_blocks, **VARIANTS[name])
        for zeroed in [*generator.heads[1:], *generator.image_pyramid.joins]:
            torch.nn.init.normal_(zeroed.weight, std=0.1)
        size = (128, 128)
        output = generator(torch.rand(1, 3, *size), make_labels(1, size), make_labels(1, size, 1))
        (output.image * torch.randn(1, 3, *size)).sum().backward()
        assert [name for name, p in generator.named_parameters() if p.grad is None] == []
        assert generator.motion.head.weight.grad[2:].abs().sum() > 0


@pytest.mark.parametrize("fusion", ["blend", "cat"])
def test_where_all_is_occluded_nothing_of_the_past_is_seen_but_the_bottleneck(
    make_generator, make_labels, fusion
):
    generator = make_generator("C", fusion=fusion).eval()
    labels = make_labels(1, (64, 64))
    features = generator.label_features(labels, labels)
    everywhere = features.occluded(torch.ones(1, 1, 64, 64, dtype=torch.bool))
    images = torch.rand(1, 3, 64, 64)
    pyramid = generator.image_pyramid([images])
    other = [*(level + 1 for level in pyramid[:-1]), pyramid[-1]]
    with torch.no_grad():
        kept, changed = (generator._decode(each, everywhere) for each in (pyramid, other))
        leaking = generator._decode(other, features)
    torch.testing.assert_close(changed, kept)
    assert (leaking - kept).abs().max() > 1e-3


def test_the_encoder_that_sees_the_mask_changes_with_it_even_without_skips(
    make_generator, make_labels
):
    generator = make_generator("C", image_sees_occlusion=True, fusion="gate").eval()
    labels = make_labels(1, (64, 64))
    seen = []
    stem = generator.image_pyramid.stems[0]
    stem.register_forward_pre_hook(lambda _m, inputs: seen.append(inputs[0]))
    features = generator.label_features(labels, labels)
    image = torch.rand(1, 3, 64, 64)
    output = generator.render(image, features)
    torch.testing.assert_close(seen[0], torch.cat([output.warped, output.occlusion_mask], dim=1))


def test_motion_that_sees_the_image_differs_with_it_and_not_with_labels_alone(make_labels):
    torch.manual_seed(0)
    config = changed_config(
        model_config("C", 6, width=0.05), fusion=None, image_sees_occlusion=False,
        motion_sees_image=True,
    )  # fmt: skip
    generator = Generator(config).eval()
    torch.nn.init.normal_(generator.motion.head.weight, std=0.02)
    labels = make_labels(2, (64, 64))
    features = generator.label_features(labels[:1], labels[1:])
    with pytest.raises(ValueError, match="hold no motion"):
        generator.motion_of(features)
    known = Motion(torch.zeros(1, 2, 64, 64), torch.zeros(1, 1, 64, 64))
    with pytest.raises(ValueError, match="it follows no other motion"):
        generator.label_features(labels[:1], labels[1:], motion=known)
    image, other = torch.rand(2, 1, 3, 64, 64)
    first, second = generator.render(image, features), generator.render(other, features)
    assert not torch.equal(first.backward_flow, second.backward_flow)
    (first.backward_flow.sum() + first.occlusion_mask.sum()).backward()
    stem = generator.motion.stem[0].weight.grad
    assert stem is not None
    assert stem.shape[1] == 2 * 6 + 3
    assert (stem.abs().sum(dim=(0, 2, 3)) > 0)[-3:].all()
    # where the past is not to be seen it is not, and the black frame stands for none
    blank, forced = without_previous(image, features, torch.tensor([True]))
    anew = generator.render(blank, forced)
    assert anew.occlusion_mask.min() == 1


def test_a_rollout_with_motion_off_the_image_equals_its_steps(make_labels):
    torch.manual_seed(0)
    config = changed_config(
        model_config("C", 6, width=0.05), fusion="gate", image_sees_occlusion=True,
        motion_sees_image=True,
    )  # fmt: skip
    generator = Generator(config).eval()
    maps = [LabelMaps(make_labels(1, (64, 64), seed)) for seed in range(4)]
    with torch.no_grad():
        state = RolloutState(begin(generator, maps[0]).image, maps[0])
        together = [output.image for output in rollout(generator, state, maps[1:], chunk=3)]
        for labels, image in zip(maps[1:], together, strict=True):
            state, output = step(generator, state, labels)
            torch.testing.assert_close(output.image, image, atol=1e-4, rtol=1e-3)


@pytest.mark.parametrize(("told", "share"), [(None, 0.08), (0.0, 0.0), (0.02, 0.02)])
def test_so_much_is_drawn_anew_where_motion_is_given(make_labels, told, share):
    config = changed_config(model_config("carry", 6, width=0.1), forgetting=told)
    generator = Generator(config).eval()
    labels = make_labels(2, (64, 64))
    still = Motion(torch.zeros(1, 2, 64, 64), torch.zeros(1, 1, 64, 64))
    _, mask = generator.motion_of(generator.label_features(labels[:1], labels[1:], motion=still))
    torch.testing.assert_close(mask, torch.full_like(mask, share))


def test_variants_that_cannot_be_are_refused_in_one_line():
    none = {"fusion": None, "image_sees_occlusion": False, "motion_sees_image": False}
    plain, paper = model_config("C-plain", 6), model_config("A", 6)
    assert changed_config(paper, **none) is paper
    with pytest.raises(ConfigError, match="A and B have no variants"):
        changed_config(paper, **{**none, "fusion": "gate"})
    with pytest.raises(ConfigError, match="'cat' widens what enters a block"):
        changed_config(plain, **{**none, "fusion": "cat"})
    with pytest.raises(ConfigError, match="goes with warped images, not with warp_features"):
        changed_config(model_config("D", 6), **{**none, "image_sees_occlusion": True})
    with pytest.raises(ConfigError, match="those of the skips each block meets"):
        replace(plain, decoder_widths=(1024, 512, 512, 256, 128, 64))
