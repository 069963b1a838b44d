import numpy as np
import pytest

from svsdata.evaluation.curves import MAX_BINS, ClassColors, Curve


def test_a_curve_holds_the_mean_of_each_bin():
    curve = Curve(bin_frames=10)
    for index, value in ((0, 1.0), (9, 3.0), (25, 7.0), (26, float("nan"))):
        curve.add(index, value)
    assert curve.points() == [(0, 2.0), (20, 7.0)]
    assert curve.count == 3
    assert curve.mean == pytest.approx(11 / 3)
    assert np.isnan(Curve(10).mean)
    assert curve.bins == (10, 25)


def test_a_tinted_frame_is_as_far_as_its_tint():
    semantic = np.array([[0, 0, 1], [2, 1, 1]], np.uint8)
    image = np.random.default_rng(1).integers(0, 200, (2, 3, 3), dtype=np.uint8)
    usual, seen = ClassColors(4, 5), ClassColors(4, 5)
    usual.add(0, image, semantic)
    seen.add(0, image, semantic)
    seen.add(7, image + np.array([3, 0, 4], np.uint8), semantic)
    seen.add(9, image, np.full((2, 3), 3, np.uint8))  # a class whose colour nobody knows
    curve = seen.distances(usual.usual())
    assert curve.points() == [(0, pytest.approx(0, abs=1e-12)), (5, pytest.approx(5.0))]
    assert curve.count == 2


def test_classes_count_by_their_pixels():
    semantic = np.array([[0, 0, 0, 1]], np.uint8)
    usual, seen = ClassColors(2, 1), ClassColors(2, 1)
    usual.add(0, np.zeros((1, 4, 3), np.uint8), semantic)
    seen.add(0, np.array([[[4, 0, 0]] * 3 + [[0, 8, 0]]], np.uint8), semantic)
    assert seen.distances(usual.usual()).mean == pytest.approx((3 * 4 + 8) / 4)


def test_sums_of_large_bright_frames_lose_no_digit():
    pixels = 2.0**25
    row = [1, pixels, 255 * pixels, 255 * pixels, 255 * pixels, 0]  # beyond 32 bits
    arrays = {"bins": np.array([1, 3]), "places": np.array([3]), "totals": np.array([[row]])}
    colors = ClassColors.from_arrays(1, 1, arrays)
    for _ in range(10):
        colors.merge(ClassColors.from_arrays(1, 1, colors.to_arrays()))
    assert colors.usual().tolist() == [[255, 255, 255]]
    curve = colors.distances(np.full((1, 3), 254.0))
    assert (curve.points(), curve.count) == ([(3, pytest.approx(np.sqrt(3)))], 2**10)


def drawn_frames(count: int) -> list[tuple[int, np.ndarray, np.ndarray]]:
    """Return frames of 4 classes, of which one may be missing, all over the place."""
    draws = np.random.default_rng(3)
    return [
        (
            int(draws.integers(0, 40)),
            draws.integers(0, 256, (4, 6, 3), dtype=np.uint8),
            draws.integers(0, draws.integers(1, 5), (4, 6), dtype=np.uint8),
        )
        for _ in range(count)
    ]


def slow_distances(
    frames: list[tuple[int, np.ndarray, np.ndarray]], usual: np.ndarray, width: int
) -> dict[int, float]:
    """Return the distance of each bin from the frames themselves, class by class."""
    found = {}
    for first in {index // width * width for index, _, _ in frames}:
        distances, weights = [], []
        for label in np.flatnonzero(np.isfinite(usual[:, 0])):
            inside = [
                image[semantic == label]
                for index, image, semantic in frames
                if index // width * width == first and (semantic == label).any()
            ]
            if inside:
                squares = [np.square(it.mean(axis=0) - usual[label]).sum() for it in inside]
                sizes = [len(it) for it in inside]
                distances.append(np.sqrt(np.average(squares, weights=sizes)))
                weights.append(sum(sizes))
        if weights:
            found[first] = np.average(distances, weights=weights)
    return found


def test_colours_held_as_moments_tell_the_distances_of_the_frames_themselves():
    frames = drawn_frames(60)
    usual = np.array([[90.0, 80, 70], [np.nan] * 3, [120, 120, 120], [255, 0, 0]])
    whole, parts = ClassColors(4, 4), [ClassColors(4, 4) for _ in range(3)]
    for place, frame in enumerate(frames):
        whole.add(*frame)
        parts[place % 3].add(*frame)
    expected = slow_distances(frames, usual, 4)
    assert dict(whole.distances(usual).points()) == pytest.approx(expected, rel=1e-12)
    parts[2].merge(parts[0])
    parts[2].merge(parts[1])
    assert dict(parts[2].distances(usual).points()) == pytest.approx(expected, rel=1e-12)
    assert parts[2].distances(usual).count == whole.distances(usual).count


def test_a_tint_that_turns_round_does_not_cancel_out():
    semantic, grey = np.zeros((2, 2), np.uint8), np.full((2, 2, 3), 100, np.uint8)
    colors = ClassColors(1, 10)
    for index, tint in enumerate((7, -7, 7, -7)):
        colors.add(index, (grey + np.array([tint, 0, 0])).astype(np.uint8), semantic)
    assert colors.usual().tolist() == [[100, 100, 100]]
    assert colors.distances(colors.usual()).points() == [(0, pytest.approx(7.0))]
    assert colors.distances(colors.usual()).bins == (10, 3)


def test_distances_have_the_bins_of_the_colours_whatever_is_known():
    grey, colors = np.full((1, 1, 3), 100, np.uint8), ClassColors(2, 1)
    for index in (0, 2, 2 * MAX_BINS - 1):
        colors.add(index, grey, np.full((1, 1), index > 2, np.uint8))
    of_one = colors.distances(np.array([[100.0] * 3, [np.nan] * 3]))
    assert (of_one.points(), of_one.bins) == ([(0, 0.0), (2, 0.0)], (2, 2 * MAX_BINS - 1))
    again = ClassColors.from_arrays(2, 1, colors.to_arrays())
    assert again.distances(again.usual()).bins == (2, 2 * MAX_BINS - 1)


def test_bins_become_twice_as_wide_and_lose_nothing():
    curve, coarse = Curve(3), Curve(12)
    for index in range(4 * 3 * MAX_BINS - 5):
        curve.add(index, float(index % 7))
        coarse.add(index, float(index % 7))
    assert len(curve.points()) == MAX_BINS
    assert dict(curve.points()) == pytest.approx(dict(coarse.points()))
    assert (curve.count, curve.mean) == (coarse.count, pytest.approx(coarse.mean))
    again = Curve.from_arrays(3, curve.to_arrays())
    assert again == curve
    again.add(4 * 3 * MAX_BINS, 1.0)
    assert len(again.points()) == MAX_BINS // 2 + 1


@pytest.mark.parametrize("cut", [1, 700, 2000])
def test_halves_with_bins_of_different_widths_merge_into_the_whole(cut):
    length = 10 * MAX_BINS
    values = np.random.default_rng(2).random(length).tolist()
    whole, early, late = Curve(1), Curve(1), Curve(1)
    for index, value in enumerate(values):
        whole.add(index, value)
        (early if index < cut else late).add(index, value)
    early_first = Curve.from_arrays(1, early.to_arrays())
    early_first.merge(late)
    late.merge(early)
    for joined in (early_first, late):
        assert dict(joined.points()) == pytest.approx(dict(whole.points()), rel=1e-12)
        assert joined.count == length
        assert joined.bins == whole.bins == (16, length - 1)


def test_what_differs_in_kind_does_not_merge():
    with pytest.raises(ValueError, match="bins of 10 and 5 frames"):
        Curve(10).merge(Curve(5))
    with pytest.raises(ValueError, match="35 and 19 classes"):
        ClassColors(35, 5).merge(ClassColors(19, 5))
    with pytest.raises(ValueError, match="bins of 10 and 5 frames"):
        ClassColors(35, 10).merge(ClassColors(35, 5))
