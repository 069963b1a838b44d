from dataclasses import replace

import pytest
import torch

from svsdata.nets.svsgan.config import ImageDiscriminatorConfig
from svsdata.nets.svsgan.image_discriminator import ImageDiscriminator
from svsdata.nets.svsgan.presets import image_discriminator_config

TINY = ImageDiscriminatorConfig(num_classes=5, widths=(4, 4, 6, 6, 8, 8))


def test_parameters_are_those_of_oasis():
    with torch.device("meta"):
        discriminator = ImageDiscriminator(image_discriminator_config("C", 35))
    assert sum(p.numel() for p in discriminator.parameters()) == 22_251_364


def test_with_patch_heads_parameters_are_those_of_dp_gan():
    with torch.device("meta"):
        config = image_discriminator_config("C", 35, patch_heads=True)
        discriminator = ImageDiscriminator(config)
    assert sum(p.numel() for p in discriminator.parameters()) == 22_917_350


@pytest.mark.parametrize("size", [(64, 128), (192, 64)])
def test_patch_heads_judge_the_fourth_and_the_sixth_size_even_where_one_pixel_is_left(size):
    heads = ImageDiscriminator(replace(TINY, patch_head_width=4))
    scores = heads(torch.rand(1, 3, *size))
    halved = [(-(-side // 32), -(-side // 128)) for side in size]
    assert [tuple(it.shape[2:]) for it in scores.patches] == [*zip(*halved, strict=True)]
    plain = ImageDiscriminator(TINY)(torch.rand(1, 3, *size))
    assert plain.patches == ()
    assert [it.shape for it in plain.ups[:-1]] == [it.shape for it in plain.features[7:]]
    assert plain.ups[-1].shape[2:] == size


def test_every_pixel_gets_a_score_for_fake_and_for_each_class():
    scores = ImageDiscriminator(TINY)(torch.rand(2, 3, 64, 128))
    assert scores.logits.shape == (2, 6, 64, 128)
    sizes = [tuple(feature.shape[1:]) for feature in scores.features]
    assert sizes == [
        (4, 32, 64), (4, 16, 32), (6, 8, 16), (6, 4, 8), (8, 2, 4), (8, 1, 2),
        (8, 2, 4), (6, 4, 8), (6, 8, 16), (4, 16, 32), (4, 32, 64),
    ]  # fmt: skip


def test_sizes_that_do_not_halve_six_times_are_refused():
    with pytest.raises(ValueError, match=r"96x64.*multiples of 64"):
        ImageDiscriminator(TINY)(torch.rand(1, 3, 64, 96))


def test_every_parameter_learns():
    discriminator = ImageDiscriminator(TINY)
    discriminator(torch.rand(1, 3, 64, 64)).logits.square().sum().backward()
    assert all(p.grad is not None for p in discriminator.parameters())


def test_a_patch_of_pixels_gets_one_score_that_depends_on_all_of_them():
    torch.manual_seed(0)
    config = ImageDiscriminatorConfig(num_classes=5, widths=(4, 6), patch=2)
    discriminator = ImageDiscriminator(config).eval()
    image = torch.rand(1, 3, 16, 24, requires_grad=True)
    logits = discriminator(image).logits
    assert logits.shape == (1, 6, 8, 12)
    logits[0, :, 3, 5].abs().sum().backward()
    assert image.grad[0, :, 6:8, 10:12].abs().min() > 0
    with pytest.raises(ValueError, match="multiples of 8"):
        discriminator(torch.rand(1, 3, 12, 16))
