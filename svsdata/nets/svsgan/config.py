"""The numbers that make each model of the paper, and the small ones for CPUs.

A generator has ``len(image_widths)`` levels; level l has stride ``patch * 2**l``. Widths are listed
finest first for what encodes, coarsest first for what decodes. docs/paper-notes.md tells which
numbers the paper prints and which are reconstructed.
"""

from dataclasses import dataclass, replace
from typing import Literal, TypeAlias, TypeVar

from svsdata.errors import ConfigError
from svsdata.tensors import Interpolation

DecoderNorm: TypeAlias = Literal["instance", "group"]
WarpUse: TypeAlias = Literal["guide", "correct", "keep"]


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
    flow_unit_px: float = 20.0
    """Pixels of the base size for one unit of the flow head."""
    occlude_outside: bool = True
    """The occlusion mask is 1 where the flow leaves the frame, whatever the head says."""

    @property
    def head_stride(self) -> int:
        """Stride of the grid on which flow and occlusion leave the heads."""
        return self.stem_stride * 2 ** (len(self.widths) - 1 - len(self.up_widths))


@dataclass(frozen=True)
class GeneratorConfig:
    """Every width and switch of a generator; validated on construction."""

    num_classes: int
    edges: bool = False
    """Instance borders are a further input channel beside the classes."""
    label_embedding: int = 0
    """Channels of a learned table that stands for the one-hot map; 0 = one-hot."""
    patch: int = 1
    """Images enter and leave as patch x patch blocks folded into channels."""
    motion: MotionConfig = MotionConfig()
    image_widths: tuple[int, ...] = (128, 256, 512, 512, 1024, 1024)
    """Finest first; the last is the bottleneck, where the decoder starts."""
    semantic_stem: tuple[int, int] = (32, 64)
    decoder_widths: tuple[int, ...] = (1024, 512, 512, 256, 128, 64)
    """Output of each SPADE block, coarsest first."""
    modulation_kernels: tuple[int, ...] = (3, 3, 3, 3, 3, 3)
    """Kernel of the gamma and beta convolutions of each block, extra ones included."""
    decoder_norm: DecoderNorm = "instance"
    warp_features: bool = False
    """Variant D: encode the previous image as it is and warp its features."""
    style_width: int = 0
    """Variant E: hidden channels of the second, image-driven modulation; 0 = none."""
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
    interpolation: Interpolation = "bilinear"
    """How images are warped."""

    def __post_init__(self) -> None:
        blocks = len(self.image_widths) + len(self.extra_widths)
        if len(self.modulation_kernels) != blocks:
            raise ConfigError(
                f"generator: {blocks} blocks need as many modulation_kernels, "
                f"got {len(self.modulation_kernels)}"
            )
        skips = self.image_widths[-2::-1]
        if self.decoder_widths[:-1] != skips:
            raise ConfigError(
                "generator: decoder_widths must be those of the skips each block meets, "
                f"{skips}, and one more; got {self.decoder_widths}"
            )

    @property
    def block_widths(self) -> tuple[int, ...]:
        """Output of each SPADE block, extra ones included."""
        return self.decoder_widths + self.extra_widths

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


_DEMO_MOTION = MotionConfig(
    widths=(32, 48, 96, 128),
    up_widths=(96, 48, 32, 16),
    num_residual=2,
    stem_stride=4,
    head_kernel=3,
    skips=True,
    sees_position=True,
)

_SMALL = ("demo", "carry")
MODELS = ("C", "D", "E", "fast", *_SMALL)
"""Every name that ``generator_config`` knows."""


def generator_config(
    model: str,
    num_classes: int,
    *,
    edges: bool = False,
    extra_blocks: int = 0,
    width: float = 1.0,
) -> GeneratorConfig:
    """Return a preset.

    Args:
        model: ``C``, ``D``, ``E`` of the paper's ablations, ``fast`` (C with 1x1 gamma and beta at
            the finest level and beyond), ``demo`` (for two CPU cores) or ``carry`` (``demo`` that
            leaves what it carries over nearly as it is).
        num_classes: Classes of the label set.
        edges: Feed instance borders; every frame must then have an instance map.
        extra_blocks: SPADE blocks beyond the base size; each doubles it.
        width: Factor of the channels of all layers.

    Raises:
        ConfigError: If there is no such model.
    """
    config = _preset(model, num_classes, edges=edges, extra_blocks=extra_blocks)
    if width == 1:
        return config
    motion = config.motion
    return replace(
        config,
        label_embedding=scaled(config.label_embedding, width),
        motion=replace(
            motion,
            widths=_scaled_all(motion.widths, width),
            up_widths=_scaled_all(motion.up_widths, width),
        ),
        image_widths=_scaled_all(config.image_widths, width),
        semantic_stem=_scaled_all(config.semantic_stem, width),
        decoder_widths=_scaled_all(config.decoder_widths, width),
        style_width=scaled(config.style_width, width),
        extra_widths=_scaled_all(config.extra_widths, width),
    )


def _preset(model: str, num_classes: int, *, edges: bool, extra_blocks: int) -> GeneratorConfig:
    base = GeneratorConfig(
        num_classes=num_classes,
        edges=edges,
        extra_widths=(32,) * extra_blocks,
        modulation_kernels=(3,) * (6 + extra_blocks),
    )
    if model == "C":
        return base
    if model == "D":
        return replace(base, warp_features=True)
    if model == "E":
        return replace(base, style_width=128)
    if model == "fast":
        return replace(base, modulation_kernels=(3,) * 5 + (1,) * (1 + extra_blocks))
    if model == "carry":
        demo = _preset("demo", num_classes, edges=edges, extra_blocks=extra_blocks)
        return replace(demo, warp_use="keep", forgetting=0.12, doubt=0.4, interpolation="balanced")
    if model == "demo":
        return replace(
            base,
            label_embedding=8,
            patch=2,
            motion=_DEMO_MOTION,
            image_widths=(32, 48, 96, 160, 256),
            semantic_stem=(24, 32),
            decoder_widths=(160, 96, 48, 32, 32),
            modulation_kernels=(3, 3) + (1,) * (3 + extra_blocks),
            decoder_norm="group",
            warp_use="correct",
        )
    raise ConfigError(f"unknown model '{model}'; known: {', '.join(MODELS)}")


def image_discriminator_config(
    model: str, num_classes: int, *, width: float = 1.0
) -> ImageDiscriminatorConfig:
    """Return the image discriminator that goes with a generator preset."""
    config = ImageDiscriminatorConfig(num_classes)
    if model in _SMALL:
        config = replace(config, widths=(32, 48, 64, 96, 96), patch=2)
    return replace(config, widths=_scaled_all(config.widths, width))


def video_discriminator_configs(
    model: str, *, width: float = 1.0
) -> tuple[VideoDiscriminatorConfig, ...]:
    """Return the video discriminators of a generator preset, at temporal strides 1 and 3."""
    channels = scaled(16 if model in _SMALL else 64, width)
    return tuple(VideoDiscriminatorConfig(stride, channels) for stride in (1, 3))


Widths = TypeVar("Widths", bound=tuple[int, ...])


def _scaled_all(widths: Widths, factor: float) -> Widths:
    return tuple(scaled(width, factor) for width in widths)  # type: ignore[return-value]


def scaled(channels: int, factor: float) -> int:
    """Scale to a multiple of 4, from 32 on of 16, which group norm divides; 0 stays 0."""
    if factor == 1 or not channels:
        return channels
    wanted = channels * factor
    step = 16 if wanted >= 32 else 4
    return max(4, round(wanted / step) * step)
