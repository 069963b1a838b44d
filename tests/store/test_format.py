import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from svsdata.errors import LabelSetError, StoreError
from svsdata.labels import CITYSCAPES, KITTI360
from svsdata.records import INSTANCE_BASE
from svsdata.store.columns import check_instances
from svsdata.store.format import check_sequence_id, record_path

ANY_ID = st.one_of(
    st.text(max_size=140),
    st.text(alphabet="aZ09._-/\\ \n\0", max_size=12),
    st.from_regex(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,127}", fullmatch=True),
)


@given(sequence_id=ANY_ID)
def test_an_id_is_refused_or_names_a_file_right_inside_the_store(sequence_id):
    allowed = re.fullmatch(r"[A-Za-z0-9._-]{1,128}", sequence_id) and sequence_id[0] != "."
    if allowed:
        assert check_sequence_id(sequence_id, "it") == sequence_id
        path = record_path(Path("/store"), sequence_id)
        assert path.resolve().parent == Path("/store/sequences")
    else:
        with pytest.raises(StoreError, match="cannot name a sequence"):
            record_path(Path("/store"), sequence_id)


@given(value=st.integers(0, 2**16 - 1), label_set=st.sampled_from([CITYSCAPES, KITTI360]))
def test_an_instance_id_is_a_class_or_a_thing_with_its_index(value, label_set):
    instance = np.full((2, 3), value, np.uint16)
    thing, index = divmod(value, INSTANCE_BASE)
    is_class = value < label_set.num_classes
    is_thing = 0 < thing < label_set.num_classes and label_set.labels[thing].has_instances
    assert 0 <= index < INSTANCE_BASE
    if is_class or is_thing:
        check_instances(instance, label_set, "it")
    else:
        with pytest.raises(LabelSetError, match=f"it: ids {value} are neither"):
            check_instances(instance, label_set, "it")
