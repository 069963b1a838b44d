from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from svsdata.errors import SequenceNotFoundError
from svsdata.images import resize_map
from svsdata.labels import CITYSCAPES
from svsdata.records import Frame
from svsdata.store.format import StoreInfo
from svsdata.store.reader import StoreReader
from svsdata.store.writer import StoreWriter
from svsdata.street_world.scene import StreetWorld
from svsdata.synthesis.label_stream import Drive, LabelStream

WORLD_HW, STORE_HW, NETWORK_HW = (64, 128), (64, 128), (32, 64)
WORLD = StreetWorld(3, size_hw=WORLD_HW, fps=10.0)


def street_rows(num_frames: int) -> Iterator[Frame]:
    for index in range(num_frames):
        street = WORLD.render(index)
        yield Frame(
            index,
            index * 100_000,
            image=street.image,
            semantic=street.semantic,
            instance=street.instance,
            camera=WORLD.camera,
            ego=street.ego,
        )


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> StoreReader:
    path = tmp_path_factory.mktemp("labels") / "store"
    info = StoreInfo(CITYSCAPES, STORE_HW, 10.0, ("image", "semantic", "instance"))
    with StoreWriter(path, info).sequence("s", source="street:seed=3", fps=10.0) as rows:
        for frame in street_rows(5):
            rows.append(frame)
        rows.commit()
    return StoreReader(path)


def stream(reader: StoreReader, **changes: object) -> LabelStream:
    settings: dict[str, object] = {"world": WORLD}
    return LabelStream(reader, reader.sequence("s"), NETWORK_HW, **(settings | changes))  # type: ignore[arg-type]


def test_rendered_frames_are_what_a_longer_store_would_hold(reader: StoreReader) -> None:
    frames = list(stream(reader).frames(3, 8))
    assert [frame.frame_index for frame in frames] == [3, 4, 5, 6, 7]
    for frame in frames:
        truth = WORLD.render(frame.frame_index, image=False)
        np.testing.assert_array_equal(frame.semantic, resize_map(truth.semantic, NETWORK_HW))
        np.testing.assert_array_equal(frame.instance, resize_map(truth.instance, NETWORK_HW))
        assert frame.camera is not None
        assert frame.camera.size_hw == NETWORK_HW
        assert frame.timestamp_us == frame.frame_index * 100_000
        assert frame.ego is not None
        assert frame.ego.speed_mps == pytest.approx(truth.ego.speed_mps, rel=1e-6)


def test_only_the_first_frame_brings_an_image_unless_all_are_asked_to(reader: StoreReader) -> None:
    assert [one.image is not None for one in stream(reader).frames(0, 7)] == [True] + [False] * 6
    every = stream(reader, layers=("semantic", "image")).frames(0, 7)
    assert [one.image is not None for one in every] == [True] * 7


def test_a_stream_may_begin_and_end_anywhere(reader: StoreReader) -> None:
    for start, stop in ((0, 1), (0, 0), (4, 5), (5, 6), (7, 9), (2, 2)):
        indices = [frame.frame_index for frame in stream(reader).frames(start, stop)]
        assert indices == list(range(start, stop))


def test_a_recording_has_no_frames_beyond_its_end(reader: StoreReader) -> None:
    with pytest.raises(SequenceNotFoundError):
        list(stream(reader, world=None).frames(3, 8))


def test_a_glance_has_maps_where_recorded_and_ego_motion_everywhere(reader: StoreReader) -> None:
    frames = list(stream(reader).glance(8))
    assert [frame.frame_index for frame in frames] == list(range(8))
    assert [frame.semantic is not None for frame in frames] == [True] * 5 + [False] * 3
    assert all(frame.ego is not None and frame.image is None for frame in frames)


def test_maps_of_some_frames_are_those_of_all(reader: StoreReader) -> None:
    whole = list(stream(reader).frames(0, 5))
    found = list(stream(reader, layers=("semantic", "instance", "image")).maps([1, 4, 7]))
    assert [frame.frame_index for frame in found] == [1, 4]
    for frame in found:
        assert frame.image is None
        np.testing.assert_array_equal(frame.semantic, whole[frame.frame_index].semantic)
        np.testing.assert_array_equal(frame.instance, whole[frame.frame_index].instance)


def test_beyond_the_end_of_a_recording_frames_are_predicted_if_wanted(reader: StoreReader) -> None:
    ahead = stream(reader, world=None, drive_on=Drive(), layers=("semantic", "instance"))
    frames = list(ahead.frames(2, 9))
    assert [frame.frame_index for frame in frames] == list(range(2, 9))
    assert [frame.timestamp_us for frame in frames] == [100_000 * at for at in range(2, 9)]
    for frame in frames[3:]:
        assert frame.semantic is not None
        assert frame.semantic.shape == NETWORK_HW
        assert frame.flow is None
        assert frame.image is None
        assert frame.models["semantic"] == "geometry from frame 4"
        assert frame.source == "street:seed=3"
    (alone,) = stream(reader, world=None, drive_on=Drive()).frames(8, 9)
    np.testing.assert_array_equal(alone.semantic, frames[-1].semantic)


def test_predicted_frames_follow_the_last_recorded_one_in_time(tmp_path: Path) -> None:
    info = StoreInfo(CITYSCAPES, STORE_HW, 10.0, ("image", "semantic", "instance"))
    with StoreWriter(tmp_path, info).sequence("s", source="drive", fps=10.0) as rows:
        for frame, timestamp_us in zip(street_rows(3), (0, 104_626, 600_000), strict=True):
            rows.append(replace(frame, timestamp_us=timestamp_us))
        rows.commit()
    ahead = stream(StoreReader(tmp_path), world=None, drive_on=Drive())
    times = [0, 104_626, 600_000, 700_000, 800_000]
    assert [frame.timestamp_us for frame in ahead.frames(0, 5)] == times
    assert [frame.timestamp_us for frame in ahead.glance(5)] == times


def test_the_layers_that_are_asked_for_are_predicted_too(reader: StoreReader) -> None:
    layers = ("semantic", "instance", "flow", "occlusion")
    (frame,) = stream(reader, world=None, drive_on=Drive(), layers=layers).frames(6, 7)
    assert frame.flow is not None
    assert frame.flow.shape == (*NETWORK_HW, 2)
    assert frame.occlusion is not None


def test_the_vehicle_drives_on_as_told(reader: StoreReader) -> None:
    fast, standing = (
        stream(reader, world=None, drive_on=Drive(speed_mps=speed, yaw_rate_rps=0.0))
        for speed in (15.0, 0.0)
    )
    (moved,), (stays,) = fast.frames(7, 8), standing.frames(7, 8)
    assert (moved.semantic != stays.semantic).mean() > 0.05
    told = list(fast.glance(7))
    assert [frame.ego.speed_mps for frame in told[5:] if frame.ego] == [15.0, 15.0]
    assert [frame.semantic is None for frame in told] == [False] * 5 + [True] * 2
