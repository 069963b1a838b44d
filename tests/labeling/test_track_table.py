import numpy as np

from svsdata.labeling.track_table import FORGOTTEN_AFTER, TrackTable


def frame(*ids: int) -> np.ndarray:
    return np.array([[7, 23, *ids]], np.uint16)


def test_first_and_last_frames_are_those_where_an_object_is_seen():
    table = TrackTable()
    for index, instance in enumerate([frame(26000), frame(26000, 24001), frame(), frame(24001)]):
        table.add(instance, index)
    tracks = {track.instance_id: track for track in table.tracks("s")}
    assert (tracks[26000].first_frame, tracks[26000].last_frame) == (0, 1)
    assert (tracks[24001].first_frame, tracks[24001].last_frame) == (1, 3)
    assert tracks[24001].label_id == 24
    assert len({track.track_id for track in tracks.values()}) == 2


def test_stuff_and_no_frames_give_no_tracks():
    table = TrackTable()
    assert table.tracks("s") == ()
    table.add(np.zeros((0, 0), np.uint16), 0)
    table.add(frame(), 1)
    assert table.tracks("s") == ()


def test_an_id_unseen_for_long_names_another_object_and_one_unseen_briefly_the_same():
    table = TrackTable()
    table.add(frame(26000, 26001), 0)
    table.add(frame(26001), FORGOTTEN_AFTER)
    table.add(frame(26000), FORGOTTEN_AFTER + 1)
    spans = [(t.instance_id, t.first_frame, t.last_frame) for t in table.tracks("s")]
    assert spans == [
        (26000, 0, 0),
        (26001, 0, FORGOTTEN_AFTER),
        (26000, FORGOTTEN_AFTER + 1, FORGOTTEN_AFTER + 1),
    ]


def test_a_table_gone_on_with_equals_one_that_was_never_stopped():
    frames = [frame(26000), frame(24001), frame(26000, 24001), frame(33002)]
    whole, before = TrackTable(), TrackTable()
    for index, instance in enumerate(frames):
        whole.add(instance, index)
    for index, instance in enumerate(frames[:2]):
        before.add(instance, index)
    after = TrackTable(before.state())
    for index, instance in enumerate(frames[2:], 2):
        after.add(instance, index)
    assert after.tracks("s") == whole.tracks("s")
