import numpy as np
import pytest

from svsdata.evaluation.clip_figures import Judges, StoreFigures
from svsdata.evaluation.curves import Curve
from svsdata.evaluation.features import FeatureExtractor
from svsdata.evaluation.frechet import FeatureStatistics, frechet_distance
from svsdata.evaluation.identity import Identity
from svsdata.evaluation.kept_figures import arrays_of, take_up
from svsdata.evaluation.segmentation import Confusion
from svsdata.labels import CITYSCAPES

METRICS = (
    "fid", "miou", "lpips", "psnr", "ssim", "warping_error", "flow_epe", "drift", "identity",
)  # fmt: skip


def empty() -> StoreFigures:
    nobody = FeatureExtractor("fid", 3, False, 1, "", lambda frames: frames, 2)
    return StoreFigures(CITYSCAPES, Judges((nobody,)), bin_frames=4)


def curve(draws: np.random.Generator) -> Curve:
    made = Curve(4)
    for index in draws.permutation(11).tolist():
        made.add(index, draws.random())
    return made


@pytest.fixture
def figures() -> StoreFigures:
    draws = np.random.default_rng(0)
    made = empty()
    made.num_frames = 11
    made.features["fid"].add(draws.random((5, 3)))
    made.confusion = Confusion(CITYSCAPES, draws.integers(0, 9, (35, 35)))
    for index in range(3):
        image = draws.integers(0, 256, (5, 7, 3), dtype=np.uint8)
        made.colors.add(index, image, draws.integers(0, 35, (5, 7), dtype=np.uint8))
    made.num_equal = 2
    made.identity = Identity(curve(draws), Curve(4))
    names = (
        "label_agreement", "lpips", "psnr", "ssim", "warping_error", "flow_epe", "flow_outliers",
    )  # fmt: skip
    made.curves = {name: curve(draws) for name in names}
    return made


def test_what_is_kept_is_taken_up_to_the_bit(figures):
    again = empty()
    for metric in METRICS:
        take_up(again, metric, arrays_of(figures, metric))
    assert again.num_frames == 11
    np.testing.assert_array_equal(again.confusion.counts, figures.confusion.counts)
    assert again.num_equal == 2
    np.testing.assert_array_equal(again.colors.usual(), figures.colors.usual())
    usual = figures.colors.usual()[::-1]
    assert again.colors.distances(usual) == figures.colors.distances(usual)
    assert again.identity == figures.identity
    assert again.curves == figures.curves
    assert again.curves["flow_epe"].mean == figures.curves["flow_epe"].mean
    ours, theirs = again.features["fid"], figures.features["fid"]
    assert ours.count == 5
    np.testing.assert_array_equal(ours.mean, theirs.mean)
    np.testing.assert_array_equal(ours.covariance(1), theirs.covariance(1))
    other = FeatureStatistics(3)
    other.add(np.random.default_rng(1).random((4, 3)))
    assert frechet_distance(other, ours, ddof=1) == frechet_distance(other, theirs, ddof=1)


def test_what_a_store_has_not_is_not_there_again():
    again = empty()
    for metric in METRICS:
        take_up(again, metric, arrays_of(empty(), metric))
    assert (again.features["fid"].count, again.features["fid"].dimensions) == (0, 3)
    assert again.identity == Identity(Curve(4), Curve(4))
    assert again.curves == {}
    assert np.isnan(again.colors.usual()).all()
    assert again.colors.distances(np.zeros((35, 3))).count == 0


def test_arrays_of_another_measure_are_refused(figures):
    with pytest.raises(KeyError):
        take_up(empty(), "fid", arrays_of(figures, "drift"))
