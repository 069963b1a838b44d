"""Make a plan: draw every choice of the edits and resolve it on what is known of a sequence.

Planning sees the whole way of the vehicle and where the base's objects are, but no picture;
``trial`` adds what only pictures tell.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from functools import partial

from svsdata.editing.additions import plan_additions
from svsdata.editing.changes import TWO_WHEELERS, plan_changes
from svsdata.editing.crowd import Crowd
from svsdata.editing.language import Edit
from svsdata.editing.misses import Misses
from svsdata.editing.moments import tries_like
from svsdata.editing.plan import MAX_EDITS, EditPlan, PlannedEdit
from svsdata.editing.regions import (
    plan_region,
    refuse_contradicting_regions,
    require_ground,
)
from svsdata.editing.scene import Scene
from svsdata.editing.selection import label_of, require_object, require_shape, selected_ids
from svsdata.editing.setting import Setting
from svsdata.editing.shapes import OBJECT_KINDS
from svsdata.editing.track_depths import TrackDepths, track_depths
from svsdata.errors import EditPlanError
from svsdata.geometry.pitch import camera_at
from svsdata.labels import LabelSet
from svsdata.randomness import derived_seed, generator
from svsdata.records import INSTANCE_BASE

RESERVED_INDEX = 900
"""Where not all ids of the base are known, new objects take indices from here on."""
REUSED_AFTER = 100
"""Frames that the last owner of an index must be gone, where no index is left that nobody had."""
EGO_ASSUMED = (
    "the vehicle is taken to stand, since neither flow nor vehicle data tell how it moves: "
    "label with --flow dis"
)


def plan_edits(
    edits: Sequence[Edit], scene: Scene, seed: int, *, barred: Collection[int] = ()
) -> EditPlan:
    """Resolve edits on a scene.

    Args:
        edits: Their order is their number in provenance maps, from 1.
        scene: What is known of the sequence.
        seed: Draws every number given as a span; another seed is another variant.
        barred: Seeds of rows that turned out bad and are not to be tried again.

    Raises:
        EditPlanError: If there are too many edits, a class is unknown, two edits contradict, or
            one fails whose checks say ``on_fail: error``.
    """
    return Planner(edits, scene, seed).plan(barred)


class Planner:
    """Resolves edits as ``plan_edits`` does, again and again with more that is barred.

    Raises:
        EditPlanError: As ``plan_edits``.
    """

    def __init__(self, edits: Sequence[Edit], scene: Scene, seed: int) -> None:
        if not 1 <= len(edits) <= MAX_EDITS:
            raise EditPlanError(
                f"a plan has 1 to {MAX_EDITS} edits, got {len(edits)}; make two plans"
            )
        for edit in edits:
            require_known(edit, scene.label_set)
        self._edits = [_on_its_ground(edit, scene.label_set) for edit in edits]
        self._scene = scene
        self._setting = Setting.of(scene, seed)
        self._targets = _targets(edits, self._setting)
        _refuse_contradictions(edits, self._targets)
        gone = {i for e in edits if e.op == "remove" for i in _sure(e, self._targets.get(e.id, []))}
        self._crowd = Crowd.of(scene.sightings).without(gone)
        self._misses = Misses()
        self._standing = track_depths(
            scene.feet,
            partial(camera_at, scene.camera, scene.pitch_rad),
            self._setting.ego,
            scene.fps,
        )

    def like(self, row: PlannedEdit) -> set[int]:
        """Return the seeds of the tries that need not be made where a row turned out bad."""
        edit = next(one for one in self._edits if one.id == row.edit_id)
        return tries_like(row.seed, edit, self._setting)

    def plan(self, barred: Collection[int] = ()) -> EditPlan:
        """Resolve the edits; seeds in ``barred`` are not tried."""
        scene, setting, crowd = self._scene, self._setting, self._crowd
        rows: list[PlannedEdit] = []
        for index, edit in enumerate(self._edits, start=1):
            if edit.op == "relabel":
                planned = [plan_region(index, edit, setting)]
            elif edit.op == "add":
                planned = plan_additions(index, edit, (setting, crowd), barred, self._misses)
            else:
                planned = plan_changes(index, edit, self._targets[edit.id], setting, crowd, barred)
            for row in planned:
                stop_if_asked(row)
                if row.is_live:
                    crowd = crowd.without(row.erased_ids).joined_by(row)
                row = _clipped(row, edit, scene.num_frames)
                rows.append(self._coloured(_noted_if_blind(row, scene), edit))
        refuse_contradicting_regions(rows)
        rows = _numbered(rows, scene)
        draws = any(row.is_live and row.draws for row in rows)
        return EditPlan(
            sequence_id=scene.sequence_id,
            base_hash=scene.base_hash,
            label_set_name=scene.label_set.name,
            size_hw=scene.camera.size_hw,
            fps=scene.fps,
            num_frames=scene.num_frames,
            camera=scene.camera,
            seed=setting.seed,
            ego=setting.ego,
            rows=tuple(rows),
            pitch_rad=scene.pitch_rad,
            standing=self._standing if draws else TrackDepths(),
        )

    def _coloured(self, row: PlannedEdit, edit: Edit) -> PlannedEdit:
        """Draw the colour of what an edit draws from those that it names."""
        if not row.is_live or not edit.colour:
            return row
        draws = generator(self._setting.seed, edit.id, row.seed, row.occurrence, "colour")
        return replace(row, colour=edit.colour[int(draws.integers(len(edit.colour)))])


def require_known(edit: Edit, label_set: LabelSet) -> None:
    """Refuse an edit that names a class which is not known, or not of the kind that it needs.

    Raises:
        EditPlanError: Naming the classes that it could be.
    """
    if edit.op in ("add", "replace"):
        require_shape(edit)
    if edit.target is not None:
        require_object(edit, label_set)
    if edit.motion.like is not None:
        label_of(edit, edit.motion.like.label_class, label_set)
    relabelled = (*edit.from_classes, edit.to_class) if edit.to_class else ()
    require_ground(edit, (*edit.surfaces, *relabelled), label_set)


def _on_its_ground(edit: Edit, label_set: LabelSet) -> Edit:
    """Let the checks of an edit know what ground it is to stand on."""
    names = require_ground(edit, edit.surfaces, label_set)
    checks = edit.checks.model_copy(update={"surfaces": names})
    return edit.model_copy(update={"checks": checks})


def _targets(edits: Sequence[Edit], setting: Setting) -> dict[str, list[int]]:
    """Objects of the base that each edit is about, by edit id."""
    targets = {
        edit.id: selected_ids(
            edit.target, setting.scene, setting.ego, generator(setting.seed, edit.id, "target")
        )
        for edit in edits
        if edit.target is not None
    }
    # What is picked is one of several, of which none may belong to another edit.
    sure = {edit.id: _sure(edit, targets[edit.id]) for edit in edits if edit.target is not None}
    for edit_id, ids in targets.items():
        others = {i for other, owned in sure.items() if other != edit_id for i in owned}
        targets[edit_id] = [i for i in ids if i in sure[edit_id] or i not in others]
    return targets


def _sure(edit: Edit, ids: list[int]) -> list[int]:
    """Objects that an edit is about in any case."""
    return ids if edit.target is not None and edit.target.pick == "all" else ids[:1]


def _refuse_contradictions(edits: Sequence[Edit], targets: Mapping[str, list[int]]) -> None:
    """Refuse two edits that want different things of one object."""
    owner: dict[int, Edit] = {}
    for edit in edits:
        for instance_id in _sure(edit, targets.get(edit.id, [])):
            other = owner.setdefault(instance_id, edit)
            if other is not edit and (other.op, edit.op) != ("remove", "remove"):
                raise EditPlanError(
                    f"edits '{other.id}' ({other.op}) and '{edit.id}' ({edit.op}) contradict: "
                    f"both are about object {instance_id}; keep one, or narrow a 'where'"
                )


def stop_if_asked(row: PlannedEdit) -> None:
    """Stop at a rejected row whose checks say so.

    Raises:
        EditPlanError: Saying what is wrong with it.
    """
    if not row.is_live and row.checks.on_fail == "error":
        raise EditPlanError(f"edit '{row.edit_id}' fails: {row.reason}, {row.note}")


def _clipped(row: PlannedEdit, edit: Edit, num_frames: int) -> PlannedEdit:
    """Mark a row that was to go on beyond the sequence's end."""
    end = edit.frames.end
    if not row.is_live or end == "end" or end < num_frames:
        return row
    note = f"was to act until frame {end}, the sequence has {num_frames}"
    return replace(row.noted(note), status="clipped", reason="END")


def _noted_if_blind(row: PlannedEdit, scene: Scene) -> PlannedEdit:
    """Note that nothing tells the vehicle's way, along which all that is edited moves."""
    is_blind = scene.num_frames > 1 and all(it.flag == "assumed" for it in scene.motions)
    return row.noted(EGO_ASSUMED) if is_blind and row.is_live else row


class _Indices:
    """Gives out instance ids: the smallest that is free in the whole sequence."""

    def __init__(self, scene: Scene) -> None:
        self._label_set = scene.label_set
        self._taken = set(scene.used_ids)
        # Where not every frame was looked at, new objects keep to the upper tenth of the indices.
        self._lowest = 1 if scene.knows_all_ids else RESERVED_INDEX
        self._given: dict[int, int] = {}
        """Last frame of who got an id."""

    def take(self, class_name: str, row: PlannedEdit) -> int:
        base = self._label_set.label(class_name).id * INSTANCE_BASE
        candidates = range(base + self._lowest, base + INSTANCE_BASE)
        chosen = next((i for i in candidates if i not in self._taken), None)
        if chosen is None:
            # An endless scene takes ids again whose owners are long gone.
            gone = row.first_frame - REUSED_AFTER
            chosen = next((i for i in candidates if self._given.get(i, gone) < gone), None)
        if chosen is None:
            raise EditPlanError(
                f"no instance id of class '{class_name}' is free; add fewer than "
                f"{INSTANCE_BASE - self._lowest} objects at a time"
            )
        self._taken.add(chosen)
        self._given[chosen] = row.last_frame
        return chosen


def _is_riderless(row: PlannedEdit, label_set: LabelSet) -> bool:
    """Whether a bicycle or motorcycle that nobody sits on is moved, or replaced."""
    classes = [label_set.labels[one // INSTANCE_BASE].name for one in row.erased_ids]
    return len(classes) == 1 and classes[0] in TWO_WHEELERS


def _numbered(rows: Sequence[PlannedEdit], scene: Scene) -> list[PlannedEdit]:
    """Give what is drawn its ids: objects of the base keep theirs."""
    indices = _Indices(scene)
    numbered = []
    for row in rows:
        if row.is_live and len(row.poses):
            names = OBJECT_KINDS[row.class_name].class_names
            if _is_riderless(row, scene.label_set):
                names = names[:1]
            if row.op in ("shift", "retime"):
                row = replace(row, instance_ids=row.erased_ids[: len(names)])
            else:
                track_id = derived_seed(row.seed, scene.sequence_id, "track")
                ids = [indices.take(name, row) for name in names]
                row = replace(row, instance_ids=tuple(ids), track_id=track_id)
        numbered.append(row)
    return numbered
