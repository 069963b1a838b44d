import pytest
import torch

from svsdata.training.class_colours import colour_figures, colour_sums

NAMES = ("road", "car", None, "sky")


def test_a_shift_of_a_class_is_its_distance_and_others_stay_at_zero():
    torch.manual_seed(0)
    semantic = torch.randint(0, 2, (3, 5, 7), dtype=torch.uint8)
    real = torch.rand(3, 3, 5, 7) - 0.5
    shift = torch.tensor([3.0, 0.0, -4.0]).view(1, 3, 1, 1) / 127.5
    generated = real + shift * (semantic == 1).unsqueeze(1)
    figures = colour_figures(colour_sums(generated, real, semantic, 4), NAMES)
    assert set(figures) == {"colour/mean", "colour/road", "colour/car"}  # no sky was there
    assert figures["colour/car"] == pytest.approx(5.0, abs=1e-3)
    assert figures["colour/road"] == pytest.approx(0.0, abs=1e-3)
    assert figures["colour/mean"] == pytest.approx(2.5, abs=1e-3)


def test_it_is_the_mean_colour_that_counts_and_parts_may_be_added():
    real = torch.zeros(2, 3, 1, 2)
    generated = torch.tensor([1.0, -1.0]).expand(2, 3, 1, 2)  # off everywhere, right on average
    semantic = torch.zeros(2, 1, 2, dtype=torch.uint8)
    whole = colour_sums(generated, real, semantic, 4)
    assert colour_figures(whole, NAMES)["colour/road"] == 0.0
    halves = [colour_sums(generated[i : i + 1], real[:1], semantic[:1], 4) for i in range(2)]
    assert torch.equal(sum(halves), whole)


def test_classes_without_a_name_do_not_count_and_gradients_do_not_pass():
    generated = torch.ones(1, 3, 2, 2, requires_grad=True)
    semantic = torch.full((1, 2, 2), 2, dtype=torch.uint8)
    sums = colour_sums(generated, torch.zeros(1, 3, 2, 2), semantic, 4)
    assert not sums.requires_grad
    assert colour_figures(sums, NAMES) == {}
