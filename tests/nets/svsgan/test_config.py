from dataclasses import replace

import pytest

from svsdata.errors import ConfigError
from svsdata.nets.svsgan.presets import (
    generator_config,
    image_discriminator_config,
    video_discriminator_configs,
)


def test_an_unknown_model_is_refused_and_the_known_are_named():
    with pytest.raises(ConfigError, match=r"'Z'.*C, D, E, fast, demo, carry"):
        generator_config("Z", 35)


def test_a_decoder_that_does_not_meet_its_skips_is_refused():
    config = generator_config("C", 35)
    with pytest.raises(ConfigError, match="decoder_widths must be"):
        replace(config, decoder_widths=(1024, 512, 256, 256, 128, 64))
    with pytest.raises(ConfigError, match="6 blocks need as many modulation_kernels, got 5"):
        replace(config, modulation_kernels=(3,) * 5)


@pytest.mark.parametrize(
    ("model", "extra_blocks", "multiple"),
    [("C", 0, 32), ("C", 1, 64), ("E", 2, 128), ("demo", 0, 32), ("demo", 1, 64)],
)
def test_size_multiples_follow_from_strides(model, extra_blocks, multiple):
    assert generator_config(model, 35, extra_blocks=extra_blocks).size_multiple == multiple


def test_discriminators_come_at_strides_one_and_three():
    assert [config.stride for config in video_discriminator_configs("C")] == [1, 3]
    assert image_discriminator_config("C", 35).size_multiple == 64
