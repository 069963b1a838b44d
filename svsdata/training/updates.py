"""What one step does to the networks: generate, judge, sum the losses, update.

Nothing is updated before every loss of the step is known and finite, so the order of the three
updates does not matter (vid2vid's order).

# B clips, K frames of a chunk, N = K * B rows (frame by frame), H, W
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields

import torch
from torch import Tensor, nn

from svsdata.errors import NonFiniteLossError
from svsdata.nets.svsgan import losses
from svsdata.nets.svsgan.generator import (
    Generator,
    GeneratorOutput,
    without_previous,
)
from svsdata.nets.svsgan.image_discriminator import ImageDiscriminator
from svsdata.nets.svsgan.losses import AdversarialMode
from svsdata.nets.svsgan.video_discriminator import (
    PatchScores,
    VideoDiscriminator,
    frame_triples,
)
from svsdata.tensors import resize, resize_flow, warp
from svsdata.training.chunks import Chunk, by_clip


@dataclass(frozen=True)
class Networks:
    """The networks that learn."""

    generator: Generator
    image_discriminator: ImageDiscriminator
    video_discriminators: tuple[VideoDiscriminator, ...]

    @property
    def by_name(self) -> dict[str, nn.Module]:
        """All of them; the generator first."""
        video = {f"video_discriminator_{i}": d for i, d in enumerate(self.video_discriminators)}
        return {
            "generator": self.generator,
            "image_discriminator": self.image_discriminator,
            **video,
        }


@dataclass(frozen=True)
class Objective:
    """Which losses, and how much of each."""

    weights: Mapping[str, float]
    """Factor by term of the generator's loss, and of ``labelmix``; a term at 0 is not computed."""
    video_gan: AdversarialMode = "ls"
    max_class_weight: float | None = None
    perceptual_net: nn.Module | None = None
    """Maps images to the feature maps that the perceptual loss compares."""


@dataclass(frozen=True)
class RealFeatures:
    """What the discriminators' layers made of the real frames, for feature matching."""

    image: list[Tensor]
    video: dict[int, PatchScores]
    """By index of the video discriminator; missing where no triple was complete."""


def generate(generator: Generator, chunk: Chunk, previous_image: Tensor) -> GeneratorOutput:
    """Generate the frames of a chunk, each from the one before.

    Args:
        generator: Gradients reach back over the whole chunk.
        chunk: Labels; if it begins with its clips, their first frame is made from labels alone.
        previous_image: (B, 3, H, W) before the chunk.

    Returns:
        Fields with N rows.
    """
    features = generator.label_features(chunk.previous_semantic, chunk.semantic, **chunk.edges)
    rows = len(previous_image)
    outputs = []
    for index in range(chunk.stop - chunk.start):
        frame = features.rows(index * rows, (index + 1) * rows)
        if chunk.start + index == 0:
            every = torch.ones(rows, dtype=torch.bool, device=previous_image.device)
            previous_image, frame = without_previous(previous_image, frame, every)
        outputs.append(generator.render(previous_image, frame))
        previous_image = outputs[-1].image
    names = [field.name for field in fields(GeneratorOutput)]
    return GeneratorOutput(*(torch.cat([getattr(o, name) for o in outputs]) for name in names))


def discriminator_terms(
    networks: Networks,
    chunk: Chunk,
    generated: Tensor,
    past_generated: Tensor,
    *,
    objective: Objective,
    draws: torch.Generator,
) -> tuple[dict[str, Tensor], RealFeatures]:
    """Judge real and generated frames (svs-gan eq. 1 and 3, the discriminators' side).

    Args:
        networks: The discriminators learn; the generator is not touched.
        chunk: Real frames and labels.
        generated: (N, 3, H, W), without graph.
        past_generated: (B, P, 3, H, W) before the chunk, without graph.
        objective: Of the run.
        draws: Coins of LabelMix, on the CPU.

    Returns:
        Weighted scalars to be summed, and the real frames' features.
    """
    scores = networks.image_discriminator(torch.cat([chunk.real, generated]))
    real_logits, fake_logits = scores.logits.chunk(2)
    alpha = _class_weights(networks, chunk, objective)
    semantic = _scored(networks, chunk.semantic)
    true_loss = losses.segmentation_loss(real_logits, semantic, alpha).mean()
    terms = {"image_discriminator": true_loss + losses.fake_loss(fake_logits).mean()}
    if objective.weights["labelmix"]:
        coins = torch.rand(len(alpha), generator=draws) < 0.5
        mask = losses.label_mix_mask(chunk.semantic, coins.to(generated.device))
        mixed = networks.image_discriminator(losses.label_mix(chunk.real, generated, mask)).logits
        mask = _scored(networks, mask)
        difference = losses.label_mix_loss(mixed, real_logits, fake_logits, mask).mean()
        terms["labelmix"] = objective.weights["labelmix"] * difference
    real_features = RealFeatures(_first_halves(scores.features), {})
    for index, discriminator in enumerate(networks.video_discriminators):
        real = _triples(discriminator, chunk, chunk.real, chunk.past_real)
        if not len(real):
            continue  # the clip is still shorter than the triple
        fake = _triples(discriminator, chunk, generated, past_generated)
        patches = discriminator(torch.cat([real, fake]))
        terms[f"video_discriminator_{index}"] = _video_loss(patches, objective.video_gan)
        real_features.video[index] = [_first_halves(layers) for layers in patches]
    return terms, real_features


def generator_terms(
    networks: Networks,
    chunk: Chunk,
    output: GeneratorOutput,
    past_generated: Tensor,
    *,
    real_features: RealFeatures,
    objective: Objective,
) -> dict[str, Tensor]:
    """Compare generated frames with real ones (svs-gan eq. 2 to 7, the generator's side).

    Args:
        networks: Gradients pass through the discriminators and do not stay there.
        chunk: Real frames, labels, reference flow.
        output: Of the same chunk, N rows.
        past_generated: (B, P, 3, H, W) before the chunk, without graph.
        real_features: From ``discriminator_terms`` of this step.
        objective: Of the run.

    Returns:
        Weighted scalars to be summed: eq. 7.
    """
    with _frozen(networks.image_discriminator, *networks.video_discriminators):
        terms = _adversarial_terms(
            networks, chunk, output.image, past_generated, real_features, objective
        )
    terms["pixel"] = losses.pixel_loss(output.image, chunk.real).mean()
    terms |= _motion_losses(chunk, output.backward_flow, output.occlusion_mask)
    if objective.perceptual_net is not None:
        with torch.no_grad():
            real_maps = objective.perceptual_net(chunk.real)
        maps = objective.perceptual_net(output.image)
        terms["perceptual"] = losses.perceptual_loss(maps, real_maps).mean()
    return _weighted(terms, objective)


def motion_terms(generator: Generator, chunk: Chunk, objective: Objective) -> dict[str, Tensor]:
    """Compare flow and occlusion alone with what is known of them (svs-gan eq. 6).

    Returns:
        Weighted scalars to be summed; only the generator's motion network gets gradients.
    """
    features = generator.label_features(chunk.previous_semantic, chunk.semantic, **chunk.edges)
    flow = resize_flow(features.backward_flow, (chunk.real.shape[2], chunk.real.shape[3]))
    mask = resize(features.occlusion_mask, (chunk.real.shape[2], chunk.real.shape[3]))
    return _weighted(_motion_losses(chunk, flow, mask), objective)


def check_finite(terms: Mapping[str, Tensor], step: int) -> dict[str, float]:
    """Read the terms' values.

    Raises:
        NonFiniteLossError: If one is NaN or infinite; names it and shows all.
    """
    values = dict(zip(terms, torch.stack([*terms.values()]).float().tolist(), strict=True))
    broken = [name for name, value in values.items() if not math.isfinite(value)]
    if broken:
        shown = ", ".join(f"{name} {value:.4g}" for name, value in values.items())
        raise NonFiniteLossError(
            f"step {step}: {' and '.join(broken)} is not finite ({shown}); nothing was updated. "
            "Run again to go on from the last checkpoint, with a lower learning rate or "
            "precision=float32"
        )
    return values


def gradient_norm(network: nn.Module, *, limit: float | None) -> Tensor:
    """Return the length of a network's gradient, and shorten it to ``limit`` where one is given."""
    gradients = [p.grad for p in network.parameters() if p.grad is not None]
    norm = nn.utils.get_total_norm(gradients)
    if limit is not None:
        nn.utils.clip_grads_with_norm_(network.parameters(), limit, norm)
    return norm


def _weighted(terms: Mapping[str, Tensor], objective: Objective) -> dict[str, Tensor]:
    weights = objective.weights
    return {name: weights[name] * term for name, term in terms.items() if weights[name]}


def _motion_losses(chunk: Chunk, flow: Tensor, occlusion_mask: Tensor) -> dict[str, Tensor]:
    """Judge motion by real frames only: a mask that sees labels cannot know what was generated."""
    warped = losses.warp_loss(chunk.previous_real, flow, chunk.real, chunk.reliable)
    terms = {"warp": warped.mean()}
    if chunk.flow is None:
        confidence = losses.warp_confidence(warp(chunk.previous_real, flow), chunk.real)
    else:
        confidence = chunk.reliable
        terms["flow"] = losses.flow_loss(flow, chunk.flow, chunk.reliable).mean()
    return {"occlusion": losses.occlusion_loss(occlusion_mask, confidence).mean(), **terms}


def _adversarial_terms(
    networks: Networks,
    chunk: Chunk,
    generated: Tensor,
    past_generated: Tensor,
    real_features: RealFeatures,
    objective: Objective,
) -> dict[str, Tensor]:
    """Return what the discriminators say of the generated frames, and how their features differ."""
    scores = networks.image_discriminator(generated)
    alpha = _class_weights(networks, chunk, objective)
    semantic = _scored(networks, chunk.semantic)
    named = losses.segmentation_loss(scores.logits, semantic, alpha).mean()
    matched = losses.feature_matching_loss(scores.features, real_features.image).mean()
    convinced = generated.new_zeros(())
    for index, real_maps in real_features.video.items():
        discriminator = networks.video_discriminators[index]
        triples = _triples(discriminator, chunk, generated, past_generated)
        for layers, real_layers in zip(discriminator(triples), real_maps, strict=True):
            convinced = (
                convinced + losses.generator_loss(layers[-1], mode=objective.video_gan).mean()
            )
            difference = losses.feature_matching_loss(layers[:-1], real_layers[:-1]).mean()
            matched = matched + difference / len(real_maps)
    terms = {"image_adversarial": named, "feature_matching": matched}
    if real_features.video:
        terms["video_adversarial"] = convinced
    return terms


def _class_weights(networks: Networks, chunk: Chunk, objective: Objective) -> Tensor:
    num_classes = networks.image_discriminator.config.num_classes
    counts = losses.class_counts(chunk.semantic, num_classes)
    return losses.class_weights(counts, limit=objective.max_class_weight)


def _scored(networks: Networks, pixels: Tensor) -> Tensor:
    """Take the pixels (..., H, W) that the image discriminator gives a score."""
    patch = networks.image_discriminator.config.patch
    return pixels[..., ::patch, ::patch]


def _triples(
    discriminator: VideoDiscriminator, chunk: Chunk, frames: Tensor, past: Tensor
) -> Tensor:
    """Join (B, P, ...) past and (N, ...) new frames, and cut what the discriminator judges."""
    new = by_clip(frames, len(past))
    return frame_triples(
        torch.cat([past, new], dim=1),
        chunk.flows if discriminator.config.sees_flow else None,
        stride=discriminator.config.stride,
        num_new=new.shape[1],
    )


def _video_loss(patches: PatchScores, mode: AdversarialMode) -> Tensor:
    """Sum eq. 3 over resolutions; the first half of each batch is real. Halved as in vid2vid."""
    total = patches[0][-1].new_zeros(())
    for layers in patches:
        real, fake = layers[-1].chunk(2)
        total = total + losses.discriminator_loss(real, is_real=True, mode=mode).mean()
        total = total + losses.discriminator_loss(fake, is_real=False, mode=mode).mean()
    return 0.5 * total


def _first_halves(maps: Sequence[Tensor]) -> list[Tensor]:
    return [map_[: len(map_) // 2].detach() for map_ in maps]


@contextmanager
def _frozen(*networks: nn.Module) -> Iterator[None]:
    """Let gradients pass through networks without computing those of their weights."""
    for network in networks:
        network.requires_grad_(requires_grad=False)
    try:
        yield
    finally:
        for network in networks:
            network.requires_grad_(requires_grad=True)
