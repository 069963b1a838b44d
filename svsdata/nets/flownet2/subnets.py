"""The four networks that FlowNet2 stacks (Ilg et al. 2017), under the published key names.

B batch, H and W multiples of 64. All but ``FlowNetFusion`` return flow at a quarter of the size.
"""

from torch import Tensor, nn

from svsdata.nets.flownet2.blocks import (
    FlowHead,
    FlowUpsampling,
    conv,
    deconv,
    inter_conv,
    joined,
    leaky_relu,
)
from svsdata.nets.flownet2.correlation import correlation


class _Refinement(nn.Module):
    """What C, S and SD have in common: the path from 1/8 down to 1/64, and back up to 1/4.

    Args:
        inter_convs: Whether a convolution comes before each prediction.
        upsampling_bias: Of the flows' doublings.
    """

    def __init__(self, *, inter_convs: bool = False, upsampling_bias: bool = True) -> None:
        super().__init__()
        self.conv4 = conv(256, 512, stride=2)
        self.conv4_1 = conv(512, 512)
        self.conv5 = conv(512, 512, stride=2)
        self.conv5_1 = conv(512, 512)
        self.conv6 = conv(512, 1024, stride=2)
        self.conv6_1 = conv(1024, 1024)
        self.deconv5 = deconv(1024, 512)
        self.deconv4 = deconv(1026, 256)
        self.deconv3 = deconv(770, 128)
        self.deconv2 = deconv(386, 64)
        self.inter_conv5 = inter_conv(1026, 512) if inter_convs else nn.Identity()
        self.inter_conv4 = inter_conv(770, 256) if inter_convs else nn.Identity()
        self.inter_conv3 = inter_conv(386, 128) if inter_convs else nn.Identity()
        self.inter_conv2 = inter_conv(194, 64) if inter_convs else nn.Identity()
        self.predict_flow6 = FlowHead(1024)
        self.predict_flow5 = FlowHead(512 if inter_convs else 1026)
        self.predict_flow4 = FlowHead(256 if inter_convs else 770)
        self.predict_flow3 = FlowHead(128 if inter_convs else 386)
        self.predict_flow2 = FlowHead(64 if inter_convs else 194)
        self.upsampled_flow6_to_5 = FlowUpsampling(bias=upsampling_bias)
        self.upsampled_flow5_to_4 = FlowUpsampling(bias=upsampling_bias)
        self.upsampled_flow4_to_3 = FlowUpsampling(bias=upsampling_bias)
        self.upsampled_flow3_to_2 = FlowUpsampling(bias=upsampling_bias)

    def refined(self, quarter: Tensor, eighth: Tensor) -> Tensor:
        """Return (B, 2, H/4, W/4) flow from features (B, 128, H/4, W/4), (B, 256, H/8, W/8)."""
        conv4 = self.conv4_1(self.conv4(eighth))
        conv5 = self.conv5_1(self.conv5(conv4))
        conv6 = self.conv6_1(self.conv6(conv5))
        flow = self.predict_flow6(conv6)
        features = joined(conv5, self.deconv5(conv6), self.upsampled_flow6_to_5(flow))
        flow = self.predict_flow5(self.inter_conv5(features))
        features = joined(conv4, self.deconv4(features), self.upsampled_flow5_to_4(flow))
        flow = self.predict_flow4(self.inter_conv4(features))
        features = joined(eighth, self.deconv3(features), self.upsampled_flow4_to_3(flow))
        flow = self.predict_flow3(self.inter_conv3(features))
        features = joined(quarter, self.deconv2(features), self.upsampled_flow3_to_2(flow))
        return self.predict_flow2(self.inter_conv2(features))


class FlowNetC(_Refinement):
    """Matches features of two frames by their correlation."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = conv(3, 64, kernel=7, stride=2)
        self.conv2 = conv(64, 128, kernel=5, stride=2)
        self.conv3 = conv(128, 256, kernel=5, stride=2)
        self.conv_redir = conv(256, 32, kernel=1)
        self.conv3_1 = conv(473, 256)
        self._activation = leaky_relu()

    def features(self, frames: Tensor) -> tuple[Tensor, Tensor]:
        """Return a frame's features, (B, 128, H/4, W/4) and (B, 256, H/8, W/8)."""
        quarter = self.conv2(self.conv1(frames))
        return quarter, self.conv3(quarter)

    def forward(self, quarter: Tensor, eighth: Tensor, other_eighth: Tensor) -> Tensor:
        """Return the flow from one frame to another by their ``features``."""
        matches = self._activation(correlation(eighth, other_eighth))
        return self.refined(quarter, self.conv3_1(joined(self.conv_redir(eighth), matches)))


class FlowNetS(_Refinement):
    """Improves a flow: sees both frames, one warped, the flow and what it leaves unexplained."""

    def __init__(self) -> None:
        super().__init__(upsampling_bias=False)
        self.conv1 = conv(12, 64, kernel=7, stride=2)
        self.conv2 = conv(64, 128, kernel=5, stride=2)
        self.conv3 = conv(128, 256, kernel=5, stride=2)
        self.conv3_1 = conv(256, 256)

    def forward(self, stacked: Tensor) -> Tensor:
        """Return the flow for (B, 12, H, W)."""
        quarter = self.conv2(self.conv1(stacked))
        return self.refined(quarter, self.conv3_1(self.conv3(quarter)))


class FlowNetSD(_Refinement):
    """Looks for small displacements in two frames."""

    def __init__(self) -> None:
        super().__init__(inter_convs=True)
        self.conv0 = conv(6, 64)
        self.conv1 = conv(64, 64, stride=2)
        self.conv1_1 = conv(64, 128)
        self.conv2 = conv(128, 128, stride=2)
        self.conv2_1 = conv(128, 128)
        self.conv3 = conv(128, 256, stride=2)
        self.conv3_1 = conv(256, 256)

    def forward(self, frames: Tensor) -> Tensor:
        """Return the flow for (B, 6, H, W)."""
        half = self.conv1_1(self.conv1(self.conv0(frames)))
        quarter = self.conv2_1(self.conv2(half))
        return self.refined(quarter, self.conv3_1(self.conv3(quarter)))


class FlowNetFusion(nn.Module):
    """Merges the flow of the stack with that for small displacements, at full size."""

    def __init__(self) -> None:
        super().__init__()
        self.conv0 = conv(11, 64)
        self.conv1 = conv(64, 64, stride=2)
        self.conv1_1 = conv(64, 128)
        self.conv2 = conv(128, 128, stride=2)
        self.conv2_1 = conv(128, 128)
        self.deconv1 = deconv(128, 32)
        self.deconv0 = deconv(162, 16)
        self.inter_conv1 = inter_conv(162, 32)
        self.inter_conv0 = inter_conv(82, 16)
        self.predict_flow2 = FlowHead(128)
        self.predict_flow1 = FlowHead(32)
        self.predict_flow0 = FlowHead(16)
        self.upsampled_flow2_to_1 = FlowUpsampling()
        self.upsampled_flow1_to_0 = FlowUpsampling()

    def forward(self, evidence: Tensor) -> Tensor:
        """Return (B, 2, H, W) flow in pixels for (B, 11, H, W)."""
        full = self.conv0(evidence)
        half = self.conv1_1(self.conv1(full))
        quarter = self.conv2_1(self.conv2(half))
        flow = self.predict_flow2(quarter)
        features = joined(half, self.deconv1(quarter), self.upsampled_flow2_to_1(flow))
        flow = self.predict_flow1(self.inter_conv1(features))
        features = joined(full, self.deconv0(features), self.upsampled_flow1_to_0(flow))
        return self.predict_flow0(self.inter_conv0(features))
