import pytest
import torch
from torch import nn
from torch.nn import functional as F

from svsdata.nets.svsgan.blocks import (
    InstanceNorm,
    Modulation,
    OcclusionFusion,
    SemanticModulator,
    SpadeBlock,
    StyleModulator,
)


def test_two_modulations_in_a_row_equal_their_composition():
    x, *maps = torch.randn(5, 2, 3, 4, 4)
    first, second = Modulation(*maps[:2]), Modulation(*maps[2:])
    torch.testing.assert_close(first.then(second).apply(x), second.apply(first.apply(x)))


def test_modulation_scales_around_one():
    x = torch.randn(1, 2, 3, 3)
    assert torch.equal(Modulation(torch.zeros_like(x), torch.zeros_like(x)).apply(x), x)
    torch.testing.assert_close(Modulation(x, 2 * x).apply(x), x * (1 + x) + 2 * x)


def test_instance_norm_equals_torchs():
    norm, x = InstanceNorm(4), torch.randn(2, 4, 5, 7)
    torch.testing.assert_close(norm(x), F.instance_norm(x), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize(("fin", "fout"), [(32, 32), (32, 16), (16, 32)])
@pytest.mark.parametrize("norm", ["instance", "group"])
def test_a_spade_block_equals_the_literal_formula(fin, fout, norm):
    block = SpadeBlock(fin, fout, norm=norm).eval()
    x = torch.randn(2, fin, 6, 5)
    modulations = [
        Modulation(torch.randn(2, width, 6, 5), torch.randn(2, width, 6, 5))
        for width in block.spade_widths
    ]

    def spade(features: torch.Tensor, index: int) -> torch.Tensor:
        groups = features.shape[1] if norm == "instance" else features.shape[1] // 16
        grouped = features.reshape(2, groups, -1)
        centred = grouped - grouped.mean(dim=2, keepdim=True)
        scaled = centred / (grouped.var(dim=2, keepdim=True, unbiased=False) + 1e-5).sqrt()
        gamma, beta = modulations[index]
        return scaled.reshape(features.shape) * (1 + gamma) + beta

    hidden = block.conv_0(F.leaky_relu(spade(x, 0), 0.2))
    hidden = block.conv_1(F.leaky_relu(spade(hidden, 1), 0.2))
    shortcut = x if fin == fout else block.shortcut(spade(x, 2))
    torch.testing.assert_close(block(x, modulations), shortcut + hidden, atol=1e-4, rtol=1e-4)


def test_semantic_modulation_comes_from_one_convolution_split_by_spade():
    modulator = SemanticModulator(4, (3, 2), kernel=3)
    condition = torch.randn(1, 4, 5, 5)
    modulations = modulator(condition)
    assert [tuple(m.gamma.shape) for m in modulations] == [(1, 3, 5, 5), (1, 2, 5, 5)]
    flat = torch.cat([part for modulation in modulations for part in modulation], dim=1)
    torch.testing.assert_close(flat, modulator.conv(condition))


def test_the_factored_style_layer_equals_a_convolution_of_both_inputs():
    modulator = StyleModulator(6, 4, (3, 2), hidden=5)
    bottleneck, skip = torch.randn(2, 6, 4, 7), torch.randn(2, 4, 4, 7)  # of one size: exact
    literal = nn.Conv2d(10, 10, 3, padding=1)
    literal.weight.data = torch.cat(
        [modulator.from_bottleneck.weight, modulator.from_skip.weight], dim=1
    )
    literal.bias.data = modulator.from_skip.bias
    hidden = literal(torch.cat([bottleneck, skip], dim=1)).relu().chunk(2, dim=1)
    for modulation, head, part in zip(
        modulator(bottleneck, skip), modulator.heads, hidden, strict=True
    ):
        torch.testing.assert_close(torch.cat(modulation, dim=1), head(part), atol=1e-5, rtol=1e-4)


def test_fusion_starts_as_a_blend_by_the_occlusion_mask():
    fusion = OcclusionFusion(3)
    nn.init.zeros_(fusion.proj.bias)
    generated, skip = torch.randn(2, 1, 3, 4, 4)
    mask = torch.rand(1, 1, 4, 4)
    torch.testing.assert_close(
        fusion(generated, skip, mask), mask * generated + (1 - mask) * skip, atol=1e-6, rtol=1e-5
    )
