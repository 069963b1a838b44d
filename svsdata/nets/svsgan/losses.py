"""Every loss of the paper as a pure function that leaves masking, averaging, weighting to callers.

Equation numbers are those of svs-gan; docs/paper-notes.md#losses tells what it leaves open. Terms
over several feature maps of different sizes return one value per sample, all others a map.

# B batch, K classes, C channels, H, W; all results float32
"""

from collections.abc import Sequence
from typing import Literal, TypeAlias

import torch
import torch.nn.functional as F
from torch import Tensor

from svsdata.tensors import warp

AdversarialMode: TypeAlias = Literal["ls", "bce", "hinge"]
"""Least squares (what vid2vid runs), log loss (eq. 3 as printed), or hinge."""

PERCEPTUAL_WEIGHTS = (1 / 32, 1 / 16, 1 / 8, 1 / 4, 1.0)
"""Beta of eq. 4 for relu1_1 .. relu5_1 (pix2pixHD)."""

_SURE = 1e-6
"""Distance to 0 or 1 at which a mask counts as sure: what a float32 sigmoid still resolves."""


def class_counts(semantic: Tensor, num_classes: int) -> Tensor:
    """Count pixels by class: (B, H, W) ids to (K,) float32; sum over processes before weighting."""
    ids = semantic.flatten().long()
    # unlike bincount it does not look at the ids to choose a size, for which a GPU is waited for
    return ids.new_zeros(num_classes).scatter_add_(0, ids, torch.ones_like(ids)).float()


def class_weights(
    counts: Tensor, *, ignored: Tensor | None = None, limit: float | None = None
) -> Tensor:
    """Weigh classes by inverse frequency: alpha of eq. 1 and 2 (OASIS).

    Args:
        counts: (K,) pixels by class.
        ignored: (K,) bool, classes whose pixels weigh nothing; they still count as pixels.
        limit: Highest weight; None = the paper's, a class of one pixel then weighs all of its
            share.

    Returns:
        (K,) float32: pixels / (present classes * pixels of the class); 0 where absent or ignored.
    """
    present = counts > 0
    if ignored is not None:
        present = present & ~ignored
    weights = counts.sum() / (present.sum().clamp(min=1) * counts.clamp(min=1)) * present
    return weights if limit is None else weights.clamp(max=limit)


def segmentation_loss(logits: Tensor, semantic: Tensor, weights: Tensor) -> Tensor:
    """Weighted cross-entropy with the true class: eq. 1's first term on real images, eq. 2.

    Args:
        logits: (B, K + 1, H, W), channel 0 = fake.
        semantic: (B, H, W) integer ids.
        weights: (K,) from ``class_weights``.

    Returns:
        (B, H, W).
    """
    target = semantic.long()
    return weights[target] * F.cross_entropy(logits.float(), target + 1, reduction="none")


def fake_loss(logits: Tensor) -> Tensor:
    """Cross-entropy with "fake", unweighted: eq. 1's second term; (B, K + 1, H, W) to (B, H, W)."""
    return -F.log_softmax(logits.float(), dim=1)[:, 0]


def label_mix_mask(semantic: Tensor, takes_real: Tensor) -> Tensor:
    """Choose real or generated class by class (OASIS LabelMix; not in svs-gan).

    Args:
        semantic: (B, H, W) integer ids.
        takes_real: (K,) bool, one coin per class.

    Returns:
        (B, 1, H, W) float32, 1 = real.
    """
    return takes_real[semantic.long()].unsqueeze(1).float()


def label_mix(real: Tensor, generated: Tensor, mask: Tensor) -> Tensor:
    """Join two images, or their logits, along ``mask`` (1 = real)."""
    return torch.where(mask > 0, real, generated)


def label_mix_loss(
    mixed_logits: Tensor, real_logits: Tensor, fake_logits: Tensor, mask: Tensor
) -> Tensor:
    """Squared difference of the mix's logits to the mix of logits (OASIS eq. 4), unreduced."""
    return (mixed_logits - label_mix(real_logits, fake_logits, mask)).float().square()


def discriminator_loss(logits: Tensor, *, is_real: bool, mode: AdversarialMode) -> Tensor:
    """What D_V minimises on real and on fake logits: eq. 3, same shape as ``logits``."""
    x = logits.float()
    if mode == "ls":
        return (x - float(is_real)).square()
    if mode == "bce":
        return F.softplus(-x if is_real else x)
    return F.relu(1 - x if is_real else 1 + x)


def generator_loss(logits: Tensor, *, mode: AdversarialMode) -> Tensor:
    """What G minimises on fake logits: eq. 3, non-saturating, same shape as ``logits``."""
    if mode == "hinge":
        return -logits.float()
    return discriminator_loss(logits, is_real=True, mode=mode)


def perceptual_loss(
    generated: Sequence[Tensor],
    real: Sequence[Tensor],
    weights: Sequence[float] = PERCEPTUAL_WEIGHTS,
) -> Tensor:
    """Weighted L1 of VGG features, real ones detached: eq. 4; (B,)."""
    distances = _feature_distances(generated, real)
    return torch.stack([w * d for w, d in zip(weights, distances, strict=True)]).sum(dim=0)


def feature_matching_loss(generated: Sequence[Tensor], real: Sequence[Tensor]) -> Tensor:
    """Mean L1 of one discriminator's features, real ones detached: eq. 5; (B,)."""
    return torch.stack(_feature_distances(generated, real)).mean(dim=0)


def alignment_loss(generated: Sequence[Tensor], real: Sequence[Tensor]) -> Tensor:
    """Mean squares between a discriminator's features, real ones detached, summed (DP-GAN); (B,).

    Args:
        generated: Outputs of the up blocks of OASIS' discriminator but the first, (B, C, h, w).
        real: The same of the real frames.
    """
    squares = [
        (a.float() - b.detach().float()).square().flatten(1).mean(dim=1)
        for a, b in zip(generated, real, strict=True)
    ]
    return torch.stack(squares).sum(dim=0)


def patch_matching_loss(
    generated: Sequence[Sequence[Tensor]], real: Sequence[Sequence[Tensor]]
) -> Tensor:
    """L1 of a patch discriminator's features as vid2vid weighs it: eq. 5; (B,).

    Args:
        generated: Per resolution the outputs of all layers; the last, logits, are left out.
        real: The same of the real frames; detached.

    Returns:
        The sum over layers and resolutions, each 4 / (layers * resolutions): 0.5 for vid2vid's
        four layers at two resolutions.
    """
    means = [
        feature_matching_loss(layers[:-1], real_layers[:-1])
        for layers, real_layers in zip(generated, real, strict=True)
    ]
    return 4 * torch.stack(means).mean(dim=0)


def flow_loss(flow: Tensor, reference_flow: Tensor, validity_mask: Tensor) -> Tensor:
    """L1 to the pseudo flow where it holds: eq. 6's first term.

    Args:
        flow: (B, 2, H, W) predicted backward flow.
        reference_flow: Of the same shape.
        validity_mask: (B, 1, H, W), 1 = trust the reference.

    Returns:
        (B, 2, H, W) pixels.
    """
    return validity_mask * (flow - reference_flow).abs()


def warp_loss(previous: Tensor, flow: Tensor, current: Tensor, validity_mask: Tensor) -> Tensor:
    """L1 of the warped previous image to the current one: eq. 6's second term; (B, 3, H, W)."""
    return validity_mask * (warp(previous, flow) - current).abs()


def consistency_loss(
    generated: Tensor, previous_generated: Tensor, reference_flow: Tensor, validity_mask: Tensor
) -> Tensor:
    """L1 to the previous generated image warped by the pseudo flow (vid2vid; not in svs-gan).

    Args:
        generated: (B, 3, H, W) at t.
        previous_generated: (B, 3, H, W) at t - 1; taken without its graph.
        reference_flow: (B, 2, H, W) backward flow.
        validity_mask: (B, 1, H, W), 1 = trust the reference.

    Returns:
        (B, 3, H, W).
    """
    expected = warp(previous_generated.detach(), reference_flow)
    return validity_mask * (generated - expected).abs()


def guidance_loss(generated: Tensor, guidance: Tensor) -> Tensor:
    """L1 to what was seen before, where it is known (world-consistent vid2vid; not in svs-gan).

    Args:
        generated: (B, 3, H, W).
        guidance: (B, 4, H, W), RGB in [-1, 1] and 1 = known.

    Returns:
        (B, 3, H, W).
    """
    return guidance[:, 3:] * (generated - guidance[:, :3]).abs()


def flow_validity(previous: Tensor, current: Tensor, reference_flow: Tensor) -> Tensor:
    """Trust a pseudo flow where it explains the pixel (vid2vid).

    Returns:
        (B, 1, H, W) float32: 1 where the squared RGB distance on [-1, 1] is below 0.02.
    """
    error = (warp(previous, reference_flow) - current).square().sum(dim=1, keepdim=True)
    return (error < 0.02).float()


def warp_confidence(warped: Tensor, current: Tensor) -> Tensor:
    """Say how well the warped image already fits: clamp(1 - L1 over RGB) (imaginaire).

    Returns:
        (B, 1, H, W) in [0, 1], without graph.
    """
    distance = (warped - current).abs().sum(dim=1, keepdim=True)
    return (1 - distance).clamp(0, 1).detach()


def occlusion_loss(occlusion_mask: Tensor, confidence: Tensor) -> Tensor:
    """Pull the mask to 0 where the warp fits and to 1 elsewhere; not in svs-gan.

    The cross entropy: its best mask is the probability of being occluded. imaginaire's L1 has its
    best mask at 0 wherever that is below one half, which is nearly everywhere.

    Args:
        occlusion_mask: (B, 1, H, W), 1 = occluded.
        confidence: (B, 1, H, W) from ``warp_confidence``, or 1 minus a known occlusion.

    Returns:
        (B, 1, H, W); at most 13.8, where the mask is sure and wrong.
    """
    mask = occlusion_mask.float()
    # limited in value only: a mask that is sure and wrong must find its way back
    mask = mask + (mask.clamp(_SURE, 1 - _SURE) - mask).detach()
    return -(confidence * (1 - mask).log() + (1 - confidence) * mask.log())


def pixel_loss(generated: Tensor, real: Tensor) -> Tensor:
    """Plain L1, our addition for runs without perceptual weights; same shape as the images."""
    return (generated - real).abs()


def _feature_distances(generated: Sequence[Tensor], real: Sequence[Tensor]) -> list[Tensor]:
    return [
        (a.float() - b.detach().float()).abs().flatten(1).mean(dim=1)
        for a, b in zip(generated, real, strict=True)
    ]
