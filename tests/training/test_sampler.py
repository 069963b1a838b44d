from dataclasses import replace

import pytest

from svsdata.training.sampler import ClipSampler, Recording

RECORDINGS = (Recording("a", 30), Recording("b", 95), Recording("c", 31))


def sampler(seed=0):
    return ClipSampler(RECORDINGS, longest=30, seed=seed)


def test_an_epoch_takes_a_clip_for_every_longest_clip_of_a_recording():
    assert sampler().clips_per_epoch == 1 + 3 + 1
    drawn = [sampler().clip(number, 30, flips=False).sequence_id for number in range(5)]
    assert sorted(drawn) == ["a", "b", "b", "b", "c"]


def test_clips_are_a_pure_function_of_seed_and_number():
    one, other = sampler(), sampler()
    forwards = [one.clip(number, 12, flips=True) for number in range(20)]
    backwards = [other.clip(number, 12, flips=True) for number in reversed(range(20))]
    assert forwards == backwards[::-1]
    assert forwards != [sampler(1).clip(number, 12, flips=True) for number in range(20)]


def test_each_epoch_has_an_order_of_its_own():
    orders = {
        tuple(sampler().clip(epoch * 5 + i, 30, flips=False).sequence_id for i in range(5))
        for epoch in range(8)
    }
    assert len(orders) > 1


@pytest.mark.parametrize("num_frames", [2, 17, 30])
def test_clips_stay_inside_their_recordings_and_reach_both_ends(num_frames):
    lengths = {recording.sequence_id: recording.num_frames for recording in RECORDINGS}
    clips = [sampler().clip(number, num_frames, flips=True) for number in range(600)]
    assert all(0 <= c.start <= lengths[c.sequence_id] - num_frames for c in clips)
    starts = [c.start for c in clips if c.sequence_id == "b"]
    assert (min(starts), max(starts)) == (0, 95 - num_frames) or num_frames == 2
    assert 200 < sum(c.flip for c in clips) < 400


def test_corners_reach_all_that_a_margin_leaves_and_change_nothing_else():
    plain = [sampler().clip(number, 12, flips=True) for number in range(300)]
    cut = [sampler().clip(number, 12, flips=True, margin_hw=(4, 9)) for number in range(300)]
    assert [replace(clip, corner=(0, 0)) for clip in cut] == plain
    assert {clip.corner for clip in cut} >= {(0, 0), (4, 0), (0, 9), (4, 9)}
    assert all(top <= 4 and left <= 9 for top, left in (clip.corner for clip in cut))


def test_strided_clips_stay_inside_too_and_a_pass_sees_as_many_frames():
    strided = [replace(recording, frame_stride=3) for recording in RECORDINGS]
    assert [recording.longest_clip for recording in strided] == [10, 32, 11]
    one = ClipSampler(strided, longest=10, seed=0)
    assert one.clips_per_epoch == 3 + 9 + 3
    lengths = {recording.sequence_id: recording.num_frames for recording in RECORDINGS}
    clips = [one.clip(number, 10, flips=True) for number in range(600)]
    assert all(clip.stop == clip.start + 28 <= lengths[clip.sequence_id] for clip in clips)
    assert {clip.start for clip in clips if clip.sequence_id == "a"} == {0, 1, 2}
    starts = [clip.start for clip in clips if clip.sequence_id == "b"]
    assert (min(starts), max(starts)) == (0, 95 - 28)


@pytest.mark.parametrize(("num_frames", "stride", "longest"), [(1, 1, 1), (3, 3, 1), (4, 3, 2)])
def test_the_longest_clip_of_a_recording_ends_with_it(num_frames, stride, longest):
    assert Recording("a", num_frames, stride).longest_clip == longest
