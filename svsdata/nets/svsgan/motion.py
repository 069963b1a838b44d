"""Flow and occlusion from two label maps: encoder, ResNet blocks, decoder, two heads.

# B batch, C channels, H, W of the base size
"""

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from svsdata.nets.svsgan.blocks import InstanceNorm
from svsdata.nets.svsgan.config import MotionConfig
from svsdata.tensors import full_precision, leaves_frame, resize


class MotionNet(nn.Module):
    """Predict where each pixel was, and whether it was visible, from labels alone (svs-gan 3.1)."""

    def __init__(self, in_channels: int, config: MotionConfig) -> None:
        super().__init__()
        self.config = config
        widths = config.widths
        in_channels += 2 * config.sees_position + 3 * config.sees_image
        self.stem = nn.Sequential(
            nn.Conv2d(in_channels, widths[0], 7, config.stem_stride, 3, padding_mode="reflect"),
            InstanceNorm(widths[0]),
            nn.ReLU(),
        )
        self.downs = nn.ModuleList(
            nn.Sequential(nn.Conv2d(a, b, 3, 2, 1), InstanceNorm(b), nn.ReLU())
            for a, b in pairwise(widths)
        )
        self.residuals = nn.ModuleList(
            ResidualBlock(widths[-1]) for _ in range(config.num_residual)
        )
        self.ups = nn.ModuleList(
            nn.Sequential(
                nn.ConvTranspose2d(a, b, 3, 2, 1, output_padding=1), InstanceNorm(b), nn.ReLU()
            )
            for a, b in zip((widths[-1], *config.up_widths), config.up_widths, strict=False)
        )
        last, kernel = config.up_widths[-1], config.head_kernel
        self.head = nn.Conv2d(last, 3, kernel, padding=kernel // 2, padding_mode="reflect")
        nn.init.zeros_(self.head.weight)  # motion starts at 0 and occlusion at 0.5
        nn.init.zeros_(self.head.bias)  # type: ignore[arg-type]

    def forward(self, label_pair: Tensor) -> tuple[Tensor, Tensor]:
        """Map the inputs of both frames to motion.

        Args:
            label_pair: (B, C, H, W), previous then current; with ``sees_image`` the previous
                image of 3 channels last.

        Returns:
            Backward flow (B, 2, H, W) float32 in pixels, and occlusion mask (B, 1, H, W) float32 in
            [0, 1], 1 = occluded; exactly 1 where the flow leaves the frame, if ``occlude_outside``.
        """
        x = label_pair
        if self.config.sees_position:
            x = torch.cat([x, _positions(x)], dim=1)
        x = self.stem(x)
        encoded = []
        for down in self.downs:
            encoded.append(x)
            x = down(x)
        for block in self.residuals:
            x = block(x)
        for up in self.ups:
            x = up(x)
            if self.config.skips and encoded:
                x = x + encoded.pop()
        with full_precision(x.device.type):  # bf16 flow would be off by 1/16 px
            motion = self.head(x.float())
            motion = resize(motion, (label_pair.shape[2], label_pair.shape[3]))
            flow = motion[:, :2] * self.config.flow_unit_px
            occlusion_mask = torch.sigmoid(motion[:, 2:])
            if self.config.occlude_outside:
                occlusion_mask = torch.maximum(occlusion_mask, leaves_frame(flow))
        return flow, occlusion_mask


def _positions(like: Tensor) -> Tensor:
    """Return column and row of each pixel of (B, C, H, W), -1 to 1: (B, 2, H, W)."""
    batch, _, height, width = like.shape
    columns = torch.linspace(-1, 1, width, dtype=like.dtype, device=like.device)
    rows = torch.linspace(-1, 1, height, dtype=like.dtype, device=like.device)
    grid = torch.stack([columns.expand(height, width), rows[:, None].expand(height, width)])
    return grid.expand(batch, 2, height, width)


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions with instance norm around a shortcut; no ReLU after the sum."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv_0 = nn.Conv2d(width, width, 3, padding=1, padding_mode="reflect")
        self.norm_0 = InstanceNorm(width)
        self.conv_1 = nn.Conv2d(width, width, 3, padding=1, padding_mode="reflect")
        self.norm_1 = InstanceNorm(width)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, H, W) to the same."""
        hidden = F.relu(self.norm_0(self.conv_0(x)))
        return x + self.norm_1(self.conv_1(hidden))
