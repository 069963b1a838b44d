import numpy as np
import pytest

from svsdata.editing.where import QUANTITIES, parse_condition

COLUMNS = {name: np.array([-5.0, 0.0, 3.0, 40.0]) for name in QUANTITIES}
COLUMNS["track_len"] = np.array([1.0, 30.0, 30.0, 5.0])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ahead_m < 3", [1, 1, 0, 0]),
        ("ahead_m<=3 and track_len >= 20", [0, 1, 1, 0]),
        ("left_m < -4 or ahead_m > 10 and track_len > 10", [1, 0, 0, 0]),
        ("(left_m < -4 or ahead_m > 10) and track_len < 10", [1, 0, 0, 1]),
        ("-5 < ahead_m <= 3", [0, 1, 1, 0]),
        ("3 == ahead_m", [0, 0, 1, 0]),
        ("ahead_m != 3e0", [1, 1, 0, 1]),
        ("ahead_m < left_m", [0, 0, 0, 0]),
    ],
)
def test_a_condition_holds_where_it_should(text, expected):
    assert parse_condition(text).holds(COLUMNS).tolist() == [bool(x) for x in expected]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "expected a number or a quantity, found 'the end'"),
        ("ahed_m < 3", r"unknown quantity 'ahed_m' \(did you mean 'ahead_m'\?\)"),
        ("ahead_m", "expected a comparison"),
        ("ahead_m < 3 ahead_m", "expected 'and', 'or' or the end"),
        ("ahead_m < 3 and", "found 'the end'"),
        ("(ahead_m < 3", r"'\(' is not closed"),
        ("1 < ahead_m < 2 < 3", "expected 'and'"),
        ("__import__('os')", "is not understood"),
        ("__import__ < 3", "unknown quantity '__import__'"),
        ("ahead_m < 3; x", "is not understood"),
        ("ahead_m < 10 ** 9", "is not understood"),
        ("ahead_m < 1" + "0" * 500, "at most 400 characters"),
    ],
)
def test_anything_else_is_told(text, message):
    with pytest.raises(ValueError, match=message):
        parse_condition(text)
