"""Flow by FlowNet2 with the published weights, which the user has: nothing is downloaded."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, TypeAlias

import numpy as np
import torch
from torch import Tensor

from svsdata.checkpoints.tensor_files import misfits, read_state_dict
from svsdata.errors import WeightsError
from svsdata.estimation.flow_estimators import FlowEstimate
from svsdata.flow import occlusion_by_consistency
from svsdata.nets.flownet2.flownet2 import SIZE_MULTIPLE, FlowNet2
from svsdata.records import Flow, Image
from svsdata.tensors import resize, resize_flow

FlowPrecision: TypeAlias = Literal["float32", "bfloat16"]
FlowContrast: TypeAlias = Literal["trained", "vid2vid"]
FlowFit: TypeAlias = Literal["pad", "resize"]

_CONTRASTS = {"trained": 1.0, "vid2vid": 2.0}

_LISTED = 8
"""Faults that a message names; the rest are counted."""


def load_flownet2(
    path: Path,
    *,
    contrast: FlowContrast = "trained",
    precision: FlowPrecision = "float32",
    device: str = "cpu",
) -> FlowNet2:
    """Load NVIDIA's ``FlowNet2_checkpoint.pth.tar``, or its state dict alone, by its own keys.

    Args:
        path: The file; also safetensors of the same keys.
        contrast: ``trained`` feeds the network what its weights were made for, ``vid2vid`` twice
            the contrast, as vid2vid and imaginaire do.
        precision: Of the features; flows are float32.
        device: Where it runs.

    Raises:
        WeightsError: If the file is missing, damaged, or not of FlowNet2; names the keys.
    """
    if not path.is_file():
        raise WeightsError(
            f"{path}: no such file; expected FlowNet2_checkpoint.pth.tar of NVIDIA's "
            "flownet2-pytorch"
        )
    state = _state_dict(path)
    # Without memory, as the file brings the tensors.
    with torch.device("meta"):
        network = FlowNet2(contrast=_CONTRASTS[contrast])
    faults = misfits(network, state)
    if faults:
        more = f" and {len(faults) - _LISTED} more" if len(faults) > _LISTED else ""
        raise WeightsError(
            f"{path}: {len(faults)} of its keys do not fit FlowNet2: "
            f"{', '.join(faults[:_LISTED])}{more}; expected NVIDIA's FlowNet2_checkpoint.pth.tar, "
            "the whole FlowNet2, not one of its parts"
        )
    network.load_state_dict(state, assign=True)
    network.requires_grad_(False).float()
    if precision == "bfloat16":
        network.to_bfloat16()
    return network.eval().to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]


class FlowNet2Flow:
    """A ``FlowEstimator`` on FlowNet2.

    Args:
        network: From ``load_flownet2``.
        source: What the weights are, for ``description``.
        check: Also estimate the forward flow, in the same pass, and compare: gives occlusion and
            validity.
        fit: Frames whose sides are no multiple of 64 are continued by their border (``pad``), or
            resized to the nearest such size and the flow resized back (``resize``).
    """

    # The network keeps all cores busy by itself.
    workers = 1

    def __init__(
        self, network: FlowNet2, source: str, *, check: bool, fit: FlowFit = "pad"
    ) -> None:
        self._network = network
        self._source = source
        self._fit = fit
        self.checks = check

    @property
    def description(self) -> str:
        """See ``FlowEstimator``."""
        features = next(self._network.parameters())
        precision = str(features.dtype).removeprefix("torch.")
        check = ", forward check" if self.checks else ""
        contrast = f"{self._network.contrast:g}"
        return f"flownet2 {self._source} {precision} {self._fit} contrast={contrast}{check}"

    @torch.inference_mode()
    def estimate(self, previous: Image, current: Image) -> FlowEstimate:
        """See ``FlowEstimator``."""
        size_hw = (current.shape[0], current.shape[1])
        now, before = self._pixels(current), self._pixels(previous)
        if not self.checks:
            return FlowEstimate(_as_array(self._network(now, before), size_hw))
        flows = self._network.both(now, before)
        backward, forward = (_as_array(flow, size_hw) for flow in flows)
        occlusion = occlusion_by_consistency(backward, forward)
        return FlowEstimate(backward, validity=1 - occlusion, occlusion=occlusion)

    def _pixels(self, image: Image) -> Tensor:
        """Return (1, 3, h, w) float32 of 0..255 on the network's device."""
        device = next(self._network.parameters()).device
        pixels = torch.tensor(image, device=device).permute(2, 0, 1).unsqueeze(0).float()
        if self._fit == "pad":
            return pixels
        return resize(pixels, (_rounded(image.shape[0]), _rounded(image.shape[1])))


def weights_digest(path: Path) -> str:
    """Return the first 12 digits of a file's sha256, as descriptions name weights."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:12]


def _state_dict(path: Path) -> Mapping[str, Tensor]:
    """Return the named tensors of a checkpoint, which may lie beside its epoch."""
    content = read_state_dict(path)
    state: object = content.get("state_dict", content)
    if not isinstance(state, dict) or not all(isinstance(it, Tensor) for it in state.values()):
        raise WeightsError(
            f"{path}: holds no state dict; expected NVIDIA's FlowNet2_checkpoint.pth.tar"
        )
    return state


def _as_array(flow: Tensor, size_hw: tuple[int, int]) -> Flow:
    resized = resize_flow(flow, size_hw)[0].permute(1, 2, 0)
    return np.ascontiguousarray(resized.cpu().numpy())


def _rounded(side: int) -> int:
    return max(SIZE_MULTIPLE, round(side / SIZE_MULTIPLE) * SIZE_MULTIPLE)
