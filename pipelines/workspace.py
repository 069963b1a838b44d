"""A workspace: a folder whose svsdata.toml says what commands may leave out."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from svsdata.errors import ConfigError
from svsdata.pipelines.configs.base import read_toml
from svsdata.store.files import local_folder
from svsdata.whole_files import whole_file

FILE_NAME = "svsdata.toml"
KEYS = ("source", "store", "run", "out", "preset", "plans", "edited")
STAGES = ("label", "train", "edit", "synthesize", "evaluate", "gate", "export")
PATH_FIELDS = {
    *(
        "semantic",
        "instance",
        "confidence",
        "start_from",
        "teacher",
        "edit_files",
        "plans",
        "shapes",
    ),
    *("weights_folder", "kept_figures"),
}
"""Fields of the stages' tables that are paths."""
_NO_PATHS = (("start_from", "demo"), ("teacher", "demo"))
"""What such a field may say instead: the bundled generator."""

_TEMPLATE = """\
# What svsdata's commands take from here when it is left out.
# Relative paths start at this folder.

# What `svsdata label` reads: a folder of frames or videos, a video file, Cityscapes' or KITTI-360's
# layout, or the built-in street.
source = "street:seed=7,frames=240"

# The store that `svsdata label` writes, and `svsdata train` and `svsdata synthesize` read.
store = "store"

# The training run, whose newest checkpoint `svsdata synthesize` uses.
run = "run"

# The store that `svsdata synthesize` writes.
out = "synthetic"

# Where `svsdata edit plan` writes plans, and the store of labels that `svsdata edit apply` makes of
# them.
plans = "plans"
edited = "edited"

# What `svsdata train` does: finetune (the bundled network learns what your recordings look like),
# carry or demo (small networks from nothing), cityscapes, kitti360 or recommended (the paper's).
preset = "finetune"

# Any other field of a stage's config, under the stage's name; --set wins over it. For example:
# [train]
# seed = 1
"""


@dataclass(frozen=True)
class Workspace:
    """What a workspace file says; without one, nothing."""

    path: Path | None
    values: Mapping[str, Any]

    def get(self, key: str, given: str | Path | None = None) -> str | None:
        """Return what was given, else what the workspace says, else None.

        Paths become absolute, so that a run is the same from wherever it is started: given ones
        start at the current folder, those of the workspace at its own.

        Raises:
            StoreError: For an address such as ``s3://bucket/store``.
        """
        value = self.values.get(key) if given is None else str(given)
        if value is None or key == "preset" or (key == "source" and value.startswith("street:")):
            return value
        local_folder(value, key)
        base = Path() if given is not None or self.path is None else self.path.parent
        path = base / Path(value).expanduser()
        return os.path.abspath(path)  # noqa: PTH100 resolve() would follow links

    def get_or_beside(self, key: str, given: str | Path | None, default: str) -> str:
        """Return as ``get`` does; what nobody says lies beside the workspace file, if there is one.

        Args:
            key: Of the workspace; one that it does not know is never said there.
            given: On the command line.
            default: Name of a file or folder.
        """
        return self.get(key, given) or str(self._placed(default))

    def require(self, key: str, given: str | Path | None = None) -> str:
        """Return as ``get`` does.

        Raises:
            ConfigError: If neither the command nor the workspace says it.
            StoreError: As ``get`` does.
        """
        value = self.get(key, given)
        if value is None:
            lack = (
                f"'{self.path}' does not name it"
                if self.path
                else f"there is no {FILE_NAME} in this folder or above"
            )
            raise ConfigError(
                f"no {key} was given and {lack}; name it on the command line, or make a workspace "
                "with 'svsdata init'"
            )
        return value

    def fields(self, stage: str) -> Mapping[str, Any]:
        """Return the fields of a stage's config that the workspace sets, paths made absolute."""
        fields = self.values.get(stage, {})
        return {
            key: self._placed(value)
            if key in PATH_FIELDS and (key, value) not in _NO_PATHS
            else value
            for key, value in fields.items()
        }

    def _placed(self, value: Any) -> Any:
        if isinstance(value, list):
            return [self._placed(one) for one in value]
        if self.path is None or not isinstance(value, str) or value.startswith("~"):
            return value
        return os.path.abspath(self.path.parent / value)  # noqa: PTH100 as above


def find_workspace(folder: Path) -> Workspace:
    """Read the workspace file of a folder or its nearest parent that has one.

    Raises:
        ConfigError: If the file is no TOML, or says something that workspaces do not know.
    """
    for place in (folder.absolute(), *folder.absolute().parents):
        path = place / FILE_NAME
        if path.is_file():
            return Workspace(path, _checked(read_toml(path), path))
    return Workspace(None, {})


def make_workspace(folder: Path) -> Path:
    """Write a commented workspace file and return its path.

    Raises:
        ConfigError: If there is one already, or the folder cannot be written.
    """
    folder = folder.expanduser()
    path = folder / FILE_NAME
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if path.exists():
            raise FileExistsError
        with whole_file(path) as partial:
            partial.write_text(_TEMPLATE, encoding="utf-8")
    except FileExistsError as error:
        taken = path if path.exists() else folder
        raise ConfigError(f"'{taken}' is there already; edit it, or name another folder") from error
    except OSError as error:
        raise ConfigError(f"cannot write '{path}': {error.strerror}") from error
    return path


def _checked(values: dict[str, Any], path: Path) -> dict[str, Any]:
    for key, value in values.items():
        if key in STAGES and not isinstance(value, dict):
            raise ConfigError(f"'{path}': '{key}' must be a table, [{key}], got {value!r}")
        if key not in (*KEYS, *STAGES):
            known = f"{', '.join(KEYS)}, [{'], ['.join(STAGES)}]"
            raise ConfigError(f"'{path}': unknown key '{key}'; known: {known}")
        if key in KEYS and not isinstance(value, str):
            raise ConfigError(f"'{path}': '{key}' must be text in quotes, got {value!r}")
    return values
