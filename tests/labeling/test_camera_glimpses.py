from dataclasses import replace

import pytest

from svsdata.errors import SourceError
from svsdata.labeling.camera_glimpses import fit_shared_horizon
from svsdata.labeling.flow_labelers import NoFlow
from svsdata.labeling.labelers import ExactLabels
from svsdata.labeling.labelled_frames import BadFrames, Chain
from svsdata.labeling.sources.recording import BadFrame
from svsdata.labeling.sources.street import street_recording
from svsdata.labels import CITYSCAPES

STREET = street_recording("street:seed=4,frames=30,size=256x128")


class Uncounted:
    """A recording as of a video whose header tells no number of frames."""

    sequence_id, source, fps, num_frames, folders = "drive", "drive.mkv", 10.0, None, ()
    camera = None

    def __init__(self, num_frames):
        self._num_frames = num_frames

    def frames(self, start):
        yield from replace(STREET, num_frames=self._num_frames).frames(start)
        if self._num_frames < STREET.num_frames:
            yield BadFrame(self._num_frames, "drive.mkv: is cut")


def fit(recording, num_frames, *, skip=False):
    chain = Chain((128, 256), CITYSCAPES, NoFlow())
    bad = BadFrames(skip=skip)
    found = fit_shared_horizon([recording], lambda _: ExactLabels(), chain, bad, num_frames)
    return found, bad


def test_a_recording_that_tells_no_number_of_frames_is_looked_at_as_often():
    known, _ = fit(STREET, 10)
    assert known.num_cars > 20
    assert fit(Uncounted(30), 10)[0] == known


def test_a_cut_recording_that_tells_no_number_of_frames_is_refused_or_looked_at():
    with pytest.raises(SourceError, match="is cut"):
        fit(Uncounted(9), 10)
    found, bad = fit(Uncounted(9), 10, skip=True)
    assert list(bad.reasons) == [9]
    assert 0 < found.num_cars < fit(STREET, 10)[0].num_cars
