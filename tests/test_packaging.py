import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

from svsdata import __version__

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
TOP_FOLDERS = {"svsdata": "svsdata", "cli": "svsdata/cli", "pipelines": "svsdata/pipelines"}
"""Where each source folder lies in an installed package."""


def source_files() -> dict[str, Path]:
    """Return every file of the package by its installed path."""
    return {
        f"{installed}/{path.relative_to(ROOT / folder).as_posix()}": path
        for folder, installed in TOP_FOLDERS.items()
        for path in sorted((ROOT / folder).rglob("*"))
        if path.is_file() and "__pycache__" not in path.parts
    }


def contract(name: str) -> dict[str, list[str]]:
    contracts = PROJECT["tool"]["importlinter"]["contracts"]
    return next(it for it in contracts if it["name"].startswith(name))


def listed_layers() -> list[str]:
    layers = "|".join(contract("Layers")["layers"])
    return [layer.strip(" ()") for layer in layers.split("|")]


def modules_of_the_library() -> set[str]:
    return {
        f"svsdata.{path.stem}"
        for path in (ROOT / "svsdata").iterdir()
        if path.suffix == ".py" or (path / "__init__.py").exists()
    } - {"svsdata.__init__"}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> zipfile.ZipFile:
    """Build the wheel of a copy, so that nothing is left in the tree."""
    tree = tmp_path_factory.mktemp("tree")
    for folder in TOP_FOLDERS:
        shutil.copytree(ROOT / folder, tree / folder, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, tree)
    script = "from setuptools import build_meta; build_meta.build_wheel('.')"
    built = subprocess.run([sys.executable, "-c", script], cwd=tree, capture_output=True, text=True)
    assert built.returncode == 0, built.stderr
    return zipfile.ZipFile(next(tree.glob("*.whl")))


def test_every_package_of_the_tree_is_listed():
    packages = {
        Path(name).parent.as_posix().replace("/", ".")
        for name in source_files()
        if name.endswith("/__init__.py")
    }
    assert sorted(packages) == PROJECT["tool"]["setuptools"]["packages"]


def test_every_folder_with_code_is_a_package():
    folders = {Path(name).parent for name in source_files() if name.endswith(".py")}
    assert all(f"{folder.as_posix()}/__init__.py" in source_files() for folder in folders)


def test_the_wheel_holds_the_code_the_data_and_the_command(wheel):
    names = {name for name in wheel.namelist() if ".dist-info/" not in name}
    assert names == set(source_files())
    metadata = f"svsdata-{__version__}.dist-info"
    assert b"svsdata = svsdata.cli.main:run" in wheel.read(f"{metadata}/entry_points.txt")
    assert b"Apache" in wheel.read(f"{metadata}/licenses/LICENSE")


def test_nothing_but_svsdata_lands_beside_other_packages(wheel):
    assert {name.split("/")[0].split("-")[0] for name in wheel.namelist()} == {"svsdata"}


def test_every_module_of_the_library_has_its_layer_and_every_layer_a_module():
    library = modules_of_the_library() | {"svsdata.cli", "svsdata.pipelines"}
    assert library <= set(listed_layers())
    assert len(listed_layers()) == len(set(listed_layers()))
    assert set(listed_layers()) <= library, "a layer names what is not there"


def test_the_rule_about_typer_and_rich_covers_all_but_the_command_line():
    covered = set(contract("Only the command line")["source_modules"])
    assert covered == modules_of_the_library() | {"svsdata.pipelines"}


def test_the_rule_about_torch_covers_what_needs_none():
    torch_free = {
        "store", "images", "video_codec", "records", "labels", "flow_codec", "flow", "geometry",
        "editing", "street_world", "export", "errors", "progress", "pipelines.configs",
    }  # fmt: skip
    assert {f"svsdata.{name}" for name in torch_free} <= set(
        contract("Torch-free")["source_modules"]
    )


def test_constraints_pin_every_dependency():
    pinned = {
        line.split("==")[0].lower().replace("_", "-")
        for line in (ROOT / "constraints.txt").read_text().split()
    }
    needed = [
        *PROJECT["project"]["dependencies"],
        *PROJECT["project"]["optional-dependencies"]["dev"],
    ]
    names = {name.split(">")[0].split("<")[0].lower() for name in needed}
    assert names <= pinned
