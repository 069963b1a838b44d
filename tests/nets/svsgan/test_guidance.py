from dataclasses import replace

import pytest
import torch

from svsdata.errors import ConfigError
from svsdata.nets.models import build_generator, changed_config, model_config
from svsdata.nets.svsgan.generator import Generator

SIZE = (64, 128)


def with_guidance(plain):
    """The same generator, which also sees guidance."""
    guided = Generator(replace(plain.config, guidance_width=4))
    missing, unexpected = guided.load_state_dict(plain.state_dict(), strict=False)
    assert not unexpected
    assert all(name.startswith("guidance_modulators") for name in missing)
    return guided


def drawn(generator, labels, guidance=None):
    previous = torch.rand(1, 3, *SIZE, generator=torch.Generator().manual_seed(1)) * 2 - 1
    features = generator.label_features(labels, labels)
    if guidance is not None:
        features = features.guided(guidance)
    return generator.render(previous, features.rows(0, 1)).image


@pytest.mark.parametrize("model", ["C", "E", "demo", "carry"])
def test_weights_without_guidance_go_on_unchanged_and_learn_from_it(
    model, make_generator, make_labels
):
    plain = make_generator(model)
    guided = with_guidance(plain)
    labels = make_labels(1, SIZE)
    guidance = torch.cat([torch.rand(1, 3, *SIZE), torch.ones(1, 1, *SIZE)], dim=1)
    with torch.no_grad():
        expected = drawn(plain, labels)
        for known in (guidance, None):  # the order in memory differs, and so does rounding
            torch.testing.assert_close(drawn(guided, labels, known), expected, atol=1e-5, rtol=0)
    drawn(guided, labels, guidance).square().sum().backward()
    assert len(guided.guidance_modulators) == 3
    for modulator in guided.guidance_modulators:
        assert modulator.head.conv.weight.grad.abs().sum() > 0


def test_what_is_not_known_is_shown_as_nothing(make_generator, make_labels):
    guided = with_guidance(make_generator())
    torch.nn.init.normal_(guided.guidance_modulators[-1].head.conv.weight, std=0.1)
    labels = make_labels(1, SIZE)
    nothing = torch.zeros(1, 4, *SIZE)
    half = nothing.clone()
    half[..., 64:] = 1.0
    with torch.no_grad():
        assert torch.equal(drawn(guided, labels), drawn(guided, labels, nothing))
        difference = (drawn(guided, labels, half) - drawn(guided, labels)).abs().sum(dim=(0, 1, 2))
    assert difference[70:].min() > 0


def test_guidance_is_a_variant_of_svs_gans_networks_alone():
    none = {"fusion": None, "image_sees_occlusion": False, "motion_sees_image": False}
    changed = changed_config(model_config("C", 6, width=0.1), **none, guidance=True)
    assert changed.sees_guidance
    grown = changed_config(model_config("C", 6, width=0.1, extra_blocks=1), **none, guidance=True)
    base, larger = build_generator(changed), build_generator(grown)
    assert len(larger.guidance_modulators) == len(base.guidance_modulators) + 1
    assert larger.guidance_modulators[-1] in larger.newest_modules()
    with pytest.raises(ConfigError, match="A and B have no variants"):
        changed_config(model_config("A", 6), **none, guidance=True)
    vid2vid = build_generator(model_config("A", 6, width=0.05))
    past, labels = torch.zeros(1, 2, 64, 64).byte(), torch.zeros(1, 64, 64).byte()
    features = vid2vid.label_features(past, labels)
    with pytest.raises(ValueError, match="sees none"):
        features.guided(torch.zeros(1, 4, 64, 64))
