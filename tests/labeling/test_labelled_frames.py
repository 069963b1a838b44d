from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pytest

from svsdata.errors import SourceError
from svsdata.estimation.flow_estimators import FlowEstimate
from svsdata.geometry.camera import assumed_camera, project
from svsdata.labeling.flow_labelers import EstimatedFlow, ExactFlow, NoFlow
from svsdata.labeling.labelers import ExactLabels
from svsdata.labeling.labelled_frames import BadFrames, Chain, Start, fitted, lower_rows
from svsdata.labeling.sources.recording import BadFrame
from svsdata.labeling.sources.street import street_recording
from svsdata.labels import CITYSCAPES
from svsdata.records import EncodedImage, Frame

SIZE = (4, 8)


@dataclass(frozen=True)
class Listed:
    """A recording of frames that lie ready."""

    listed: tuple[Frame | BadFrame, ...]
    sequence_id: str = "listed"
    source: str = "list"
    fps: float = 10.0
    camera: None = None
    folders: tuple[str, ...] = ()

    @property
    def num_frames(self) -> int:
        return len(self.listed)

    def frames(self, start: int) -> Iterator[Frame | BadFrame]:
        yield from self.listed[start:]


class BatchesOfTwo:
    """Labels every pixel with the number of its frame, and keeps what batches it saw."""

    layers = ("semantic",)
    description = "twos"
    batch_size = 2

    def __init__(self) -> None:
        self.batches: list[list[int]] = []

    def label(self, frames: Sequence[Frame]) -> list[Frame]:
        self.batches.append([frame.source_frame or 0 for frame in frames])
        return [
            replace(frame, semantic=np.full(SIZE, frame.source_frame, np.uint8)) for frame in frames
        ]


class DifferenceFlow:
    """A flow estimator whose dx is the difference of the first pixels."""

    description = "difference"
    checks = False
    workers = 2

    def estimate(self, previous: np.ndarray, current: np.ndarray) -> FlowEstimate:
        flow = np.zeros((*SIZE, 2), np.float32)
        flow[..., 0] = float(current[0, 0, 0]) - float(previous[0, 0, 0])
        return FlowEstimate(flow)


def picture(number: int, size_hw=SIZE) -> Frame:
    image = np.full((*size_hw, 3), 10 * number, np.uint8)
    return Frame(number, number * 100_000, image=image, source=f"{number}.png", source_frame=number)


def run(recording, labeler=None, flow=None, *, bad=None, start=Start()):  # noqa: B008
    chain = Chain(SIZE, CITYSCAPES, flow or NoFlow())
    bad = bad or BadFrames(skip=False)
    return list(chain.labelled_frames(recording, labeler or BatchesOfTwo(), bad, start))


def test_rows_are_numbered_without_gaps_and_each_comes_with_its_position():
    bad = BadFrames(skip=True)
    broken = BadFrame(1, "1.png: broken")
    rows = run(Listed((picture(0), broken, picture(2), picture(3))), bad=bad)
    assert [(position, frame.frame_index) for position, frame in rows] == [(0, 0), (2, 1), (3, 2)]
    assert [frame.source_frame for _, frame in rows] == [0, 2, 3]
    assert bad.reasons == {1: "1.png: broken"}


def test_a_bad_frame_stops_a_strict_run_after_the_frames_before_it():
    recording = Listed((picture(0), BadFrame(1, "1.png: broken"), picture(2)))
    with pytest.raises(SourceError, match=r"1\.png: broken; --skip-bad leaves such frames out"):
        run(recording)


def test_a_size_that_changes_inside_a_sequence_is_a_bad_frame():
    recording = Listed((picture(0), picture(1, (5, 8)), picture(2)))
    with pytest.raises(SourceError, match=r"1\.png: 8x5, the frames before are 8x4"):
        run(recording)
    bad = BadFrames(skip=True)
    assert [position for position, _ in run(recording, bad=bad)] == [0, 2]


def test_labels_that_cannot_be_read_are_bad_frames():
    class Unreadable(BatchesOfTwo):
        batch_size = 1

        def label(self, frames: Sequence[Frame]) -> list[Frame]:
            if frames[0].source_frame == 1:
                raise SourceError("map of 1 is broken")
            return super().label(frames)

    recording = Listed((picture(0), picture(1), picture(2)))
    with pytest.raises(SourceError, match="map of 1 is broken"):
        run(recording, Unreadable())
    bad = BadFrames(skip=True)
    assert [position for position, _ in run(recording, Unreadable(), bad=bad)] == [0, 2]
    assert bad.reasons == {1: "map of 1 is broken"}


def test_frames_are_labelled_in_batches_and_the_last_batch_may_be_short():
    labeler = BatchesOfTwo()
    rows = run(Listed(tuple(picture(number) for number in range(5))), labeler)
    assert labeler.batches == [[0, 1], [2, 3], [4]]
    assert [int(frame.semantic[0, 0]) for _, frame in rows] == [0, 1, 2, 3, 4]


def test_flow_joins_each_frame_with_the_readable_one_before_it():
    recording = Listed((picture(0), BadFrame(1, "broken"), picture(2), picture(3)))
    rows = run(recording, flow=EstimatedFlow(DifferenceFlow()), bad=BadFrames(skip=True))
    assert rows[0][1].flow is None
    assert [float(frame.flow[0, 0, 0]) for _, frame in rows[1:]] == [20.0, 10.0]
    assert rows[1][1].models == {"semantic": "twos", "flow": "difference"}


def test_going_on_reads_the_last_frame_again_and_labels_the_same_batches():
    recording = Listed(tuple(picture(number) for number in range(6)))
    flow = EstimatedFlow(DifferenceFlow())
    whole, labeler = run(recording, flow=flow), BatchesOfTwo()
    rest = run(recording, labeler, flow, start=Start(row=2, last_position=1))
    assert labeler.batches == [[2, 3], [4, 5]]
    assert [position for position, _ in rest] == [2, 3, 4, 5]
    for (_, frame), (_, same) in zip(rest, whole[2:], strict=True):
        assert frame.frame_index == same.frame_index
        np.testing.assert_array_equal(frame.flow, same.flow)
        np.testing.assert_array_equal(frame.semantic, same.semantic)
        assert frame.ego == same.ego
    assert run(recording, start=Start(row=6, last_position=5)) == []


def test_an_unknown_camera_is_assumed_and_unknown_ego_motion_estimated_both_flagged():
    street = street_recording("street:seed=1,frames=4,size=128x64")
    stripped = tuple(replace(frame, camera=None, ego=None) for frame in street.frames(0))
    chain = Chain((64, 128), CITYSCAPES, ExactFlow())
    rows = chain.labelled_frames(Listed(stripped), ExactLabels(), BadFrames(skip=False), Start())
    frames = [frame for _, frame in rows]
    assumed = assumed_camera((64, 128))
    assert all(frame.camera.flag == "assumed" for frame in frames)
    np.testing.assert_array_equal(frames[0].camera.intrinsics, assumed.intrinsics)
    truth = [frame.ego for frame in street.frames(0)]
    for frame, true in zip(frames[1:], truth[1:], strict=True):
        assert frame.ego.flag == "estimated"
        assert frame.ego.speed_mps == pytest.approx(true.speed_mps, abs=0.3)
    assert frames[0].ego == frames[1].ego


def test_what_the_source_knows_is_kept():
    street = street_recording("street:seed=1,frames=2,size=128x64")
    chain = Chain((64, 128), CITYSCAPES, NoFlow())
    rows = chain.labelled_frames(street, ExactLabels(), BadFrames(skip=False), Start())
    for (_, frame), truth in zip(rows, street.frames(0), strict=True):
        assert (frame.camera.flag, frame.ego.speed_mps) == ("given", truth.ego.speed_mps)
        assert (frame.flow, frame.occlusion) == (None, None)
        np.testing.assert_array_equal(frame.instance, truth.instance)


def test_exact_labels_and_flow_of_a_source_that_has_none_are_one_line():
    recording = Listed((picture(0), picture(1)))
    with pytest.raises(SourceError, match="has no exact labels, only the street world does"):
        run(recording, ExactLabels())
    with pytest.raises(SourceError, match="has no exact flow, only the street world does"):
        run(recording, flow=ExactFlow())


def test_a_resized_frame_has_resized_layers_and_camera_and_no_kept_bytes():
    camera = assumed_camera((4, 8))
    frame = replace(
        picture(1),
        camera=camera,
        semantic=np.array([[7, 7, 8, 8, 7, 7, 8, 8]] * 4, np.uint8),
        flow=np.full((4, 8, 2), 2.0, np.float32),
        encoded_image=EncodedImage(b"", "1.jpg"),
    )
    small = fitted(frame, (2, 4))
    assert small.image.shape == (2, 4, 3)
    np.testing.assert_array_equal(small.semantic, [[7, 8, 7, 8]] * 2)
    np.testing.assert_array_equal(small.flow, np.full((2, 4, 2), 1.0))
    assert small.camera.size_hw == (2, 4)
    assert small.encoded_image is None
    assert fitted(frame, (4, 8)).encoded_image is not None
    with pytest.raises(SourceError, match=r"8x4 does not fit 9x9.*choose a size such as 9x4"):
        fitted(frame, (9, 9))


def test_cropping_keeps_the_lower_rows_and_every_point_under_its_pixel():
    image = np.arange(6 * 8 * 3, dtype=np.uint8).reshape(6, 8, 3)
    camera = assumed_camera((6, 8))
    frame = replace(
        picture(1), image=image, camera=camera, encoded_image=EncodedImage(b"", "1.jpg")
    )
    cropped = lower_rows(frame, 4)
    np.testing.assert_array_equal(cropped.image, image[2:])
    assert cropped.encoded_image is None
    assert cropped.camera.size_hw == (4, 8)
    points = np.array([[10.0, 1.0, 0.0], [20.0, -3.0, 1.5]])
    before, after = project(camera, points), project(cropped.camera, points)
    np.testing.assert_allclose(after, before - [0, 2, 0], atol=1e-12)
    assert lower_rows(frame, 6) is frame
    with pytest.raises(SourceError, match=r"1\.png: 8x6 has no 7 rows to keep; lower crop_rows"):
        lower_rows(frame, 7)


def test_cropping_thinned_frames_takes_the_camera_of_the_whole_ones_along():
    whole = replace(picture(1, (6, 8)), camera=assumed_camera((12, 16)))
    cropped = lower_rows(whole, 4)
    expected = lower_rows(replace(whole, camera=assumed_camera((12, 16)).resized((6, 8))), 4)
    assert cropped.camera.size_hw == (4, 8)
    np.testing.assert_array_equal(cropped.camera.intrinsics, expected.camera.intrinsics)


def test_frames_are_cropped_before_they_are_resized_and_sizes_are_told_apart_before_both():
    recording = Listed((picture(0, (6, 8)), picture(1, (7, 8)), picture(2, (6, 8))))
    chain = Chain((2, 4), CITYSCAPES, NoFlow(), crop_rows=4)
    bad = BadFrames(skip=True)
    rows = list(chain.labelled_frames(recording, BatchesOfTwo(), bad, Start()))
    assert [(position, frame.image.shape) for position, frame in rows] == [
        (0, (2, 4, 3)),
        (2, (2, 4, 3)),
    ]
    assert bad.reasons == {1: "1.png: 8x7, the frames before are 8x6"}
