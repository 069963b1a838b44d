"""The edit language: what a person writes, checked word by word; nothing is resolved here.

A number may be given as one value or as ``[low, high]``, of which the plan draws one.
"""

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from svsdata.errors import EditPlanError

Span = Annotated[
    tuple[float, float], BeforeValidator(lambda v: (v, v) if isinstance(v, int | float) else v)
]
"""A number, or the two ends it is drawn from."""


class _Record(BaseModel):
    model_config = ConfigDict(
        frozen=True, extra="forbid", use_attribute_docstrings=True, populate_by_name=True
    )


class At(_Record):
    """Where an object is at its first moment, along the road and across it."""

    ahead_m: Span | None = None
    """Metres ahead of the vehicle along the road; None: where it is about to come into view."""
    left_m: Span
    """Metres left of the vehicle's own path; right is negative."""


class Waypoint(_Record):
    """One moment of a way relative to the vehicle."""

    s: float
    """Seconds after the first moment."""
    ahead_m: Span
    left_m: Span


class Motion(_Record):
    """How an object moves along the road."""

    model: Literal["static", "follow_road", "beside_ego", "cross"] = "static"
    """``follow_road``: at its own speed; ``beside_ego``: by waypoints relative to the vehicle;
    ``cross``: straight over the road, to the left where the speed is positive."""
    speed_mps: Span = (0.0, 0.0)
    """Along the road; negative is oncoming."""
    waypoints: tuple[Waypoint, ...] = ()


class Repeat(_Record):
    """Further objects of the same edit."""

    gap_m: Span
    """Metres of the vehicle's way between two of them."""
    most: int = Field(default=100, ge=1)


class Target(_Record):
    """Which objects of the base an edit is about."""

    label_class: str = Field(alias="class")
    track: int | None = None
    """An instance id; None: all of the class."""


class Edit(_Record):
    """One change to a sequence."""

    id: str = Field(pattern=r"^[A-Za-z0-9_-]+$")
    op: Literal["add", "remove"]
    label_class: str | None = Field(default=None, alias="class")
    """What is added."""
    size_m: Mapping[Literal["length", "width", "height"], Span] = {}
    at: At | None = None
    motion: Motion = Motion()
    enter: Literal["edge", "far", "reference"] = "edge"
    """How it first comes into view; ``reference``: the reference frame is changed too."""
    repeat: Repeat | None = None
    target: Target | None = None
    """What is removed."""


class EditFile(_Record):
    """A whole file of edits."""

    version: Literal[1]
    about: str = ""
    edits: tuple[Edit, ...] = Field(min_length=1)


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
            f"unknown edit '{name}'{_did_you_mean(name, known)}; known: {', '.join(known)}"
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
        raise EditPlanError(f"cannot read edit file '{path}': {error}") from error
    return parse_edits(text, str(path))


def parse_edits(text: str, where: str) -> EditFile:
    """Read edits from YAML text, data only.

    Raises:
        EditPlanError: Naming the place, the word, and the word that was probably meant.
    """
    try:
        document = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise EditPlanError(f"{where}: not plain YAML data: {_one_line(str(error))}") from error
    try:
        file = EditFile.model_validate(document)
    except ValidationError as error:
        raise EditPlanError(f"{where}: {_explain(error)}") from error
    join_edits([file])
    for edit in file.edits:
        _check_wording(edit, where)
    return file


def join_edits(files: Iterable[EditFile]) -> tuple[Edit, ...]:
    """Put several files' edits together.

    Raises:
        EditPlanError: If two have the same id.
    """
    edits = [edit for file in files for edit in file.edits]
    ids = [edit.id for edit in edits]
    twice = sorted({edit_id for edit_id in ids if ids.count(edit_id) > 1})
    if twice:
        raise EditPlanError(f"edits with the same id: {', '.join(twice)}; give each its own")
    return tuple(edits)


def _check_wording(edit: Edit, where: str) -> None:
    needed = {"add": ("class", edit.label_class), "remove": ("target", edit.target)}
    word, value = needed[edit.op]
    if value is None:
        raise EditPlanError(f"{where}: edit '{edit.id}' with op '{edit.op}' needs '{word}'")
    beside = edit.motion.model == "beside_ego"
    if edit.op == "add" and (edit.at is None) != beside:
        raise EditPlanError(
            f"{where}: edit '{edit.id}' needs 'at', or motion 'beside_ego' with waypoints, not both"
        )
    if beside and len(edit.motion.waypoints) < 2:
        raise EditPlanError(f"{where}: edit '{edit.id}': 'beside_ego' needs two waypoints or more")


def _explain(error: ValidationError) -> str:
    """Tell the first fault of a document, with the word that was probably meant."""
    fault = error.errors()[0]
    place = ".".join(str(part) for part in fault["loc"]) or "document"
    hint = ""
    if fault["type"] == "extra_forbidden":
        words = {
            field.alias or name
            for record in (EditFile, Edit, At, Motion, Waypoint, Repeat, Target)
            for name, field in record.model_fields.items()
        }
        hint = _did_you_mean(str(fault["loc"][-1]), words)
        return f"{place}: unknown key{hint}"
    if fault["type"] == "literal_error":
        expected = str(fault["ctx"]["expected"])
        hint = _did_you_mean(
            str(fault["input"]), [w.strip(" '") for w in expected.replace(" or ", ",").split(",")]
        )
    return f"{place}: {fault['msg']}, got {_one_line(repr(fault['input']))}{hint}"


def _did_you_mean(word: str, known: Iterable[str]) -> str:
    near: list[Any] = get_close_matches(word, list(known), n=1)
    return f" (did you mean '{near[0]}'?)" if near else ""


def _one_line(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 160 else f"{line[:157]}..."
