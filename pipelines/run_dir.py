"""Output directories that explain themselves: config.json says what made them.

The same command again goes on with its directory; a different one is an error that names what
differs, unless the old directory is to be set aside.
"""

import json
from collections.abc import Collection
from pathlib import Path
from typing import Any

from svsdata.errors import ConfigError
from svsdata.pipelines.configs.base import StageConfig

CONFIG_NAME = "config.json"


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
        may_differ: Fields that do not change what is written.

    Returns:
        Whether an earlier run of the same config is there.

    Raises:
        ConfigError: If the directory holds something else and is not to be set aside.
    """
    if not path.exists() or (path.is_dir() and not any(path.iterdir())):
        path.mkdir(parents=True, exist_ok=True)
        _write_config(path, config)
        return False
    fault = _difference(path, config, may_differ)
    if fault is None:
        return True
    if not overwrite:
        raise ConfigError(
            f"'{path}' {fault}; run the earlier command to go on with it, name another directory, "
            "or add --overwrite to set it aside"
        )
    set_aside(path)
    path.mkdir(parents=True)
    _write_config(path, config)
    return False


def _difference(path: Path, config: StageConfig, may_differ: Collection[str]) -> str | None:
    """Say in words what keeps the directory from being gone on with, or None."""
    config_path = path / CONFIG_NAME
    if not config_path.is_file():
        return f"is not empty and has no {CONFIG_NAME}"
    try:
        earlier: dict[str, Any] = json.loads(config_path.read_text(encoding="utf-8"))
    except ValueError:
        return f"has a damaged {CONFIG_NAME}"
    now = config.resolved()
    keys = [key for key in {**earlier, **now} if key not in may_differ]
    differing = [key for key in keys if earlier.get(key) != now.get(key)]
    if not differing:
        return None
    shown = ", ".join(f"{key} {earlier.get(key)!r} → {now.get(key)!r}" for key in differing[:3])
    more = f" and {len(differing) - 3} more" if len(differing) > 3 else ""
    return f"was made with another config ({shown}{more})"


def _write_config(path: Path, config: StageConfig) -> None:
    temporary = path / f".{CONFIG_NAME}"
    temporary.write_text(json.dumps(config.resolved(), indent=2) + "\n", encoding="utf-8")
    temporary.replace(path / CONFIG_NAME)


def set_aside(path: Path) -> None:
    """Rename a directory to ``PATH.old-N``."""
    number = 1
    while (aside := path.with_name(f"{path.name}.old-{number}")).exists():
        number += 1
    path.rename(aside)
