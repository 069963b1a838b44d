import math

import numpy as np
import pytest
import torch

from svsdata.nets.svsgan import losses
from svsdata.tensors import warp

B, K, H, W = 2, 4, 3, 5


@pytest.fixture
def logits() -> torch.Tensor:
    return torch.randn(B, K + 1, H, W, generator=torch.Generator().manual_seed(1)) * 3


@pytest.fixture
def semantic() -> torch.Tensor:
    maker = torch.Generator().manual_seed(2)
    return torch.randint(0, K - 1, (B, H, W), generator=maker).to(torch.uint8)  # class 3 is absent


def literal_cross_entropy(scores: np.ndarray, target: int) -> float:
    shifted = [math.exp(value - max(scores)) for value in scores]
    return -math.log(shifted[target] / sum(shifted))


def test_class_counts_count_pixels(semantic):
    counts = losses.class_counts(semantic, K)
    assert counts.tolist() == [int((semantic == c).sum()) for c in range(K)]


@pytest.mark.parametrize("ignored", [(), (0,), (3,), (0, 1, 3)])
def test_class_weights_equal_the_literal_formula(semantic, ignored):
    mask = torch.tensor([c in ignored for c in range(K)])
    weights = losses.class_weights(losses.class_counts(semantic, K), ignored=mask)
    pixels = semantic.flatten().tolist()
    present = {c for c in pixels if c not in ignored}
    for c in range(K):
        expected = len(pixels) / (len(present) * pixels.count(c)) if c in present else 0.0
        assert weights[c].item() == pytest.approx(expected)


def test_every_present_class_has_the_same_share_of_the_loss(semantic):
    weights = losses.class_weights(losses.class_counts(semantic, K))
    shares = torch.bincount(semantic.flatten().long(), weights[semantic.long()].flatten().double())
    torch.testing.assert_close(shares / semantic.numel(), torch.full((3,), 1 / 3).double())


def test_the_limit_caps_the_weight_of_rare_classes():
    counts = torch.tensor([9999.0, 1.0])
    assert losses.class_weights(counts)[1] == 5000
    assert losses.class_weights(counts, limit=50.0).tolist() == pytest.approx([10000 / 19998, 50])


def test_a_map_of_ignored_pixels_only_weighs_nothing():
    ignored = torch.tensor([True, False])
    assert losses.class_weights(torch.tensor([12.0, 0.0]), ignored=ignored).tolist() == [0, 0]


def test_segmentation_loss_equals_the_literal_formula(logits, semantic):
    weights = torch.tensor([0.5, 2.0, 3.0, 0.0])
    actual = losses.segmentation_loss(logits, semantic, weights)
    for b, y, x in np.ndindex(B, H, W):
        c = int(semantic[b, y, x])
        expected = weights[c] * literal_cross_entropy(logits[b, :, y, x].tolist(), c + 1)
        assert actual[b, y, x].item() == pytest.approx(expected.item(), rel=1e-5)


def test_fake_loss_is_the_cross_entropy_with_channel_zero(logits):
    actual = losses.fake_loss(logits)
    for b, y, x in np.ndindex(B, H, W):
        expected = literal_cross_entropy(logits[b, :, y, x].tolist(), 0)
        assert actual[b, y, x].item() == pytest.approx(expected, rel=1e-5)


def test_label_mix_takes_whole_classes(semantic):
    coins = torch.tensor([True, False, True, False])
    mask = losses.label_mix_mask(semantic, coins)
    real, generated = torch.ones(B, 3, H, W), -torch.ones(B, 3, H, W)
    mixed = losses.label_mix(real, generated, mask)
    for b, y, x in np.ndindex(B, H, W):
        expected = 1.0 if coins[int(semantic[b, y, x])] else -1.0
        assert mixed[b, :, y, x].tolist() == [expected] * 3


def test_label_mix_loss_is_zero_for_a_consistent_discriminator(logits, semantic):
    mask = losses.label_mix_mask(semantic, torch.tensor([True, False, True, False]))
    consistent = torch.where(mask.bool(), logits, -logits)
    assert losses.label_mix_loss(consistent, logits, -logits, mask).abs().max() == 0
    off = losses.label_mix_loss(consistent + 0.5, logits, -logits, mask)
    torch.testing.assert_close(off, torch.full_like(logits, 0.25))


LITERAL_ADVERSARIAL = {
    ("ls", True): lambda x: (x - 1) ** 2,
    ("ls", False): lambda x: x**2,
    ("bce", True): lambda x: -math.log(1 / (1 + math.exp(-x))),
    ("bce", False): lambda x: -math.log(1 - 1 / (1 + math.exp(-x))),
    ("hinge", True): lambda x: max(0.0, 1 - x),
    ("hinge", False): lambda x: max(0.0, 1 + x),
}


@pytest.mark.parametrize(("mode", "is_real"), LITERAL_ADVERSARIAL)
def test_discriminator_loss_equals_the_literal_formula(mode, is_real):
    x = torch.tensor([-2.5, -1.0, -0.3, 0.0, 0.7, 1.0, 3.0])
    actual = losses.discriminator_loss(x, is_real=is_real, mode=mode)
    expected = [LITERAL_ADVERSARIAL[mode, is_real](value) for value in x.tolist()]
    torch.testing.assert_close(actual, torch.tensor(expected), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("mode", ["ls", "bce", "hinge"])
def test_the_generator_wants_higher_scores(mode):
    x = torch.linspace(-3, 0.9, 9, requires_grad=True)
    (gradient,) = torch.autograd.grad(losses.generator_loss(x, mode=mode).sum(), x)
    assert (gradient < 0).all()


def test_perceptual_loss_weighs_mean_differences_by_layer():
    real = [torch.rand(B, 3, 4, 4), torch.rand(B, 6, 2, 2)]
    generated = [torch.rand(B, 3, 4, 4, requires_grad=True), torch.rand(B, 6, 2, 2)]
    actual = losses.perceptual_loss(generated, real, weights=(0.25, 2.0))
    for b in range(B):
        expected = sum(
            weight * np.abs(g[b].detach().numpy() - r[b].numpy()).mean()
            for weight, g, r in zip((0.25, 2.0), generated, real, strict=True)
        )
        assert actual[b].item() == pytest.approx(expected, rel=1e-5)


def test_feature_matching_teaches_the_generator_only():
    generated = [torch.rand(B, 3, 4, 4, requires_grad=True), torch.rand(B, 2, 2, 2)]
    real = [torch.rand(B, 3, 4, 4, requires_grad=True), torch.rand(B, 2, 2, 2)]
    loss = losses.feature_matching_loss(generated, real)
    expected = [
        np.mean([np.abs((g[b] - r[b]).detach().numpy()).mean() for g, r in zip(generated, real)])  # noqa: B905
        for b in range(B)
    ]
    assert loss.tolist() == pytest.approx(expected, rel=1e-5)
    loss.sum().backward()
    assert generated[0].grad is not None
    assert real[0].grad is None


def test_patch_matching_weighs_layers_as_vid2vid_does():
    # two resolutions of four layers and logits: 4 / (n_layers_D + 1) / num_D = 0.5 a layer
    maker = torch.Generator().manual_seed(6)
    real, generated = (
        [[torch.rand(B, c, 4, 6, generator=maker) for c in (2, 3, 4, 5, 1)] for _ in range(2)]
        for _ in range(2)
    )
    actual = losses.patch_matching_loss(generated, real)
    for b in range(B):
        expected = 0.0
        for layers, real_layers in zip(generated, real, strict=True):
            for a, r in zip(layers[:-1], real_layers[:-1], strict=True):
                expected += 0.5 * (a[b] - r[b]).abs().mean().item()
        assert actual[b].item() == pytest.approx(expected, rel=1e-5)


def test_flow_loss_counts_valid_pixels_only():
    flow, reference = torch.rand(B, 2, H, W), torch.rand(B, 2, H, W)
    valid = (torch.rand(B, 1, H, W) > 0.5).float()
    actual = losses.flow_loss(flow, reference, valid)
    for b, c, y, x in np.ndindex(B, 2, H, W):
        expected = abs(flow[b, c, y, x] - reference[b, c, y, x]) * valid[b, 0, y, x]
        assert actual[b, c, y, x] == expected


def test_warp_loss_is_zero_for_the_true_flow_and_reaches_a_wrong_one():
    ramp = torch.arange(8.0).view(1, 1, 1, 8).expand(1, 3, 4, 8).contiguous()
    flow = torch.zeros(1, 2, 4, 8)
    flow[:, 0] = 1.0
    current, valid = warp(ramp, flow), torch.ones(1, 1, 4, 8)
    assert losses.warp_loss(ramp, flow, current, valid).abs().max() == 0
    guess = torch.zeros(1, 2, 4, 8, requires_grad=True)
    losses.warp_loss(ramp, guess, current, valid).sum().backward()
    assert (guess.grad[0, 0, :, 1:6] < 0).all()  # a larger dx would do better


def test_consistency_compares_with_the_previous_image_moved_by_the_flow():
    maker = torch.Generator().manual_seed(5)
    previous = torch.rand(1, 3, H, W, generator=maker, requires_grad=True)
    generated = torch.rand(1, 3, H, W, generator=maker, requires_grad=True)
    flow = torch.zeros(1, 2, H, W)
    flow[:, 0] = 1.0
    valid = torch.ones(1, 1, H, W)
    valid[..., 0] = 0
    loss = losses.consistency_loss(generated, previous, flow, valid)
    for y in range(H):
        for x in range(W):
            for c in range(3):
                moved = previous[0, c, y, min(x + 1, W - 1)].item()
                expected = abs(generated[0, c, y, x].item() - moved) if x else 0.0
                assert loss[0, c, y, x].item() == pytest.approx(expected, abs=1e-6)
    loss.sum().backward()
    assert previous.grad is None
    assert generated.grad.abs().sum() > 0


def test_flow_is_valid_where_it_explains_the_pixel():
    previous = torch.zeros(1, 3, 1, 4)
    current = torch.zeros(1, 3, 1, 4)
    current[0, :, 0, 1] = 0.08  # 3 * 0.0064 = 0.0192
    current[0, :, 0, 2] = 0.083  # 0.0207
    valid = losses.flow_validity(previous, current, torch.zeros(1, 2, 1, 4))
    assert valid.flatten().tolist() == [1, 1, 0, 1]


def test_confidence_falls_with_the_distance_to_the_warped_image():
    warped = torch.zeros(1, 3, 1, 3, requires_grad=True)
    current = torch.zeros(1, 3, 1, 3)
    current[0, :, 0, 1], current[0, :, 0, 2] = 0.1, 0.9
    confidence = losses.warp_confidence(warped, current)
    assert confidence.flatten().tolist() == pytest.approx([1, 0.7, 0])
    assert not confidence.requires_grad


def test_occlusion_loss_pulls_the_mask_to_what_the_warp_misses():
    confidence = torch.tensor([1.0, 0.0, 0.25])
    mask = torch.tensor([0.5, 0.2, 0.4], requires_grad=True)
    loss = losses.occlusion_loss(mask, confidence)
    assert loss.tolist() == pytest.approx(
        [-math.log(0.5), -math.log(0.2), -0.25 * math.log(0.6) - 0.75 * math.log(0.4)]
    )
    (gradient,) = torch.autograd.grad(loss.sum(), mask)
    assert gradient.tolist() == pytest.approx([2, -5, 0.25 / 0.6 - 0.75 / 0.4])


def test_occlusion_loss_is_least_at_the_probability_of_being_occluded():
    masks = torch.linspace(0, 1, 101)
    for occluded in (0.0, 0.1, 0.3, 1.0):
        loss = losses.occlusion_loss(masks, torch.full_like(masks, 1 - occluded))
        assert loss.isfinite().all()
        assert masks[loss.argmin()].item() == pytest.approx(occluded)


def test_a_mask_that_is_sure_and_wrong_is_pulled_back_as_hard_as_any():
    logits = torch.tensor([5.0, 12.0, -12.0, 12.0], requires_grad=True)
    visible = torch.tensor([1.0, 1.0, 0.0, 0.0])
    loss = losses.occlusion_loss(torch.sigmoid(logits), visible)
    assert loss.max() < 13.9
    (gradient,) = torch.autograd.grad(loss.sum(), logits)
    # the cross entropy's own: mask - target
    assert gradient.tolist() == pytest.approx([1, 1, -1, 0], abs=0.05)


def test_pixel_loss_is_the_absolute_difference():
    assert losses.pixel_loss(torch.tensor([0.5]), torch.tensor([-0.25])).item() == 0.75


def test_losses_are_float32_under_bf16_inputs(logits, semantic):
    halves = logits.bfloat16()
    results = [
        losses.segmentation_loss(halves, semantic, torch.ones(K)),
        losses.fake_loss(halves),
        losses.discriminator_loss(halves, is_real=True, mode="hinge"),
        losses.generator_loss(halves, mode="hinge"),
        losses.feature_matching_loss([halves], [halves]),
    ]
    assert {result.dtype for result in results} == {torch.float32}
