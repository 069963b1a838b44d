"""What learns in a run, and what it is to reach."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import nn

from svsdata.nets.svsgan.losses import AdversarialMode
from svsdata.nets.svsgan.video_discriminator import VideoDiscriminator
from svsdata.nets.video_generator import VideoGenerator
from svsdata.training.image_judges import ImageJudge
from svsdata.training.recompute import KEEP, Recompute
from svsdata.training.teaching import Teacher


@dataclass(frozen=True)
class Networks:
    """The networks that learn."""

    generator: VideoGenerator[Any]
    image_judge: ImageJudge
    video_discriminators: tuple[VideoDiscriminator, ...]

    @property
    def by_name(self) -> dict[str, nn.Module]:
        """All of them; the generator first."""
        video = {f"video_discriminator_{i}": d for i, d in enumerate(self.video_discriminators)}
        return {
            "generator": self.generator,
            "image_discriminator": self.image_judge.network,
            **video,
        }


@dataclass(frozen=True)
class Objective:
    """Which losses, and how much of each."""

    weights: Mapping[str, float]
    """Factor by term of the generator's loss, and of ``labelmix``; a term at 0 is left out."""
    video_gan: AdversarialMode = "ls"
    perceptual_net: nn.Module | None = None
    """Maps images to the feature maps that the perceptual loss compares."""
    recompute: Recompute = KEEP
    """Whether activations are kept for the way back."""
    teacher: Teacher | None = None
    """Whose frames the generator is to draw too."""
