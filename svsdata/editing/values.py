"""Values of the edit language: numbers that may be drawn from a span, pairs, names, colours."""

from typing import Annotated, Any

from PIL import ImageColor
from pydantic import AfterValidator, BeforeValidator, Field, Strict
from pydantic_core import PydanticCustomError

from svsdata.records import RgbLevels

COLOUR_NAMES = tuple(ImageColor.colormap)
"""Of CSS."""


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


def above_zero(span: tuple[float, float]) -> tuple[float, float]:
    """Return a span whose low end is more than 0.

    Raises:
        ValueError: If it is not.
    """
    if span[0] <= 0:
        raise ValueError("must be greater than 0")
    return span


def not_below_zero(span: tuple[float, float]) -> tuple[float, float]:
    """Return a span whose low end is 0 or more.

    Raises:
        ValueError: If it is not.
    """
    if span[0] < 0:
        raise ValueError("must be 0 or more")
    return span


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


def as_names(value: object) -> tuple[Any, ...]:
    """Read one name, or a list of them.

    Raises:
        PydanticCustomError: If it is something else.
    """
    names = [value] if isinstance(value, str) else value
    if isinstance(names, list | tuple) and names and all(isinstance(it, str) for it in names):
        return tuple(names)
    raise PydanticCustomError("names", "expected a name or a list of names")


def as_colour(name: str) -> str:
    """Read a colour as CSS writes it, such as ``navy``, ``#1e4f8b`` or ``rgb(30, 79, 139)``.

    Returns:
        Its ``#rrggbb``.

    Raises:
        PydanticCustomError: If it is none, or see-through.
    """
    try:
        red, green, blue, *opacity = ImageColor.getrgb(name)
    except ValueError as error:
        raise PydanticCustomError("colour", "expected a colour") from error
    if opacity:
        raise PydanticCustomError("colour", "expected a colour")
    return f"#{red:02x}{green:02x}{blue:02x}"


def whole_alone(value: object) -> object:
    """Let nothing but a whole number pass: ``true`` counts as 1 else.

    Raises:
        PydanticCustomError: If it is something else.
    """
    if not isinstance(value, int) or isinstance(value, bool):
        raise PydanticCustomError("int_type", "expected a whole number")
    return value


def rgb_levels(colour: str) -> RgbLevels:
    """Return the levels of ``#rrggbb``."""
    red, green, blue = bytes.fromhex(colour.removeprefix("#"))
    return red, green, blue


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _in_order(span: tuple[float, float]) -> tuple[float, float]:
    if span[0] > span[1]:
        raise ValueError(f"the low end {span[0]:g} comes first, then the high end {span[1]:g}")
    return span


Whole = Annotated[int, Strict()]
"""A whole number; ``true`` is none, nor is what stands in quotes."""

_Bounded = Annotated[float, Field(ge=-1e9, le=1e9)]  # so that no square or product is endless

Number = Annotated[_Bounded, Strict()]
"""A number, whole or not; ``true`` is none, nor is what stands in quotes."""

Span = Annotated[tuple[_Bounded, _Bounded], BeforeValidator(as_span), AfterValidator(_in_order)]
"""A number, or the two ends it is drawn from."""

Pair = Annotated[tuple[_Bounded, _Bounded], BeforeValidator(as_pair)]
"""Two numbers."""

Colours = Annotated[
    tuple[Annotated[str, AfterValidator(as_colour)], ...], BeforeValidator(as_names)
]
"""One colour or a list of them, as ``#rrggbb``."""

Names = Annotated[tuple[str, ...], BeforeValidator(as_names)]
"""One name or a list of them."""
