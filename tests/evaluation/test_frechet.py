import json
from pathlib import Path

import numpy as np
import pytest

from svsdata.evaluation.frechet import FeatureStatistics, frechet_distance

GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "golden.json").read_text())
SMALL = {name: case for name, case in GOLDEN["cases"].items() if case["params"]["d"] <= 400}


def samples(*, seed, d, n1, n2, same, decay=0.0, offset=0.0, scale=1.2, shift=0.3):
    """Draw the two sets of a golden case."""
    rng = np.random.RandomState(seed)
    mixing = rng.standard_normal((d, d)) / np.sqrt(d)
    mixing *= 10 ** (-decay * np.arange(d) / (d - 1))
    first = (rng.standard_normal((n1, d)) @ mixing + offset).astype(np.float32)
    second = (rng.standard_normal((n2, d)) @ (mixing * scale) + shift + offset).astype(np.float32)
    return first, first if same else second


def statistics(*batches):
    result = FeatureStatistics(batches[0].shape[1])
    for batch in batches:
        result.add(batch)
    return result


@pytest.mark.parametrize("case", SMALL)
@pytest.mark.parametrize("ddof", [0, 1])
def test_distance_equals_the_truth_from_the_samples(case, ddof):
    one, other = samples(**SMALL[case]["params"])
    expected = SMALL[case]["expected"]
    distance = frechet_distance(statistics(one), statistics(other), ddof=ddof)
    scale = np.trace(np.cov(one.T)) + np.trace(np.cov(other.T))
    # float32 samples drawn anew carry the rounding of the machine that draws them
    assert distance == pytest.approx(expected[f"truth_ddof{ddof}"], rel=1e-6, abs=1e-10 * scale)
    if ddof == 1:
        assert distance == pytest.approx(expected["pytorch_fid"], rel=1e-6, abs=1e-9 * scale)
    else:
        assert distance == pytest.approx(expected["cd_fvd_ddof0"], rel=1e-6, abs=1e-9 * scale)


def test_diagonal_covariances_have_an_analytic_distance():
    # points at +-s_i sqrt(D) on each axis have covariance diag(s_i^2), ddof 0
    def cross(deviations, centre):
        axes = np.diag(deviations) * np.sqrt(len(deviations))
        return np.concatenate([axes, -axes]) + centre

    one, other = np.array([1.0, 2.0, 3.0]), np.array([2.0, 2.0, 1.0])
    distance = frechet_distance(statistics(cross(one, 0.0)), statistics(cross(other, 0.5)), ddof=0)
    assert distance == pytest.approx(3 * 0.25 + ((one - other) ** 2).sum(), rel=1e-12)


@pytest.mark.parametrize("offset", [0.0, 100.0, 1e4])
def test_batches_and_merged_parts_equal_two_passes_whatever_the_mean(offset):
    rng = np.random.default_rng(0)
    values = rng.standard_normal((97, 12)) + offset
    streamed = statistics(*np.array_split(values, 7))
    parts = [statistics(part) for part in np.array_split(values, 3)]
    merged = FeatureStatistics(12)
    for part in parts:
        merged.merge(part)
    merged.merge(FeatureStatistics(12))
    for found in (streamed, merged):
        assert found.count == 97
        np.testing.assert_allclose(found.mean, values.mean(axis=0), rtol=1e-13)
        np.testing.assert_allclose(found.covariance(1), np.cov(values.T), rtol=1e-9, atol=1e-11)
    np.testing.assert_array_equal(
        parts[1].covariance(1), statistics(np.array_split(values, 3)[1]).covariance(1)
    )


def test_bad_features_are_refused():
    with pytest.raises(ValueError, match=r"expected \(N, 3\)"):
        FeatureStatistics(3).add(np.zeros((2, 4)))
    with pytest.raises(ValueError, match="not finite"):
        FeatureStatistics(2).add(np.array([[1.0, np.nan]]))
    with pytest.raises(ValueError, match="3 and 4 dimensions"):
        FeatureStatistics(3).merge(FeatureStatistics(4))
    with pytest.raises(ValueError, match="1 vectors"):
        statistics(np.zeros((1, 2))).covariance(1)
    empty = FeatureStatistics(2)
    empty.add(np.zeros((0, 2)))
    assert empty.count == 0


def test_a_set_has_no_distance_to_itself_and_never_less():
    draws = np.random.default_rng(0)
    for count in (3, 20, 60):
        statistics = FeatureStatistics(40)
        statistics.add(draws.random((count, 40)))
        assert 0 <= frechet_distance(statistics, statistics, ddof=1) < 1e-12
