import numpy as np
import pytest

from svsdata.errors import SourceError
from svsdata.labeling.sources.street import street_recording
from svsdata.street_world.scene import StreetWorld


def test_frames_are_the_worlds_own_from_any_position():
    recording = street_recording("street:seed=3,frames=5,fps=5,size=64x32")
    truth = StreetWorld(3, size_hw=(32, 64), fps=5.0).render(4)
    (frame,) = recording.frames(4)
    np.testing.assert_array_equal(frame.image, truth.image)
    np.testing.assert_array_equal(frame.instance, truth.instance)
    np.testing.assert_array_equal(frame.flow, truth.flow)
    assert (frame.frame_index, frame.source_frame, frame.timestamp_us) == (4, 4, 800_000)
    assert (frame.camera.flag, frame.ego.flag) == ("given", "given")
    assert next(recording.frames(0)).flow is None


def test_the_source_text_describes_the_same_world():
    recording = street_recording("street:frames=3")
    assert recording.source == "street:seed=0,frames=3,fps=10,size=512x256"
    assert street_recording(recording.source) == recording
    assert recording.sequence_id == "street-0"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("street:seed=7", "'frames' is missing"),
        ("street:frames=ten", "not a number"),
        ("street:frames=3,size=64", "not a number"),
        ("street:frames=3,colour=red", "cannot read 'colour=red'"),
        ("street:frames=3,frames=4", "cannot read 'frames=4'"),
        ("street:", "cannot read ''"),
        ("street:frames=0", "must be positive"),
        ("street:frames=3,fps=-1", "fps must be at least 2"),
        ("street:frames=3,fps=nan", "fps must be at least 2"),
        ("street:frames=3,fps=inf", "fps must be at least 2"),
        ("street:frames=3,size=13x40", "size must be at least 16x16"),
    ],
)
def test_what_cannot_be_read_is_named(text, message):
    with pytest.raises(SourceError, match=message):
        street_recording(text)
