import pytest
import torch
from torch import nn
from torch.nn.utils.parametrizations import spectral_norm

from svsdata.training.ema import decay_at, update_average


def test_the_average_follows_the_formula_over_several_updates():
    source, average = nn.Linear(3, 2), nn.Linear(3, 2)
    expected = average.weight.detach().clone()
    for _ in range(4):
        with torch.no_grad():
            source.weight += 1
        update_average(average, source, decay=0.9)
        expected = 0.9 * expected + 0.1 * source.weight.detach()
    torch.testing.assert_close(average.weight, expected)


@pytest.mark.parametrize(("step", "decay"), [(0, 0.0), (499, 0.0), (500, 0.999), (10**6, 0.999)])
def test_the_average_begins_at_its_start_and_copies_before(step, decay):
    assert decay_at(step, decay=0.999, start=500) == decay


def test_a_decay_of_zero_copies_weights_and_buffers_are_always_copied():
    source, average = (spectral_norm(nn.Conv2d(2, 3, 3)) for _ in range(2))
    source(torch.ones(1, 2, 4, 4))
    update_average(average, source, decay=0.5)
    for kept, current in zip(average.buffers(), source.buffers(), strict=True):
        assert torch.equal(kept, current)
    update_average(average, source, decay=0.0)
    for kept, current in zip(average.parameters(), source.parameters(), strict=True):
        assert torch.equal(kept, current)
