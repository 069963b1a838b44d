"""Every number that a network of SVS-GAN depends on; ``presets`` holds those of each model.

A generator has ``len(image_widths)`` levels; level l has stride ``patch * 2**l``. Widths are listed
finest first for what encodes, coarsest first for what decodes. docs/paper-notes.md tells which
numbers the paper prints and which are reconstructed.
"""

from dataclasses import dataclass
from typing import Literal, TypeAlias

from svsdata.errors import ConfigError
from svsdata.tensors import Interpolation

DecoderNorm: TypeAlias = Literal["instance", "group"]
WarpUse: TypeAlias = Literal["guide", "correct", "keep"]
Fusion: TypeAlias = Literal["proj", "blend", "gate", "cat"]


@dataclass(frozen=True)
class MotionConfig:
    """The flow and occlusion network (docs/paper-notes.md#motion)."""

    widths: tuple[int, ...] = (64, 128, 256, 512)
    """Stem, then one width per downsampling."""
    up_widths: tuple[int, ...] = (256, 128, 64)
    num_residual: int = 3
    stem_stride: int = 1
    head_kernel: int = 7
    skips: bool = False
    """Add encoder features to decoder features of the same stride: sharp motion borders."""
    sees_position: bool = False
    """Two more input channels tell each pixel's column and row: what lies low in a frame is near,
    and moves far."""
    sees_image: bool = False
    """The previous image is a further input: where labels tell no motion, its texture may. Nothing
    of the motion is then known from labels alone."""
    flow_unit_px: float = 20.0
    """Pixels of the base size for one unit of the flow head."""
    occlude_outside: bool = True
    """The occlusion mask is 1 where the flow leaves the frame, whatever the head says."""


@dataclass(frozen=True)
class GeneratorConfig:
    """Every width and switch of a generator; validated on construction."""

    num_classes: int
    edges: bool = False
    """Instance borders are a further input channel beside the classes."""
    object_colours: bool = False
    """What is drawn anew of an object is shown to the image encoder in the object's colour, where
    one is told, in place of the warped image."""
    label_embedding: int = 0
    """Channels of a learned table that stands for the one-hot map; 0 = one-hot."""
    patch: int = 1
    """Images enter and leave as patch x patch blocks folded into channels."""
    motion: MotionConfig = MotionConfig()
    image_widths: tuple[int, ...] = (128, 256, 512, 512, 1024, 1024)
    """Finest first; the last is the bottleneck, where the decoder starts."""
    skip_convolutions: bool = True
    """Each skip is the output of a convolution of its own; else of the one that leads to its level.
    """
    image_sees_occlusion: bool = False
    """The occlusion mask is a further input beside the warped image (imaginaire)."""
    semantic_stem: tuple[int, int] = (32, 64)
    decoder_widths: tuple[int, ...] = (1024, 512, 512, 256, 128, 64)
    """Output of each SPADE block, coarsest first."""
    fusion: Fusion = "proj"
    """How generated features x and carried-over ones s meet under the occlusion mask m. ``proj``: a
    1x1 convolution of both, weighed; ``blend``: m x + (1 - m) s; ``gate``: x + (1 - m) s; ``cat``:
    x beside (1 - m) s."""
    fuses_after_block: bool = False
    """They meet behind the SPADE block of their stride; else before it."""
    modulation_kernels: tuple[int, ...] = (3, 3, 3, 3, 3, 3)
    """Kernel of the gamma and beta convolutions of each block, extra ones included."""
    decoder_norm: DecoderNorm = "instance"
    warp_features: bool = False
    """Variant D: encode the previous image as it is and warp its features."""
    style_width: int = 0
    """Variant E: hidden channels of the second, image-driven modulation; 0 = none."""
    guidance_width: int = 0
    """Hidden channels of a further modulation, of the three finest blocks and all extra ones, by
    what was seen of the standing world before (world-consistent vid2vid); 0 = none."""
    extra_widths: tuple[int, ...] = ()
    """Output of each extra SPADE block; each doubles the size of frames."""
    extra_image_stem: bool = True
    """Extra blocks see the previous image at their own size; else only what the base keeps."""
    warp_use: WarpUse = "guide"
    """What becomes of the warped image. ``guide``: the decoder sees it, and draws the whole frame.
    ``correct``: what is drawn is added to its visible part. ``keep``: its visible part stays, what
    is drawn fills the rest (vid2vid's blend)."""
    forgetting: float = 0.0
    """Least share of every pixel that is drawn anew where motion is given, so that what was drawn
    badly is gone within some 1 / forgetting frames; the occlusion mask shares the rest."""
    doubt: float = 0.0
    """The same where the network tells motion from labels, which is a guess."""
    learned_forgetting: bool = False
    """With ``keep``, the decoder adds a share of its own, pixel by pixel: shadows, say, move
    otherwise than flow tells, and no label tells of them. The pictures alone teach it."""
    interpolation: Interpolation = "bilinear"
    """How images are warped."""

    def __post_init__(self) -> None:
        blocks = len(self.image_widths) + len(self.extra_widths)
        if len(self.modulation_kernels) != blocks:
            raise ConfigError(
                f"generator: {blocks} blocks need as many modulation_kernels, "
                f"got {len(self.modulation_kernels)}"
            )
        skips, made = self.image_widths[-2::-1], self.decoder_widths
        meeting = made[1:] if self.fuses_after_block else made[:-1]
        if self.fusion != "cat" and meeting != skips:
            raise ConfigError(
                "generator: decoder_widths must be those of the skips each block meets, "
                f"{skips}, and one more; got {self.decoder_widths}"
            )
        if self.fusion == "cat" and self.fuses_after_block:
            raise ConfigError("generator: fusion 'cat' widens what enters a block: fuse before it")
        if self.image_sees_occlusion and self.warp_features:
            raise ConfigError(
                "generator: image_sees_occlusion goes with warped images, not with warp_features: "
                "the mask lies on the grid that is warped to"
            )
        if self.object_colours and self.warp_features:
            raise ConfigError(
                "generator: object_colours are painted over the warped image: they go with warped "
                "images, not with warp_features"
            )
        if self.learned_forgetting and self.warp_use != "keep":
            raise ConfigError(
                "generator: learned_forgetting says how much of the warped image does not stay: "
                f"it goes with warp_use 'keep', not '{self.warp_use}'"
            )

    @property
    def drawn_channels(self) -> int:
        """Channels of what is drawn: RGB, and the logit of what is drawn anew where it is told."""
        return 3 + int(self.learned_forgetting)

    @property
    def block_widths(self) -> tuple[int, ...]:
        """Output of each SPADE block, extra ones included."""
        return self.decoder_widths + self.extra_widths

    @property
    def larger_skips(self) -> tuple[int, ...]:
        """Widths of the skips that extra blocks meet, finest last."""
        if not self.extra_image_stem:
            return ()
        first = len(self.decoder_widths) - 1 + int(self.fuses_after_block)
        return self.block_widths[first : first + len(self.extra_widths)]

    @property
    def entering_widths(self) -> tuple[int, ...]:
        """What enters each SPADE block."""
        skips = (0, *self.image_widths[-2::-1], *self.larger_skips)
        skips += (0,) * (len(self.block_widths) - len(skips))
        before = (self.image_widths[-1], *self.block_widths[:-1])
        joined = [a + b for a, b in zip(before, skips, strict=True)]
        return tuple(joined) if self.fusion == "cat" else before

    @property
    def sees_guidance(self) -> bool:
        """What was seen of the standing world before may be a further input."""
        return self.guidance_width > 0

    @property
    def first_guided(self) -> int:
        """Index of the first block that sees it."""
        return max(len(self.decoder_widths) - 3, 0)

    @property
    def sees_position(self) -> bool:
        """Where in the frame a pixel lies is a further input."""
        return self.motion.sees_position

    @property
    def labels_tell_motion(self) -> bool:
        """Flow and occlusion mask need no image."""
        return not self.motion.sees_image

    @property
    def base_scale(self) -> int:
        """Full size over base size."""
        return 2 ** len(self.extra_widths)

    @property
    def context_frames(self) -> int:
        """Past frames that it sees."""
        return 1

    @property
    def size_multiple(self) -> int:
        """Height and width of a frame must be multiples of this."""
        pyramid = self.patch * 2 ** (len(self.image_widths) - 1)
        motion = self.motion.stem_stride * 2 ** (len(self.motion.widths) - 1)
        return self.base_scale * max(pyramid, motion)


@dataclass(frozen=True)
class ImageDiscriminatorConfig:
    """The OASIS U-Net: one width per downsampling, mirrored on the way up."""

    num_classes: int
    widths: tuple[int, ...] = (128, 128, 256, 256, 512, 512)
    patch: int = 1
    """Images enter as patch x patch blocks folded into channels; each block gets one score."""
    patch_head_width: int = 0
    """Channels of DP-GAN's two heads, which score patches of the last down block's output and of
    the last but two; 0 = none."""

    @property
    def size_multiple(self) -> int:
        """Height and width of an image must be multiples of this."""
        return self.patch * 2 ** len(self.widths)


@dataclass(frozen=True)
class VideoDiscriminatorConfig:
    """A patch discriminator of three frames, at one temporal stride."""

    stride: int
    """Frames t, t - stride and t - 2 * stride."""
    width: int = 64
    num_resolutions: int = 2
    sees_flow: bool = True
    spectral: bool = False
    """Spectral norm, as hinge losses want it."""
