"""The frames that one step trains on, as tensors: what the networks see and are compared with.

# B clips, T frames, K of them in the chunk, P before it, N = K * B rows (frame by frame), H, W
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor

from svsdata.nets.svsgan.losses import flow_validity
from svsdata.nets.svsgan.video_discriminator import HISTORY_FRAMES
from svsdata.tensors import edges
from svsdata.training.clips import ClipBatch


@dataclass(frozen=True)
class Chunk:
    """K consecutive frames of B clips."""

    start: int
    """Index in the clip of the first frame."""
    stop: int
    real: Tensor
    """(N, 3, H, W) float32 in [-1, 1]."""
    past_real: Tensor
    """(B, P, 3, H, W): up to ``HISTORY_FRAMES`` real frames before the chunk."""
    previous_real: Tensor
    """(N, 3, H, W): the real frame before each; the frame itself where the clip begins."""
    semantic: Tensor
    """(N, H, W) uint8 ids."""
    previous_semantic: Tensor
    """(N, H, W) uint8 ids."""
    edges: Mapping[str, Tensor]
    """``edges`` and ``previous_edges``, (N, 1, H, W); empty for networks without edges."""
    flow: Tensor | None
    """(N, 2, H, W) float32, the store's backward flow; None where it has none."""
    flows: Tensor | None
    """(B, P + K, 2, H, W): the same, past frames included."""
    reliable: Tensor
    """(N, 1, H, W) float32: 1 where warping the previous real frame must give the real frame."""


def to_device(batch: ClipBatch, device: torch.device) -> ClipBatch:
    """Move a batch of clips to a device."""
    layers = {name: layer.to(device) for name, layer in vars(batch).items() if layer is not None}
    return replace(batch, **layers)


def chunk_of(batch: ClipBatch, start: int, stop: int, *, with_edges: bool) -> Chunk:
    """Cut frames ``start ... stop - 1`` out of a batch of clips.

    Args:
        batch: The clips, whole.
        start: 0 only where the first frame is generated too; its previous labels are its own.
        stop: End of the chunk.
        with_edges: Whether the networks see instance borders.
    """
    earlier = [max(start - 1, 0), *range(start, stop - 1)]
    past = slice(max(start - HISTORY_FRAMES, 0), start)
    stretch = slice(past.start, stop)
    real = _images(batch.image[:, start:stop])
    previous_real = _images(batch.image[:, earlier])
    borders: dict[str, Tensor] = {}
    if with_edges and batch.instance is not None:
        borders["edges"] = edges(_rows(batch.instance[:, start:stop]))
        borders["previous_edges"] = edges(_rows(batch.instance[:, earlier]))
    return Chunk(
        start=start,
        stop=stop,
        real=_rows(real),
        past_real=_images(batch.image[:, past]),
        previous_real=_rows(previous_real),
        semantic=_rows(batch.semantic[:, start:stop]),
        previous_semantic=_rows(batch.semantic[:, earlier]),
        edges=borders,
        flow=None if batch.flow is None else _rows(batch.flow[:, start:stop]),
        flows=None if batch.flow is None else batch.flow[:, stretch],
        reliable=_rows(_reliable(batch, slice(start, stop), previous_real, real)),
    )


def reference(batch: ClipBatch) -> Tensor:
    """Return the clips' first frames, (B, 1, 3, H, W) float32 in [-1, 1]."""
    return _images(batch.image[:, :1])


def perturb(image: Tensor, *, probability: float, draws: torch.Generator) -> Tensor:
    """Disturb some fed-back frames as a long rollout might, so that training pulls them back.

    Colour gain and offset, a light blur, and noise of sigma 0.02.

    Args:
        image: (B, 3, H, W) in [-1, 1].
        probability: That a row is disturbed.
        draws: Source of randomness, on the CPU.
    """
    rows = image.shape[0]
    chosen = torch.rand(rows, generator=draws) < probability
    if not chosen.any():
        return image
    gain = 1 + 0.06 * torch.randn(rows, 3, 1, 1, generator=draws)
    offset = 0.04 * torch.randn(rows, 3, 1, 1, generator=draws)
    blur = torch.rand(rows, 1, 1, 1, generator=draws)
    noise = 0.02 * torch.randn(image.shape, generator=draws)
    blurred = F.avg_pool2d(F.pad(image, (1, 1, 1, 1), mode="replicate"), 3, 1)
    disturbed = image.lerp(blurred, blur.to(image)) * gain.to(image) + offset.to(image)
    disturbed = (disturbed + noise.to(image)).clamp(-1, 1)
    return torch.where(chosen.view(-1, 1, 1, 1).to(image.device), disturbed, image)


def _rows(layer: Tensor) -> Tensor:
    """Turn (B, K, ...) into (K * B, ...)."""
    return layer.transpose(0, 1).flatten(0, 1)


def by_clip(rows: Tensor, num_clips: int) -> Tensor:
    """Turn the (N, ...) rows of a chunk into (B, K, ...)."""
    return rows.view(-1, num_clips, *rows.shape[1:]).transpose(0, 1)


def _images(levels: Tensor) -> Tensor:
    """Turn uint8 levels into float32 in [-1, 1]."""
    return levels.float() / 127.5 - 1


def _reliable(batch: ClipBatch, frames: slice, previous_real: Tensor, real: Tensor) -> Tensor:
    """Return (B, K, 1, H, W) float32: where the previous real frame, warped, gives the real one."""
    if batch.flow is None or batch.flow_validity is None:
        reliable = torch.ones_like(real[:, :, :1])
    elif batch.occlusion is not None:
        visible = 1 - batch.occlusion[:, frames].float()
        reliable = batch.flow_validity[:, frames].float() * visible
    else:
        flow = batch.flow[:, frames].flatten(0, 1)
        right = flow_validity(previous_real.flatten(0, 1), real.flatten(0, 1), flow)
        reliable = batch.flow_validity[:, frames].float() * right.view_as(real[:, :, :1])
    if frames.start == 0:
        reliable[:, 0] = 0.0  # nothing comes before the clip
    return reliable
