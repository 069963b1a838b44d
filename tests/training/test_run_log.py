import json

import numpy as np
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from svsdata.errors import StoreError
from svsdata.images import decode_image
from svsdata.training.previews import Preview, preview_strip
from svsdata.training.run_log import FigureMeans, RunLog
from svsdata.video_codec import video_info


def steps_of(run):
    return [json.loads(line)["step"] for line in (run / "stats.jsonl").read_text().splitlines()]


def test_figures_are_lines_of_json_and_events(tmp_path):
    with RunLog(tmp_path, first_step=0) as log:
        log.figures(20, {"loss/flow": 1.5})
    assert json.loads((tmp_path / "stats.jsonl").read_text()) == {"step": 20, "loss/flow": 1.5}
    assert list((tmp_path / "tensorboard").iterdir())


def test_figures_without_room_are_an_error_of_one_line(tmp_path, room_for):
    with RunLog(tmp_path, first_step=0) as log:
        log.figures(2, {})
        with room_for(100), pytest.raises(StoreError, match=r"cannot write: .*: free space"):
            log.figures(4, {"loss/" + 100 * "x": 1.5})
    assert steps_of(tmp_path)[0] == 2


def test_a_resumed_run_drops_figures_behind_its_checkpoint_and_a_line_cut_short(tmp_path):
    with RunLog(tmp_path, first_step=0) as log:
        for step in (2, 4, 6):
            log.figures(step, {})
    with (tmp_path / "stats.jsonl").open("a") as file:
        file.write('{"step": 8, "loss/fl')
    with RunLog(tmp_path, first_step=4) as log:
        log.figures(5, {})
    assert steps_of(tmp_path) == [2, 4, 5]


def test_a_resumed_run_shows_the_figures_of_its_checkpoint_and_not_those_behind(tmp_path):
    for first_step, steps in ((0, (2, 4, 6)), (4, (5,))):
        with RunLog(tmp_path, first_step=first_step) as log:
            for step in steps:
                log.figures(step, {"loss/flow": 1.5})
    events = EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    assert [event.step for event in events.Scalars("loss/flow")] == [2, 4, 5]


def test_a_run_that_cannot_go_on_for_want_of_room_keeps_its_figures(tmp_path, room_for):
    with RunLog(tmp_path, first_step=0) as log:
        for step in range(1, 9):
            log.figures(step, {"loss/flow": 1.5})
    with room_for(100), pytest.raises(StoreError, match="free space"):
        RunLog(tmp_path, first_step=8)
    assert steps_of(tmp_path) == [*range(1, 9)]


def test_means_are_over_the_steps_that_had_the_figure():
    means = FigureMeans({})
    means.add({"a": 1.0})
    means.add({"a": 3.0, "b": 5.0})
    assert means.take() == {"a": 2.0, "b": 5.0}
    assert means.take() == {}


def test_previews_are_tables_of_pictures_and_videos(tmp_path):
    black, white = np.zeros((4, 6, 3), np.uint8), np.full((4, 6, 3), 255, np.uint8)
    strip = preview_strip([[black, white], [white, black], [black, black]])
    assert strip.shape == (12, 12, 3)
    assert strip[0, 6:].all()
    with RunLog(tmp_path, first_step=0) as log:
        log.preview(250, Preview(strip, [black, white, black]), fps=5.0)
    data = (tmp_path / "previews" / "step-000000250.png").read_bytes()
    assert np.array_equal(decode_image(data, "preview"), strip)
    video = video_info(tmp_path / "previews" / "step-000000250.mp4")
    assert (video.size_hw, video.fps, video.num_frames) == ((4, 6), 5.0, 3)


def test_the_log_of_a_helping_process_writes_nothing(tmp_path):
    with RunLog(tmp_path / "run", first_step=0, writes=False) as log:
        log.figures(20, {"loss/flow": 1.5})
    assert not (tmp_path / "run").exists()
