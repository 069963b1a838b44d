"""The networks by the names that people give: generators, and the discriminators beside them."""

from dataclasses import replace
from typing import Any, TypeAlias, TypedDict, Unpack

from svsdata.errors import ConfigError
from svsdata.nets.svsgan import presets as svsgan
from svsdata.nets.svsgan.config import Fusion, GeneratorConfig
from svsdata.nets.svsgan.generator import Generator
from svsdata.nets.svsgan.image_discriminator import ImageDiscriminator
from svsdata.nets.vid2vid import config as vid2vid
from svsdata.nets.vid2vid.generator import Vid2VidGenerator
from svsdata.nets.vid2vid.image_discriminator import PatchImageDiscriminator
from svsdata.nets.video_generator import VideoGenerator

MODELS = ("A", "B", *svsgan.MODELS)
"""A: vid2vid. B: vid2vid's generator with OASIS' discriminator. The others are SVS-GAN's."""

_GUIDANCE_WIDTH = 32
"""Hidden channels of what modulates by guidance."""

AnyConfig: TypeAlias = GeneratorConfig | vid2vid.Vid2VidConfig


def model_config(
    model: str,
    num_classes: int,
    *,
    edges: bool = False,
    extra_blocks: int = 0,
    width: float = 1.0,
    foreground: tuple[int, ...] = (26,),
) -> AnyConfig:
    """Return the config of a generator.

    Args:
        model: One of ``MODELS``.
        num_classes: Classes of the label set.
        edges: Feed instance borders; every frame must then have an instance map.
        extra_blocks: Each doubles the size: SPADE blocks, or the local enhancers of A and B.
        width: Factor of the channels of all layers.
        foreground: Ids that A and B draw in their foreground branch.

    Raises:
        ConfigError: If there is no such model.
    """
    if model not in MODELS:
        raise ConfigError(f"unknown model '{model}'; known: {', '.join(MODELS)}")
    if model in svsgan.MODELS:
        return svsgan.generator_config(
            model, num_classes, edges=edges, extra_blocks=extra_blocks, width=width
        )
    return vid2vid.Vid2VidConfig(
        num_classes,
        edges,
        width=svsgan.scaled(128, width),
        foreground_width=svsgan.scaled(64, width),
        foreground=foreground,
        extra_blocks=extra_blocks,
    )


class Changes(TypedDict, total=False):
    """What a variant has otherwise; False and None leave it as the model has it."""

    fusion: Fusion | None
    """Another fusion of generated and carried-over features."""
    image_sees_occlusion: bool
    """The image encoder sees the occlusion mask too."""
    motion_sees_image: bool
    """The motion network sees the previous image too."""
    guidance: bool
    """The finest blocks see what was seen of the standing world before."""
    object_colours: bool
    """It sees what colour each object has."""
    forgetting: float | None
    """Least share of every pixel that is drawn anew where motion is given."""


def changed_config(config: AnyConfig, **changes: Unpack[Changes]) -> AnyConfig:
    """Return the config of a variant of a model.

    Raises:
        ConfigError: If the model has no such variant.
    """
    if all(change is None or change is False for change in changes.values()):
        return config
    if not isinstance(config, GeneratorConfig):
        raise ConfigError("models A and B have no variants: leave the fields of 'network' out")
    forgetting = changes.get("forgetting")
    return replace(
        config,
        fusion=changes.get("fusion") or config.fusion,
        image_sees_occlusion=changes.get("image_sees_occlusion", False),
        guidance_width=_GUIDANCE_WIDTH if changes.get("guidance") else 0,
        object_colours=changes.get("object_colours") or config.object_colours,
        forgetting=config.forgetting if forgetting is None else forgetting,
        motion=replace(config.motion, sees_image=changes.get("motion_sees_image", False)),
    )


def build_generator(config: AnyConfig) -> VideoGenerator[Any]:
    """Make the generator of a config, with random weights."""
    if isinstance(config, vid2vid.Vid2VidConfig):
        return Vid2VidGenerator(config)
    return Generator(config)


def trusting_its_mask(generator: VideoGenerator[Any]) -> VideoGenerator[Any]:
    """Return the generator without the rule that what the warp takes from outside is drawn anew.

    Its learned mask alone then decides there, as it does in A and B anyway.
    """
    if not isinstance(generator, Generator):
        return generator
    config = generator.config
    motion = replace(config.motion, occlude_outside=False)
    return _with_config(generator, replace(config, motion=motion))


def forgetting_less(generator: VideoGenerator[Any], share: float) -> VideoGenerator[Any]:
    """Return the generator with another least share of every pixel that is drawn anew.

    Raises:
        ConfigError: If it keeps nothing of the warped image, so that it forgets all anyway.
    """
    if not isinstance(generator, Generator) or generator.config.warp_use != "keep":
        raise ConfigError(
            f"forgetting={share:g}, but this generator draws whole frames anew; leave it out"
        )
    return _with_config(generator, replace(generator.config, forgetting=share))


def _with_config(generator: Generator, config: GeneratorConfig) -> Generator:
    """Return the same weights under a config that asks for no others."""
    changed = Generator(config)
    changed.load_state_dict(generator.state_dict())
    return changed.train(generator.training)


def build_image_discriminator(
    model: str, num_classes: int, *, edges: bool, width: float, patch_heads: bool = False
) -> ImageDiscriminator | PatchImageDiscriminator:
    """Make the discriminator of single images that a model is trained against.

    That of A judges patches as it is; ``patch_heads`` adds DP-GAN's to that of the others.
    """
    if model == "A":
        config = vid2vid.PatchImageConfig(num_classes, edges, svsgan.scaled(64, width))
        return PatchImageDiscriminator(config)
    return ImageDiscriminator(
        svsgan.image_discriminator_config(model, num_classes, width=width, patch_heads=patch_heads)
    )


def image_size_multiple(model: str) -> int:
    """Return what height and width must be multiples of for a model's image discriminator."""
    return 1 if model == "A" else svsgan.image_discriminator_config(model, 1).size_multiple
