from dataclasses import replace

import numpy as np
import pytest

from svsdata.errors import ExportError
from svsdata.export.gating import REJECTED, Gate
from svsdata.labels import CITYSCAPES, CITYSCAPES_TRAIN, NO_LABEL
from svsdata.records import Frame
from svsdata.store.gate_table import NOT_JUDGED, ClassTally, GateRow, ObjectView, loss_code

SIZE = (4, 6)
CLASSES = {"road": ClassTally(100, 90, 20.0), "car": ClassTally(10, 5, 10.0)}


def frame() -> Frame:
    semantic = np.full(SIZE, 7, np.uint8)
    semantic[:, 3:] = 26
    instance = np.where(semantic == 26, 26_001, 7).astype(np.uint16)
    return Frame(0, 0, semantic=semantic, instance=instance)


def row(voted: float = 1.0) -> GateRow:
    """Losses of 0.3 but for a column of road and one of car at 0.9."""
    losses = np.full(SIZE, 0.3, np.float32)
    losses[:, (0, 5)] = 0.9
    return GateRow(0, loss_code(losses), (ObjectView(26_001, 12, 0.5, voted),))


def test_pixels_above_a_multiple_of_their_classs_mean_become_unlabeled():
    # The mean is 0.2 for road and 1.0 for car: 0.9 is high for road alone.
    gate = Gate(CITYSCAPES, CLASSES, loss_ratio=2.0, object_agreement=None)
    given = replace(frame(), provenance=np.full(SIZE, 3, np.uint8))
    (found,) = gate.blanked([given], [row(voted=0.0)])
    rejected = np.zeros(SIZE, bool)
    rejected[:, 0] = True
    np.testing.assert_array_equal(found.semantic, np.where(rejected, 0, frame().semantic))
    np.testing.assert_array_equal(found.instance, np.where(rejected, 0, frame().instance))
    np.testing.assert_array_equal(found.provenance, np.where(rejected, REJECTED, 3))
    assert (found.semantic.dtype, found.instance.dtype) == (np.uint8, np.uint16)


@pytest.mark.parametrize(("voted", "blank"), [(0.39, True), (0.4, False)])
def test_objects_below_the_agreement_go_as_a_whole(voted, blank):
    gate = Gate(CITYSCAPES, CLASSES, loss_ratio=None, object_agreement=0.4)
    (found,) = gate.blanked([frame()], [row(voted)])
    assert (found.semantic[:, 3:] == 0).all() == blank
    assert (found.semantic[:, :3] == 7).all()
    assert set(np.unique(found.provenance)) == ({0, REJECTED} if blank else {0})


def test_what_the_judge_does_not_know_is_never_rejected():
    gate = Gate(CITYSCAPES, CLASSES, loss_ratio=0.01, object_agreement=None)
    unjudged = GateRow(0, np.full(SIZE, NOT_JUDGED, np.uint8), ())
    (found,) = gate.blanked([frame()], [unjudged])
    np.testing.assert_array_equal(found.semantic, frame().semantic)


def test_a_label_set_without_unlabeled_takes_the_void_id():
    semantic = np.zeros(SIZE, np.uint8)
    gate = Gate(CITYSCAPES_TRAIN, {"road": CLASSES["road"]}, loss_ratio=2.0, object_agreement=None)
    (found,) = gate.blanked([Frame(0, 0, semantic=semantic)], [row()])
    assert (found.semantic[:, 0] == NO_LABEL).all()
    assert found.instance is None


def test_findings_of_another_size_are_refused():
    gate = Gate(CITYSCAPES, CLASSES, loss_ratio=2.0, object_agreement=None)
    other = GateRow(0, np.zeros((2, 2), np.uint8), ())
    with pytest.raises(ExportError, match="another size"):
        list(gate.blanked([frame()], [other]))
