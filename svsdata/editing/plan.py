"""The plan: every choice of the edits resolved into rows that a person can review and hash.

Planning (``planning``) makes it; applying (``operations``) needs nothing but the plan and the maps
of a few frames.
"""

import base64
import hashlib
import json
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from svsdata.editing.language import Checks, Op
from svsdata.editing.placement import Poses
from svsdata.editing.shape_matching import BorrowedShape
from svsdata.editing.shapes import OBJECT_KINDS, solid_of
from svsdata.editing.solids import Part
from svsdata.editing.track_depths import TrackDepths
from svsdata.editing.values import rgb_levels
from svsdata.errors import EditPlanError
from svsdata.geometry.pitch import camera_at
from svsdata.records import Camera, RgbLevels

Status = Literal["applied", "clipped", "rejected"]

MAX_EDITS = 250
"""Provenance values 1..250 number the edits of a plan."""
_LATER_CHECKS: dict[str, Any] = {"surfaces": [], "pops_up": "reject"}
PROVENANCE_INFERRED = 251
"""Provenance of what was hidden by a removed object."""


@dataclass(frozen=True, eq=False)
class PlannedEdit:
    """One row: one object that is drawn, taken away, or both, or one region that is relabelled."""

    index: int
    """1..250, the number of its edit in provenance maps."""
    edit_id: str
    occurrence: int
    """Counts the objects of one edit, from 0."""
    op: Op
    class_name: str
    """What is drawn; of a removal what is taken away; of a relabelling what the region becomes."""
    status: Status
    reason: str = ""
    """Code of what is wrong; empty when applied."""
    note: str = ""
    """The same for people, with numbers."""
    instance_ids: tuple[int, ...] = ()
    """Of what is drawn: one for each class of its parts; empty where nothing is."""
    track_id: int = 0
    """64-bit identity of what is drawn."""
    erased_ids: tuple[int, ...] = ()
    """Instances of the base that are taken away."""
    erased_class: str = ""
    """Class of which everything is taken away, or empty."""
    from_classes: tuple[str, ...] = ()
    """Ground classes that are relabelled."""
    fills_temporally: bool = True
    """Whether what was hidden by what is taken away is looked for in near frames."""
    region: NDArray[np.float64] = field(default_factory=lambda: np.zeros((0, 2)))
    """(n, 2) corners of the relabelled ground: x, y in metres, vehicle frame of frame 0."""
    size_m: tuple[float, float, float] = (0.0, 0.0, 0.0)
    """Length, width, height of what is drawn."""
    colour: str = ""
    """``#rrggbb`` that what is drawn is to have, for a generator that is told; empty: any."""
    seed: int = 0
    first_frame: int = 0
    last_frame: int = -1
    poses: Poses = field(default_factory=lambda: np.zeros((0, 3)))
    """(n, 3) of frames first..last: x, y in metres and heading in radians, vehicle frame."""
    travelled_m: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))
    """(n,) way since the first frame, for moving legs."""
    is_shown: NDArray[np.bool_] = field(default_factory=lambda: np.zeros(0, bool))
    """(n,) whether it is drawn, occlusion aside."""
    shape: BorrowedShape | None = None
    """Outlines of a real object that it is drawn with; None: its class's solid."""
    appears_hidden: bool = False
    """Whether it comes out from behind another object, which then must hide it."""
    checks: Checks = field(default_factory=Checks)
    """Thresholds that the row was checked by."""

    @property
    def is_live(self) -> bool:
        """Whether applying the plan carries it out."""
        return self.status != "rejected"

    def noted(self, note: str) -> "PlannedEdit":
        """Return the row with a further note; an empty one changes nothing."""
        return replace(self, note="; ".join(filter(None, (self.note, note))))

    @property
    def draws(self) -> bool:
        """Whether it puts an object into the frames."""
        return bool(self.instance_ids)

    @property
    def class_names(self) -> tuple[str, ...]:
        """Classes of the parts of what is drawn, one for each id: a parked bicycle has no rider."""
        return OBJECT_KINDS[self.class_name].class_names[: len(self.instance_ids)]

    def solid(self, travelled_m: float) -> tuple[Part, ...]:
        """Return the parts of what is drawn, as far as it went since it set out."""
        parts, names = solid_of(self.class_name, self.size_m, travelled_m), self.class_names
        if names == OBJECT_KINDS[self.class_name].class_names:
            return parts
        return tuple(part for part in parts if part.class_name in names)

    @property
    def erases(self) -> bool:
        """Whether it takes something out of the frames."""
        return bool(self.erased_ids or self.erased_class)

    def is_present(self, frame_index: int) -> bool:
        """Whether it does something at a frame, occlusion aside."""
        is_time = self.first_frame <= frame_index <= self.last_frame
        return is_time and (not self.draws or self.erases or self.is_drawn(frame_index))

    def is_drawn(self, frame_index: int) -> bool:
        """Whether it is drawn at a frame between its first and its last, occlusion aside."""
        return bool(self.is_shown[frame_index - self.first_frame])


@dataclass(frozen=True, eq=False)
class EditPlan:
    """All rows of a plan and what they were planned on."""

    sequence_id: str
    base_hash: str
    """Of the content it was planned on."""
    label_set_name: str
    size_hw: tuple[int, int]
    fps: float
    num_frames: int
    camera: Camera
    seed: int
    ego: Poses
    """(N, 3) the vehicle's pose at every frame, in its frame of frame 0."""
    rows: tuple[PlannedEdit, ...]
    pitch_rad: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))
    """(N,) how much lower than at rest the camera looks at every frame; empty: it never nods."""
    standing: TrackDepths = field(default_factory=TrackDepths)
    """How far away the base's things stand, for ordering; who is not in it is as far as its foot
    of the moment."""

    def camera_at(self, frame_index: int) -> Camera:
        """Return the camera of a frame, nodding and all."""
        return camera_at(self.camera, self.pitch_rad, frame_index)

    @cached_property
    def hash(self) -> str:
        """64 hex digits; two plans that do the same have the same."""
        digest = hashlib.sha256()
        camera = vars(self.camera)
        moving = {"ego": self.ego, "pitch_rad": self.pitch_rad} | standing_facts(self)
        for record in (plan_facts(self) | moving, camera, *map(row_facts, self.rows)):
            numbers = {k: v for k, v in record.items() if not isinstance(v, np.ndarray)}
            digest.update(json.dumps(numbers, sort_keys=True).encode())
            for array in (v for _, v in sorted(record.items()) if isinstance(v, np.ndarray)):
                digest.update(np.ascontiguousarray(array).tobytes())
        return digest.hexdigest()

    @property
    def class_names(self) -> tuple[str, ...]:
        """Classes that the edits draw or relabel to, which a generator must have seen."""
        drawn = {
            name
            for row in self.rows
            if row.is_live and row.op != "remove"
            for name in (row.class_names if row.draws else [row.class_name])
        }
        return tuple(sorted(drawn))

    @property
    def object_colours(self) -> dict[int, RgbLevels]:
        """Colours that what the edits draw is to have, by instance id; riders have their own."""
        return {
            instance_id: rgb_levels(row.colour)
            for row in self.rows
            if row.is_live and row.colour
            for name, instance_id in zip(row.class_names, row.instance_ids, strict=True)
            if name == row.class_name
        }

    @property
    def changes_reference(self) -> bool:
        """Whether frame 0 is changed, so that its picture must be repaired."""
        return any(row.is_live and row.is_present(0) for row in self.rows)

    def require_base(self, base_hash: str) -> None:
        """Refuse to be applied to anything but what it was made on.

        Raises:
            EditPlanError: If the content has another hash; names both.
        """
        if base_hash != self.base_hash:
            raise EditPlanError(
                f"the base of sequence '{self.sequence_id}' has changed since the plan was made: "
                f"planned on {self.base_hash[:16]}, got {base_hash[:16]}; plan again"
            )


def plan_facts(plan: EditPlan) -> dict[str, Any]:
    """Return the plain fields of a plan: no rows, no camera, no arrays."""
    names = ("sequence_id", "base_hash", "label_set_name", "fps", "num_frames", "seed")
    return {name: getattr(plan, name) for name in names} | {"size_hw": list(plan.size_hw)}


def standing_facts(plan: EditPlan) -> dict[str, NDArray[Any]]:
    """Return the arrays of ``standing`` by name; plans from before it keep their hash."""
    standing = plan.standing
    return {f"standing_{k}": v for k, v in vars(standing).items()} if len(standing.frame) else {}


def row_facts(row: PlannedEdit) -> dict[str, Any]:
    """Return the fields of a row: plain values and lists, and arrays as they are."""
    facts = {one.name: getattr(row, one.name) for one in fields(row)}
    shape = facts.pop("shape") or BorrowedShape.none()
    # Plans from before masks were fitted, before colours, and before these checks, keep their hash.
    if not facts["colour"]:
        del facts["colour"]
    fits = {} if shape.fits_its_solid else {"mask_fits": shape.fits}
    checks = row.checks.model_dump(mode="json")
    checks = {k: v for k, v in checks.items() if k not in _LATER_CHECKS or v != _LATER_CHECKS[k]}
    return (
        facts
        | fits
        | {
            "checks": checks,
            "donor": shape.donor,
            "donor_licence": shape.licence,
            "masks": [base64.b64encode(mask).decode() for mask in shape.masks],
            "mask_of_frame": shape.mask_of_frame,
        }
    )
