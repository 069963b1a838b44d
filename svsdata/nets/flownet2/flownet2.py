"""FlowNet2 (Ilg et al. 2017): C, two S, SD and the fusion, as NVIDIA's weights expect them.

Plain PyTorch, on any device. Images are (B, 3, H, W) RGB, float, 0..255.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from svsdata.nets.flownet2.blocks import FlowHead, FlowUpsampling
from svsdata.nets.flownet2.subnets import FlowNetC, FlowNetFusion, FlowNetS, FlowNetSD
from svsdata.tensors import warp

SIZE_MULTIPLE = 64
"""Six layers halve the size."""

FLOW_UNIT = 20.0
"""Pixels that 1 stands for in the flows of C, S and SD."""


class FlowNet2(nn.Module):
    """Estimates dense flow between two images of any size.

    Sides that are no multiple of 64 are continued by their last row and column, and the flow is
    cropped.

    Args:
        contrast: Factor on the input. The weights were made for 1; vid2vid and imaginaire feed
            theirs at 2, which changes the flow grossly.
    """

    def __init__(self, *, contrast: float = 1.0) -> None:
        super().__init__()
        self.contrast = contrast
        self.flownetc = FlowNetC()
        self.flownets_1 = FlowNetS()
        self.flownets_2 = FlowNetS()
        self.flownets_d = FlowNetSD()
        self.flownetfusion = FlowNetFusion()

    def to_bfloat16(self) -> "FlowNet2":
        """Turn the features' layers into bfloat16; flows stay float32. Works in place."""
        self.to(torch.bfloat16)
        for module in self.modules():
            if isinstance(module, FlowHead | FlowUpsampling):
                module.float()
        return self

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        """Return the flow from ``first`` to ``second``: first(x) is seen at second(x + flow(x)).

        Returns:
            (B, 2, H, W) float32 pixels, dx then dy.
        """
        frames = self._normalised(first, second)
        quarters, eighths = self.flownetc.features(frames.to(self._dtype))
        one, other = frames.chunk(2)
        quarter, _ = quarters.chunk(2)
        flow = self._cascade(one, other, self.flownetc(quarter, *eighths.chunk(2)))
        return flow[..., : first.shape[2], : first.shape[3]]

    def both(self, first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
        """Return the flows from ``first`` to ``second`` and back, sharing the frames' features."""
        frames = self._normalised(first, second)
        quarters, eighths = self.flownetc.features(frames.to(self._dtype))
        swapped = torch.cat(frames.chunk(2)[::-1])
        coarse = self.flownetc(quarters, eighths, torch.cat(eighths.chunk(2)[::-1]))
        flows = self._cascade(frames, swapped, coarse)
        there, back = flows[..., : first.shape[2], : first.shape[3]].chunk(2)
        return there, back

    @property
    def _dtype(self) -> torch.dtype:
        weight = self.flownetc.conv_redir[0].weight
        assert isinstance(weight, Tensor)
        return weight.dtype

    def _normalised(self, first: Tensor, second: Tensor) -> Tensor:
        """Return both frames as one batch (2B, 3, H', W'), of the pair's mean 0."""
        mean = torch.stack([first, second], dim=2).mean(dim=(2, 3, 4)).unsqueeze(-1).unsqueeze(-1)
        frames = torch.cat([first - mean, second - mean]) * (self.contrast / 255)
        below, right = (-side % SIZE_MULTIPLE for side in frames.shape[2:])
        if below or right:
            frames = F.pad(frames, (0, right, 0, below), mode="replicate")
        return frames.contiguous(memory_format=torch.channels_last)

    def _cascade(self, first: Tensor, second: Tensor, coarse: Tensor) -> Tensor:
        """Refine FlowNetC's flow twice, look for small displacements, and fuse the two."""
        flow = _enlarged(coarse * FLOW_UNIT, "bilinear")
        flow = _enlarged(self._improved(self.flownets_1, first, second, flow), "bilinear")
        flow = _enlarged(self._improved(self.flownets_2, first, second, flow), "nearest")
        small = self.flownets_d(torch.cat([first, second], dim=1).to(self._dtype))
        # Divided, where the others are multiplied: so the weights were made.
        small = _enlarged(small / FLOW_UNIT, "nearest")
        evidence = [
            first,
            small,
            flow,
            channel_norm(small),
            channel_norm(flow),
            channel_norm(first - warp(second, small)),
            channel_norm(first - warp(second, flow)),
        ]
        return self.flownetfusion(torch.cat(evidence, dim=1).to(self._dtype))

    def _improved(self, network: FlowNetS, first: Tensor, second: Tensor, flow: Tensor) -> Tensor:
        warped = warp(second, flow)
        unexplained = channel_norm(first - warped)
        stacked = torch.cat([first, second, warped, flow / FLOW_UNIT, unexplained], dim=1)
        return network(stacked.to(self._dtype)) * FLOW_UNIT


def channel_norm(values: Tensor) -> Tensor:
    """Return the Euclidean length over channels: (B, C, H, W) -> (B, 1, H, W)."""
    return torch.linalg.vector_norm(values, dim=1, keepdim=True)


def _enlarged(quarter_flow: Tensor, mode: str) -> Tensor:
    align_corners = False if mode == "bilinear" else None
    return F.interpolate(quarter_flow, scale_factor=4, mode=mode, align_corners=align_corners)
