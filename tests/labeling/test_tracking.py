from dataclasses import replace

import numpy as np
import pytest

from svsdata.errors import SourceError
from svsdata.labeling.track_table import FORGOTTEN_AFTER
from svsdata.labeling.tracking import LONGEST_GAP, InstanceTracker
from svsdata.labels import CITYSCAPES
from svsdata.records import Frame
from svsdata.street_world.scene import StreetWorld

ROAD, PERSON, CAR, TRUCK = 7, 24, 26, 27
SIZE = (12, 40)


def frame(*objects, index=0, moved=0.0, confidence=None) -> Frame:
    """Return a frame of boxes (instance id, first column, columns), which moved by so much."""
    instance = np.full(SIZE, ROAD, np.uint16)
    for instance_id, left, width in objects:
        instance[3:9, left : left + width] = instance_id
    semantic = np.where(instance >= 1000, instance // 1000, instance).astype(np.uint8)
    flow = np.zeros((*SIZE, 2), np.float32)
    flow[..., 0] = -moved
    sure = None if confidence is None else np.full(SIZE, confidence, np.uint8)
    return Frame(index, 0, semantic=semantic, instance=instance, flow=flow, confidence=sure)


def id_at(tracked: Frame, column: int) -> int:
    assert tracked.instance is not None
    return int(tracked.instance[5, column])


def test_ids_last_however_single_frames_number_their_objects():
    tracker, seen = InstanceTracker(CITYSCAPES), []
    for step in range(5):
        numbers = (26000, 26001) if step % 2 else (26001, 26000)
        lefts = (2 + 3 * step, 12 + 3 * step)
        cars = [(number, left, 5) for number, left in zip(numbers, lefts, strict=True)]
        tracked = tracker.track(frame(*cars, moved=3.0))
        seen.append([id_at(tracked, left) for left in lefts])
    assert seen == [seen[0]] * 5
    assert sorted(seen[0]) == [26000, 26001]


def test_an_object_that_leaves_takes_its_id_along():
    tracker = InstanceTracker(CITYSCAPES)
    tracker.track(frame((26000, 2, 5)))
    tracked = tracker.track(frame((26000, 30, 5)))
    assert id_at(tracked, 30) == 26001


def test_the_best_assignment_is_that_of_all_objects_together():
    # The first car overlaps both: greedy matching would give it the second one's place.
    tracker = InstanceTracker(CITYSCAPES)
    tracker.track(frame((26000, 4, 8), (26001, 12, 8)))
    tracked = tracker.track(frame((26005, 8, 7), (26006, 15, 8)))
    assert [id_at(tracked, 9), id_at(tracked, 20)] == [26000, 26001]


@pytest.mark.parametrize("gap", [1, LONGEST_GAP])
def test_an_object_that_is_missed_for_a_few_frames_is_carried_by_the_flow(gap):
    tracker = InstanceTracker(CITYSCAPES)
    tracker.track(frame((26000, 2, 6)))
    for _ in range(gap):
        assert (tracker.track(frame(moved=2.0)).instance == ROAD).all()
    tracked = tracker.track(frame((26003, 2 + 2 * gap + 2, 6), moved=2.0))
    assert id_at(tracked, 2 * gap + 5) == 26000


def test_an_object_missed_for_longer_is_another():
    tracker = InstanceTracker(CITYSCAPES)
    tracker.track(frame((26000, 2, 6)))
    for _ in range(LONGEST_GAP + 1):
        tracker.track(frame())
    assert id_at(tracker.track(frame((26000, 2, 6))), 3) == 26001


def test_an_object_behind_another_is_found_where_it_moves_to():
    tracker = InstanceTracker(CITYSCAPES)
    for step in range(4):
        tracker.track(frame((26000, 3 * step, 6), (27000, 14, 10), moved=0.0 if step == 0 else 3.0))
    for _ in range(3):  # the truck hides it, and its flow carries nothing
        tracker.track(frame((27000, 9, 15)))
    tracked = tracker.track(frame((26001, 20, 6), (27000, 9, 8)))
    assert id_at(tracked, 22) == 26000


def test_a_class_seen_once_changes_nothing_and_the_semantic_map_follows_the_object():
    tracker = InstanceTracker(CITYSCAPES)
    for label in (CAR, CAR, TRUCK):
        tracked = tracker.track(frame((label * 1000, 5, 8)))
    assert id_at(tracked, 6) == 26000
    assert tracked.semantic[5, 6] == CAR


def test_a_class_that_takes_the_lead_by_confidence_renames_the_object():
    tracker = InstanceTracker(CITYSCAPES)
    tracker.track(frame((26000, 5, 8), confidence=60))
    tracked = tracker.track(frame((27000, 5, 8), confidence=255))
    assert (id_at(tracked, 6), tracked.semantic[5, 6]) == (27000, TRUCK)
    assert id_at(tracker.track(frame((27004, 5, 8))), 6) == 27000


def test_without_renaming_the_semantic_map_stays_and_an_object_has_an_id_for_each_class():
    tracker = InstanceTracker(CITYSCAPES, renames=False)
    seen = []
    for index, label in enumerate((CAR, CAR, TRUCK, CAR, TRUCK, TRUCK, TRUCK, TRUCK)):
        tracked = tracker.track(frame((label * 1000 + index, 5, 8), (CAR * 1000 + 20, 20, 8)))
        assert tracked.semantic[5, 6] == label
        seen.append(id_at(tracked, 6))
    car, truck = seen[0], seen[2]
    assert (car // 1000, truck // 1000) == (CAR, TRUCK)
    assert seen == [car, car, truck, car, truck, truck, truck, truck]


def test_a_small_object_whose_masks_miss_each_other_is_met_by_nearness():
    tracker = InstanceTracker(CITYSCAPES)
    tracker.track(frame((26000, 5, 2)))
    assert id_at(tracker.track(frame((26004, 8, 2))), 8) == 26000


def test_the_outline_of_an_object_does_not_take_its_place():
    tracker = InstanceTracker(CITYSCAPES)
    tracker.track(frame((26000, 5, 20)))
    outline = frame((26000, 5, 20))
    outline.instance[3:8, 6:25] = CAR
    outline.instance[8, 5:24] = CAR
    tracker.track(frame())
    tracked = tracker.track(outline)
    assert tracked.instance[8, 24] == 26001
    assert id_at(tracker.track(frame((26003, 5, 20))), 12) == 26000


def test_an_object_that_was_in_two_halves_goes_on_as_itself():
    tracker = InstanceTracker(CITYSCAPES)
    for _ in range(4):
        tracker.track(frame((26000, 4, 20)))
    for number in (26000, 26001):
        halves = frame((number, 4, 9), (26005, 13, 11))
        assert {id_at(tracker.track(halves), column) for column in (5, 20)} == {26000}
        assert id_at(tracker.track(frame((26000, 4, 20))), 20) == 26000


def test_classes_of_other_categories_are_other_objects():
    tracker = InstanceTracker(CITYSCAPES)
    tracker.track(frame((26000, 5, 8)))
    tracked = tracker.track(frame((24000, 5, 8)))
    assert (id_at(tracked, 6), tracked.semantic[5, 6]) == (24000, PERSON)


def test_pieces_stay_with_their_object_for_a_while_and_then_part():
    tracker = InstanceTracker(CITYSCAPES)
    tracker.track(frame((26000, 4, 20)))
    ids = [id_at(tracker.track(frame((26000, 4, 14), (26001, 18, 6))), 20) for _ in range(4)]
    assert ids == [26000, 26000, 26000, 26001]


def test_crowds_and_stuff_keep_their_labels_and_empty_frames_are_frames():
    tracker = InstanceTracker(CITYSCAPES)
    empty = frame()
    empty.instance[:, :4] = CAR
    tracked = tracker.track(empty)
    np.testing.assert_array_equal(tracked.instance, empty.instance)
    assert id_at(tracker.track(frame((26000, 4, 6))), 5) == 26000


def test_without_flow_objects_are_taken_to_stand_still():
    tracker = InstanceTracker(CITYSCAPES)
    for number in (26000, 26007):
        tracked = tracker.track(replace(frame((number, 4, 6)), flow=None))
    assert id_at(tracked, 5) == 26000


def test_ids_are_dealt_again_only_long_after_and_too_many_are_an_error():
    tracker = InstanceTracker(CITYSCAPES)
    instance = np.full(SIZE, ROAD, np.uint16)
    for round_ in range(4):
        instance[:, :] = ROAD
        instance[:10, :25] = 26000 + np.arange(250).reshape(10, 25)
        semantic = np.where(instance >= 1000, CAR, ROAD).astype(np.uint8)
        tracker.track(Frame(round_, 0, semantic=semantic, instance=instance.copy()))
        for _ in range(LONGEST_GAP + 1):
            tracker.track(frame())
    with pytest.raises(SourceError, match="over 1000 objects of class 26 within 100 frames"):
        tracker.track(frame((26000, 4, 6)))
    for _ in range(FORGOTTEN_AFTER):
        tracker.track(frame())
    assert id_at(tracker.track(frame((26000, 4, 6))), 5) == 26000


def street_frames(count: int) -> list[tuple[Frame, np.ndarray]]:
    """Return frames whose instances are numbered anew, now and then dropped, and the truth."""
    rng, world, frames = np.random.default_rng(0), StreetWorld(3, size_hw=(64, 128)), []
    for index in range(count):
        street = world.render(index, image=False)
        single = street.instance.copy()
        things = rng.permutation(np.unique(single[single >= 1000]))
        for number, it in enumerate(things):
            dropped = rng.random() < 0.1
            own = it // 1000 if dropped else it // 1000 * 1000 + number
            single[street.instance == it] = own
        frames.append(
            (
                Frame(index, 0, semantic=street.semantic, instance=single, flow=street.flow),
                street.instance,
            )
        )
    return frames


def test_a_tracker_gone_on_with_at_any_frame_gives_the_same_ids():
    frames = [it for it, _ in street_frames(12)]
    tracker = InstanceTracker(CITYSCAPES)
    whole, states = [], []
    for it in frames:
        whole.append(tracker.track(it).instance)
        states.append(tracker.state())
    for stop in (1, 4, 9):
        again = InstanceTracker(CITYSCAPES, states[stop - 1])
        for it, expected in zip(frames[stop:], whole[stop:], strict=True):
            np.testing.assert_array_equal(again.track(it).instance, expected)


def test_objects_of_a_street_keep_their_ids():
    tracker, kept, all_pairs, last = InstanceTracker(CITYSCAPES), 0, 0, {}
    for single, truth in street_frames(30):
        tracked = tracker.track(single).instance
        np.testing.assert_array_equal(tracked >= 1000, single.instance >= 1000)
        for it in np.unique(truth[truth >= 1000]):
            pixels = tracked[truth == it]
            if len(pixels) >= 20 and pixels[0] >= 1000:
                all_pairs += it in last
                kept += last.get(it) == pixels[0]
                last[it] = pixels[0]
    assert all_pairs > 50
    assert kept / all_pairs > 0.97
