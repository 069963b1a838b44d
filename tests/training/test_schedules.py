import itertools

import pytest

from svsdata.pipelines.configs.train import TrainConfig
from svsdata.pipelines.train_presets import train_preset
from svsdata.training.schedules import (
    Phase,
    learning_rate,
    rounds,
    span_at,
    steps_of_clip,
    timetable,
)

SIZE = (64, 128)


def paper_spans(steps=None, clips_per_epoch=10):
    phases = TrainConfig(store="s", run="r").phases
    return timetable(phases, clips_per_epoch=clips_per_epoch, backprop_frames=1, steps=steps)


@pytest.mark.parametrize(
    ("epoch", "clip_frames", "rate"),
    [(0, 6, 2e-4), (4, 6, 2e-4), (5, 12, 2e-4), (10, 24, 2e-4), (15, 30, 2e-4), (20, 30, 2e-4),
     (30, 30, 1e-4), (39, 30, 1e-5)],
)  # fmt: skip
def test_the_papers_schedule_grows_clips_and_then_lets_the_rate_fall(epoch, clip_frames, rate):
    spans = paper_spans(clips_per_epoch=10)
    steps_per_epoch = [10 * (length - 1) for length in [6] * 5 + [12] * 5 + [24] * 5 + [30] * 25]
    step = sum(steps_per_epoch[:epoch])
    assert span_at(spans, step).phase.clip_frames == clip_frames
    assert learning_rate(spans, step) == pytest.approx(rate)


def test_a_number_of_steps_scales_every_phase_alike():
    natural, scaled = paper_spans(clips_per_epoch=100), paper_spans(920)
    assert natural[-1].end_step == 100 * 920  # 920 generated frames a clip over 40 epochs
    assert [span.end_step for span in scaled] == [span.end_step / 100 for span in natural]


@pytest.mark.parametrize("steps", [1, 2, 7, 4000])
def test_spans_cover_all_steps_without_gaps_however_few_there_are(steps):
    spans = paper_spans(steps)
    assert spans[0].first_step == 0
    assert spans[-1].end_step == steps
    assert all(a.end_step == b.first_step for a, b in itertools.pairwise(spans))
    assert all(span_at(spans, step) for step in range(min(steps, 50)))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("demo", [0.1, 0.33, 0.22, 0.35]),
        ("carry", [0.24, 0.2, 0.08, 0.18, 0.3]),
        ("finetune", [0.3, 0.7]),
    ],
)
def test_a_small_preset_gives_each_phase_its_share_of_the_steps(name, expected):
    preset = train_preset(name)
    spans = timetable(preset["phases"], clips_per_epoch=3, backprop_frames=1, steps=preset["steps"])
    shares = [(span.end_step - span.first_step) / preset["steps"] for span in spans]
    assert shares == pytest.approx(expected, abs=1e-3)


@pytest.mark.parametrize(
    ("frames", "backprop", "steps"), [(2, 1, 1), (6, 1, 5), (6, 2, 3), (6, 9, 1)]
)
def test_a_clip_takes_a_step_for_each_chunk_of_generated_frames(frames, backprop, steps):
    assert steps_of_clip(frames, backprop) == steps


def test_rounds_follow_each_other_and_the_last_is_cut_where_the_steps_end():
    phases = [Phase(1, 4, SIZE, 1e-4, batch_size=2), Phase(1, 7, SIZE, 1e-4)]
    spans = timetable(phases, clips_per_epoch=8, backprop_frames=1, steps=20)
    made = list(rounds(spans, backprop_frames=1))
    assert [r.first_step for r in made[1:]] == [r.end_step for r in made[:-1]]
    assert [r.first_clip for r in made[1:]] == [
        r.first_clip + r.phase.batch_size for r in made[:-1]
    ]
    assert made[-1].end_step == 20
    assert made[0].num_steps == 3
    assert all(r.phase == span_at(spans, r.first_step).phase for r in made)
