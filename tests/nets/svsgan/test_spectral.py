import pytest
import torch
from torch.nn.utils import parametrizations
from torch.overrides import TorchFunctionMode

from svsdata.nets.svsgan.spectral import advance_spectral_norms, spectral_norm


@pytest.mark.parametrize("shape", [(3, 5, 3, 3), (8, 2, 1, 1)])
def test_used_once_a_step_weights_vectors_and_gradients_are_those_of_torchs_own(shape):
    layers = []
    for norm in (spectral_norm, parametrizations.spectral_norm):
        torch.manual_seed(0)
        layer = norm(torch.nn.Conv2d(shape[1], shape[0], shape[2:]))
        for _ in range(3):
            advance_spectral_norms(layer)
            layer(torch.ones(1, shape[1], 6, 7)).square().sum().backward()
        layers.append(layer)
    ours, theirs = layers
    for (name, value), (same, expected) in zip(
        ours.state_dict().items(), theirs.state_dict().items(), strict=True
    ):
        assert name == same
        assert torch.equal(value, expected), name
    for one, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        assert torch.equal(one.grad, other.grad)


class Watched(TorchFunctionMode):
    """Notes whether autocast is on where a product of matrix and vector is taken."""

    def __init__(self):
        super().__init__()
        self.autocast = []

    def __torch_function__(self, function, types, args=(), kwargs=None):
        if function is torch.mv:
            self.autocast.append(torch.is_autocast_enabled("cpu"))
        return function(*args, **(kwargs or {}))


def test_the_norm_is_computed_in_float32_under_autocast():
    # on CUDA autocast would lower torch.mv; on the CPU it leaves it alone, so it is watched
    layer = spectral_norm(torch.nn.Conv2d(4, 6, 3))
    expected = layer.weight
    with torch.autocast("cpu", torch.bfloat16), Watched() as watched:
        weight = layer.weight
    assert watched.autocast == [False]
    assert torch.equal(weight, expected)


def test_the_largest_singular_value_becomes_one_and_use_leaves_it_alone():
    torch.manual_seed(0)
    layer = spectral_norm(torch.nn.Conv2d(4, 6, 3))
    first = layer.weight
    torch.testing.assert_close(
        torch.linalg.matrix_norm(first.flatten(1), 2), torch.tensor(1.0), atol=0.05, rtol=0
    )
    assert torch.equal(layer.weight, first)
    layer.parametrizations.weight.original.data[:, :2] *= 5
    for _ in range(20):
        advance_spectral_norms(layer)
    torch.testing.assert_close(
        torch.linalg.matrix_norm(layer.weight.flatten(1), 2), torch.tensor(1.0), atol=0.05, rtol=0
    )


def test_a_layer_on_the_meta_device_takes_the_vectors_of_a_real_one():
    torch.manual_seed(0)
    real = spectral_norm(torch.nn.Conv2d(2, 3, 3))
    with torch.device("meta"):
        empty = spectral_norm(torch.nn.Conv2d(2, 3, 3))
    empty.load_state_dict(real.state_dict(), assign=True)
    torch.testing.assert_close(empty.eval().weight, real.eval().weight)
