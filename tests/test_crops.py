import pytest

from svsdata.crops import crop_advice, rows_of_shape


@pytest.mark.parametrize(
    ("size_hw", "shape_hw", "rows"),
    [
        ((360, 640), (256, 512), 320),
        ((480, 640), (1, 2), 320),
        ((376, 1408), (128, 512), 352),
        ((256, 512), (1, 2), 256),
        ((200, 1600), (1, 2), None),  # too wide: rows alone cannot help
        ((376, 1241), (1, 4), None),  # no whole number of rows
    ],
)
def test_the_rows_that_have_another_shape(size_hw, shape_hw, rows):
    assert rows_of_shape(size_hw, shape_hw) == rows
    if rows is not None:
        assert rows * shape_hw[1] == size_hw[1] * shape_hw[0]
    advice = crop_advice(size_hw, shape_hw)
    assert (f"crop_rows={rows}" in advice) == (rows is not None)
