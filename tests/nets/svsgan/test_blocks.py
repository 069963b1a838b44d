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


def test_modulation_scales_and_shifts():
    x = torch.randn(1, 2, 3, 3)
    assert torch.equal(Modulation(torch.ones_like(x), torch.zeros_like(x)).apply(x), x)
    torch.testing.assert_close(Modulation(x, 2 * x).apply(x), x * x + 2 * x)


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
        scale, shift = modulations[index]
        return scaled.reshape(features.shape) * scale + shift

    hidden = block.conv_0(F.leaky_relu(spade(x, 0), 0.2))
    hidden = block.conv_1(F.leaky_relu(spade(hidden, 1), 0.2))
    shortcut = x if fin == fout else block.shortcut(spade(x, 2))
    torch.testing.assert_close(block(x, modulations), shortcut + hidden, atol=1e-4, rtol=1e-4)


def test_semantic_modulation_comes_from_one_convolution_split_by_spade():
    modulator = SemanticModulator(4, (3, 2), kernel=3)
    condition = torch.randn(1, 4, 5, 5)
    modulations = modulator(condition)
    assert [tuple(m.scale.shape) for m in modulations] == [(1, 3, 5, 5), (1, 2, 5, 5)]
    # gamma, beta, gamma, beta; SPADE scales by 1 + gamma
    parts = [part for m in modulations for part in (m.scale - 1, m.shift)]
    torch.testing.assert_close(torch.cat(parts, dim=1), modulator.conv(condition))


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
        gamma_and_beta = torch.cat([modulation.scale - 1, modulation.shift], dim=1)
        torch.testing.assert_close(gamma_and_beta, head(part), atol=1e-5, rtol=1e-4)


def test_fusion_equals_a_projection_of_both_sources_weighed_by_the_mask():
    fusion = OcclusionFusion(3)
    nn.init.normal_(fusion.proj.weight)
    generated, skip = torch.randn(2, 3, 4, 5), torch.randn(2, 3, 8, 10)
    mask = torch.rand(2, 1, 8, 10, requires_grad=True)
    doubled = F.interpolate(generated, scale_factor=2.0, mode="nearest")
    literal = fusion.proj(torch.cat([mask * doubled, (1 - mask) * skip], dim=1))
    fused = fusion(generated, skip, mask)
    torch.testing.assert_close(fused, literal, atol=1e-5, rtol=1e-4)
    slopes = [torch.autograd.grad(it.square().sum(), mask)[0] for it in (fused, literal)]
    torch.testing.assert_close(*slopes, atol=1e-3, rtol=1e-3)


def test_fusion_starts_as_a_blend_by_the_occlusion_mask():
    fusion = OcclusionFusion(3)
    nn.init.zeros_(fusion.proj.bias)
    generated, skip = torch.randn(1, 3, 2, 2), torch.randn(1, 3, 4, 4)
    mask = torch.rand(1, 1, 4, 4)
    doubled = F.interpolate(generated, scale_factor=2.0, mode="nearest")
    torch.testing.assert_close(
        fusion(generated, skip, mask), mask * doubled + (1 - mask) * skip, atol=1e-6, rtol=1e-5
    )
