"""Images, label maps and flow fields as torch tensors; ``flow`` does the same geometry in numpy.

# B batch, K classes, C channels, H, W
Flow is backward: at frame t it points to t - 1, (B, 2, H, W) float32 pixels of its own grid, dx
then dy.
"""

from typing import Literal, TypeAlias

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from svsdata.errors import LabelSetError

Interpolation: TypeAlias = Literal["bilinear", "bicubic", "balanced"]


def image_to_tensor(image: NDArray[np.uint8]) -> Tensor:
    """Turn (..., H, W, 3) uint8 RGB into (..., 3, H, W) float32 in [-1, 1]."""
    return torch.from_numpy(np.ascontiguousarray(image)).movedim(-1, -3).float() / 127.5 - 1


def tensor_to_image(image: Tensor) -> NDArray[np.uint8]:
    """Turn (..., 3, H, W) of [-1, 1] into (..., H, W, 3) uint8 RGB; values beyond are clipped."""
    return image_levels(image).cpu().numpy()


def image_levels(image: Tensor) -> Tensor:
    """Do what ``tensor_to_image`` does, where the image is: (..., H, W, 3) uint8, contiguous."""
    levels = ((image.detach().float() + 1) * 127.5).round_().clamp_(0, 255)
    return levels.to(torch.uint8).movedim(-3, -1).contiguous()


def one_hot(semantic: Tensor, num_classes: int) -> Tensor:
    """Spread ids over channels.

    Args:
        semantic: (B, H, W) integer ids.
        num_classes: K.

    Returns:
        (B, K, H, W) float32 of 0 and 1.

    Raises:
        LabelSetError: If an id is not in 0..K-1.
    """
    check_ids(semantic, num_classes)
    batch, height, width = semantic.shape
    channels = torch.zeros(batch, num_classes, height, width, device=semantic.device)
    return channels.scatter_(1, semantic.long().unsqueeze(1), 1.0)


def check_ids(semantic: Tensor, num_classes: int) -> None:
    """Refuse ids outside 0..num_classes-1: a network would read beyond its table.

    Looks at maps on the CPU only; a look elsewhere would make the CPU wait for the device. A
    program that is being exported cannot branch on values, and comes without the check.

    Raises:
        LabelSetError: Naming the highest id; negative ids are the caller's to keep out.
    """
    if semantic.device.type != "cpu" or torch.compiler.is_compiling():
        return
    if bool((semantic >= num_classes).any()):
        raise LabelSetError(
            f"label map holds id {int(semantic.max())}, the network knows 0..{num_classes - 1}; "
            "convert the map to the label set of the checkpoint"
        )


def edges(instance: Tensor) -> Tensor:
    """Mark the borders between instances.

    Args:
        instance: (B, H, W) ids of any integer type.

    Returns:
        (B, 1, H, W) float32: 1 where the id differs from one of the 4 neighbours.
    """
    ids = instance.to(torch.int32)  # uint16 cannot be compared on every device
    across = ids[:, :, 1:] != ids[:, :, :-1]
    down = ids[:, 1:] != ids[:, :-1]
    border = torch.zeros_like(ids, dtype=torch.bool)
    border[:, :, 1:] |= across
    border[:, :, :-1] |= across
    border[:, 1:] |= down
    border[:, :-1] |= down
    return border.unsqueeze(1).float()


def warp(previous: Tensor, flow: Tensor, *, interpolation: Interpolation = "bilinear") -> Tensor:
    """Gather the previous frame onto the current grid: result(x) = previous(x + flow(x)).

    Args:
        previous: (B, C, H, W).
        flow: (B, 2, H, W) backward flow in pixels of (H, W).
        interpolation: Over many warps ``bilinear`` blurs, ``bicubic`` rings; ``balanced``, seven
            parts of this and three of that, does neither. Both may overshoot the input's range.

    Returns:
        (B, C, H, W) float32; samples beyond the border repeat it.

    Raises:
        ValueError: If sizes differ or ``flow`` does not have two channels.
    """
    if flow.shape[1] != 2 or flow.shape[2:] != previous.shape[2:]:
        raise ValueError(
            f"flow {tuple(flow.shape)} does not fit previous {tuple(previous.shape)}: "
            "expected (B, 2, H, W) of the same H and W"
        )
    x, y = _sample_positions(flow)
    height, width = flow.shape[2:]
    # align_corners: -1 and 1 are the centres of the outer pixels
    grid = torch.stack([2 * x / max(width - 1, 1) - 1, 2 * y / max(height - 1, 1) - 1], dim=-1)

    def sampled(mode: str) -> Tensor:
        return F.grid_sample(
            previous.float(), grid, mode=mode, padding_mode="border", align_corners=True
        )

    if interpolation == "balanced":
        return sampled("bilinear").lerp(sampled("bicubic"), 0.7)
    return sampled(interpolation)


def leaves_frame(flow: Tensor) -> Tensor:
    """Return (B, 1, H, W) float32: 1 where the flow points outside the previous frame."""
    x, y = _sample_positions(flow)
    height, width = flow.shape[2:]
    outside = (x < 0) | (x > width - 1) | (y < 0) | (y > height - 1)
    return outside.unsqueeze(1).float()


def hidden_mask(flow: Tensor, occlusion: Tensor | None) -> Tensor:
    """Mark pixels that are not in the previous frame.

    Args:
        flow: (B, 2, H, W) backward flow in pixels.
        occlusion: (B, 1, H, W), 1 = the previous frame does not show the pixel; None: nowhere.

    Returns:
        (B, 1, H, W) float32: 1 where the pixel is occluded or the flow points outside.
    """
    hidden = leaves_frame(flow)
    return hidden if occlusion is None else torch.maximum(hidden, occlusion.float())


def resize_flow(flow: Tensor, size_hw: tuple[int, int]) -> Tensor:
    """Resample a flow field and rescale its vectors to the new pixel grid.

    Args:
        flow: (B, 2, H, W) float32 in pixels of (H, W).
        size_hw: New (height, width); a shrinking field is averaged over areas.

    Returns:
        (B, 2, height, width) float32 in pixels of the new size: dx scales with the width's ratio,
        dy with the height's.
    """
    height, width = flow.shape[2:]
    if (height, width) == size_hw:
        return flow
    dx, dy = torch.split(resize(flow, size_hw), 1, dim=1)
    return torch.cat([dx * (size_hw[1] / width), dy * (size_hw[0] / height)], dim=1)


def resize(picture: Tensor, size_hw: tuple[int, int]) -> Tensor:
    """Resample (B, C, H, W): area average when shrinking, bilinear when growing."""
    if picture.shape[2] > size_hw[0]:
        return F.interpolate(picture, size_hw, mode="area")
    return F.interpolate(picture, size_hw, mode="bilinear", align_corners=False)


def compose_flow(newer: Tensor, older: Tensor) -> Tensor:
    """Chain two backward flows.

    Args:
        newer: (B, 2, H, W) at t, pointing to s.
        older: (B, 2, H, W) at s, pointing to r.

    Returns:
        (B, 2, H, W) at t, pointing to r.
    """
    return newer + warp(older, newer)


def _sample_positions(flow: Tensor) -> tuple[Tensor, Tensor]:
    height, width = flow.shape[2:]
    columns = torch.arange(width, device=flow.device, dtype=torch.float32)
    rows = torch.arange(height, device=flow.device, dtype=torch.float32).unsqueeze(1)
    return columns + flow[:, 0].float(), rows + flow[:, 1].float()


def full_precision(device_type: str) -> torch.autocast:
    """Switch autocast off; the meta device, on which operations are counted, has none."""
    known = torch.amp.is_autocast_available(device_type)
    return torch.autocast(device_type if known else "cpu", enabled=False)


def computes_bf16(device: torch.device) -> bool:
    """Tell whether bf16 is faster than float32 there; elsewhere processors only imitate it."""
    if device.type == "cpu":
        return torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    return device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
