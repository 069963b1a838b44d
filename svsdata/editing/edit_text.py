"""Edits from YAML text, checked word by word: data only, every fault told in one line."""

from collections.abc import Iterable, Mapping
from copy import deepcopy
from importlib import resources
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from svsdata.editing.faults import first_fault, words_of
from svsdata.editing.language import (
    At,
    Checks,
    Edit,
    EditFile,
    Frames,
    Motion,
    Offset,
    Region,
    Repeat,
    Selector,
    Shape,
    Waypoint,
)
from svsdata.editing.waypoint_table import read_waypoints
from svsdata.editing.wording import check_wording, words_kept
from svsdata.editing.yaml_data import load_data, short, why_unreadable
from svsdata.errors import EditPlanError, did_you_mean

R = TypeVar("R", EditFile, Checks, Selector)

_RECORDS = (
    *(Edit, EditFile, At, Checks, Frames, Motion, Offset, Region, Repeat, Selector, Shape),
    Waypoint,
)
_WORDS = words_of(_RECORDS)
_NOT_SAID = dict.fromkeys(words_of([Selector]) - {"class"})
_FILE_WORDS = ("version", "about", "select", "edits", "checks")


def preset_names() -> tuple[str, ...]:
    """Return the names of the edits that come with the package."""
    files = resources.files("svsdata.editing") / "presets"
    return tuple(
        sorted(f.name.removesuffix(".yaml") for f in files.iterdir() if f.name.endswith(".yaml"))
    )


def load_preset(name: str) -> EditFile:
    """Return a preset.

    Raises:
        EditPlanError: If there is none of that name; tells the nearest name and all of them.
    """
    known = preset_names()
    if name not in known:
        raise EditPlanError(
            f"unknown edit '{name}'{did_you_mean(name, known)}; known: {', '.join(known)}"
        )
    text = (resources.files("svsdata.editing") / "presets" / f"{name}.yaml").read_text("utf-8")
    return parse_edits(text, f"preset {name}")


def load_edit_file(path: Path) -> EditFile:
    """Read a YAML file of edits.

    Raises:
        EditPlanError: If it cannot be read or says anything that the language does not know.
    """
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise EditPlanError(f"cannot read edit file '{path}': {why_unreadable(error)}") from error
    return parse_edits(text, str(path), folder=path.parent)


def parse_edits(text: str, where: str, *, folder: Path | None = None) -> EditFile:
    """Read edits from YAML text, data only.

    Named selectors and the file's checks are put into the edits that use them.

    Args:
        text: The file.
        where: What messages call it.
        folder: Where the tables of ``motion: {file: ...}`` lie; None: they cannot be read.

    Raises:
        EditPlanError: Naming the place, the word, and the word that was probably meant.
    """
    return _edit_file(_document(text, where), where, folder)


def _edit_file(document: dict[str, Any], where: str, folder: Path | None) -> EditFile:
    """Check a document, which is completed in place, as ``parse_edits`` does."""
    selectors = document.pop("select", None) or {}
    checks = document.pop("checks", None) or {}
    for place, part in (("select", selectors), ("checks", checks)):
        if not isinstance(part, Mapping):
            raise EditPlanError(f"{where}: {place}: expected a mapping, got {short(part)}")
    _require(Checks, checks, where, "checks")
    for name, selector in selectors.items():
        _require(Selector, selector, where, f"select.{name}")
    edits, named = document.get("edits"), set[str]()
    for index, edit in enumerate(edits if isinstance(edits, list) else ()):
        if isinstance(edit, dict):
            place = f"{where}: edits.{index}"
            own = edit.get("checks")
            if checks and (own is None or isinstance(own, Mapping)):
                edit["checks"] = {**checks, **(own or {})}
            named |= _complete(edit, selectors, folder, place)
            others = edit.get("otherwise")
            for number, other in enumerate(others if isinstance(others, list) else ()):
                if isinstance(other, dict):
                    # Nothing of the selector that a named one is laid over is to show through.
                    whole = {name: _NOT_SAID | it for name, it in selectors.items()}
                    named |= _complete(other, whole, folder, f"{place}.otherwise.{number}")
    file = _require(EditFile, document, where)
    _check_ids(file, where)
    for edit in file.edits:
        check_wording(edit, f"{where}: edit '{edit.id}'")
        ways_of(edit, f"{where}: edit '{edit.id}'")
    _check_used(selectors, named, where)
    return file


def join_edits(files: Iterable[tuple[str, EditFile]]) -> tuple[Edit, ...]:
    """Put several files' edits together.

    Args:
        files: What messages call each, and what it says.

    Raises:
        EditPlanError: If two have the same id, or one is there twice; names the files.
    """
    edits: dict[str, tuple[str, Edit]] = {}
    for name, file in files:
        for edit in file.edits:
            if edit.id in edits and edits[edit.id][0] == name:
                raise EditPlanError(f"{name} is named twice; name it once")
            if edit.id in edits:
                raise EditPlanError(
                    f"edits with the same id: '{edit.id}' is in {edits[edit.id][0]} and in {name}; "
                    "give each its own"
                )
            edits[edit.id] = name, edit
    return tuple(edit for _, edit in edits.values())


def changed_edit(edit: Edit, changes: Mapping[str, Any], where: str) -> Edit:
    """Lay changes over an edit, key by key, checked as if a file had said it.

    Null takes a word away. Of the edit's motion, another model that they name keeps the words
    alone that mean the same to it.

    Raises:
        EditPlanError: As ``parse_edits``; also if its id is to change.
    """
    if not changes:
        return edit
    if "id" in changes:
        raise EditPlanError(f"{where}.id: an edit keeps its id '{edit.id}'; leave it out")
    said = edit.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    above = deepcopy(dict(changes))
    _complete(above, {}, None, where)
    motion = above.get("motion")
    if isinstance(motion, Mapping) and motion.get("model") not in (None, edit.motion.model):
        kept = words_kept(motion["model"])
        said["motion"] = {k: v for k, v in said.get("motion", {}).items() if k in kept}
    try:
        (changed,) = _edit_file({"version": 1, "edits": [_merged(said, above)]}, where, None).edits
    except EditPlanError as error:
        # It is the only edit of a document that nobody wrote.
        fault = str(error).replace(f"{where}: edits.0.", f"{where}.")
        raise EditPlanError(fault.replace(f"{where}: edit '{edit.id}'", where)) from error
    return changed


def ways_of(edit: Edit, where: str = "") -> tuple[Edit, ...]:
    """Return an edit as it is written, and as each of its alternatives has it.

    Args:
        edit: That may have some.
        where: What messages call it; its id if empty.

    Raises:
        EditPlanError: As ``parse_edits``.
    """
    where = where or f"edit '{edit.id}'"
    alone = edit.model_copy(update={"otherwise": ()})
    return (
        alone,
        *(
            changed_edit(alone, changes, f"{where}.otherwise.{number}")
            for number, changes in enumerate(edit.otherwise)
        ),
    )


def _merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Lay one mapping over another; null takes a word of the language away."""
    both = {**below, **above}
    for key, value in above.items():
        if isinstance(value, Mapping):
            under = below.get(key)
            both[key] = _merged(under if isinstance(under, Mapping) else {}, value)
        elif value is None and key in _WORDS:
            del both[key]
    return both


def _document(text: str, where: str) -> dict[str, Any]:
    try:
        document = load_data(text)
    except ValueError as error:
        raise EditPlanError(f"{where}: {error}") from error
    if not isinstance(document, dict):
        raise EditPlanError(
            f"{where}: document: expected 'version' and 'edits', got {short(document)}"
        )
    for key in document:
        if key not in _FILE_WORDS:
            raise EditPlanError(f"{where}: {key}: unknown key{did_you_mean(str(key), _FILE_WORDS)}")
    return document


def _complete(
    edit: dict[str, Any], selectors: Mapping[str, Any], folder: Path | None, place: str
) -> set[str]:
    """Put into an edit what it names, and return the selectors that it does."""
    if isinstance(edit.get("motion"), dict):
        _complete_motion(edit["motion"], folder, place)
    return _name_selectors(edit, selectors, place)


def _name_selectors(edit: dict[str, Any], selectors: Mapping[str, Any], place: str) -> set[str]:
    """Put the selectors that an edit names into their places, and return their names."""
    named = set[str]()
    holders: dict[str, tuple[Any, str]] = {
        "target": (edit, place),
        "like": (edit.get("motion"), f"{place}.motion"),
    }
    for key, (holder, where) in holders.items():
        name = holder.get(key) if isinstance(holder, dict) else None
        if not isinstance(name, str):
            continue
        if name not in selectors:
            known = ", ".join(selectors) or "none"
            raise EditPlanError(
                f"{where}.{key}: no selector '{name}'{did_you_mean(name, selectors)}; "
                f"under 'select:' are: {known}"
            )
        holder[key] = selectors[name]
        named.add(name)
    return named


def _complete_motion(motion: dict[str, Any], folder: Path | None, place: str) -> None:
    """Infer the model that ``like`` and ``file`` stand for, and read the file's way."""
    for model in ("like", "file"):
        if model in motion:
            motion.setdefault("model", model)
    file = motion.get("file")
    if isinstance(file, str) and "waypoints" not in motion:
        motion["waypoints"] = list(read_waypoints(file, folder, f"{place}.motion.file"))


def _require(record: type[R], document: Any, where: str, place: str = "") -> R:
    try:
        return record.model_validate(document)
    except ValidationError as error:
        raise EditPlanError(f"{where}: {first_fault(error, place, _RECORDS)}") from error


def _check_ids(file: EditFile, where: str) -> None:
    ids = [edit.id for edit in file.edits]
    twice = next((one for one in ids if ids.count(one) > 1), None)
    if twice is not None:
        raise EditPlanError(f"{where}: two edits with the id '{twice}'; give each its own")


def _check_used(selectors: Mapping[str, Any], named: set[str], where: str) -> None:
    for name in selectors:
        if name not in named:
            raise EditPlanError(f"{where}: select.{name}: no edit uses it; name it or take it out")
