from dataclasses import replace

import pytest
import torch

from svsdata.nets.svsgan.config import GeneratorConfig, MotionConfig
from svsdata.nets.svsgan.generator import Generator
from svsdata.nets.svsgan.presets import generator_config

CLASSES = 6

TINY_MOTION = MotionConfig(widths=(4, 6, 8), up_widths=(6, 4), num_residual=1, head_kernel=3)


def tiny_config(model: str, **changes) -> GeneratorConfig:
    """The switches of a preset at a hundredth of its width."""
    config = generator_config(model, CLASSES, extra_blocks=changes.pop("extra_blocks", 0))
    motion = replace(
        TINY_MOTION,
        stem_stride=config.motion.stem_stride,
        skips=config.motion.skips,
        up_widths=(6, 4, 4)[: len(TINY_MOTION.up_widths) + int(config.motion.stem_stride > 1)],
    )
    levels = len(config.image_widths)
    return replace(
        config,
        motion=motion,
        image_widths=(4, 6, 8, 8, 10, 10)[:levels],
        decoder_widths=_met_widths((4, 6, 8, 8, 10, 10)[:levels], config),
        semantic_stem=(4, 4),
        style_width=4 if config.style_width else 0,
        extra_widths=(4,) * len(config.extra_widths),
        **changes,
    )


def _met_widths(widths: tuple[int, ...], config: GeneratorConfig) -> tuple[int, ...]:
    """The skips' widths, and one more before or after them."""
    skips = widths[-2::-1]
    return (widths[-1], *skips) if config.fuses_after_block else (*skips, 4)


def moving(generator: Generator) -> Generator:
    """Give the zero-initialised motion head something to say."""
    torch.nn.init.normal_(generator.motion.head.weight, std=0.02)
    return generator


@pytest.fixture
def make_generator():
    def make(model: str = "C", **changes) -> Generator:
        torch.manual_seed(0)
        return moving(Generator(tiny_config(model, **changes)))

    return make


@pytest.fixture
def make_labels():
    def make(batch: int, size_hw: tuple[int, int], seed: int = 0) -> torch.Tensor:
        maker = torch.Generator().manual_seed(seed)
        coarse = torch.randint(
            0, CLASSES, (batch, -(-size_hw[0] // 8), -(-size_hw[1] // 8)), generator=maker
        )
        fine = coarse.repeat_interleave(8, 1).repeat_interleave(8, 2)
        return fine[:, : size_hw[0], : size_hw[1]].to(torch.uint8)

    return make
