"""The frames of a chunk, drawn one from another.

# B clips, K frames of a chunk, N = K * B rows (frame by frame), H, W
"""

from typing import Any

import torch
from torch import Tensor

from svsdata.nets.video_generator import GeneratorOutput, VideoGenerator, without_previous
from svsdata.training.chunks import Chunk, images_before
from svsdata.training.recompute import KEEP, Recompute


def generate(
    generator: VideoGenerator[Any],
    chunk: Chunk,
    past: Tensor,
    *,
    recompute: Recompute = KEEP,
    detail: float = 1.0,
) -> GeneratorOutput:
    """Generate the frames of a chunk, each from those before.

    Args:
        generator: Gradients reach back over the whole chunk.
        chunk: Labels; if it begins with its clips, their first frame is made from labels alone.
        past: (B, 3 * P, H, W), the images before the chunk; not read where it begins its clips.
        recompute: Whether activations are kept for the way back.
        detail: How far the newest extra block takes part, 0 to 1.

    Returns:
        Fields with N rows.
    """
    features = generator.label_features(chunk.previous_semantic, chunk.semantic, **chunk.told)
    if chunk.guidance is not None:
        features = features.guided(chunk.guidance)
    rows = len(past)
    outputs: list[GeneratorOutput] = []
    for index in range(chunk.stop - chunk.start):
        frame = features.rows(index * rows, (index + 1) * rows)
        first = chunk.start + index == 0
        if first:
            every = torch.ones(rows, dtype=torch.bool, device=past.device)
            past, frame = without_previous(past, frame, every)
        outputs.append(recompute(generator.render, past, frame, detail))
        image = outputs[-1].image
        seen = past.shape[1] // 3
        past = image.repeat(1, seen, 1, 1) if first else torch.cat([past[:, 3:], image], dim=1)
    names = [name for name, value in vars(outputs[0]).items() if value is not None]
    return GeneratorOutput(
        **{name: torch.cat([getattr(output, name) for output in outputs]) for name in names}
    )


def tell_motion(generator: VideoGenerator[Any], chunk: Chunk) -> tuple[Tensor, Tensor]:
    """Return what labels alone tell of a chunk: flow (N, 2, H, W), occlusion mask (N, 1, H, W)."""
    features = generator.label_features(
        chunk.previous_semantic, chunk.semantic, **chunk.edges, motion=None
    )
    return generator.motion_of(features)


def seen_before(generator: VideoGenerator[Any], chunk: Chunk, past: Tensor) -> Tensor:
    """Return what the chunk's first frame is drawn from; black images before a clip begins.

    Args:
        generator: That sees P of them.
        chunk: Of B clips.
        past: (B, T, 3, H, W) before the chunk, T = 0 where it begins its clips.

    Returns:
        (B, 3 * P, H, W), oldest first.
    """
    seen = generator.config.context_frames
    if past.shape[1]:
        return images_before(past, seen)
    return torch.zeros_like(chunk.real[: len(past)]).repeat(1, seen, 1, 1)
