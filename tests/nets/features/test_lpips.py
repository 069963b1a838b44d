import pytest
import torch

from svsdata.nets.features.lpips import Lpips

# where the five slices of the lpips package begin, in torchvision's numbering of layers
SLICES = {"alex": (0, 3, 6, 8, 10), "vgg": (0, 5, 10, 17, 24)}


def published_name(trunk: str, name: str) -> str:
    _, layer, part = name.split(".")
    number = sum(int(layer) >= first for first in SLICES[trunk])
    return f"net.slice{number}.{layer}.{part}"


@pytest.fixture(params=["alex", "vgg"])
def trunk(request):
    return request.param


@pytest.fixture
def lpips(trunk, name_seeded, golden):
    network = Lpips(trunk).eval()
    names = {
        name: published_name(trunk, name)
        for name in network.state_dict()
        if name.startswith("features")
    }
    state = name_seeded(network, names=names)
    for index in range(5):
        state[f"heads.{index}.weight"] = torch.from_numpy(golden[f"lpips_{trunk}_head_{index}"])
    network.load_state_dict(state)
    return network


def test_distances_equal_those_of_the_lpips_package(lpips, trunk, golden):
    image, other = (
        torch.from_numpy(golden[name]).float() / 127.5 - 1
        for name in ("lpips_images", "lpips_others")
    )
    expected = torch.from_numpy(golden[f"lpips_{trunk}_distance"])
    torch.testing.assert_close(lpips(image, other), expected, atol=1e-6, rtol=0)
    torch.testing.assert_close(lpips(other, image), expected, atol=1e-6, rtol=0)


def test_an_image_has_no_distance_to_itself(lpips):
    image = torch.rand(1, 3, 40, 72, generator=torch.Generator().manual_seed(1)) * 2 - 1
    assert lpips(image, image).item() == 0
