"""Figures of parts of a store, measured apart and merged, are those of the whole."""

import pickle
from collections.abc import Sequence
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from svsdata.estimation.flow_estimators import FlowEstimate
from svsdata.estimation.segmenters import Labels
from svsdata.evaluation.clip_figures import Clip, Judges, StoreFigures
from svsdata.evaluation.curves import MAX_BINS
from svsdata.evaluation.features import FeatureExtractor, PairDistance
from svsdata.evaluation.frechet import frechet_distance
from svsdata.evaluation.kept_figures import arrays_of, take_up
from svsdata.labels import CITYSCAPES, KITTI360
from svsdata.records import Frame

SIZE = (13, 17)
CLIP_FRAMES = 4
METRICS = frozenset({"warping_error", "drift", "identity", "psnr", "ssim"})


class Rounder:
    """Sees the class that the red level says."""

    description, has_instances = "rounder", False

    def segment(self, images: Sequence[np.ndarray]) -> list[Labels]:
        return [Labels((image[..., 0] // 8).astype(np.uint8)) for image in images]


class Brightness:
    """Takes what the two pictures differ by for motion."""

    description, checks, workers = "brightness", False, 1

    def estimate(self, previous: np.ndarray, current: np.ndarray) -> FlowEstimate:
        difference = (current.astype(np.float32) - previous)[..., :2] / 16
        return FlowEstimate(difference)


def of_frames(frames: np.ndarray) -> np.ndarray:
    return frames.mean(axis=(1, 2)).astype(np.float32)


JUDGES = Judges(
    extractors=(
        FeatureExtractor("fid", 3, of_clips=False, ddof=1, protocol="a", extract=of_frames,
                         small_sample=2),
        FeatureExtractor("fvd_i3d", 3, of_clips=True, ddof=0, protocol="b",
                         extract=lambda clip: of_frames(clip).mean(axis=0, keepdims=True),
                         small_sample=2),
    ),
    lpips=PairDistance("c", lambda ours, theirs: (ours * 1.0 - theirs).std(axis=(1, 2, 3))),
    segmenter=Rounder(),
    flow=Brightness(),
    wanted=METRICS,
)  # fmt: skip


def frames_of(sequence: int, length: int, *, drawn: bool) -> list[Frame]:
    draws = np.random.default_rng([sequence, drawn])
    labels = np.random.default_rng(sequence)
    made = []
    for index in range(length):
        instance = np.full(SIZE, 7, np.uint16)
        instance[2:11, 3:12] = 26_000 + index % 3 if index != 2 else 7
        made.append(
            Frame(
                index,
                100 * index,
                draws.integers(0, 256, (*SIZE, 3), dtype=np.uint8),
                labels.integers(0, 35, SIZE, dtype=np.uint8),
                instance,
                flow=labels.normal(0, 2, (*SIZE, 2)).astype(np.float32) if index else None,
            )
        )
    if drawn and length > 1:  # one frame equals the recorded one
        recorded = frames_of(sequence, length, drawn=False)
        made[1] = recorded[1]
    return made


@cache
def clips_of(sequence: int, length: int) -> list[Clip]:
    frames = frames_of(sequence, length, drawn=True)
    originals = frames_of(sequence, length, drawn=False)
    return [
        Clip(
            f"s{sequence}",
            frames[first : first + CLIP_FRAMES],
            frames[first - 1] if first else None,
            originals[first : first + CLIP_FRAMES],
            is_whole=first + CLIP_FRAMES <= length,
        )
        for first in range(0, length, CLIP_FRAMES)
    ]


def measured(clips: Sequence[Clip]) -> StoreFigures:
    figures = StoreFigures(CITYSCAPES, JUDGES, bin_frames=3)
    for clip in clips:
        figures.add(clip)
    return figures


def told(figures: StoreFigures, metrics: Sequence[str]) -> dict[str, np.ndarray]:
    """Return every figure of a store as numbers that do not depend on the order of parts."""
    found = {"frames": np.array([figures.num_frames, figures.num_equal])}
    usual = np.full((CITYSCAPES.num_classes, 3), 90.0)
    curves = figures.curves | {
        "identity": figures.identity.by_age,
        "identity_after_occlusion": figures.identity.after_occlusion,
        "color_distance": figures.colors.distances(usual),
    }
    if "identity" not in metrics:
        curves = {name: it for name, it in curves.items() if not name.startswith("identity")}
    for name, curve in curves.items():
        found[name] = np.array([(*point, curve.mean, curve.count) for point in curve.points()])
    for name, statistics in figures.features.items():
        if statistics.count:
            found[f"{name}-mean"] = statistics.mean
            found[f"{name}-covariance"] = statistics.covariance(0)
    return found | {
        "iou": np.array(list(figures.confusion.iou().values())),
        "colors": figures.colors.usual(),
    }


def assert_same(one: StoreFigures, other: StoreFigures, metrics: Sequence[str]) -> None:
    ours, theirs = told(one, metrics), told(other, metrics)
    assert ours.keys() == theirs.keys()
    for name, values in ours.items():
        np.testing.assert_allclose(values, theirs[name], rtol=1e-12, atol=1e-11, err_msg=name)


lengths = st.lists(st.integers(1, 10), min_size=1, max_size=4)


@settings(deadline=None, max_examples=25)
@given(lengths=lengths, data=st.data())
def test_parts_by_sequence_merge_into_the_whole(lengths, data):
    sequences = [clips_of(place, length) for place, length in enumerate(lengths)]
    whole = measured([clip for clips in sequences for clip in clips])
    parts = [data.draw(st.integers(0, 2)) for _ in sequences]
    joined = StoreFigures(CITYSCAPES, JUDGES, bin_frames=3)
    for part in data.draw(st.permutations(range(3))):
        own = [it for clips, at in zip(sequences, parts, strict=True) if at == part for it in clips]
        joined.merge(measured(own))
    assert_same(joined, whole, JUDGES.measures())


@settings(deadline=None, max_examples=25)
@given(lengths=lengths, data=st.data())
def test_parts_cut_between_clips_merge_into_the_whole_but_for_identity(lengths, data):
    clips = [it for place, length in enumerate(lengths) for it in clips_of(place, length)]
    cut = data.draw(st.integers(0, len(clips)))
    joined = measured(clips[:cut])
    joined.merge(measured(clips[cut:]))
    whole = measured(clips)
    assert_same(joined, whole, sorted(METRICS - {"identity"}))


def test_identity_begins_anew_in_each_part_of_a_sequence():
    first, second = clips_of(0, 8)
    halves = measured([first])
    halves.merge(measured([second]))
    whole = measured([first, second])
    assert 0 < halves.identity.by_age.count < whole.identity.by_age.count


@settings(deadline=None, max_examples=10)
@given(lengths=lengths)
def test_parts_that_were_kept_merge_as_if_measured(lengths):
    sequences = [clips_of(place, length) for place, length in enumerate(lengths)]
    joined = StoreFigures(CITYSCAPES, JUDGES, bin_frames=3)
    for clips in sequences:
        found, again = measured(clips), StoreFigures(CITYSCAPES, JUDGES, bin_frames=3)
        for metric in JUDGES.measures():
            take_up(again, metric, arrays_of(found, metric))
        joined.merge(again)
    whole = measured([clip for clips in sequences for clip in clips])
    assert_same(joined, whole, JUDGES.measures())


def held_bytes(figures: StoreFigures) -> int:
    """Return the size of all that a store's figures hold, whatever it is."""
    return len(pickle.dumps({name: it for name, it in vars(figures).items() if name != "judges"}))


def test_ten_times_the_frames_take_no_more_memory():
    pool = frames_of(0, 24, drawn=True)
    originals = frames_of(0, 24, drawn=False)

    def after(num_frames: int) -> StoreFigures:
        figures = StoreFigures(CITYSCAPES, JUDGES, bin_frames=1)
        for first in range(0, num_frames, CLIP_FRAMES):
            places = [index % len(pool) for index in range(first, first + CLIP_FRAMES)]
            frames, recorded = (
                [replace(side[place], frame_index=first + at) for at, place in enumerate(places)]
                for side in (pool, originals)
            )
            figures.add(Clip("s0", frames, pool[places[0] - 1] if first else None, recorded))
        return figures

    once, ten_times = after(2 * MAX_BINS), after(20 * MAX_BINS)
    assert (once.num_frames, ten_times.num_frames) == (512, 5120)
    assert {curve.count for curve in ten_times.curves.values()} >= {5120}
    assert held_bytes(ten_times) <= 1.05 * held_bytes(once)  # digits of larger counts


def test_every_measure_that_can_be_merged_was_measured():
    whole = measured([clip for place in range(3) for clip in clips_of(place, 9)])
    names = set(told(whole, JUDGES.measures()))
    assert {"lpips", "psnr", "ssim", "warping_error", "flow_epe", "flow_outliers", "identity",
            "identity_after_occlusion", "label_agreement", "color_distance", "fid-covariance",
            "fvd_i3d-covariance"} <= names  # fmt: skip
    assert whole.num_equal == 3
    halves = measured(clips_of(0, 9))
    halves.merge(measured([*clips_of(1, 9), *clips_of(2, 9)]))
    other = measured(clips_of(5, 10)).features["fid"]
    assert frechet_distance(halves.features["fid"], other, ddof=1) == pytest.approx(
        frechet_distance(whole.features["fid"], other, ddof=1), rel=1e-12
    )


def test_figures_of_other_judges_or_labels_do_not_merge():
    for other in (
        StoreFigures(KITTI360, JUDGES, bin_frames=3),
        StoreFigures(CITYSCAPES, Judges(), bin_frames=3),
    ):
        with pytest.raises(ValueError, match="do not add up"):
            measured([]).merge(other)
