"""What every stage's config is, and how one is put together from files, presets and words."""

import hashlib
import json
import tomllib
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from svsdata.errors import ConfigError


class StageConfig(BaseModel):
    """A frozen record of a stage's choices; unknown keys are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    def resolved(self) -> dict[str, Any]:
        """Return every choice as JSON values."""
        return self.model_dump(mode="json")

    def digest(self) -> str:
        """Return the sha256 of the resolved config."""
        text = json.dumps(self.resolved(), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()


Config = TypeVar("Config", bound=StageConfig)


def make_config(
    kind: type[Config],
    *layers: Mapping[str, Any],
    settings: Sequence[str] = (),
) -> Config:
    """Build a config from layers of fields, later ones over earlier ones.

    Args:
        kind: The stage's record.
        layers: Fields of a preset, of a file, of the command line; values of None are left out.
        settings: Words ``key=value`` of ``--set``; a dot reaches into a nested record, and values
            are read as TOML where they can be, else as text.

    Raises:
        ConfigError: In one line: the key, what is wrong with it, and a near match if there is one.
    """
    fields: dict[str, Any] = {}
    for layer in layers:
        fields |= {key: value for key, value in layer.items() if value is not None}
    for setting in settings:
        key, separator, text = setting.partition("=")
        if not separator or not key:
            raise ConfigError(f"--set '{setting}': expected key=value, such as --set seed=7")
        _place(fields, key.strip().split("."), _value(text.strip()), setting)
    try:
        return kind.model_validate(fields)
    except ValidationError as error:
        raise ConfigError(_told(kind, error)) from error


def read_toml(path: Path) -> dict[str, Any]:
    """Read the fields of a config file.

    Raises:
        ConfigError: If the file is missing or no TOML.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"cannot read config '{path}': {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"config '{path}' is no TOML: {error}") from error


def _place(fields: dict[str, Any], keys: list[str], value: Any, setting: str) -> None:
    *outer, last = keys
    for key in outer:
        inner = fields.get(key, {})
        if isinstance(inner, BaseModel):
            inner = inner.model_dump()
        if not isinstance(inner, Mapping):
            raise ConfigError(f"--set '{setting}': '{key}' has no fields of its own")
        fields[key] = dict(inner)
        fields = fields[key]
    fields[last] = value


def _value(text: str) -> Any:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def _told(kind: type[BaseModel], error: ValidationError) -> str:
    """Tell pydantic's first finding in one line."""
    finding = error.errors(include_url=False)[0]
    place = ".".join(str(part) for part in finding["loc"])
    if finding["type"] == "extra_forbidden":
        known = _field_names(kind)
        near = get_close_matches(place, known, n=1)
        hint = f"did you mean '{near[0]}'?" if near else f"known: {', '.join(known)}"
        return f"{kind.__name__}: unknown key '{place}'; {hint}"
    if finding["type"] == "missing":
        return f"{kind.__name__}: '{place}' is not given"
    got = "" if finding["type"] == "value_error" else f", got {_short(finding['input'])}"
    return f"{kind.__name__}: '{place}': {finding['msg'][0].lower()}{finding['msg'][1:]}{got}"


def _short(value: object) -> str:
    text = TypeAdapter(Any).dump_json(value, fallback=str).decode()
    return text if len(text) <= 80 else f"{text[:77]}..."


def _field_names(kind: type[BaseModel], prefix: str = "") -> list[str]:
    names = []
    for name, info in kind.model_fields.items():
        names.append(prefix + name)
        if isinstance(info.annotation, type) and issubclass(info.annotation, BaseModel):
            names += _field_names(info.annotation, f"{prefix}{name}.")
    return names
