from collections import Counter
from dataclasses import dataclass

from svsdata.editing.occlusion import Rect
from svsdata.editing.painting import EditFrame
from svsdata.editing.tables import EditLog

READS: Counter[int] = Counter()


@dataclass(frozen=True)
class Watched(EditFrame):
    """An event that counts how often it is turned into a row."""

    def __getattribute__(self, name):
        if name == "foot_uv":
            READS[self.frame_index] += 1
        return super().__getattribute__(name)


def event(frame_index, kind=EditFrame):
    box = Rect(1, 2, 3, 4)
    return kind(frame_index, 0, "truck", 0, 27001, box, (1.5, 2.5), 12.0, 1.0, 100, 0.25)


def test_states_on_the_way_change_nothing_and_are_gone_on_from():
    whole, halfway = EditLog("s"), EditLog("s")
    for index in range(9):
        whole.add(event(index))
        halfway.add(event(index))
        if index == 5:
            halfway.state(4)  # two events are ahead of what is written
            state = halfway.state(5)
    went_on = EditLog("s", state)
    for index in range(5, 9):
        went_on.add(event(index))
    assert whole.table(9).num_rows == 9
    assert halfway.table(9).equals(whole.table(9))
    assert went_on.table(9).equals(whole.table(9))
    assert went_on.state(9)["edit_frames"].tobytes() == whole.state(9)["edit_frames"].tobytes()


def test_what_an_event_came_to_is_told_once_however_often_the_state_is_kept():
    log = EditLog("s")
    READS.clear()
    for index in range(12):
        log.add(event(index, Watched))
        log.state(index + 1)
    assert set(READS) == set(range(12))
    assert len(set(READS.values())) == 1
