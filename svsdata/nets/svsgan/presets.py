"""The presets: which numbers make each model of the paper, and the small ones for CPUs."""

from dataclasses import replace
from typing import TypeVar

from svsdata.errors import ConfigError
from svsdata.nets.svsgan.config import (
    GeneratorConfig,
    ImageDiscriminatorConfig,
    MotionConfig,
    VideoDiscriminatorConfig,
)

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
MODELS = ("C", "D", "E", "fast", *_SMALL, "C-plain", "E-plain")
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
            the finest level and beyond), ``demo`` (for two CPU cores), ``carry`` (``demo`` that
            leaves what it carries over nearly as it is), ``C-plain`` or ``E-plain`` (the plainest
            reading: one convolution a level, blends without parameters).
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
    if model == "C-plain":
        return replace(
            base,
            motion=replace(base.motion, num_residual=4),
            image_widths=(64, 128, 256, 512, 1024, 1024),
            skip_convolutions=False,
            decoder_widths=(1024, 1024, 512, 256, 128, 64),
            fusion="blend",
            fuses_after_block=True,
        )
    if model == "E-plain":
        plain = _preset("C-plain", num_classes, edges=edges, extra_blocks=extra_blocks)
        return replace(plain, style_width=128)
    if model == "carry":
        demo = _preset("demo", num_classes, edges=edges, extra_blocks=extra_blocks)
        return replace(
            demo,
            image_widths=(48, 64, 144, 240, 384),
            decoder_widths=(240, 144, 64, 48, 48),
            warp_use="keep",
            forgetting=0.08,
            doubt=0.4,
            learned_forgetting=True,
            object_colours=True,
            interpolation="balanced",
        )
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
    model: str, num_classes: int, *, width: float = 1.0, patch_heads: bool = False
) -> ImageDiscriminatorConfig:
    """Return the image discriminator that goes with a generator preset."""
    config = ImageDiscriminatorConfig(num_classes)
    if model in _SMALL:
        config = replace(config, widths=(32, 48, 64, 96, 96), patch=2)
    return replace(
        config,
        widths=_scaled_all(config.widths, width),
        patch_head_width=scaled(config.widths[0] // 2, width) if patch_heads else 0,
    )


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
