from dataclasses import replace

import numpy as np
import pytest

from svsdata.estimation.flow_estimators import FlowEstimate
from svsdata.evaluation.clip_figures import Clip, Judges, StoreFigures
from svsdata.labels import CITYSCAPES
from svsdata.records import Frame
from tests.estimation.test_ground_alignment import CAMERA, SIZE_HW, asphalt, labelled, plane_flow

SIZE = (9, 14)


class OffByFive:
    """Estimates a flow that is 3 px too far to the right and 4 px too far down."""

    description, checks, workers = "off by five", False, 1

    def estimate(self, previous: np.ndarray, current: np.ndarray) -> FlowEstimate:
        assert previous.shape == current.shape == (*SIZE, 3)
        return FlowEstimate(np.broadcast_to(np.array([5, 4], np.float32), (*SIZE, 2)))


def frame(index: int, *, flow: bool) -> Frame:
    moving = np.zeros((*SIZE, 2), np.float32)
    moving[..., 0] = 2
    return Frame(
        index, index, np.zeros((*SIZE, 3), np.uint8), np.full(SIZE, 7, np.uint8),
        flow=moving if flow and index else None,
    )  # fmt: skip


OFF = {"flow_epe": pytest.approx(5), "flow_outliers": 1}


def flow_error(frames: list[Frame], originals: list[Frame | None]) -> dict[str, float]:
    figures = StoreFigures(CITYSCAPES, Judges(flow=OffByFive()), bin_frames=10)
    return figures.add(Clip("a", frames, None, originals)).figures


def test_flow_error_is_the_distance_to_the_flow_of_the_labels_video():
    own = [frame(index, flow=True) for index in range(3)]
    assert flow_error(own, []) == OFF
    without = [replace(one, flow=None) for one in own]
    assert flow_error(without, own) == OFF
    assert flow_error(without, []) == {}


def test_flow_that_came_from_elsewhere_does_not_count_where_edits_are():
    own = [frame(index, flow=True) for index in range(2)]
    edited = replace(own[1], flow=None, provenance=np.ones(SIZE, np.uint8))
    assert flow_error([own[0], edited], own) == {}


class Still(OffByFive):
    """Says that nothing moves, as estimators say of asphalt."""

    def estimate(self, previous: np.ndarray, current: np.ndarray) -> FlowEstimate:
        assert previous.shape == current.shape
        return FlowEstimate(np.zeros((*current.shape[:2], 2), np.float32))


@pytest.mark.parametrize("is_synthetic", [False, True])
def test_flow_of_ground_is_estimated_as_the_labels_flow_was(is_synthetic):
    pictures = asphalt(CAMERA), asphalt(CAMERA, 1.3)
    flow = plane_flow(CAMERA, 1.3, 0)
    road = np.isfinite(flow[..., 0]) & (np.arange(SIZE_HW[0]) > 80)[:, None]
    before, after = (
        replace(labelled(picture), camera=CAMERA, frame_index=index, occlusion=None)
        for index, picture in enumerate(pictures)
    )
    before = replace(before, flow=None)
    after = replace(after, flow=np.nan_to_num(flow), flow_validity=road.astype(np.uint8))

    def errors(models):
        told = replace(after, models={"flow": models})
        frames = [before, replace(told, flow=None, models={})] if is_synthetic else [before, told]
        originals = [before, told] if is_synthetic else []
        figures = StoreFigures(CITYSCAPES, Judges(flow=Still()), bin_frames=10)
        return figures.add(Clip("a", frames, None, originals)).figures

    apart = np.hypot(*np.moveaxis(flow, -1, 0))[road].mean()
    assert errors("dis-medium")["flow_epe"] > 0.8 * apart > 5
    aligned = errors("dis-medium, ground aligned")
    assert aligned["flow_epe"] < 0.1 * apart
    assert aligned["flow_outliers"] < 0.1


def test_objects_of_a_sequence_that_ended_are_not_held():
    figures = StoreFigures(CITYSCAPES, Judges(wanted=frozenset({"identity"})), bin_frames=10)
    held = []
    for sequence_id, cars in (("a", 2), ("a", 2), ("b", 1)):
        instances = np.full((16, 16), 26_001, np.uint16)
        instances[:8] = 26_000 + cars
        shown = Frame(
            0, 0, np.zeros((16, 16, 3), np.uint8), np.full((16, 16), 26, np.uint8), instances
        )
        figures.add(Clip(sequence_id, [shown], None))
        held.append(len(figures.identity))
    assert held == [2, 2, 1]
