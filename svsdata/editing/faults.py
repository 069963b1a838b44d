"""What a value of the edit language should have been, in the language's own words."""

from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel
from pydantic_core import ErrorDetails, PydanticCustomError

_UNITS = {"m": "of metres", "mps": "of metres a second", "deg": "of degrees", "s": "of seconds"}
"""By the end of a word's name, its own or that of the word around it."""


def as_span(value: object) -> tuple[Any, Any]:
    """Read one number, or the two that it is drawn from.

    Raises:
        PydanticCustomError: If it is something else.
    """
    if _is_number(value):
        return value, value
    if isinstance(value, list | tuple) and len(value) == 2 and all(map(_is_number, value)):
        return value[0], value[1]
    raise PydanticCustomError("span", "expected a number or two")


def as_pair(value: object) -> tuple[Any, Any]:
    """Read two numbers.

    Raises:
        PydanticCustomError: If it is something else.
    """
    if _is_number(value):
        raise PydanticCustomError("pair", "expected two numbers")
    try:
        return as_span(value)
    except PydanticCustomError as error:
        raise PydanticCustomError("pair", "expected two numbers") from error


def expectation(fault: ErrorDetails, records: Sequence[type[BaseModel]]) -> str:
    """Say what was expected in the place of a fault.

    Args:
        fault: As pydantic tells it.
        records: Of the language.
    """
    kind = fault["type"]
    if kind == "span":
        return f"expected a number{_unit(fault)}, or two as [low, high]"
    if kind == "pair":
        return f"expected two numbers{_unit(fault)} as [1, 2]"
    if kind == "model_type":
        (record,) = (one for one in records if one.__name__ == fault["ctx"]["class_name"])
        words = [field.alias or name for name, field in record.model_fields.items()]
        return f"expected a mapping of {', '.join(words)}"
    if kind in ("mapping_type", "dict_type"):
        return "expected a mapping, such as {height: 3.5}"
    if kind.startswith("int_"):
        return "expected a whole number"
    if kind.startswith("float_"):
        return f"expected a number{_unit(fault)}"
    if kind == "tuple_type":
        return "expected a list"
    if kind == "too_short":
        return "expected a list of one or more"
    if kind == "missing":
        return "is missing"
    message = fault["msg"].removeprefix("Value error, ")
    return message.replace("Input should be", "must be")


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _unit(fault: ErrorDetails) -> str:
    """Return the unit of a number, or nothing where its name tells none."""
    for word in reversed(fault["loc"]):
        name, separator, end = str(word).rpartition("_")
        if (separator or not name) and end in _UNITS:
            return f" {_UNITS[end]}"
    return ""
