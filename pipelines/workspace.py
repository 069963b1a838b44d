"""A workspace: a folder whose svsdata.toml names the paths that commands leave out."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from svsdata.errors import ConfigError
from svsdata.pipelines.configs.base import read_toml

FILE_NAME = "svsdata.toml"
KEYS = ("source", "store", "run", "out", "preset")

_TEMPLATE = """\
# Paths that svsdata's commands take from here when they are left out.
# Relative ones start at this folder.

# What `svsdata label` reads: a folder of frames or videos, Cityscapes' or KITTI-360's layout,
# or the built-in street.
source = "street:seed=7,frames=240"

# The store that `svsdata label` writes and `svsdata train` and `svsdata synthesize` read.
store = "store"

# The training run, whose newest checkpoint `svsdata synthesize` uses.
run = "run"

# The store that `svsdata synthesize` writes.
out = "synthetic"

# demo, cityscapes or kitti360
preset = "demo"
"""


@dataclass(frozen=True)
class Workspace:
    """What a workspace file says; without one, nothing."""

    path: Path | None
    values: dict[str, str]

    def get(self, key: str, given: str | None = None) -> str | None:
        """Return what was given, else the workspace's value with its path made whole, else None."""
        value = given if given is not None else self.values.get(key)
        if given is not None or value is None or self.path is None or key == "preset":
            return value
        if key == "source" and value.startswith("street:"):
            return value
        return str(self.path.parent / value)

    def require(self, key: str, given: str | None = None) -> str:
        """Return as ``get`` does.

        Raises:
            ConfigError: If neither the command nor the workspace says it.
        """
        value = self.get(key, given)
        if value is None:
            place = f"'{self.path}' does not name it" if self.path else f"there is no {FILE_NAME}"
            raise ConfigError(
                f"no {key} was given and {place} in this folder or above; name it on the command "
                "line, or make a workspace with 'svsdata init'"
            )
        return value


def find_workspace(folder: Path) -> Workspace:
    """Read the workspace file of a folder or its nearest parent that has one.

    Raises:
        ConfigError: If the file is no TOML, or says something that workspaces do not know.
    """
    for place in (folder.resolve(), *folder.resolve().parents):
        path = place / FILE_NAME
        if path.is_file():
            return Workspace(path, _checked(read_toml(path), path))
    return Workspace(None, {})


def make_workspace(folder: Path) -> Path:
    """Write a commented workspace file and return its path.

    Raises:
        ConfigError: If there is one already.
    """
    path = folder / FILE_NAME
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(_TEMPLATE)
    except FileExistsError as error:
        raise ConfigError(f"'{path}' is there already; edit it, or name another folder") from error
    return path


def _checked(values: dict[str, Any], path: Path) -> dict[str, str]:
    for key, value in values.items():
        if key not in KEYS:
            raise ConfigError(f"'{path}': unknown key '{key}'; known: {', '.join(KEYS)}")
        if not isinstance(value, str):
            raise ConfigError(f"'{path}': '{key}' must be text in quotes, got {value!r}")
    return values
