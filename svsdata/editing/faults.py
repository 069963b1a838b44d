"""What a value of the edit language should have been, in the language's own words."""

from collections.abc import Sequence

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from svsdata.editing.values import COLOUR_NAMES
from svsdata.editing.yaml_data import short
from svsdata.errors import did_you_mean

_UNITS = {"m": "of metres", "mps": "of metres a second", "deg": "of degrees", "s": "of seconds"}
"""By the end of a word's name, its own or that of the word around it."""
_EXPECTED = {
    "names": "expected a name or a list of names",
    "colour": "expected a colour, such as navy or '#1e4f8b'",
    "mapping_type": "expected a mapping, such as {height: 3.5}",
    "dict_type": "expected a mapping, such as {height: 3.5}",
    "tuple_type": "expected a list",
    "too_short": "expected a list of one or more",
    "missing": "is missing",
    "string_type": "expected a word or a text",
    "string_pattern_mismatch": "expected a word of letters, digits, - and _",
}
"""By the kind of a fault."""
_INSTEAD = {
    "recolor": "what a recording shows keeps its colour; 'add' and 'replace' take a 'colour'",
    "insert": "'add' puts objects into the frames",
    "delete": "'remove' takes objects away",
    "erase": "'remove' takes objects away",
    "move": "'shift' moves objects, 'retime' lets them come later or earlier",
    "delay": "'retime' lets objects come later or earlier",
    "swap": "'replace' puts another thing in an object's place",
    "color": "write 'colour'",
    "box": "'solid' draws the solid of its class",
    "mesh": "meshes are not read; 'library' draws outlines of real objects",
    "l": "write 'length'",
    "w": "write 'width'",
    "h": "write 'height'",
}
"""Words that one may look for, and what there is."""


def words_of(records: Sequence[type[BaseModel]]) -> frozenset[str]:
    """Return the words that records know, as a file says them."""
    return frozenset(
        field.alias or name for record in records for name, field in record.model_fields.items()
    )


def first_fault(error: ValidationError, place: str, records: Sequence[type[BaseModel]]) -> str:
    """Tell the first fault of a document, with the word that was probably meant.

    Args:
        error: What pydantic found.
        place: Of what it looked at, in the document; empty: all of it.
        records: Of the language.
    """
    first, *others = error.errors()
    # A word that is missing may be the one that is mistyped.
    unknown_words = (one for one in (first, *others) if one["type"] == "extra_forbidden")
    fault = next(unknown_words, first)
    # A frame is a number or a word: the second finding is that it is not that word.
    word = f", or {others[0]['ctx']['expected']}" if fault["loc"][-1:] == ("int",) else ""
    loc = fault["loc"][:-1] if word else fault["loc"]
    parts = [str(part) for part in (place, *loc) if part not in ("", "[key]")]
    where = ".".join(parts) or "document"
    if fault["type"] == "extra_forbidden":
        unknown = str(fault["loc"][-1])
        return f"{where}: unknown key{did_you_mean(unknown, words_of(records) - {unknown})}"
    got = "" if fault["type"] == "missing" else f", got {short(fault['input'])}"
    return f"{where}: {_expectation(fault, records)}{word}{got}{_hint_at(fault)}"


def _hint_at(fault: ErrorDetails) -> str:
    """Return what was probably meant by a word that is not known in its place, or nothing."""
    word = str(fault["input"])
    if fault["type"] == "colour":
        return did_you_mean(word, COLOUR_NAMES)
    if fault["type"] != "literal_error":
        return ""
    if word in _INSTEAD:
        return f": {_INSTEAD[word]}"
    expected = str(fault["ctx"]["expected"]).replace(" or ", ",")
    return did_you_mean(word, [known.strip(" '") for known in expected.split(",")])


def _expectation(fault: ErrorDetails, records: Sequence[type[BaseModel]]) -> str:
    """Say what was expected in the place of a fault."""
    kind = fault["type"]
    if kind == "span":
        return f"expected a number{_unit(fault)}, or two as [low, high]"
    if kind == "pair":
        return f"expected two numbers{_unit(fault)} as [1, 2]"
    if kind == "model_type":
        (record,) = (one for one in records if one.__name__ == fault["ctx"]["class_name"])
        words = [field.alias or name for name, field in record.model_fields.items()]
        return f"expected a mapping of {', '.join(words)}"
    if kind.startswith("int_"):
        return "expected a whole number"
    if kind.startswith("float_"):
        return f"expected a number{_unit(fault)}"
    if kind in _EXPECTED:
        return _EXPECTED[kind]
    message = fault["msg"].removeprefix("Value error, ")
    return message.replace("Input should be", "must be")


def _unit(fault: ErrorDetails) -> str:
    """Return the unit of a number, or nothing where its name tells none."""
    for word in reversed(fault["loc"]):
        name, separator, end = str(word).rpartition("_")
        if (separator or not name) and end in _UNITS:
            return f" {_UNITS[end]}"
    return ""
