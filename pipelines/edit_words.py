"""Edits and plans in words, for people who choose the ones and review the others."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from svsdata.editing.edit_text import load_preset, preset_names
from svsdata.editing.language import Op
from svsdata.editing.plan import EditPlan, PlannedEdit
from svsdata.editing.shapes import OBJECT_KINDS
from svsdata.pipelines.edit_plan import plans_at
from svsdata.pipelines.edited_store import edited_plans
from svsdata.progress import counted
from svsdata.store.format import STORE_FILE
from svsdata.store.reader import StoreReader

OPERATIONS: Mapping[Op, str] = {
    "add": "puts objects into the frames",
    "remove": "takes objects away and fills what they hid",
    "replace": "puts another thing in an object's place and way",
    "shift": "moves objects on the ground",
    "retime": "lets objects go their way later or earlier",
    "relabel": "gives a piece of ground another class",
}


def edit_catalogue() -> dict[str, dict[str, str]]:
    """Return what edits there are: presets, classes that can be added, operations."""
    return {
        "presets": {name: load_preset(name).about for name in preset_names()},
        "classes": {
            name: f"{_span(kind.length_m)} x {_span(kind.width_m)} x {_span(kind.height_m)} m"
            for name, kind in OBJECT_KINDS.items()
        },
        "operations": {str(op): about for op, about in OPERATIONS.items()},
    }


def explained_plans(path: Path) -> list[dict[str, Any]]:
    """Tell every plan of a file, a folder or a store.

    Returns:
        A record a plan: ``plan`` in a line, and ``edits``, each with its numbers and a line of
        ``words``.

    Raises:
        EditPlanError: If there is no plan, or one cannot be read.
    """
    if (path / STORE_FILE).exists():
        plans = edited_plans(StoreReader(path))
    else:
        plans = {file.stem: plan for file, plan in plans_at(path)}
    return [_explained(name, plan) for name, plan in plans.items()]


def _explained(name: str, plan: EditPlan) -> dict[str, Any]:
    live = sum(row.is_live for row in plan.rows)
    height, width = plan.size_hw
    return {
        "plan": (
            f"{name}: {live} of {len(plan.rows)} edits of '{plan.sequence_id}' will be applied, "
            f"{counted(plan.num_frames, 'frames')} of {width}x{height}, seed {plan.seed}, "
            f"camera {plan.camera.flag}, plan {plan.hash[:16]}, base {plan.base_hash[:16]}"
        ),
        "plan_hash": plan.hash,
        "base_hash": plan.base_hash,
        "sequence_id": plan.sequence_id,
        "seed": plan.seed,
        "camera": plan.camera.flag,
        "size_hw": list(plan.size_hw),
        "num_frames": plan.num_frames,
        "num_live": live,
        "num_rejected": len(plan.rows) - live,
        "edits": [_row(row) for row in plan.rows],
    }


def _row(row: PlannedEdit) -> dict[str, Any]:
    ends = row.poses[[0, -1]] if len(row.poses) else row.poses
    facts = {
        "edit": row.edit_id,
        "occurrence": row.occurrence,
        "op": row.op,
        "class": row.class_name,
        "status": row.status,
        "reason": row.reason,
        "note": row.note,
        "frames": [row.first_frame, row.last_frame],
        "instance_ids": list(row.instance_ids),
        "erased_ids": list(row.erased_ids),
        "erased_class": row.erased_class,
        "from_classes": list(row.from_classes),
        "region": row.region.tolist(),
        "size_m": list(row.size_m),
        "colour": row.colour,
        "donor": row.shape.donor if row.shape else "",
        "ahead_m": ends[:, 0].tolist(),
        "left_m": ends[:, 1].tolist(),
    }
    return facts | {"words": f"{row.edit_id} #{row.occurrence}: {', '.join(_words(row))}"}


def _words(row: PlannedEdit) -> list[str]:
    words = [f"{row.op} {row.class_name}", row.status]
    if not row.is_live:
        return [*words[:1], f"{row.status}: {row.reason}", row.note]
    words.append(f"frames {row.first_frame}..{row.last_frame}")
    if row.erased_ids:
        words.append(f"takes away {', '.join(map(str, row.erased_ids))}")
    if row.erased_class:
        words.append(f"takes away every {row.erased_class}")
    if row.draws:
        words.append(f"id {', '.join(map(str, row.instance_ids))}")
        words.append(" x ".join(f"{side:.2f}" for side in row.size_m) + " m")
        words += [f"colour {row.colour}"] if row.colour else []
        ahead, left = row.poses[[0, -1], 0], row.poses[[0, -1], 1]
        words.append(f"ahead {ahead[0]:.1f} to {ahead[1]:.1f} m")
        words.append(f"left {left[0]:.1f} to {left[1]:.1f} m")
    if row.shape is not None:
        words.append(f"outline of {row.shape.donor}")
    if row.from_classes:
        words.append(f"{', '.join(row.from_classes)} in a region of {len(row.region)} corners")
    return [*words, ": ".join(filter(None, (row.reason, row.note)))] if row.note else words


def _span(span: tuple[float, float]) -> str:
    return f"{span[0]:g}..{span[1]:g}"
