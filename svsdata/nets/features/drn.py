"""DRN-D-105, the segmenter of Cityscapes that papers on semantic image synthesis report mIoU with.

Dilated residual network (Yu et al. 2017) with the key names of its authors' checkpoints.

B batch, K classes, H, W size.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

NUM_CLASSES = 19
"""Cityscapes train ids."""
MEAN = (0.29010095, 0.32808144, 0.28696394)
STD = (0.18295405, 0.18656561, 0.18447509)


class _Bottleneck(nn.Module):
    def __init__(self, channels: int, planes: int, *, stride: int, dilation: int) -> None:
        super().__init__()
        width = planes * 4
        self.conv1 = nn.Conv2d(channels, planes, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(planes)
        self.conv2 = nn.Conv2d(planes, planes, 3, stride, dilation, dilation, bias=False)
        self.bn2 = nn.BatchNorm2d(planes)
        self.conv3 = nn.Conv2d(planes, width, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(width)
        if channels != width:
            self.downsample = nn.Sequential(
                nn.Conv2d(channels, width, 1, stride, bias=False), nn.BatchNorm2d(width)
            )
        else:
            self.downsample = nn.Sequential()

    def forward(self, x: Tensor) -> Tensor:
        out = F.relu(self.bn1(self.conv1(x)))
        out = F.relu(self.bn2(self.conv2(out)))
        return F.relu(self.bn3(self.conv3(out)) + self.downsample(x))


class Drn105(nn.Module):
    """DRN-D-105 with its segmentation head."""

    mean: Tensor
    std: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.base = nn.Sequential(
            _plain(3, 16, kernel=7),
            _plain(16, 16),
            _plain(16, 32, stride=2),
            _stage(32, 64, blocks=3, stride=2),
            _stage(256, 128, blocks=4, stride=2),
            _stage(512, 256, blocks=23, dilation=2),
            _stage(1024, 512, blocks=3, dilation=4),
            _plain(2048, 512, dilation=2),
            _plain(512, 512),
        )
        self.seg = nn.Conv2d(512, NUM_CLASSES, 1)
        self.up = nn.ConvTranspose2d(
            NUM_CLASSES, NUM_CLASSES, 16, stride=8, padding=4, groups=NUM_CLASSES, bias=False
        )
        self.register_buffer("mean", torch.tensor(MEAN).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(STD).view(1, 3, 1, 1), persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        """Map (B, 3, H, W) RGB in [0, 1] to (B, 19, 8 ceil(H/8), 8 ceil(W/8)) log-probabilities."""
        return self.upsampled(self.scores(images))

    def scores(self, images: Tensor) -> Tensor:
        """Map (B, 3, H, W) RGB in [0, 1] to (B, 19, H/8, W/8) scores by train id."""
        out: Tensor = self.seg(self.base((images - self.mean) / self.std))
        return out

    def upsampled(self, scores: Tensor) -> Tensor:
        """Enlarge scores eight times and normalise them over the classes."""
        return F.log_softmax(self.up(scores), dim=1)


def _plain(
    channels: int, width: int, *, kernel: int = 3, stride: int = 1, dilation: int = 1
) -> nn.Sequential:
    padding = dilation * (kernel // 2)
    return nn.Sequential(
        nn.Conv2d(channels, width, kernel, stride, padding, dilation, bias=False),
        nn.BatchNorm2d(width),
        nn.ReLU(),
    )


def _stage(
    channels: int, planes: int, *, blocks: int, stride: int = 1, dilation: int = 1
) -> nn.Sequential:
    first = _Bottleneck(channels, planes, stride=stride, dilation=dilation)
    rest = [_Bottleneck(planes * 4, planes, stride=1, dilation=dilation) for _ in range(blocks - 1)]
    return nn.Sequential(first, *rest)
