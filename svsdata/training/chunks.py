"""The frames that one step trains on, as tensors: what the networks see and are compared with.

# B clips, T frames, K of them in the chunk, P before it, N = K * B rows (frame by frame), H, W
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from svsdata.nets.svsgan.losses import class_counts, flow_validity
from svsdata.nets.svsgan.video_discriminator import HISTORY_FRAMES
from svsdata.nets.video_generator import Motion
from svsdata.tensors import edges
from svsdata.training.clips import ClipBatch
from svsdata.training.processes import WHOLE, Share


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
    """(N, P, H, W) uint8 ids of the P frames before each that the generator sees, oldest first;
    the clip's first frame stands in for those before it."""
    class_counts: Tensor
    """(256,) float32: pixels of each id in the whole step, over all processes."""
    edges: Mapping[str, Tensor]
    """``edges`` (N, 1, H, W) and ``previous_edges`` (N, P, H, W); empty for networks without."""
    flow: Tensor | None
    """(N, 2, H, W) float32, the store's backward flow; None where it has none."""
    flows: Tensor | None
    """(B, P + K, 2, H, W): the same, past frames included."""
    reliable: Tensor
    """(N, 1, H, W) float32: 1 where warping the previous real frame must give the real frame."""
    visibility_known: Tensor
    """(N, 1, H, W) float32: 1 where it is told whether the frame before shows the pixel."""
    motion: Motion | None
    """What the generator is to follow, of the store's flow; None leaves motion to it."""
    guidance: Tensor | None
    """(N, 4, H, W) float32, what it should repeat: RGB in [-1, 1] and 1 where that is known, else
    0; None where nothing is shown."""
    colours: Tensor | None
    """(N, 4, H, W) float32, the colours of objects: RGB in [-1, 1] and 1 where they are told, else
    0; None where none is."""

    @property
    def told(self) -> dict[str, Any]:
        """What a generator's ``label_features`` is told beside the semantic maps."""
        return {**self.edges, "colours": self.colours, "motion": self.motion}


def to_device(batch: ClipBatch, device: torch.device) -> ClipBatch:
    """Move a batch of clips to a device."""
    layers = {name: layer.to(device) for name, layer in vars(batch).items() if layer is not None}
    return replace(batch, **layers)


def chunk_of(
    batch: ClipBatch,
    start: int,
    stop: int,
    *,
    with_edges: bool,
    context_frames: int = 1,
    gives_motion: bool = False,
) -> Chunk:
    """Cut frames ``start ... stop - 1`` out of a batch of clips.

    Args:
        batch: The clips, whole.
        start: 0 only where the first frame is generated too; its previous labels are its own.
        stop: End of the chunk.
        with_edges: Whether the networks see instance borders.
        context_frames: Past frames that the generator sees.
        gives_motion: Whether the generator is to follow the store's flow; needs one.
    """
    # by how far a frame lies back: where its past frames are
    windows = [
        [max(t - back, 0) for t in range(start, stop)] for back in range(context_frames, 0, -1)
    ]
    earlier = windows[-1]
    past = slice(max(start - HISTORY_FRAMES, 0), start)
    stretch = slice(past.start, stop)
    real = _images(batch.image[:, start:stop])
    previous_real = _images(batch.image[:, earlier])
    semantic = _rows(batch.semantic[:, start:stop])
    borders: dict[str, Tensor] = {}
    if with_edges and batch.instance is not None:
        borders["edges"] = edges(_rows(batch.instance[:, start:stop]))
        past_borders = [edges(_rows(batch.instance[:, window])) for window in windows]
        borders["previous_edges"] = torch.cat(past_borders, dim=1)
    return Chunk(
        start=start,
        stop=stop,
        real=_rows(real),
        past_real=_images(batch.image[:, past]),
        previous_real=_rows(previous_real),
        semantic=semantic,
        previous_semantic=torch.stack(
            [_rows(batch.semantic[:, window]) for window in windows], dim=1
        ),
        class_counts=class_counts(semantic, 256),
        edges=borders,
        flow=None if batch.flow is None else _rows(batch.flow[:, start:stop]),
        flows=None if batch.flow is None else batch.flow[:, stretch],
        reliable=_rows(_reliable(batch, slice(start, stop), previous_real, real)),
        visibility_known=_rows(_visibility_known(batch, slice(start, stop))),
        motion=_motion(batch, slice(start, stop)) if gives_motion else None,
        guidance=_guidance(batch, slice(start, stop)),
        colours=_colours(batch, slice(start, stop)),
    )


def reference(batch: ClipBatch) -> Tensor:
    """Return the clips' first frames, (B, 1, 3, H, W) float32 in [-1, 1]."""
    return _images(batch.image[:, :1])


def images_before(past: Tensor, num_frames: int) -> Tensor:
    """Return the last images of (B, P, 3, H, W) as (B, 3 * num_frames, H, W), oldest first.

    The oldest one stands in for those before it; P must be 1 at least.
    """
    last = [past[:, max(past.shape[1] - back, 0)] for back in range(num_frames, 0, -1)]
    return torch.cat(last, dim=1)


def perturb(
    image: Tensor, *, probability: float, draws: torch.Generator, share: Share = WHOLE
) -> Tensor:
    """Disturb some fed-back frames as a long rollout might, so that training pulls them back.

    Colour gain and offset, a light blur, and noise of sigma 0.02.

    Args:
        image: (B, C, H, W) in [-1, 1].
        probability: That a row is disturbed.
        draws: Source of randomness, on the CPU, the same in all processes.
        share: Which of the step's rows these are.
    """
    rows, channels, height, width = image.shape
    total = rows * share.count
    mine = slice(rows * share.index, rows * (share.index + 1))
    chosen = torch.rand(total, generator=draws) < probability
    if not chosen.any():
        return image
    gain = 1 + 0.06 * torch.randn(total, channels, 1, 1, generator=draws)[mine]
    offset = 0.04 * torch.randn(total, channels, 1, 1, generator=draws)[mine]
    blur = torch.rand(total, 1, 1, 1, generator=draws)[mine]
    noise = 0.02 * torch.randn(total, channels, height, width, generator=draws)[mine]
    blurred = F.avg_pool2d(F.pad(image, (1, 1, 1, 1), mode="replicate"), 3, 1)
    disturbed = image.lerp(blurred, blur.to(image)) * gain.to(image) + offset.to(image)
    disturbed = (disturbed + noise.to(image)).clamp(-1, 1)
    return torch.where(chosen[mine].view(-1, 1, 1, 1).to(image.device), disturbed, image)


def _rows(layer: Tensor) -> Tensor:
    """Turn (B, K, ...) into (K * B, ...)."""
    return layer.transpose(0, 1).flatten(0, 1)


def by_clip(rows: Tensor, num_clips: int) -> Tensor:
    """Turn the (N, ...) rows of a chunk into (B, K, ...)."""
    return rows.view(-1, num_clips, *rows.shape[1:]).transpose(0, 1)


def _images(levels: Tensor) -> Tensor:
    """Turn uint8 levels into float32 in [-1, 1]."""
    return levels.float() / 127.5 - 1


def _motion(batch: ClipBatch, frames: slice) -> Motion:
    """Return what the store tells of N frames' motion without a look at their pictures."""
    assert batch.flow is not None
    assert batch.flow_validity is not None
    flow, validity = _rows(batch.flow[:, frames]), _rows(batch.flow_validity[:, frames])
    occlusion = None if batch.occlusion is None else _rows(batch.occlusion[:, frames])
    return Motion.recorded(flow, validity, occlusion)


def _guidance(batch: ClipBatch, frames: slice) -> Tensor | None:
    """Return the guidance of N frames, (N, 4, H, W) float32: RGB in [-1, 1], and 1 = known.

    None where the batch has none.
    """
    if batch.guidance is None:
        return None
    rows = _rows(batch.guidance[:, frames])
    known = rows[:, 3:].float()
    return torch.cat([known * _images(rows[:, :3]), known], dim=1)


def _colours(batch: ClipBatch, frames: slice) -> Tensor | None:
    """Return the objects' colours over N frames, (N, 4, H, W) float32; None where none is told."""
    if batch.colours is None or batch.instance is None:
        return None
    pairs = zip(batch.colours, batch.instance[:, frames].long(), strict=True)
    painted = torch.stack([table[ids] for table, ids in pairs])
    return _rows(painted).movedim(-1, 1)


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


def _visibility_known(batch: ClipBatch, frames: slice) -> Tensor:
    """Return (B, K, 1, H, W) float32: 1 where flow is known or a pixel marked as occluded.

    Without flow pictures tell; of the first frame of a clip nothing does.
    """
    if batch.flow_validity is None:
        known = torch.ones_like(batch.image[:, frames, :1], dtype=torch.float32)
    else:
        known = batch.flow_validity[:, frames].float()
    if batch.occlusion is not None:
        known = torch.maximum(known, batch.occlusion[:, frames].float())
    if frames.start == 0:
        known[:, 0] = 0.0
    return known
