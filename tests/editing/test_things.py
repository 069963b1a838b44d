import numpy as np

from svsdata.editing.things import things_in


def test_things_are_where_a_search_of_every_pixel_finds_them():
    rng = np.random.default_rng(1)
    instance = rng.choice(np.array([7, 24_001, 26_001, 26_002], np.uint16), (13, 17))
    instance[9:] = 7
    instance[12, 3] = 25_001
    instance[0, 5] = 33_009
    found = things_in(instance)
    assert found.instance_id.tolist() == [24_001, 25_001, 26_001, 26_002, 33_009]
    assert found.present.tolist() == [7, *found.instance_id.tolist()]
    for one, foot, box in zip(found.instance_id, found.foot, found.box, strict=True):
        rows, columns = np.nonzero(instance == one)
        assert foot.tolist() == [columns[rows == rows.max()].mean(), rows.max()]
        assert box.tolist() == [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]


def test_a_frame_without_things_has_none():
    found = things_in(np.full((3, 4), 11, np.uint16))
    assert found.instance_id.size == 0
    assert found.foot.shape == (0, 2)
    assert found.box.shape == (0, 4)
    assert found.present.tolist() == [11]
