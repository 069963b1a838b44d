import copy
import math

import pytest
import torch
from torch import nn
from torch.nn.utils.parametrize import is_parametrized

from svsdata.nets.initial_weights import draw_weights
from svsdata.nets.models import build_generator, build_image_discriminator, model_config


def convolutions(network):
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            parametrized = is_parametrized(module, "weight")
            yield module, module.parametrizations.weight.original if parametrized else module.weight


@pytest.mark.parametrize("model", ["C", "A"])
@pytest.mark.parametrize("kind", ["xavier", "normal"])
def test_weights_spread_as_asked_for_and_what_starts_at_zero_or_as_a_blend_does_so(model, kind):
    torch.manual_seed(0)
    built = build_generator(model_config(model, 5, extra_blocks=1, width=0.1))
    drawn = copy.deepcopy(built)
    draw_weights(drawn, kind)
    spreads, still = [], 0
    for (module, weight), (_, before) in zip(convolutions(drawn), convolutions(built), strict=True):
        assert module.bias is None or not module.bias.any()
        if torch.equal(weight, before):
            still += 1
            starts_known = not weight.any() or module.in_channels == 2 * module.out_channels
            assert starts_known, module
            continue
        fan_in, fan_out = weight.shape[1] * weight[0, 0].numel(), len(weight) * weight[0, 0].numel()
        wanted = 0.02 * (math.sqrt(2 / (fan_in + fan_out)) if kind == "xavier" else 1.0)
        spreads.append((weight / wanted).flatten())
    assert torch.cat(spreads).std().item() == pytest.approx(1.0, abs=0.01)
    assert still > 0


def test_spectral_norms_follow_the_weights_that_were_drawn():
    torch.manual_seed(0)
    discriminator = build_image_discriminator("C", 5, edges=False, width=0.1)
    draw_weights(discriminator, "xavier")
    block = discriminator.downs[2]
    largest = torch.linalg.matrix_norm(block.conv_0.weight.flatten(1), 2)
    assert largest.item() == pytest.approx(1.0, abs=0.05)


def test_torchs_own_are_left_alone():
    torch.manual_seed(0)
    built = build_generator(model_config("demo", 5, width=0.1))
    kept = {name: value.clone() for name, value in built.state_dict().items()}
    draw_weights(built, "torch")
    assert all(torch.equal(value, kept[name]) for name, value in built.state_dict().items())


def test_what_a_decoder_forgets_at_first_does_not_depend_on_how_weights_are_drawn():
    built = build_generator(model_config("carry", 5, width=0.1))
    draw_weights(built, "normal")
    (head,) = built.heads
    assert head.weight[:-4].std().item() == pytest.approx(0.02, rel=0.2)
    assert not head.weight[-4:].any()
    assert not head.bias[:-4].any()
    assert (head.bias[-4:] == -4).all()
