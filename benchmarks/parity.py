"""How far measures are from the golden numbers of other projects: python benchmarks/parity.py

Runs the tests that compare with them and prints, test by test, every comparison where there are one
or two, else the one nearest to its bound: the error beside the bound, both as absolute numbers, or
relative to the golden one where the bound is. The distance is compared with the truth first, then
with the other project. The two Frechet cases that the tests leave out for their size, with as many
features as VideoMAE and Inception give, are run by the same function.
"""

import importlib.util
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from math import isfinite
from pathlib import Path
from typing import Any

import pytest
import torch

TESTS = Path(__file__).parents[1] / "tests"
COMPARING = (
    "nets/features/test_inception.py::test_features_equal_those_of_the_fid_tools",
    "nets/features/test_inception.py::test_folded_norms_change_features_by_rounding_alone",
    "nets/features/test_i3d.py::test_logits_equal_those_of_cd_fvd",
    "nets/features/test_videomae.py::test_features_of_a_small_one_equal_those_of_cd_fvd",
    "nets/features/test_drn.py::test_scores_and_classes_equal_those_of_the_authors_code",
    "nets/features/test_lpips.py::test_distances_equal_those_of_the_lpips_package",
    "evaluation/test_frechet.py::test_distance_equals_the_truth_from_the_samples",
    "evaluation/test_segmentation.py::test_iou_equals_cityscapesscripts",
    "evaluation/test_temporal.py::test_flow_errors_equal_the_golden_ones",
    "evaluation/test_temporal.py::test_a_warping_error_with_the_pair_swapped_equals_lais",
)
LARGE = ("d1408_videomae_like", "d2048_fid_like")


@dataclass(eq=False)
class Comparisons:
    """Listens to the comparisons of tests."""

    found: dict[str, list[tuple[float, float, str]]] = field(default_factory=dict)
    """By test: error, bound, unit."""
    test: str = ""

    def pytest_runtest_call(self, item: pytest.Item) -> None:
        """Learn whose comparisons come next."""
        self.test = item.name.removeprefix("test_")

    def hear(self, error: float, bound: float, unit: str) -> None:
        """Take in one comparison."""
        if isfinite(error) and bound:
            self.found.setdefault(self.test, []).append((error, bound, unit))

    def of_tensors(self, compare: Callable[..., None]) -> Callable[..., None]:
        """Return ``torch.testing.assert_close``, overheard."""

        def overheard(actual: Any, expected: Any, **bounds: float) -> None:
            self.hear((actual - expected).abs().max().item(), bounds["atol"], "absolute")
            compare(actual, expected, **bounds)

        return overheard

    def of_numbers(self, compare: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
        """Return the comparison of ``pytest.approx``, overheard."""

        def overheard(expected: Any, actual: Any) -> bool:
            size, bound = abs(expected.expected), float(expected.tolerance)
            error = abs(actual - expected.expected)
            if size > bound:
                self.hear(error / size, bound / size, "relative")
            else:
                self.hear(error, bound, "absolute")
            return compare(expected, actual)

        return overheard


def main() -> int:
    """Run the comparisons and print what was heard."""
    torch.set_num_threads(1)
    heard = Comparisons()
    torch.testing.assert_close = heard.of_tensors(torch.testing.assert_close)
    approximate = type(pytest.approx(1.0))
    approximate.__eq__ = heard.of_numbers(approximate.__eq__)
    failed = pytest.main(["-q", *(str(TESTS / name) for name in COMPARING)], plugins=[heard])
    for case in LARGE:
        for ddof in (0, 1):
            heard.test = f"distance_equals_the_truth_from_the_samples[{ddof}-{case}]"
            _frechet(case, ddof)
    for test, every in heard.found.items():
        shown = every if len(every) < 3 else [max(every, key=lambda one: one[0] / one[1])]
        for error, bound, unit in shown:
            print(f"{test:<65} {error:8.1e} of {bound:8.1e} {unit}")
    return int(failed)


def _frechet(case: str, ddof: int) -> None:
    path = TESTS / "evaluation" / "test_frechet.py"
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.SMALL[case] = module.GOLDEN["cases"][case]
    module.test_distance_equals_the_truth_from_the_samples(case, ddof)


if __name__ == "__main__":
    sys.exit(main())
