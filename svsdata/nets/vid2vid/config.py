"""The numbers that make vid2vid's street generator (svs-gan's model A; with OASIS losses model B).

docs/paper-notes.md#vid2vid tells what is rebuilt, and how its count is known.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Vid2VidConfig:
    """Every width and switch of the generator."""

    num_classes: int
    edges: bool = False
    """Instance borders are a further input channel beside the classes."""
    width: int = 128
    """Channels of the stems; doubled at every downsampling."""
    num_downs: int = 3
    num_residual: int = 9
    """ResNet blocks: the larger half before image and flow part, the smaller after."""
    foreground_width: int = 64
    """Channels of the foreground branch's stem."""
    foreground: tuple[int, ...] = (26,)
    """Ids that the foreground branch draws: cars."""
    flow_unit_px: float = 20.0
    """Pixels for one unit of the base's flow head; twice as many at each enhancer's."""
    extra_blocks: int = 0
    """Local enhancers, each of which doubles the size."""
    enhancer_residual: int = 3
    """ResNet blocks of each part of an enhancer."""
    family: str = "vid2vid"
    """Tells its checkpoints from those of SVS-GAN's generators."""

    @property
    def object_colours(self) -> bool:
        """It never sees any."""
        return False

    @property
    def sees_guidance(self) -> bool:
        """What was seen of the standing world before is no input."""
        return False

    @property
    def sees_position(self) -> bool:
        """Where in the frame a pixel lies is no input."""
        return False

    @property
    def labels_tell_motion(self) -> bool:
        """Flow and occlusion mask need no image."""
        return False

    @property
    def forgetting(self) -> float:
        """Share that is drawn anew where a given motion is followed; it follows none."""
        return 0.0

    @property
    def context_frames(self) -> int:
        """Past frames that it sees."""
        return 2

    @property
    def size_multiple(self) -> int:
        """Height and width of a frame must be multiples of this."""
        return 2 ** (self.num_downs + self.extra_blocks)


@dataclass(frozen=True)
class PatchImageConfig:
    """The patch discriminator of single images, which sees their labels."""

    num_classes: int
    edges: bool = False
    width: int = 64
    num_resolutions: int = 2
