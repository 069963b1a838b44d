from copy import deepcopy

import pytest
import torch
from torch import nn

from svsdata.nets.features.inception import Inception, inception_input


@pytest.fixture(scope="module")
def inception(name_seeded):
    network = Inception().eval()
    network.load_state_dict(name_seeded(network))
    return network


@pytest.mark.parametrize("variant", ["pytorch-fid", "clean-fid"])
@pytest.mark.parametrize("size", ["64x96", "256x512"])
def test_features_equal_those_of_the_fid_tools(inception, golden, size, variant):
    images = torch.from_numpy(golden[f"inception_{size}_images"])
    features = inception(inception_input(images, variant))
    expected = torch.from_numpy(golden[f"inception_{size}_{variant}"])
    torch.testing.assert_close(features, expected, atol=5e-5, rtol=0)


def test_folded_norms_change_features_by_rounding_alone(inception, golden):
    images = torch.from_numpy(golden["inception_64x96_images"])
    folded = deepcopy(inception)
    folded.fold_norms()
    assert not any(isinstance(module, nn.BatchNorm2d) for module in folded.modules())
    features = folded(inception_input(images, "pytorch-fid"))
    expected = torch.from_numpy(golden["inception_64x96_pytorch-fid"])
    torch.testing.assert_close(features, expected, atol=5e-5, rtol=0)


def test_the_variants_differ(golden):
    images = torch.from_numpy(golden["inception_256x512_images"])
    inputs = [inception_input(images, variant) for variant in ("pytorch-fid", "clean-fid")]
    assert (inputs[0] - inputs[1]).abs().max() > 0.1
