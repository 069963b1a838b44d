"""The edit language: the words that a person may write, and what they mean.

A number may be given as one value or as ``[low, high]``, of which the plan draws one. Metres are
those of the vehicle frame: ahead of the rear axle, left of it. Nothing is resolved here;
``edit_text`` reads files, ``planning`` resolves them.
"""

from collections.abc import Iterable, Mapping
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from svsdata.editing.values import (
    Colours,
    Names,
    Number,
    Pair,
    Span,
    Whole,
    above_zero,
    not_below_zero,
    whole_alone,
)
from svsdata.editing.where import Condition, parse_condition
from svsdata.errors import EditPlanError

Op = Literal["add", "remove", "replace", "shift", "retime", "relabel"]


def _condition(text: str) -> str:
    parse_condition(text)
    return text


class Record(BaseModel):
    """What all words of the language share: unknown keys and numbers without end are refused."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        use_attribute_docstrings=True,
        populate_by_name=True,
        allow_inf_nan=False,
    )


class Selector(Record):
    """Which objects of the base are meant."""

    label_class: str = Field(alias="class")
    track: Whole | None = Field(default=None, ge=0)
    """An instance id, or its index within the class; None: all of the class."""
    where: Annotated[str, AfterValidator(_condition)] = ""
    """Comparisons joined by ``and`` and ``or``, such as ``ahead_m < 40 and track_len >= 20``.
    Meant are the objects for which all of it holds in at least one frame."""
    pick: Literal[
        "all", "nearest", "farthest", "longest", "shortest", "largest", "first", "last", "random"
    ] = "all"
    """Which one of them: by distance, by frames in view, by height on the screen, by time."""

    @property
    def condition(self) -> Condition | None:
        """The parsed ``where``; None where there is none."""
        return parse_condition(self.where) if self.where else None

    @property
    def is_whole_class(self) -> bool:
        """Whether everything of the class is meant, tracked or not."""
        return self.track is None and not self.where and self.pick == "all"


LANE_WIDTH_M = 3.5
LANES_M = {"own": 0.0, "left": LANE_WIDTH_M, "right": -LANE_WIDTH_M}
"""Middles of lanes, metres left of the vehicle's path, which is taken to be amid its own."""
_IN_LANE_M = 0.3
"""To both sides of the middle of its lane a vehicle may drive."""


class At(Record):
    """Where an object is at its first moment, along the road and across it."""

    ahead_m: Span | None = None
    """Metres ahead along the road; None: about to come into view, or near in row 0."""
    left_m: Span | None = None
    """Metres left of the vehicle's own path; right is negative."""
    lane: Literal["own", "left", "right"] | None = None
    """Instead of ``left_m``: the vehicle's own lane or one beside it, all 3.5 m wide."""

    on: Names = ()
    """Ground classes that it must stand on; none: any that its class stands on."""

    @property
    def across_m(self) -> tuple[float, float]:
        """Metres left of the vehicle's own path."""
        if self.left_m is not None:
            return self.left_m
        assert self.lane is not None
        middle = LANES_M[self.lane]
        return middle - _IN_LANE_M, middle + _IN_LANE_M


class Waypoint(Record):
    """One moment of a way."""

    s: Number
    """Seconds after the first moment."""
    ahead_m: Span
    left_m: Span


class Motion(Record):
    """How an object moves."""

    model: Literal["static", "constant", "follow_road", "beside_ego", "cross", "like", "file"] = (
        "static"
    )
    """``constant``: straight on at one speed; ``follow_road``: along the road at its own speed;
    ``beside_ego``: by waypoints relative to the vehicle; ``cross``: straight over the road, to the
    left where the speed is positive; ``like``: as another object; ``file``: by a table."""
    speed_mps: Span = (0.0, 0.0)
    """Negative is oncoming."""
    heading_deg: Span = (0.0, 0.0)
    """Of ``constant`` and ``static``: direction against the road's at its place, positive to the
    left."""
    waypoints: tuple[Waypoint, ...] = ()
    """Of ``beside_ego``: relative to the vehicle as it moves. Of ``file``: on the ground, relative
    to the vehicle's place at the first moment."""
    like: Selector | None = None
    """Whose way is taken, moved by ``at``: metres ahead of it along the road and to its left."""
    file: str | None = None
    """CSV beside the edit file with the columns s, ahead_m, left_m."""


class Repeat(Record):
    """Further objects of the same edit."""

    gap_m: Annotated[Span, AfterValidator(not_below_zero)]
    """Metres of the vehicle's way between two of them."""
    most: Whole = Field(default=100, ge=1)


class Frames(Record):
    """When an edit may act."""

    start: Whole | Literal["auto"] = Field(default="auto", alias="from")
    """First frame; ``auto``: the first that suits."""
    end: Whole | Literal["end"] = Field(default="end", alias="to")
    """Last frame."""


class Offset(Record):
    """How far objects are moved."""

    ahead: Span = (0.0, 0.0)
    """Metres along the road."""
    left: Span = (0.0, 0.0)
    """Metres across it."""


class Region(Record):
    """A piece of ground that stays where it is in the world."""

    polygon_ground_m: tuple[Pair, ...] = ()
    """Corners, (ahead, left) of the vehicle at the first frame."""
    along_m: Pair | None = None
    """A strip along the road: from and to, metres from the vehicle at the first frame."""
    left_m: Pair | None = None
    """Of the strip: from and to, metres left of the vehicle's path."""


class Checks(Record):
    """When an edit is not plausible, and what then."""

    collision: Literal["reject", "ignore"] = "reject"
    """COLLIDE: its footprint would overlap another object's or the vehicle's."""
    off_surface: Literal["reject", "ignore"] = "reject"
    """OFFSURF: it would stand on ground that its class does not stand on."""
    surfaces: Names = ()
    """Ground classes that it may stand on; none: those of its class. Of what is added ``on`` of
    ``at`` says so."""
    surface_share: Number = Field(default=0.9, ge=0, le=1)
    """Share of its footprint that must lie on such ground."""
    size: Literal["reject", "ignore"] = "reject"
    """SIZE: it would be outside its class's range of heights."""
    speed: Literal["reject", "ignore"] = "reject"
    """SPEED: it would be faster than its class can be."""
    jump_px: Number = Field(default=3.0, gt=0)
    """JUMP: pixels that its foot may be off from where it was heading, beyond what hard braking or
    steering explains."""
    float_px: Number = Field(default=2.0, gt=0)
    """FLOAT: rows that its lowest pixel may lie above the ground it stands on."""
    horizon_px: Number = Field(default=2.0, gt=0)
    """HORIZON: rows that an object lower than the camera may reach above the horizon."""
    min_px: Whole = Field(default=64, ge=0)
    """TINY: pixels that it must show at its largest, of a frame of 1024x512; in another as many
    as are the same share of it. It must also be as high as 6 % of the frame at its largest; 0 lifts
    both."""
    min_visible: Number = Field(default=0.2, ge=0, le=1)
    """HIDDEN: share of it that must be seen in half of its frames or more."""
    max_visible_change: Number = Field(default=0.35, gt=0, le=1)
    """CHANGE: share of a frame that it may change."""
    pops_up: Literal["reject", "ignore"] = "reject"
    """POPS_UP: it would appear, vanish or change in full view."""
    near_duplicate: Literal["reject", "ignore"] = "reject"
    """NEARDUP: another variant does the same already."""
    on_fail: Literal["shift", "skip", "error"] = "shift"
    """``shift``: try later moments and other numbers of its spans; ``skip``: reject it at the
    first fault; ``error``: stop."""

    def least_px(self, size_hw: tuple[int, int]) -> int:
        """Return ``min_px`` for frames of another size."""
        return round(self.min_px * size_hw[0] * size_hw[1] / (512 * 1024))


class Shape(Record):
    """What the outline of an object is."""

    source: Literal["solid", "library", "own"] | None = Field(default=None, alias="from")
    """``solid``: a solid of its class; ``library``: borrowed from a real object, where one fits;
    ``own``: that of the object itself where it was seen whole, for what is moved. None: ``own`` for
    what is moved, else ``solid``."""


class Edit(Record):
    """One change to a sequence."""

    id: str = Field(pattern=r"^[A-Za-z0-9_-]+$")
    op: Op
    label_class: str | None = Field(default=None, alias="class")
    """What is added, or put in the place of another."""
    size_m: Mapping[
        Literal["length", "width", "height"], Annotated[Span, AfterValidator(above_zero)]
    ] = {}
    colour: Colours = ()
    """CSS names or ``#rrggbb``, one of which is drawn: for a generator that is told the colours of
    objects. None: one that objects of the class had in training."""
    shape: Shape = Shape()
    at: At | None = None
    motion: Motion = Motion()
    enter: Literal["edge", "occluder", "far", "reference"] | None = None
    """How what is added first comes into view: over the frame's border or from far away (the
    default), from behind another object, from far away alone. ``reference``: the reference frame
    may be changed too, which is the default of all that is done to objects of the base."""
    frames: Frames = Frames()
    repeat: Repeat | None = None
    target: Selector | None = None
    """Which objects are removed, replaced, shifted or retimed."""
    anchor: Literal["foot", "middle"] = "foot"
    """Of a replacement: which point of the footprint stays, the end that is seen or the middle."""
    by_m: Offset | None = None
    """Of a shift."""
    by_s: Span | None = None
    """Of a retiming: seconds by which an object's way comes later."""
    fill: Literal["temporal", "columns"] = "temporal"
    """What is put where something was removed: labels of near frames and then the columns
    continued, or those alone."""
    region: Region | None = None
    """Which ground is relabelled."""
    from_classes: Names = Field(default=(), alias="from")
    to_class: str | None = Field(default=None, alias="to")
    checks: Checks = Checks()

    @property
    def surfaces(self) -> tuple[str, ...]:
        """Ground classes that what it draws must stand on; none: those of its class."""
        return (self.at.on if self.at is not None else ()) or self.checks.surfaces

    @property
    def outline(self) -> Literal["solid", "library", "own"]:
        """What objects are drawn with."""
        return self.shape.source or ("own" if self.op in ("shift", "retime") else "solid")


class EditFile(Record):
    """A whole file of edits, its named selectors and checks already put into them."""

    version: Annotated[Literal[1], BeforeValidator(whole_alone)]
    about: str = ""
    edits: tuple[Edit, ...] = Field(min_length=1)


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
