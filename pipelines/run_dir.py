"""Output directories that explain themselves: config.json says what made them.

The same command again goes on with its directory; a different one is an error that names what
differs, unless the old directory is to be set aside. No output is what is read.
"""

import json
import os
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

from pydantic_core import to_jsonable_python

from svsdata.errors import ConfigError
from svsdata.pipelines.configs.base import StageConfig, short
from svsdata.store.files import local_folder

CONFIG_NAME = "config.json"
_UNFINISHED = f".{CONFIG_NAME}"


def open_run_dir(
    path: Path,
    config: StageConfig,
    *,
    overwrite: bool = False,
    may_differ: Collection[str] = (),
) -> bool:
    """Make a stage's output directory, or go on with the one of an earlier run.

    Args:
        path: The directory.
        config: What the stage was told.
        overwrite: Set a different directory aside, as ``PATH.old-N``; nothing is deleted.
        may_differ: Fields that do not change what is written, such as ``device``.

    Returns:
        Whether an earlier run of the same config is there.

    Raises:
        ConfigError: If the directory holds something else and is not to be set aside, or cannot
            be made.
        StoreError: If it is an address.
    """
    local_folder(path, "output")
    if is_new(path):
        _write_config(path, config)
        return False
    fault = _difference(path, config, may_differ)
    if fault is None:
        return True
    if not overwrite:
        go_on = (
            "run the earlier command to go on with it, " if (path / CONFIG_NAME).exists() else ""
        )
        raise ConfigError(
            f"'{path}' {fault}; {go_on}name another directory, or add --overwrite to set it aside"
        )
    set_aside(path)
    _write_config(path, config)
    return False


def is_new(path: Path) -> bool:
    """Tell whether nothing is there, or no more than a run left that died before it began."""
    if not path.is_dir():
        return not path.exists()
    return all(entry.name == _UNFINISHED for entry in path.iterdir())


def is_begun(path: Path, config: StageConfig, *, may_differ: Collection[str] = ()) -> bool:
    """Tell whether an earlier run is there that ``open_run_dir`` would go on with; looks only."""
    return not is_new(path) and _difference(path, config, may_differ) is None


def _difference(path: Path, config: StageConfig, may_differ: Collection[str]) -> str | None:
    """Say in words what keeps the directory from being gone on with, or None."""
    if not path.is_dir():
        return "is a file"
    config_path = path / CONFIG_NAME
    if not config_path.is_file():
        return f"is not empty and has no {CONFIG_NAME}"
    try:
        earlier = json.loads(config_path.read_text(encoding="utf-8"))
    except ValueError:
        return f"has a damaged {CONFIG_NAME}"
    known = _with_defaults(earlier, config)
    before = {key: value for key, value in known.items() if key not in may_differ}
    now = {key: value for key, value in config.resolved().items() if key not in may_differ}
    differing = differences(before, now)
    return f"was made with another config ({differing})" if differing else None


def _with_defaults(written: Mapping[str, Any], config: StageConfig) -> dict[str, Any]:
    """Fill in the fields that the version that wrote a config did not have: it did the default."""
    filled = dict(written)
    for name, field in type(config).model_fields.items():
        value = getattr(config, name)
        if name not in filled and not field.is_required():
            filled[name] = to_jsonable_python(field.get_default(call_default_factory=True))
        elif isinstance(value, StageConfig) and isinstance(filled.get(name), dict):
            filled[name] = _with_defaults(filled[name], value)
    return filled


def differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """Tell the first three differences of two objects of JSON, as ``key old → new``; or nothing.

    Fields of inner objects and items of lists go by dotted keys, such as ``phases.0.epochs``.
    """
    differing = _differing(before, now)
    more = f" and {len(differing) - 3} more" if len(differing) > 3 else ""
    return ", ".join(differing[:3]) + more


def _differing(before: Mapping[str, Any], now: Mapping[str, Any], prefix: str = "") -> list[str]:
    differing = []
    for key in {**before, **now}:
        old, new = before.get(key), now.get(key)
        if isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
            old, new = ({str(i): item for i, item in enumerate(items)} for items in (old, new))
        if isinstance(old, dict) and isinstance(new, dict):
            differing += _differing(old, new, f"{prefix}{key}.")
        elif old != new:
            differing.append(f"{prefix}{key} {short(old)} → {short(new)}")
    return differing


def _write_config(path: Path, config: StageConfig) -> None:
    """Write config.json whole or not at all."""
    try:
        path.mkdir(parents=True, exist_ok=True)
        with (path / _UNFINISHED).open("w", encoding="utf-8") as file:
            file.write(json.dumps(config.resolved(), indent=2) + "\n")
            file.flush()
            os.fsync(file.fileno())
        (path / _UNFINISHED).replace(path / CONFIG_NAME)
    except OSError as error:
        raise ConfigError(f"cannot make '{path}': {error.strerror}; name another place") from error


def require_apart(
    out: Path, inputs: Iterable[Path | str | None], *, may_lie_inside: bool = False
) -> None:
    """Refuse an output that would be mixed with what is read, or set it aside with --overwrite.

    Args:
        out: File or folder to write.
        inputs: Files and folders to read; None counts for nothing.
        may_lie_inside: Whether the output may be within one of them, as within a folder of frames.

    Raises:
        ConfigError: If the output is one of them, holds one, or lies inside one.
        StoreError: If the output is an address.
    """
    local_folder(out, "output")
    written = out.expanduser().resolve()
    for path in inputs:
        if path is None:
            continue
        read = Path(path).expanduser().resolve()
        if read == written:
            fault = "which is read"
        elif read.is_relative_to(written):
            fault = f"where '{path}' lies, which is read"
        elif written.is_relative_to(read) and not may_lie_inside:
            fault = f"inside '{path}', which is read"
        else:
            continue
        raise ConfigError(f"cannot write to '{out}', {fault}; name a folder of its own")


def set_aside(path: Path) -> None:
    """Rename a directory to ``PATH.old-N``.

    Raises:
        ConfigError: If the folder that it lies in cannot be written.
    """
    place, number = path.absolute(), 1
    try:
        while (aside := place.with_name(f"{place.name}.old-{number}")).exists():
            number += 1
        place.rename(aside)
    except OSError as error:
        raise ConfigError(
            f"cannot set '{path}' aside: {error.strerror}; name another place"
        ) from error
