"""Temporal patch discriminator of three frames, and the history that feeds it.

# B batch, T frames, C channels, H, W
"""

from typing import TypeAlias

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from svsdata.nets.svsgan.blocks import InstanceNorm
from svsdata.nets.svsgan.config import VideoDiscriminatorConfig
from svsdata.nets.svsgan.spectral import spectral_norm
from svsdata.tensors import compose_flow

HISTORY_FRAMES = 6
"""Frames to remember: what stride 3 needs before a new one."""

FLOW_UNIT_PX = 20.0

PatchScores: TypeAlias = list[list[Tensor]]
"""Per resolution, finest first: outputs of all layers; the last is the logits (B, 1, h, w)."""


class VideoDiscriminator(nn.Module):
    """Judge triples of frames patch by patch, at several resolutions (svs-gan 3.2, vid2vid)."""

    def __init__(self, config: VideoDiscriminatorConfig) -> None:
        super().__init__()
        self.config = config
        channels = 9 + (4 if config.sees_flow else 0)
        self.resolutions = nn.ModuleList(
            PatchNet(channels, config.width, spectral=config.spectral)
            for _ in range(config.num_resolutions)
        )

    def forward(self, triples: Tensor) -> PatchScores:
        """Score (B, C, H, W) as ``frame_triples`` makes them."""
        scores = []
        for resolution in self.resolutions:
            scores.append(resolution(triples))
            triples = F.avg_pool2d(triples, 3, 2, 1, count_include_pad=False)
        return scores


def frame_triples(frames: Tensor, flows: Tensor | None, *, stride: int, num_new: int) -> Tensor:
    """Cut the triples that end in the newest frames, as input of a ``VideoDiscriminator``.

    Args:
        frames: (B, T, 3, H, W), remembered frames followed by the new ones; the reference frame
            belongs to the history.
        flows: (B, T, 2, H, W) backward flow between neighbours in ``frames``, entry t pointing to
            t - 1 (entry 0 is not read); None for a discriminator that sees no flow.
        stride: Frames t, t - stride, t - 2 * stride.
        num_new: How many of the last frames are new.

    Returns:
        (B * n, 9 or 13, H, W), triple after triple, oldest frame first, then the flows into the
        newest and the middle frame divided by 20; n = 0 where the history is too short.
    """
    batch, length, _, height, width = frames.shape
    ends = range(max(length - num_new, 2 * stride), length)
    channels = 9 if flows is None else 13
    if not ends:
        return frames.new_zeros(0, channels, height, width)
    triples = []
    for end in ends:
        middle = end - stride
        parts = [frames[:, middle - stride], frames[:, middle], frames[:, end]]
        if flows is not None:
            parts += [_flow_between(flows, last, stride) / FLOW_UNIT_PX for last in (end, middle)]
        triples.append(torch.cat(parts, dim=1))
    return torch.stack(triples).view(len(ends) * batch, channels, height, width)


def remembered(frames: Tensor) -> Tensor:
    """Return what the next chunk needs of (B, T, ...): the last frames, without their graph."""
    return frames[:, -HISTORY_FRAMES:].detach()


def _flow_between(flows: Tensor, end: int, stride: int) -> Tensor:
    """Chain the flows of neighbours into the one from ``end`` to ``end - stride``."""
    chained = flows[:, end]
    for step in range(end - 1, end - stride, -1):
        chained = compose_flow(chained, flows[:, step])
    return chained


class PatchNet(nn.Module):
    """Five 4x4 convolutions that score patches of a picture of any channels."""

    def __init__(self, channels: int, width: int, *, spectral: bool = False) -> None:
        super().__init__()
        widths = (channels, width, 2 * width, 4 * width, 8 * width)
        strides = (2, 2, 2, 1)
        layers: list[nn.Module] = []
        for index, stride in enumerate(strides):
            conv: nn.Module = nn.Conv2d(widths[index], widths[index + 1], 4, stride, 2)
            conv = spectral_norm(conv) if spectral else conv
            norm = InstanceNorm(widths[index + 1]) if index else nn.Identity()
            layers.append(nn.Sequential(conv, norm, nn.LeakyReLU(0.2)))
        layers.append(nn.Conv2d(widths[-1], 1, 4, 1, 2))
        self.layers = nn.ModuleList(layers)

    def forward(self, x: Tensor) -> list[Tensor]:
        """Return the outputs of all layers; the last is the logits, (B, 1, h, w) float32."""
        outputs = []
        for layer in self.layers:
            x = layer(x)
            outputs.append(x)
        outputs[-1] = outputs[-1].float()
        return outputs
