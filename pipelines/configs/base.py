"""What every stage's config is, and how one is put together from presets, files and words."""

import dataclasses
import hashlib
import json
import re
import tomllib
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar, get_args, get_origin

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError, field_validator

from svsdata.errors import ConfigError


class StageConfig(BaseModel):
    """A frozen record of a stage's choices; unknown keys are errors."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        use_attribute_docstrings=True,
        revalidate_instances="always",  # records made in Python are checked like those of files
    )

    @field_validator("*")
    @classmethod
    def _at_home(cls, value: Any) -> Any:
        """Take a leading ~ for the home folder, as shells do for bare words only."""
        if isinstance(value, tuple):
            return tuple(cls._at_home(item) for item in value)
        return value.expanduser() if isinstance(value, Path) else value

    @field_validator("sequences", check_fields=False)
    @classmethod
    def _named_once(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        twice = next((one for index, one in enumerate(value) if one in value[:index]), None)
        if twice is not None:
            raise ValueError(f"'{twice}' is named twice; name it once")
        return value

    def resolved(self) -> dict[str, Any]:
        """Return every choice as JSON values."""
        return self.model_dump(mode="json")

    def digest(self) -> str:
        """Return the sha256 of the resolved config, in hex."""
        text = json.dumps(self.resolved(), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()


Config = TypeVar("Config", bound=StageConfig)


def make_config(
    kind: type[Config],
    *layers: Mapping[str, Any],
    settings: Sequence[str] | None = None,
) -> Config:
    """Build a config from layers of fields, later ones over earlier ones.

    Args:
        kind: The stage's record.
        layers: Fields of a preset, of a file, of the command line. None leaves a field as it was;
            a nested record replaces only the fields it names.
        settings: Words ``key=value`` of ``--set``, which win over every layer. A dot reaches into a
            nested record; the value is read as the type of its field: ``none``, a list as ``1,2``
            or ``[1, 2]``, or TOML.

    Raises:
        ConfigError: In one line: the key, what is wrong with it, and a near match if there is one.
    """
    fields: dict[str, Any] = {}
    for layer in layers:
        fields = _merged(fields, layer)
    for setting in settings or ():
        key, separator, text = setting.partition("=")
        keys = key.strip().split(".")
        if not separator or not all(keys):
            raise ConfigError(f"--set '{setting}': expected key=value, such as --set seed=7")
        _place(fields, keys, _parsed(_field_type(kind, keys), text.strip()), setting)
    try:
        return kind.model_validate(fields)
    except ValidationError as error:
        raise ConfigError(_told(kind, error)) from error


def read_toml(path: Path) -> dict[str, Any]:
    """Read the fields of a config file.

    Raises:
        ConfigError: If the file cannot be read or is no TOML.
    """
    try:
        return tomllib.loads(path.expanduser().read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"cannot read config '{path}': {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"config '{path}' is no TOML: {error}") from error


def width_height(text: str) -> tuple[int, int]:
    """Read a size as ``1024x512``.

    Raises:
        ConfigError: If it is no width and height.
    """
    width, separator, height = text.partition("x")
    if not (separator and width.isdigit() and height.isdigit()):
        raise ConfigError(f"size '{text}': expected width x height, such as 1024x512")
    return int(width), int(height)


def _merged(fields: Mapping[str, Any], layer: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(fields)
    for key, value in layer.items():
        below = _as_fields(merged.get(key))
        above = _as_fields(value)
        if isinstance(below, Mapping) and isinstance(above, Mapping):
            merged[key] = _merged(below, above)
        elif value is not None:
            merged[key] = value
    return merged


def _as_fields(value: Any) -> Any:
    """Turn a nested record into the fields that were set on it."""
    if isinstance(value, BaseModel):
        return {key: getattr(value, key) for key in value.model_fields_set}
    return value


def _place(fields: dict[str, Any], keys: list[str], value: Any, setting: str) -> None:
    *outer, last = keys
    for key in outer:
        inner = _as_fields(fields.get(key, {}))
        if not isinstance(inner, Mapping):
            raise ConfigError(f"--set '{setting}': '{key}' has no fields of its own")
        fields[key] = dict(inner)
        fields = fields[key]
    fields[last] = value


def _field_type(kind: Any, keys: list[str]) -> Any:
    """Return the declared type of a dotted key; Any where there is none or it is unknown."""
    for key in keys:
        kinds = (kind, *get_args(kind))
        records = [k for k in kinds if isinstance(k, type) and issubclass(k, BaseModel)]
        mappings = [k for k in kinds if get_origin(k) in (dict, Mapping)]
        if records:
            field = records[0].model_fields.get(key)
            kind = field.annotation if field else Any
        else:
            kind = get_args(mappings[0])[1] if mappings else Any
    return kind


def _parsed(kind: Any, text: str) -> Any:
    """Read a word as a value of a type; what fits no reading is returned for validation to name."""
    items = text[1:-1] if text.startswith("[") and text.endswith("]") else text
    words = [item.strip() for item in items.split(",")]
    readings: list[Any] = [text, words]
    # Words of a list need no quotes, whatever the list is for; rgb(1, 2, 3) is one word.
    is_list = kind is Any and (items != text or ("," in text and not set("()[]{}") & set(text)))
    as_toml = _as_toml(text, default=_as_toml(f"[{items}]", default=words) if is_list else text)
    readings.insert(0 if kind is Any else 1, as_toml)
    if text == "none" and text not in _words(kind):
        readings.insert(0, None)
    adapter: TypeAdapter[Any] = TypeAdapter(kind)
    for reading in readings:
        try:
            adapter.validate_python(reading)
        except ValidationError:
            continue
        return reading
    return as_toml


def _as_toml(text: str, *, default: Any) -> Any:
    """Read a value of TOML; return the default where it is none."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return default


def _words(kind: Any) -> set[Any]:
    """Collect the values of the literals of a type."""
    return {word for part in get_args(kind) for word in ({part} | _words(part))}


def _told(kind: type[BaseModel], error: ValidationError) -> str:
    """Tell pydantic's first finding in one line."""
    every = error.errors(include_url=False)
    inner = {it["loc"][:depth] for it in every for depth in range(len(it["loc"]))}
    findings = [it for it in every if it["loc"] not in inner]  # a list is wrong by its items
    # an unknown key first: what is missing is often what it was meant to be
    unknown = ("extra_forbidden", "unexpected_keyword_argument")
    findings.sort(key=lambda it: it["type"] not in unknown)
    place = ".".join(str(part) for part in findings[0]["loc"])
    stage = f"config of {kind.__name__.removesuffix('Config').lower()}"
    more = f" (and {len(findings) - 1} more)" if len(findings) > 1 else ""
    match findings[0]["type"]:
        case "extra_forbidden" | "unexpected_keyword_argument":
            return f"{stage}: unknown key '{place}'; {_near(place, _field_names(kind))}{more}"
        case "missing":
            return f"{stage}: '{place}' is not given{more}"
        case "dict_type":
            got = short(findings[0]["input"])
            expected = f"fields of its own, {place}.NAME=VALUE"
            return f"{stage}: '{place}': expected {expected}, got {got}{more}"
        case "tuple_type":
            got = short(findings[0]["input"])
            return f"{stage}: '{place}': expected a list, such as a,b or [1, 2], got {got}{more}"
    message = findings[0]["msg"].removeprefix("Value error, ")
    named = f"{stage}: '{place}'" if place else stage
    got = f", got {short(findings[0]['input'])}" if place else ""
    return f"{named}: {message[0].lower()}{message[1:]}{got}{more}"


def _near(place: str, known: list[str]) -> str:
    # names know no number of an item; a name is matched without what it lies in, which is alike
    outer, _, last = re.sub(r"\.\d+\.", ".", place).rpartition(".")
    beside = {name.rpartition(".")[2]: name for name in known if name.rpartition(".")[0] == outer}
    anywhere = {name.rpartition(".")[2]: name for name in reversed(known)}
    near = [
        names[match]
        for names in (beside, anywhere)
        for match in get_close_matches(last, names, n=1)
    ]
    return f"did you mean '{near[0]}'?" if near else f"known: {', '.join(beside.values() or known)}"


def short(value: object) -> str:
    """Return a value as JSON, cut where it is long."""
    text = TypeAdapter(Any).dump_json(value, fallback=str).decode()
    return text if len(text) <= 80 else f"{text[:77]}..."


def _field_names(kind: type[BaseModel], prefix: str = "") -> list[str]:
    names = []
    for name, info in kind.model_fields.items():
        names.append(prefix + name)
        if isinstance(info.annotation, type) and issubclass(info.annotation, BaseModel):
            names += _field_names(info.annotation, f"{prefix}{name}.")
        for item in filter(dataclasses.is_dataclass, get_args(info.annotation)):
            names += [f"{prefix}{name}.{field.name}" for field in dataclasses.fields(item)]
    return names
