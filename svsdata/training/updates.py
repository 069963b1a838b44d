"""What one step compares: what is generated with what is real, by every loss of the objective.

Nothing is updated before every loss of the step is known and finite, so the order of the three
updates does not matter (vid2vid's order).

# B clips, K frames of a chunk, N = K * B rows (frame by frame), H, W
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from svsdata.nets.svsgan import losses
from svsdata.nets.svsgan.losses import AdversarialMode
from svsdata.nets.svsgan.video_discriminator import (
    PatchScores,
    VideoDiscriminator,
    frame_triples,
)
from svsdata.nets.video_generator import GeneratorOutput
from svsdata.tensors import warp
from svsdata.training.chunks import Chunk, by_clip
from svsdata.training.image_judges import RealMaps
from svsdata.training.objective import Networks, Objective
from svsdata.training.recompute import not_learning
from svsdata.training.teaching import distillation


@dataclass(frozen=True)
class RealFeatures:
    """What the discriminators' layers made of the real frames, for feature matching."""

    image: RealMaps
    video: dict[int, PatchScores]
    """By index of the video discriminator; missing where no triple was complete."""


def discriminator_terms(
    networks: Networks,
    chunk: Chunk,
    output: GeneratorOutput,
    past_generated: Tensor,
    *,
    objective: Objective,
    draws: torch.Generator,
) -> tuple[dict[str, Tensor], RealFeatures]:
    """Judge real and generated frames (svs-gan eq. 1 and 3, the discriminators' side).

    Args:
        networks: The discriminators learn; the generator is not touched.
        chunk: Real frames and labels.
        output: Generated frames of the chunk, N rows.
        past_generated: (B, P, 3, H, W) before the chunk, without graph.
        objective: Of the run.
        draws: Coins of LabelMix, on the CPU.

    Returns:
        Weighted scalars to be summed, and the real frames' features.
    """
    terms, real_maps = networks.image_judge.judge(
        chunk,
        torch.cat(_pictures(output)).detach(),
        labelmix=objective.weights["labelmix"],
        draws=draws,
    )
    real_features = RealFeatures(real_maps, {})
    for index, discriminator in enumerate(networks.video_discriminators):
        real = _triples(discriminator, chunk, chunk.real, chunk.past_real)
        if not len(real):
            continue  # the clip is still shorter than the triple
        fake = _triples(discriminator, chunk, output.image.detach(), past_generated)
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
    weights = objective.weights
    terms = _adversarial_terms(networks, chunk, output, past_generated, real_features, objective)
    terms["pixel"] = torch.stack(
        [losses.pixel_loss(picture, chunk.real).mean() for picture in _pictures(output)]
    ).sum()
    if chunk.guidance is not None:
        terms["guidance"] = losses.guidance_loss(output.image, chunk.guidance).mean()
    if chunk.flow is not None and weights["consistency"]:
        previous = _previous_generated(output.image, past_generated)
        terms["consistency"] = losses.consistency_loss(
            output.image, previous, chunk.flow, chunk.reliable
        ).mean()
    teacher = objective.teacher
    if teacher is not None and teacher.can_draw(chunk):
        taught = teacher.frames(chunk, past_generated)
        terms["distillation"] = distillation(_pictures(output), taught, objective.perceptual_net)
    if objective.perceptual_net is not None:
        with torch.no_grad():
            real_maps = objective.perceptual_net(chunk.real)
        terms["perceptual"] = torch.stack(
            [
                losses.perceptual_loss(
                    objective.recompute(objective.perceptual_net, picture), real_maps
                ).mean()
                for picture in _pictures(output)
            ]
        ).sum()
    weighted = {name: weights[name] * term for name, term in terms.items() if weights[name]}
    if chunk.motion is not None:
        return weighted  # motion was given: nothing to learn
    motion = motion_terms(chunk, output.backward_flow, output.occlusion_mask, objective=objective)
    return weighted | motion


def motion_terms(
    chunk: Chunk, backward_flow: Tensor, occlusion_mask: Tensor, *, objective: Objective
) -> dict[str, Tensor]:
    """Judge flow and occlusion mask by real frames (svs-gan eq. 6).

    The mask too: a network that sees labels only cannot know what was generated.

    Args:
        chunk: Real frames, reference flow.
        backward_flow: (N, 2, H, W) in pixels.
        occlusion_mask: (N, 1, H, W), 1 = occluded.
        objective: Of the run.

    Returns:
        Weighted scalars to be summed.
    """
    previous, real, reliable = chunk.previous_real, chunk.real, chunk.reliable
    terms = {"warp": losses.warp_loss(previous, backward_flow, real, reliable).mean()}
    confidence = reliable
    if chunk.flow is None:
        confidence = losses.warp_confidence(warp(previous, backward_flow), real)
    else:
        terms["flow"] = losses.flow_loss(backward_flow, chunk.flow, reliable).mean()
    occlusion = losses.occlusion_loss(occlusion_mask, confidence)
    terms["occlusion"] = (chunk.visibility_known * occlusion).mean()
    weights = objective.weights
    return {name: weights[name] * term for name, term in terms.items() if weights[name]}


def _adversarial_terms(
    networks: Networks,
    chunk: Chunk,
    output: GeneratorOutput,
    past_generated: Tensor,
    real_features: RealFeatures,
    objective: Objective,
) -> dict[str, Tensor]:
    """Return what the discriminators say of the generated frames, and how their features differ."""
    pictures = torch.cat(_pictures(output))
    terms = networks.image_judge.convince(chunk, pictures, real_features.image)
    matched = terms["feature_matching"]
    convinced = pictures.new_zeros(())
    for index, real_maps in real_features.video.items():
        discriminator = networks.video_discriminators[index]
        triples = _triples(discriminator, chunk, output.image, past_generated)
        scores: PatchScores = not_learning(discriminator)(triples)
        for layers in scores:
            convinced = (
                convinced + losses.generator_loss(layers[-1], mode=objective.video_gan).mean()
            )
        matched = matched + losses.patch_matching_loss(scores, real_maps).mean()
    terms["feature_matching"] = matched
    if real_features.video:
        terms["video_adversarial"] = convinced
    return terms


def _pictures(output: GeneratorOutput) -> list[Tensor]:
    """Return all pictures of the frames that are judged one by one: (N, 3, H, W) each."""
    return [output.image] if output.raw is None else [output.image, output.raw]


def _previous_generated(images: Tensor, past: Tensor) -> Tensor:
    """Return the generated frame before each of (N, 3, H, W); a clip's first has itself."""
    frames = by_clip(images, len(past))
    before = past[:, -1:] if past.shape[1] else frames[:, :1]
    shifted = torch.cat([before, frames[:, :-1]], dim=1)
    return shifted.transpose(0, 1).flatten(0, 1)


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
