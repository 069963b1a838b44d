import json
from pathlib import Path

import numpy as np
import pytest

from svsdata.errors import SourceError
from svsdata.geometry.camera import assumed_camera
from svsdata.images import encode_png
from svsdata.labeling.sources.cityscapes import (
    cityscapes_recordings,
    is_cityscapes,
    read_camera,
)

CAMERA = {
    "intrinsic": {"fx": 2262.52, "fy": 2265.30, "u0": 1096.98, "v0": 513.137},
    "extrinsic": {
        "baseline": 0.209, "pitch": 0.038, "roll": 0.0, "x": 1.7, "y": 0.1, "yaw": -0.0195,
        "z": 1.22,
    },
}  # fmt: skip


def put(root: Path, city: str, sequence: int, frame: int) -> None:
    folder = root / "leftImg8bit_sequence" / "train" / city
    folder.mkdir(parents=True, exist_ok=True)
    data = encode_png(np.full((4, 8, 3), frame % 256, np.uint8))
    (folder / f"{city}_{sequence:06d}_{frame:06d}_leftImg8bit.png").write_bytes(data)


def put_json(root: Path, kind: str, core: str, content: object) -> Path:
    path = root / kind / "train" / core.split("_")[0] / f"{core}_{kind.split('_')[0]}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))
    return path


def test_frames_are_grouped_by_city_and_sequence_and_short_gaps_show_in_source_frame(tmp_path):
    for frame in (0, 1, 4):
        put(tmp_path, "aachen", 0, frame)
    put(tmp_path, "aachen", 1, 7)
    put(tmp_path, "ulm", 0, 3)
    recordings = cityscapes_recordings(tmp_path)
    ids = [it.sequence_id for it in recordings]
    assert ids == ["aachen_000000", "aachen_000001", "ulm_000000"]
    frames = list(recordings[0].frames(0))
    assert [frame.frame_index for frame in frames] == [0, 1, 2]
    assert [frame.source_frame for frame in frames] == [0, 1, 4]
    assert [frame.timestamp_us for frame in frames] == [0, 58824, 235294]
    assert recordings[0].fps == 17.0


def test_runs_far_apart_under_one_number_are_sequences_of_their_own(tmp_path):
    for frame in (10, 11, 400, 401):
        put(tmp_path, "hanover", 0, frame)
    recordings = cityscapes_recordings(tmp_path)
    assert [it.sequence_id for it in recordings] == [
        "hanover_000000_000010",
        "hanover_000000_000400",
    ]
    assert recordings[1].timestamps_us[0] == 0


def test_the_layout_is_recognised_and_an_empty_one_is_an_error(tmp_path):
    assert not is_cityscapes(tmp_path)
    (tmp_path / "leftImg8bit_sequence" / "train" / "ulm").mkdir(parents=True)
    assert is_cityscapes(tmp_path)
    (tmp_path / "leftImg8bit_sequence" / "train" / "ulm" / "notes.png").write_bytes(b"")
    with pytest.raises(SourceError, match=r"no frames; expected <split>/<city>"):
        cityscapes_recordings(tmp_path)


def test_a_frame_that_exists_twice_is_an_error(tmp_path):
    put(tmp_path, "ulm", 0, 1)
    folder = tmp_path / "leftImg8bit_sequence" / "train" / "ulm"
    (folder / "ulm_000000_000001_leftImg8bit.jpg").write_bytes(b"")
    with pytest.raises(SourceError, match="frame 1 exists twice"):
        cityscapes_recordings(tmp_path)


def test_the_published_camera_file_gives_the_published_camera(tmp_path):
    camera = read_camera(put_json(tmp_path, "camera", "ulm_000000_000019", CAMERA))
    published = assumed_camera((512, 1024))
    assert camera.flag == "given"
    resized = camera.resized((512, 1024))
    np.testing.assert_allclose(resized.intrinsics, published.intrinsics, atol=1e-9)
    np.testing.assert_allclose(resized.cam_T_vehicle, published.cam_T_vehicle, atol=1e-12)


def test_one_camera_file_serves_its_whole_run(tmp_path):
    for frame in (18, 19, 20):
        put(tmp_path, "ulm", 0, frame)
    put_json(tmp_path, "camera", "ulm_000000_000019", CAMERA)
    (recording,) = cityscapes_recordings(tmp_path)
    assert all(frame.camera.flag == "given" for frame in recording.frames(0))


def test_vehicle_files_give_the_ego_motion_and_gaps_between_them_are_interpolated(tmp_path):
    for frame in (0, 1, 3):
        put(tmp_path, "ulm", 0, frame)
    put_json(tmp_path, "vehicle_sequence", "ulm_000000_000000", {"speed": 3.0, "yawRate": 0.0})
    put_json(tmp_path, "vehicle_sequence", "ulm_000000_000003", {"speed": 9.0, "yawRate": 0.3})
    (recording,) = cityscapes_recordings(tmp_path)
    motions = [frame.ego for frame in recording.frames(0)]
    assert [motion.flag for motion in motions] == ["given", "interpolated", "given"]
    assert [motion.speed_mps for motion in motions] == [3.0, 5.0, 9.0]
    assert [motion.yaw_rate_rps for motion in motions] == pytest.approx([0.0, 0.1, 0.3])


def test_what_files_were_not_measured_but_assumed_or_estimated_stays_flagged_so(tmp_path):
    for frame in (0, 1, 2):
        put(tmp_path, "ulm", 0, frame)
    put_json(tmp_path, "camera", "ulm_000000_000000", CAMERA | {"flag": "assumed"})
    moving = {"speed": 3.0, "yawRate": 0.0, "flag": "estimated"}
    for frame in (0, 2):
        put_json(tmp_path, "vehicle_sequence", f"ulm_000000_{frame:06d}", moving)
    (recording,) = cityscapes_recordings(tmp_path)
    frames = list(recording.frames(0))
    assert {frame.camera.flag for frame in frames} == {"assumed"}
    assert [frame.ego.flag for frame in frames] == ["estimated", "interpolated", "estimated"]
    put_json(tmp_path, "camera", "ulm_000000_000000", CAMERA | {"flag": "sure"})
    with pytest.raises(SourceError, match=r"_camera\.json: not a Cityscapes.*unknown flag 'sure'"):
        cityscapes_recordings(tmp_path)


def test_without_files_camera_and_ego_motion_are_unknown(tmp_path):
    put(tmp_path, "ulm", 0, 0)
    (recording,) = cityscapes_recordings(tmp_path)
    (frame,) = recording.frames(0)
    assert (frame.camera, frame.ego) == (None, None)


@pytest.mark.parametrize(
    ("kind", "content"),
    [("camera", {"intrinsic": {}}), ("vehicle_sequence", {"speed": "fast"}), ("camera", [])],
)
def test_a_broken_json_file_is_one_line_with_its_name(tmp_path, kind, content):
    put(tmp_path, "ulm", 0, 0)
    path = put_json(tmp_path, kind, "ulm_000000_000000", content)
    with pytest.raises(SourceError, match=f"{path.name}: not a Cityscapes"):
        cityscapes_recordings(tmp_path)
    path.write_text("{")
    with pytest.raises(SourceError, match="not readable as JSON"):
        cityscapes_recordings(tmp_path)
