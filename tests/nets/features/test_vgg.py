import pytest
import torch

from svsdata.errors import WeightsError
from svsdata.nets.features.vgg import Vgg, vgg_from_state_dict

# torchvision's indices of the convolutions up to relu5_1
CONVS = {
    16: [0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24],
    19: [0, 2, 5, 7, 10, 12, 14, 16, 19, 21, 23, 25, 28],
}


@pytest.fixture
def checkpoint():
    def make(depth: int) -> dict[str, torch.Tensor]:
        with torch.device("meta"):
            names = Vgg(depth).state_dict()
        maker = torch.Generator().manual_seed(depth)
        state = {
            name: torch.randn(value.shape, generator=maker) * 0.02 for name, value in names.items()
        }
        return {**state, "classifier.0.weight": torch.zeros(1)}

    return make


@pytest.mark.parametrize("depth", [16, 19])
def test_parameters_have_torchvisions_names(depth):
    with torch.device("meta"):
        names = Vgg(depth).state_dict()
    assert list(names) == [
        f"features.{i}.{part}" for i in CONVS[depth] for part in ("weight", "bias")
    ]


@pytest.mark.parametrize("depth", [16, 19])
def test_the_five_taps_are_the_relus_after_each_stages_first_convolution(checkpoint, depth):
    state = checkpoint(depth)
    vgg = vgg_from_state_dict(state)
    image = torch.rand(1, 3, 36, 52) * 2 - 1
    outputs = vgg(image)
    assert [tuple(output.shape[1:]) for output in outputs] == [
        (64, 36, 52), (128, 18, 26), (256, 9, 13), (512, 4, 6), (512, 2, 3),
    ]  # fmt: skip
    assert min(output.min() for output in outputs) == 0
    # relu1_1 by hand, with ImageNet's mean and deviation
    mean = torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1)
    std = torch.tensor([0.229, 0.224, 0.225]).view(3, 1, 1)
    expected = torch.nn.functional.conv2d(
        (image / 2 + 0.5 - mean) / std,
        state["features.0.weight"],
        state["features.0.bias"],
        padding=1,
    ).relu()
    torch.testing.assert_close(outputs[0], expected)
    assert not any(parameter.requires_grad for parameter in vgg.parameters())


def test_a_black_image_has_gradients_too(checkpoint):
    image = torch.zeros(1, 3, 32, 32, requires_grad=True)
    vgg_from_state_dict(checkpoint(16))(image)[-1].sum().backward()
    assert image.grad is not None


def test_other_weights_are_refused(checkpoint):
    state = checkpoint(19)
    del state["features.28.bias"]
    with pytest.raises(WeightsError, match=r"features\.28\.bias"):
        vgg_from_state_dict(state)
    with pytest.raises(WeightsError, match="neither VGG16 nor VGG19"):
        vgg_from_state_dict({"weight": torch.zeros(1)})
