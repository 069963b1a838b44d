"""The feature extractors of FID and FVD, each with the protocol it stands for."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from svsdata.nets.features import i3d, inception
from svsdata.nets.features.inception import FidVariant, Inception
from svsdata.nets.features.lpips import Lpips
from svsdata.nets.features.videomae import NUM_FRAMES, VideoMae, videomae_input
from svsdata.tensors import image_to_tensor

_FRAMINGS = {"squash": "squashed", "crop": "the square in the middle resized"}
_AT_ONCE = 4
"""Images, or pairs, that a network takes: what passes between its layers stays in the caches."""

Framing: TypeAlias = Literal["squash", "crop"]
"""How a frame becomes FVD's square: all of it, out of shape, or the square in its middle."""


@dataclass(frozen=True)
class FeatureExtractor:
    """Turns a clip's frames into features whose statistics are compared."""

    name: str
    dimensions: int
    of_clips: bool
    """One feature a clip; else one a frame."""
    ddof: int
    """Of the covariance."""
    protocol: str
    extract: Callable[[NDArray[np.uint8]], NDArray[np.float32]]
    """(T, H, W, 3) uint8 frames to (T, D), or to (1, D) of a whole clip."""
    small_sample: int
    """Fewer samples give a figure that depends on their number more than on the pictures."""


@dataclass(frozen=True)
class PairDistance:
    """A distance of two pictures."""

    protocol: str
    measure: Callable[[NDArray[np.uint8], NDArray[np.uint8]], NDArray[np.float32]]
    """(T, H, W, 3) images and others to (T,) distances."""


def fid_extractor(
    network: Inception, weights: str, *, variant: FidVariant, device: str, dtype: torch.dtype
) -> FeatureExtractor:
    """Return FID's: 2048 features of every frame."""

    def extract(frames: NDArray[np.uint8]) -> NDArray[np.float32]:
        return np.concatenate([of_part(frames[part]) for part in _parts(len(frames))])

    def of_part(frames: NDArray[np.uint8]) -> NDArray[np.float32]:
        images = _placed(frames, device).permute(0, 3, 1, 2)
        return _run(network, inception.inception_input(images, variant), dtype=dtype)

    return FeatureExtractor(
        name="fid",
        dimensions=inception.NUM_FEATURES,
        of_clips=False,
        ddof=1,
        protocol=(
            f"FID as {variant} defines it, Inception 2015-12-05 ({weights}), ddof 1"
            f"{told_precision(dtype)}"
        ),
        extract=extract,
        small_sample=10_000,
    )


def fvd_i3d_extractor(
    network: i3d.I3d,
    weights: str,
    *,
    device: str,
    dtype: torch.dtype,
    framing: Framing = "squash",
    ddof: int = 0,
) -> FeatureExtractor:
    """Return FVD's with I3D: 400 logits of every clip."""

    def extract(frames: NDArray[np.uint8]) -> NDArray[np.float32]:
        return _run(network, i3d.i3d_input(_placed(_framed(frames, framing), device)), dtype=dtype)

    return FeatureExtractor(
        name="fvd_i3d",
        dimensions=i3d.NUM_FEATURES,
        of_clips=True,
        ddof=ddof,
        protocol=(
            f"FVD as cd-fvd defines it, I3D logits ({weights}), {_FRAMINGS[framing]} to 224x224, "
            f"ddof {ddof}{told_precision(dtype)}"
        ),
        extract=extract,
        small_sample=2048,
    )


def fvd_cd_extractor(
    network: VideoMae,
    weights: str,
    *,
    device: str,
    dtype: torch.dtype,
    framing: Framing = "squash",
    ddof: int = 0,
) -> FeatureExtractor:
    """Return content-debiased FVD's: features of VideoMAE v2, of clips of 16 frames."""

    def extract(frames: NDArray[np.uint8]) -> NDArray[np.float32]:
        if len(frames) != NUM_FRAMES:
            raise ValueError(f"VideoMAE takes clips of {NUM_FRAMES} frames, got {len(frames)}")
        return _run(network, videomae_input(_placed(_framed(frames, framing), device)), dtype=dtype)

    return FeatureExtractor(
        name="fvd_cd",
        dimensions=network.fc_norm.normalized_shape[0],
        of_clips=True,
        ddof=ddof,
        protocol=(
            f"FVD as cd-fvd defines it, VideoMAE v2 ({weights}), {_FRAMINGS[framing]} to 224x224, "
            f"ddof {ddof}{told_precision(dtype)}"
        ),
        extract=extract,
        small_sample=2048,
    )


def lpips_distance(
    network: Lpips, weights: str, *, device: str, dtype: torch.dtype
) -> PairDistance:
    """Return LPIPS's: one distance of every pair of images."""

    def distances(images: NDArray[np.uint8], others: NDArray[np.uint8]) -> NDArray[np.float32]:
        return np.concatenate([of_part(images[part], others[part]) for part in _parts(len(images))])

    def of_part(*sides: NDArray[np.uint8]) -> NDArray[np.float32]:
        return _run(network, *(image_to_tensor(it).to(device) for it in sides), dtype=dtype)

    protocol = f"LPIPS 0.1, trunk {network.trunk} ({weights}), RGB in [-1, 1]"
    return PairDistance(protocol + told_precision(dtype), distances)


def told_precision(dtype: torch.dtype) -> str:
    """Return what a protocol says of the precision; float32 goes without saying."""
    return "" if dtype == torch.float32 else ", network in bf16"


def _framed(frames: NDArray[np.uint8], framing: Framing) -> NDArray[np.uint8]:
    """Return (1, T, H, W, 3) clips of what counts of (T, H, W, 3) frames."""
    if framing == "crop":
        height, width = frames.shape[1:3]
        side = min(height, width)
        top, left = (height - side) // 2, (width - side) // 2
        frames = np.ascontiguousarray(frames[:, top : top + side, left : left + side])
    return frames[None]


def _parts(count: int) -> list[slice]:
    return [slice(first, first + _AT_ONCE) for first in range(0, count, _AT_ONCE)]


def _placed(frames: NDArray[np.uint8], device: str) -> Tensor:
    return torch.from_numpy(frames).to(device)


@torch.inference_mode()
def _run(network: nn.Module, *inputs: Tensor, dtype: torch.dtype) -> NDArray[np.float32]:
    bf16 = dtype == torch.bfloat16
    with torch.autocast(inputs[0].device.type, torch.bfloat16, enabled=bf16):
        out: Tensor = network(*inputs)
    return out.float().cpu().numpy()
