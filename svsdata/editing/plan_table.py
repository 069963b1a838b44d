"""Plans on disk: a Parquet table of one row per planned object, for people to review.

What the rows share (sequence, base, camera, the vehicle's way, the hash of it all) is JSON under
the schema's ``svsdata_plan`` key. Reading checks the hash: what runs is what was reviewed.
"""

import base64
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import ValidationError

from svsdata.editing.language import Checks
from svsdata.editing.plan import EditPlan, PlannedEdit, plan_facts, row_facts, standing_facts
from svsdata.editing.shape_matching import AS_THE_SOLID, BorrowedShape
from svsdata.editing.track_depths import TrackDepths
from svsdata.errors import EditPlanError
from svsdata.records import Camera
from svsdata.whole_files import whole_file

FORMAT_VERSION = 1

_KEY = b"svsdata_plan"
_NUMBERS = pa.list_(pa.float64())
_SCHEMA = pa.schema(
    [
        ("index", pa.int32()),
        ("edit_id", pa.string()),
        ("occurrence", pa.int32()),
        ("op", pa.string()),
        ("class_name", pa.string()),
        ("status", pa.string()),
        ("reason", pa.string()),
        ("note", pa.string()),
        ("instance_ids", pa.list_(pa.int32())),
        ("track_id", pa.int64()),
        ("erased_ids", pa.list_(pa.int32())),
        ("erased_class", pa.string()),
        ("from_classes", pa.list_(pa.string())),
        ("fills_temporally", pa.bool_()),
        ("region_x_m", _NUMBERS),
        ("region_y_m", _NUMBERS),
        ("length_m", pa.float64()),
        ("width_m", pa.float64()),
        ("height_m", pa.float64()),
        ("colour", pa.string()),
        ("seed", pa.int64()),
        ("first_frame", pa.int32()),
        ("last_frame", pa.int32()),
        ("ahead_m", _NUMBERS),
        ("left_m", _NUMBERS),
        ("heading_rad", _NUMBERS),
        ("travelled_m", _NUMBERS),
        ("is_shown", pa.list_(pa.bool_())),
        ("appears_hidden", pa.bool_()),
        ("checks", pa.string()),
        ("donor", pa.string()),
        ("donor_licence", pa.string()),
        ("masks", pa.list_(pa.string())),
        ("mask_of_frame", pa.list_(pa.int32())),
        ("mask_height", _NUMBERS),
        ("mask_right", _NUMBERS),
        ("mask_below", _NUMBERS),
    ]
)
# Fields of a row that are kept as several columns, in their order.
_SPLIT = {
    "region": ("region_x_m", "region_y_m"),
    "size_m": ("length_m", "width_m", "height_m"),
    "poses": ("ahead_m", "left_m", "heading_rad"),
}
_STANDING_DTYPE = "<i4"
_FITS = ("mask_height", "mask_right", "mask_below")


def write_plan(path: Path, plan: EditPlan) -> None:
    """Write a plan; the file appears whole or not at all, and its folder is made.

    The same plan gives the same bytes.
    """
    camera = plan.camera
    shared = {
        "version": FORMAT_VERSION,
        "hash": plan.hash,
        "plan": plan_facts(plan),
        "camera": {
            "intrinsics": camera.intrinsics.tolist(),
            "cam_T_vehicle": camera.cam_T_vehicle.tolist(),
            "size_hw": list(camera.size_hw),
            "flag": camera.flag,
        },
        "ego": plan.ego.tolist(),
        "pitch_rad": plan.pitch_rad.tolist(),
        # As text of bytes: there is a number for each thing of each frame.
        **{
            name: base64.b64encode(values.astype(_STANDING_DTYPE).tobytes()).decode()
            for name, values in standing_facts(plan).items()
        },
    }
    schema = _SCHEMA.with_metadata({_KEY: json.dumps(shared).encode()})
    table = pa.Table.from_pylist([_columns(row) for row in plan.rows], schema=schema)
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(path) as partial:
        pq.write_table(table, partial, compression="zstd", write_page_checksum=True)


def read_plan(path: Path) -> EditPlan:
    """Read a plan that ``write_plan`` wrote.

    Raises:
        EditPlanError: If it cannot be read, has another version, or is not as it was written.
    """
    try:
        table = pq.read_table(path, page_checksum_verification=True)
        shared = json.loads((table.schema.metadata or {})[_KEY])
        version = shared["version"]
    except (OSError, pa.ArrowException, KeyError, TypeError, ValueError) as error:
        reason = "it is no plan" if isinstance(error, KeyError | TypeError) else error
        raise EditPlanError(f"cannot read plan '{path}': {reason}; plan again") from error
    if version != FORMAT_VERSION:
        raise EditPlanError(
            f"plan '{path}' has version {version}, this program reads {FORMAT_VERSION}; plan again"
        )
    try:
        plan = _plan(shared, table.to_pylist())
    except (KeyError, TypeError, ValueError, ValidationError) as error:
        raise EditPlanError(f"plan '{path}' is damaged: {error!r:.120}; plan again") from error
    if plan.hash != shared["hash"]:
        raise EditPlanError(
            f"plan '{path}' was changed since it was made: expected hash {shared['hash'][:16]}, "
            f"got {plan.hash[:16]}; change the edits and plan again"
        )
    return plan


def _columns(row: PlannedEdit) -> dict[str, Any]:
    """Lay a row out in the table's columns."""
    facts = row_facts(row)
    fits = facts.pop("mask_fits", np.zeros((0, 3)))
    facts |= {name: fits[:, k].tolist() for k, name in enumerate(_FITS)}
    for name, columns in _SPLIT.items():
        values = np.asarray(facts.pop(name), np.float64)
        facts |= {c: values[..., k].tolist() for k, c in enumerate(columns)}
    for name in ("travelled_m", "is_shown", "mask_of_frame"):
        facts[name] = facts[name].tolist()
    return facts | {"checks": json.dumps(facts["checks"], sort_keys=True)}


def _plan(shared: dict[str, Any], rows: list[dict[str, Any]]) -> EditPlan:
    camera = shared["camera"]
    facts = dict(shared["plan"])
    height, width = facts.pop("size_hw")
    return EditPlan(
        **facts,
        size_hw=(height, width),
        camera=Camera(
            np.array(camera["intrinsics"], np.float64),
            np.array(camera["cam_T_vehicle"], np.float64),
            (camera["size_hw"][0], camera["size_hw"][1]),
            camera["flag"],
        ),
        ego=np.array(shared["ego"], np.float64).reshape(-1, 3),
        pitch_rad=np.array(shared["pitch_rad"], np.float64),
        standing=TrackDepths(
            *(
                np.frombuffer(base64.b64decode(shared.get(name, "")), _STANDING_DTYPE)
                for name in ("standing_frame", "standing_instance_id", "standing_centimetres")
            )
        ),
        rows=tuple(_row(row) for row in rows),
    )


def _row(columns: dict[str, Any]) -> PlannedEdit:
    """Put the columns of a row together again."""
    facts = dict(columns)
    for name, parts in _SPLIT.items():
        facts[name] = np.stack([np.array(facts.pop(part), np.float64) for part in parts], axis=-1)
    facts["size_m"] = tuple(facts["size_m"].tolist())
    facts["colour"] = facts.get("colour") or ""
    masks = tuple(base64.b64decode(mask) for mask in facts.pop("masks"))
    mask_of_frame = np.array(facts.pop("mask_of_frame"), np.int64)
    fits = np.array([facts.pop(name, None) or [] for name in _FITS], np.float64).T
    shape = BorrowedShape(
        facts.pop("donor"),
        facts.pop("donor_licence"),
        masks,
        mask_of_frame,
        fits if len(fits) else np.tile(AS_THE_SOLID, (len(mask_of_frame), 1)),
    )
    for name in ("instance_ids", "erased_ids", "from_classes"):
        facts[name] = tuple(facts[name])
    return PlannedEdit(
        **facts
        | {
            "travelled_m": np.array(facts["travelled_m"], np.float64),
            "is_shown": np.array(facts["is_shown"], bool),
            "checks": Checks.model_validate_json(facts["checks"]),
            "shape": shape if masks else None,
        }
    )
