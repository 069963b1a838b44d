"""YAML as plain data: no aliases, no deep nesting, no key said twice, nothing that is built."""

import re
from typing import Any

import yaml

_MAX_CHARACTERS = 200_000
_MAX_DEPTH = 20
_YAML = "tag:yaml.org,2002:"
_BUILT = ("set", "omap", "pairs", "binary", "timestamp")
"""Tags of what is more than mappings, lists, words and numbers."""


def load_data(text: str) -> Any:
    """Read YAML text.

    Raises:
        ValueError: If it is anything but plain data, or too much of it; told in one line.
    """
    if len(text) > _MAX_CHARACTERS:
        raise ValueError(f"{len(text)} characters, at most {_MAX_CHARACTERS} are read; split it up")
    try:
        return yaml.load(text, _DataLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        place = "" if mark is None else f"line {mark.line + 1}, column {mark.column + 1}: "
        fault = one_line(", ".join(filter(None, (error.context, error.problem))))
        raise ValueError(f"not plain YAML data: {place}{fault}") from error
    except (yaml.YAMLError, ValueError) as error:
        raise ValueError(f"not plain YAML data: {one_line(str(error))}") from error


def one_line(text: str) -> str:
    """Fold a text into one line of at most 160 characters."""
    line = " ".join(text.split())
    return line if len(line) <= 160 else f"{line[:157]}..."


def short(value: object) -> str:
    """Tell a value in one line."""
    return one_line(repr(value))


def why_unreadable(error: OSError | UnicodeDecodeError) -> str:
    """Tell why a text file cannot be read, without its path."""
    return str(error.strerror) if isinstance(error, OSError) else "it is no UTF-8 text"


class _DataLoader(yaml.SafeLoader):
    """YAML's plain data without aliases, deep nesting and keys that are said twice.

    Words and numbers are those of YAML 1.2: ``on``, ``1:30`` and ``2026-01-31`` are words, ``010``
    is ten and ``1e3`` a thousand.
    """

    _depth = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            raise yaml.YAMLError("aliases ('*name') are not part of the language; write it out")
        self._depth += 1
        if self._depth > _MAX_DEPTH:
            raise yaml.YAMLError(f"nested more than {_MAX_DEPTH} deep")
        node = super().compose_node(parent, index)
        self._depth -= 1
        if node is not None and node.tag.removeprefix(_YAML) in _BUILT:
            raise yaml.MarkedYAMLError(
                problem=f"found the tag '{node.tag}'", problem_mark=node.start_mark
            )
        return node

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        mapping = super().construct_mapping(node, deep=deep)
        if len(mapping) < len(node.value):
            keys = [self.construct_object(key) for key, _ in node.value]
            twice = next(key for key in keys if keys.count(key) > 1)
            raise yaml.YAMLError(f"'{twice}' is said twice")
        return mapping


_BOOL, _INT, _FLOAT, _DATE = (_YAML + name for name in ("bool", "int", "float", "timestamp"))
_DataLoader.yaml_implicit_resolvers = {
    letter: [
        (tag, pattern)
        for tag, pattern in resolvers
        if tag not in (_INT, _FLOAT, _DATE) and (tag != _BOOL or letter in "tTfF")
    ]
    for letter, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_DataLoader.add_implicit_resolver(_INT, re.compile(r"[-+]?[0-9]{1,18}$"), list("-+0123456789"))
_DataLoader.add_implicit_resolver(
    _FLOAT,
    re.compile(
        r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?$"
        r"|[-+]?\.(?:inf|Inf|INF)$|\.(?:nan|NaN|NAN)$"
    ),
    list("-+.0123456789"),
)
_DataLoader.add_constructor(_INT, lambda _, node: int(node.value))
