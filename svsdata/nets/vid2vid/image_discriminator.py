"""vid2vid's discriminator of single images: patch by patch, together with their labels.

# B batch, H, W
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from svsdata.nets.svsgan.video_discriminator import PatchNet, PatchScores
from svsdata.nets.vid2vid.config import PatchImageConfig
from svsdata.tensors import one_hot


class PatchImageDiscriminator(nn.Module):
    """Judge whether patches are real and fit their labels, at several resolutions (vid2vid)."""

    def __init__(self, config: PatchImageConfig) -> None:
        super().__init__()
        self.config = config
        channels = 3 + config.num_classes + int(config.edges)
        self.resolutions = nn.ModuleList(
            PatchNet(channels, config.width) for _ in range(config.num_resolutions)
        )

    def forward(self, image: Tensor, semantic: Tensor, edges: Tensor | None) -> PatchScores:
        """Score (B, 3, H, W) in [-1, 1] that show (B, H, W) ids and (B, 1, H, W) borders."""
        parts = [one_hot(semantic, self.config.num_classes), image]
        if self.config.edges:
            assert edges is not None
            parts.append(edges)
        picture = torch.cat(parts, dim=1)
        scores: PatchScores = []
        for resolution in self.resolutions:
            scores.append(resolution(picture))
            picture = F.avg_pool2d(picture, 3, 2, 1, count_include_pad=False)
        return scores
