"""The ``where`` of a selector: comparisons of named quantities, joined by ``and`` and ``or``.

A condition is parsed by hand into a small tree and computed on whole columns; nothing of it is
ever run as code.

    condition  = alternative {"or" alternative}
    alternative = comparison {"and" comparison}
    comparison = "(" condition ")" | value sign value [sign value]
    value      = number | quantity
    sign       = "<" | "<=" | ">" | ">=" | "==" | "!="
"""

import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import reduce
from typing import Any

import numpy as np
from numpy.typing import NDArray

from svsdata.errors import did_you_mean

QUANTITIES = {
    "frame": "index of the frame",
    "seconds": "time of the frame since the first",
    "ahead_m": "metres ahead of the vehicle",
    "left_m": "metres left of the vehicle; right is negative",
    "distance_m": "metres from the vehicle over the ground",
    "height_px": "rows that it covers on the screen",
    "width_px": "columns that it covers on the screen",
    "speed_mps": "its own speed over the ground",
    "track_len": "frames in which the object is seen",
    "first_frame": "first frame in which the object is seen",
    "last_frame": "last frame in which the object is seen",
}
"""What a condition can speak of: of an object in one frame, or of its whole track."""

Columns = Mapping[str, NDArray[np.float64]]
"""(N,) values of every quantity, one for each object in each frame."""

_SIGNS: Mapping[str, Callable[[Any, Any], Any]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
}
_TOKEN = re.compile(
    r"\s*(?:(?P<number>[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,2})?)(?![\w.])"
    r"|(?P<word>[A-Za-z_]\w*)|(?P<sign><=|>=|==|!=|<|>)|(?P<bracket>[()]))"
)
_MAX_LENGTH = 400


@dataclass(frozen=True)
class Comparison:
    """``left sign right`` of numbers and quantities."""

    left: float | str
    sign: str
    right: float | str

    def holds(self, columns: Columns) -> NDArray[np.bool_]:
        """Return (N,) where it is true."""
        left, right = (columns[v] if isinstance(v, str) else v for v in (self.left, self.right))
        return np.asarray(_SIGNS[self.sign](left, right), bool)


@dataclass(frozen=True)
class Joined:
    """Conditions of which all, or any, must hold."""

    word: str
    """``and`` or ``or``."""
    parts: tuple["Condition", ...]

    def holds(self, columns: Columns) -> NDArray[np.bool_]:
        """Return (N,) where it is true."""
        join = np.logical_and if self.word == "and" else np.logical_or
        return np.asarray(reduce(join, [part.holds(columns) for part in self.parts]), bool)


Condition = Comparison | Joined


def parse_condition(text: str) -> Condition:
    """Parse a condition.

    Raises:
        ValueError: Naming what was not understood, and the quantity that was probably meant.
    """
    if len(text) > _MAX_LENGTH:
        raise ValueError(f"a condition has at most {_MAX_LENGTH} characters, got {len(text)}")
    return _Parser(text).parse()


class _Parser:
    """Reads tokens from left to right."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = list(_tokens(text))
        self._next = 0

    def parse(self) -> Condition:
        condition = self._joined("or")
        if self._peek()[1]:
            raise ValueError(f"expected 'and', 'or' or the end before '{self._peek()[1]}'")
        return condition

    def _joined(self, word: str) -> Condition:
        parts = [self._joined("and") if word == "or" else self._comparison()]
        while self._peek() == ("word", word):
            self._next += 1
            parts.append(self._joined("and") if word == "or" else self._comparison())
        return parts[0] if len(parts) == 1 else Joined(word, tuple(parts))

    def _comparison(self) -> Condition:
        if self._peek() == ("bracket", "("):
            self._next += 1
            inner = self._joined("or")
            if self._take() != ("bracket", ")"):
                raise ValueError("a '(' is not closed")
            return inner
        values, signs = [self._value()], list[str]()
        while self._peek()[0] == "sign" and len(signs) < 2:
            signs.append(self._take()[1])
            values.append(self._value())
        if not signs:
            found = self._peek()[1] or "the end"
            raise ValueError(f"expected a comparison such as 'ahead_m < 40', found {found!r}")
        parts = tuple(map(Comparison, values, signs, values[1:]))
        return parts[0] if len(parts) == 1 else Joined("and", parts)

    def _value(self) -> float | str:
        kind, text = self._take()
        if kind == "number":
            return float(text)
        if kind == "word" and text in QUANTITIES:
            return text
        if kind == "word" and text not in ("and", "or"):
            hint = did_you_mean(text, QUANTITIES)
            raise ValueError(f"unknown quantity '{text}'{hint}; known: {', '.join(QUANTITIES)}")
        raise ValueError(f"expected a number or a quantity, found '{text or 'the end'}'")

    def _peek(self) -> tuple[str, str]:
        return self._tokens[self._next] if self._next < len(self._tokens) else ("end", "")

    def _take(self) -> tuple[str, str]:
        token = self._peek()
        self._next += 1
        return token


def _tokens(text: str) -> list[tuple[str, str]]:
    """Cut a text into (kind, text) pairs."""
    tokens, place, end = [], 0, len(text.rstrip())
    while place < end:
        match = _TOKEN.match(text, place)
        if match is None:
            raise ValueError(
                f"'{text[place:].strip()[:20]}' is not understood; a condition is made of "
                "comparisons (< <= > >= == !=) of numbers and quantities, joined by 'and' and 'or'"
            )
        tokens.append((str(match.lastgroup), match[0].strip()))
        place = match.end()
    return tokens
