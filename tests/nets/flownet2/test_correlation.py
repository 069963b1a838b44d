import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from svsdata.nets.flownet2.correlation import correlation


def one_shift_at_a_time(first: Tensor, second: Tensor) -> Tensor:
    height, width = first.shape[2:]
    padded = F.pad(second, (20, 20, 20, 20))
    shifted = [
        padded[:, :, 20 + dy : 20 + dy + height, 20 + dx : 20 + dx + width]
        for dy in range(-20, 21, 2)
        for dx in range(-20, 21, 2)
    ]
    return torch.stack([(first * other).mean(dim=1) for other in shifted], dim=1)


def test_correlation_equals_the_reference(golden):
    first, second, expected = (
        torch.from_numpy(golden[f"corr_{name}"]) for name in ("in1", "in2", "out")
    )
    torch.testing.assert_close(correlation(first, second), expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("size_hw", [(1, 1), (2, 44), (5, 9), (26, 3), (8, 8)])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_correlation_equals_its_slow_twin_at_any_size(size_hw, layout):
    torch.manual_seed(0)
    first, second = torch.randn(2, 3, 5, *size_hw).unbind()
    found = correlation(first.to(memory_format=layout), second.to(memory_format=layout))
    torch.testing.assert_close(found, one_shift_at_a_time(first, second), rtol=0, atol=1e-6)


def test_gradients_equal_those_of_the_slow_twin():
    torch.manual_seed(0)
    first, second = (torch.randn(1, 4, 7, 6, requires_grad=True) for _ in range(2))
    weight = torch.randn(1, 441, 7, 6)
    found = torch.autograd.grad((correlation(first, second) * weight).sum(), (first, second))
    slow = one_shift_at_a_time(first, second)
    expected = torch.autograd.grad((slow * weight).sum(), (first, second))
    torch.testing.assert_close(found, expected)


def test_a_displacement_answers_in_its_own_channel():
    first, second = torch.zeros(2, 1, 1, 20, 30).unbind()
    first[0, 0, 4, 17] = 1
    second[0, 0, 4 + 6, 17 - 14] = 3  # 3 steps down, 7 to the left
    found = correlation(first, second)
    assert found[0, (3 + 10) * 21 + (-7 + 10), 4, 17] == 3
    assert found.count_nonzero() == 1
