"""Losses against what their equations say, pixel by pixel, in plain Python."""

from itertools import product

import pytest
import torch

from svsdata.nets.svsgan import losses
from svsdata.tensors import warp

B, H, W = 2, 3, 5


def maps(channels, seed, *, low=-1.0, high=1.0):
    draws = torch.Generator().manual_seed(seed)
    return torch.rand(B, channels, H, W, generator=draws) * (high - low) + low


def mask(seed):
    return maps(1, seed).round().abs()


def by_pixel(channels, formula):
    """Fill (B, channels, H, W) by a formula of batch, channel, row and column."""
    filled = torch.empty(B, channels, H, W)
    for at in product(range(B), range(channels), range(H), range(W)):
        filled[at] = float(formula(*at))
    return filled


def mean_over_pixels(difference, channels, height, width):
    """Return one mean a sample, as a list."""
    places = list(product(range(channels), range(height), range(width)))
    return [sum(difference(b, *at) for at in places) / len(places) for b in range(B)]


def test_flow_loss_is_the_masked_distance_in_pixels():
    flow, reference, valid = maps(2, 1, high=4), maps(2, 2, high=4), mask(3)
    expected = by_pixel(
        2, lambda b, c, y, x: valid[b, 0, y, x] * abs(flow[b, c, y, x] - reference[b, c, y, x])
    )
    torch.testing.assert_close(losses.flow_loss(flow, reference, valid), expected)


@pytest.mark.parametrize("which", ["warp", "consistency"])
def test_warped_frames_are_compared_channel_by_channel(which):
    previous, current, flow, valid = maps(3, 1), maps(3, 2), maps(2, 3, high=2), mask(4)
    moved = warp(previous, flow)
    expected = by_pixel(
        3, lambda b, c, y, x: valid[b, 0, y, x] * abs(moved[b, c, y, x] - current[b, c, y, x])
    )
    told = (
        losses.warp_loss(previous, flow, current, valid)
        if which == "warp"
        else losses.consistency_loss(current, previous, flow, valid)
    )
    torch.testing.assert_close(told, expected)


def test_guidance_and_pixel_losses_are_distances():
    generated, real, known = maps(3, 1), maps(3, 2), mask(3)
    guidance = torch.cat([real, known], dim=1)
    far = by_pixel(3, lambda b, c, y, x: abs(generated[b, c, y, x] - real[b, c, y, x]))
    torch.testing.assert_close(losses.pixel_loss(generated, real), far)
    expected = by_pixel(3, lambda b, c, y, x: known[b, 0, y, x] * far[b, c, y, x])
    torch.testing.assert_close(losses.guidance_loss(generated, guidance), expected)


def test_validity_and_confidence_follow_the_distance_of_colours():
    previous, flow = maps(3, 1), maps(2, 2, high=2)
    moved = warp(previous, flow)
    current = moved + maps(3, 3, low=-0.2, high=0.2)

    def apart(b, y, x, power):
        return sum(abs(moved[b, c, y, x] - current[b, c, y, x]) ** power for c in range(3))

    valid = by_pixel(1, lambda b, _, y, x: apart(b, y, x, 2) < 0.02)
    torch.testing.assert_close(losses.flow_validity(previous, current, flow), valid)
    assert 0 < valid.mean() < 1
    sure = by_pixel(1, lambda b, _, y, x: min(max(1 - apart(b, y, x, 1), 0), 1))
    torch.testing.assert_close(losses.warp_confidence(moved, current), sure)


def test_occlusion_loss_is_the_cross_entropy():
    occluded, confidence = maps(1, 1, low=0.01, high=0.99), maps(1, 2, low=0)
    logs = occluded.log(), (1 - occluded).log()
    expected = by_pixel(
        1,
        lambda b, c, y, x: (
            -(
                (1 - confidence[b, c, y, x]) * logs[0][b, c, y, x]
                + confidence[b, c, y, x] * logs[1][b, c, y, x]
            )
        ),
    )
    torch.testing.assert_close(losses.occlusion_loss(occluded, confidence), expected)


def test_label_mix_loss_is_the_square_to_the_mix_of_logits():
    mixed, real, fake, takes_real = maps(4, 1), maps(4, 2), maps(4, 3), mask(4)
    expected = by_pixel(
        4,
        lambda b, c, y, x: (
            (mixed[b, c, y, x] - (real if takes_real[b, 0, y, x] else fake)[b, c, y, x]) ** 2
        ),
    )
    torch.testing.assert_close(losses.label_mix_loss(mixed, real, fake, takes_real), expected)


def test_feature_losses_sum_means_over_each_layer():
    generated, real = [maps(2, 1), maps(3, 2)], [maps(2, 3), maps(3, 4)]

    def distances(layer, power):
        a, b = generated[layer], real[layer]
        return mean_over_pixels(
            lambda n, c, y, x: abs(a[n, c, y, x] - b[n, c, y, x]) ** power, a.shape[1], H, W
        )

    pairs = list(zip(distances(0, 1), distances(1, 1), strict=True))
    torch.testing.assert_close(
        losses.perceptual_loss(generated, real, (0.25, 2.0)),
        torch.stack([0.25 * first + 2 * second for first, second in pairs]),
    )
    torch.testing.assert_close(
        losses.feature_matching_loss(generated, real),
        torch.stack([(first + second) / 2 for first, second in pairs]),
    )
    squares = list(zip(distances(0, 2), distances(1, 2), strict=True))
    torch.testing.assert_close(
        losses.alignment_loss(generated, real),
        torch.stack([first + second for first, second in squares]),
    )


def test_patch_matching_leaves_logits_out_and_weighs_layers():
    resolutions = [[maps(2, 1), maps(3, 2), maps(1, 3)], [maps(2, 4), maps(1, 5), maps(1, 6)]]
    real = [[layer.roll(1, dims=3) for layer in layers] for layers in resolutions]
    expected = [0.0] * B
    for layers, real_layers in zip(resolutions, real, strict=True):
        for a, b in zip(layers[:2], real_layers[:2], strict=True):
            means = mean_over_pixels(
                lambda n, c, y, x, a=a, b=b: abs(a[n, c, y, x] - b[n, c, y, x]), a.shape[1], H, W
            )
            # 4 / (layers * resolutions), two of each
            expected = [total + mean for total, mean in zip(expected, means, strict=True)]
    torch.testing.assert_close(
        losses.patch_matching_loss(resolutions, real),
        torch.stack([torch.as_tensor(it) for it in expected]),
    )
