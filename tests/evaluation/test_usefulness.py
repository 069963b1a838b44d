import numpy as np
import pytest

from svsdata.evaluation.usefulness import MEAN, Spread, spreads

NAN = float("nan")


def test_a_spread_is_mean_and_deviation_of_the_sample():
    found = Spread.of([0.1, 0.2, 0.6])
    assert found.mean == pytest.approx(0.3)
    assert found.deviation == pytest.approx(np.std([0.1, 0.2, 0.6], ddof=1))
    assert Spread.of([0.4]) == Spread(0.4, None, 1)


def test_of_a_single_seed_nothing_exceeds_anything():
    assert not Spread.of([0.9]).exceeds(Spread.of([0.1]))
    assert not Spread.of([0.9, 0.9]).exceeds(Spread.of([0.1]))
    assert Spread.of([0.9, 0.9]).exceeds(Spread.of([0.1, 0.1]))


@pytest.mark.parametrize(("above", "expected"), [(0.39, False), (0.42, True)])
def test_a_gain_is_more_than_two_standard_errors(above, expected):
    # Each side has a standard error of 0.03, both together 0.0424.
    one, other = Spread(above, 0.06, 4), Spread(0.31, 0.06, 4)
    assert one.exceeds(other) == expected
    assert not other.exceeds(one)


def test_a_class_that_the_test_lacks_counts_nowhere():
    runs = [{"road": 0.8, "truck": 0.2, "bus": NAN}, {"road": 0.6, "truck": 0.4, "bus": NAN}]
    found = spreads(runs)
    assert set(found) == {MEAN, "road", "truck"}
    assert found[MEAN].mean == pytest.approx(0.5)
    assert found[MEAN].deviation == pytest.approx(0)
