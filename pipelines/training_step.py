"""One step of a training run: generate, judge, compare, update; or motion alone, compared."""

import time
from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.profiler import record_function

from svsdata.nets.svsgan.spectral import advance_spectral_norms
from svsdata.nets.svsgan.video_discriminator import remembered
from svsdata.pipelines.configs.train import TrainConfig
from svsdata.pipelines.training_learner import Learner
from svsdata.randomness import derived_seed
from svsdata.training.chunks import Chunk, by_clip, perturb
from svsdata.training.class_colours import colour_figures, colour_sums
from svsdata.training.ema import decay_at, update_average
from svsdata.training.generating import seen_before
from svsdata.training.guards import check_finite, gradient_norm
from svsdata.training.processes import Share
from svsdata.training.updates import generator_terms, motion_terms


def train_step(
    learner: Learner,
    chunk: Chunk,
    past: Tensor,
    step: int,
    config: TrainConfig,
    *,
    detail: float = 1.0,
) -> tuple[dict[str, float], Tensor]:
    """Update once, on a chunk of frames, every network, or where ``learner`` says so motion alone.

    Args:
        learner: Changed in place.
        chunk: K frames of B clips.
        past: (B, P, 3, H, W): the frames generated before the chunk, and the reference.
        step: Number of the step; noise is drawn from it.
        config: Of the run.
        detail: How far the newest extra block takes part, 0 to 1.

    Returns:
        The figures of the step, and the past of the next.
    """
    if learner.learns == "motion":
        return _motion_step(learner, chunk, step, config), past
    began = time.monotonic()
    networks, objective, share = learner.networks, learner.objective, learner.share
    draws = torch.Generator().manual_seed(derived_seed(config.seed, "step", step))
    chunk = replace(chunk, class_counts=share.summed(chunk.class_counts))
    for network in networks.by_name.values():
        advance_spectral_norms(network)

    # Generate the frames, each from those before: what was last generated, perhaps disturbed
    # (the ranges are for profilers: benchmarks/train_speed.py)
    previous = seen_before(networks.generator, chunk, past)
    previous = perturb(previous, probability=config.perturbed_feedback, draws=draws, share=share)
    with record_function("generate"), learner.autocast():
        output = learner.passes.generate(
            networks.generator, chunk, previous, recompute=objective.recompute, detail=detail
        )

    # Discriminators: tell them from real ones
    with record_function("judge"), learner.autocast():
        judged, real_features = learner.passes.judge(
            networks, chunk, output, past, objective=objective, draws=draws
        )
    # before going back: NaN coordinates crash a warp's gradient
    values = check_finite(share.averaged(judged), step)
    with record_function("judge, back"):
        learner.go_back(judged)

    # Generator: convince the discriminators, and come close to the real frames
    with record_function("compare"), learner.autocast():
        terms = generator_terms(
            networks, chunk, output, past, real_features=real_features, objective=objective
        )
    values |= check_finite(share.averaged(terms), step)
    with record_function("compare and generate, back"):
        learner.go_back(terms)

    # All numbers are numbers: update all networks, then the average
    with record_function("update"):
        gradients = _update(learner, step, config)

    figures = {f"loss/{name}": values[name] for name in (*judged, *terms)} | gradients
    figures["loss/generator"] = sum(values[name] for name in terms)
    figures |= _mean_occlusion(output.occlusion_mask, share)
    names = learner.watched_classes
    sums = colour_sums(output.image, chunk.real, chunk.semantic, len(names))
    figures |= colour_figures(share.summed(sums), names)
    figures["time/step_s"] = time.monotonic() - began
    generated = by_clip(output.image, len(past))
    # contiguous: a resumed step must see the memory layout that an uninterrupted one sees
    return figures, remembered(torch.cat([past, generated], dim=1)).contiguous()


def _motion_step(
    learner: Learner, chunk: Chunk, step: int, config: TrainConfig
) -> dict[str, float]:
    """Update what tells motion and occlusion from labels; return the figures of the step."""
    began = time.monotonic()
    share = learner.share
    with learner.autocast():
        flow, occlusion_mask = learner.passes.tell_motion(learner.networks.generator, chunk)
        terms = motion_terms(chunk, flow, occlusion_mask, objective=learner.objective)
    values = check_finite(share.averaged(terms), step)
    learner.go_back(terms)
    figures = {f"loss/{name}": values[name] for name in terms} | _update(learner, step, config)
    figures["loss/generator"] = sum(values.values())
    figures |= _mean_occlusion(occlusion_mask, share)
    figures["time/step_s"] = time.monotonic() - began
    return figures


def _mean_occlusion(occlusion_mask: Tensor, share: Share) -> dict[str, float]:
    """Return the figure of all processes' masks."""
    means = share.averaged({"occlusion/mean": occlusion_mask.mean()})
    return {name: mean.item() for name, mean in means.items()}


def _update(learner: Learner, step: int, config: TrainConfig) -> dict[str, float]:
    """Take the optimisers' steps, and the average's; return the lengths of gradients."""
    scaler = learner.scaler
    lengths: dict[str, Tensor] = {}
    for name, network in learner.networks.by_name.items():
        if _learned(network):
            scaler.unscale_(learner.optimizers[name])
        lengths[f"gradient/{name}"] = gradient_norm(network, limit=config.max_gradient_norm)
    figures: dict[str, float] = {}
    if not scaler.is_enabled():
        figures = check_finite(lengths, step)
    for name, network in learner.networks.by_name.items():
        optimizer = learner.optimizers[name]
        if _learned(network):
            scaler.step(optimizer)  # fp16 gradients that overflowed skip it and lower the scale
        optimizer.zero_grad(set_to_none=True)
    scaler.update()
    decay = decay_at(step, decay=config.ema_decay, start=config.ema_start)
    update_average(learner.average, learner.networks.generator, decay=decay)
    return figures


def _learned(network: nn.Module) -> bool:
    """Tell whether the step reached a network; a video discriminator waits for its frames."""
    return any(parameter.grad is not None for parameter in network.parameters())
