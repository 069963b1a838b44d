import json
import math
from pathlib import Path

import numpy as np
import pytest

from svsdata.errors import LabelSetError
from svsdata.evaluation.segmentation import Confusion
from svsdata.labels import CITYSCAPES, CITYSCAPES_TRAIN, conversion_table

GOLDEN = Path(__file__).parents[1] / "golden"
CASES = json.loads((GOLDEN / "golden.json").read_text())["miou"]["cases"]
MAPS = {
    name: conversion_table(CITYSCAPES_TRAIN, CITYSCAPES)[array]
    for name, array in np.load(GOLDEN / "golden_maps.npz").items()
    if name.endswith(("_gt", "_pred")) and array.dtype == np.uint8
}


def test_the_mean_of_some_classes_leaves_out_what_no_label_names():
    true, seen = np.array([[7, 7, 8, 8]], np.uint8), np.array([[7, 7, 8, 26]], np.uint8)
    found = Confusion.of(true, seen, CITYSCAPES)
    assert found.labelled() == ["road", "sidewalk"]
    assert found.mean_iou() == pytest.approx((1 + 0.5 + 0) / 3)
    assert found.mean_iou_of(["road", "sidewalk"]) == pytest.approx(0.75)
    assert math.isnan(found.mean_iou_of([]))


@pytest.mark.parametrize("case", CASES)
def test_iou_equals_cityscapesscripts(case: str) -> None:
    confusion = Confusion.of(MAPS[f"{case}_gt"], MAPS[f"{case}_pred"], CITYSCAPES)
    golden = CASES[case]
    assert confusion.mean_iou() == pytest.approx(golden["cityscapesScripts_mIoU"], rel=1e-12)
    for name, value in golden.get("class_iou", {}).items():
        assert confusion.iou()[name] == pytest.approx(
            math.nan if value is None else value, rel=1e-12, nan_ok=True
        )


def test_counts_of_parts_add_up_to_the_whole() -> None:
    true, predicted = MAPS["plain_gt"], MAPS["plain_pred"]
    parts = [Confusion.of(true[index], predicted[index], CITYSCAPES) for index in (0, 1)]
    whole = Confusion.of(true, predicted, CITYSCAPES)
    np.testing.assert_array_equal((parts[0] + parts[1]).counts, whole.counts)


def test_agreement_with_itself_is_one_and_shares_add_up() -> None:
    true = np.array([[7, 7, 26], [7, 11, 0]], np.uint8)
    confusion = Confusion.of(true, true, CITYSCAPES)
    assert confusion.pixel_accuracy() == 1.0
    assert confusion.mean_iou() == 1.0
    assert confusion.true_share()["road"] == pytest.approx(3 / 5)
    assert sum(confusion.true_share().values()) == pytest.approx(1.0)


def test_ignored_ground_truth_does_not_count() -> None:
    true = np.array([[0, 7]], np.uint8)
    confusion = Confusion.of(true, np.array([[7, 7]], np.uint8), CITYSCAPES)
    assert confusion.iou()["road"] == 1.0


def test_nothing_evaluated_gives_nan_not_zero() -> None:
    empty = Confusion.empty(CITYSCAPES)
    assert math.isnan(empty.mean_iou())
    assert math.isnan(empty.pixel_accuracy())


def test_maps_that_cannot_be_compared_are_refused() -> None:
    with pytest.raises(ValueError, match="cannot be compared"):
        Confusion.of(np.zeros((2, 3), np.uint8), np.zeros((3, 2), np.uint8), CITYSCAPES)
    with pytest.raises(LabelSetError, match=r"\[35\]"):
        Confusion.of(np.full((2, 3), 35, np.uint8), np.zeros((2, 3), np.uint8), CITYSCAPES)
