"""What edits did, as tables beside a sequence: one row an edit, and one row an edit and frame.

The plan (``plan_table``) says what was to be done and holds every number; these say what became of
it, keyed by ``sequence_id`` so that the tables of many sequences can be read as one.
"""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from svsdata.editing.painting import EditFrame
from svsdata.editing.plan import EditPlan

PLAN_FILE, EDITS_FILE, EDIT_FRAMES_FILE = "plan.parquet", "edits.parquet", "edit_frames.parquet"

EDIT_FRAMES_SCHEMA = pa.schema(
    [
        ("sequence_id", pa.string()),
        ("frame_index", pa.int32()),
        ("edit_index", pa.int32()),
        ("edit_id", pa.string()),
        ("occurrence", pa.int32()),
        ("instance_id", pa.int32()),
        ("x0", pa.int32()),
        ("y0", pa.int32()),
        ("x1", pa.int32()),
        ("y1", pa.int32()),
        ("foot_u", pa.float64()),
        ("foot_v", pa.float64()),
        ("ahead_m", pa.float64()),
        ("left_m", pa.float64()),
        ("visible_px", pa.int32()),
        ("occluded_share", pa.float64()),
        ("float_px", pa.float64()),
        ("above_horizon_px", pa.float64()),
    ]
)
"""``edit_frames``: box ``x0 <= x < x1``, ``y0 <= y < y1`` and foot in pixels, place in metres in
the vehicle frame of that frame, both null where an edit draws nothing. The last two are the values
that the checks FLOAT and HORIZON look at."""

EDITS_SCHEMA = pa.schema(
    [
        ("sequence_id", pa.string()),
        ("edit_index", pa.int32()),
        ("edit_id", pa.string()),
        ("occurrence", pa.int32()),
        ("op", pa.string()),
        ("class", pa.string()),
        ("status", pa.string()),
        ("reason", pa.string()),
        ("note", pa.string()),
        ("instance_ids", pa.list_(pa.int32())),
        ("erased_ids", pa.list_(pa.int32())),
        ("track_id", pa.int64()),
        ("length_m", pa.float64()),
        ("width_m", pa.float64()),
        ("height_m", pa.float64()),
        ("seed", pa.int64()),
        ("first_frame", pa.int32()),
        ("last_frame", pa.int32()),
        ("frames_changed", pa.int32()),
        ("most_visible_px", pa.int32()),
        ("donor", pa.string()),
        ("donor_licence", pa.string()),
        ("plan_hash", pa.string()),
        ("base_hash", pa.string()),
        ("base_sequence", pa.string()),
        ("model", pa.string()),
    ]
)
"""``edits``: ``donor`` names whose silhouette was drawn, empty where a solid was; ``model`` the
generator, empty where labels alone were edited."""


class EditLog:
    """Keeps what every edit came to in every frame of a sequence.

    Args:
        sequence_id: Of the sequence that is written.
        state: What ``state`` gave after the frames before, when a sequence is gone on with.
    """

    def __init__(self, sequence_id: str, state: Mapping[str, NDArray[Any]] | None = None) -> None:
        self._sequence_id = sequence_id
        self._earlier = EDIT_FRAMES_SCHEMA.empty_table()
        if state is not None:
            self._earlier = pa.ipc.open_stream(state["edit_frames"].tobytes()).read_all()
        self._events: list[EditFrame] = []

    def add(self, event: EditFrame) -> None:
        """Note an event; they come in the order of frames."""
        self._events.append(event)

    def table(self, stop: int) -> pa.Table:
        """Return the ``edit_frames`` table of the frames before ``stop``."""
        rows = [self._row(event) for event in self._events if event.frame_index < stop]
        new = pa.Table.from_pylist(rows, schema=EDIT_FRAMES_SCHEMA)
        return pa.concat_tables([self._earlier, new]).combine_chunks()

    def state(self, stop: int) -> dict[str, NDArray[np.uint8]]:
        """Return what going on at frame ``stop`` needs; from then on ``stop`` may not go back."""
        self._earlier = self.table(stop)
        self._events = [event for event in self._events if event.frame_index >= stop]
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, EDIT_FRAMES_SCHEMA) as stream:
            stream.write_table(self._earlier)
        return {"edit_frames": np.frombuffer(sink.getvalue(), np.uint8)}

    def _row(self, event: EditFrame) -> dict[str, Any]:
        box = event.box
        row = {name: getattr(event, name, None) for name in EDIT_FRAMES_SCHEMA.names}
        row |= {"sequence_id": self._sequence_id, "foot_u": event.foot_uv[0]}
        row |= {"foot_v": event.foot_uv[1], "x0": box.x0, "y0": box.y0, "x1": box.x1, "y1": box.y1}
        return {name: None if _is_nan(value) else value for name, value in row.items()}


def edits_table(sequence_id: str, plan: EditPlan, edit_frames: pa.Table, *, model: str) -> pa.Table:
    """Return the ``edits`` table of a sequence.

    Args:
        sequence_id: Of what was written, not of its base.
        plan: That was carried out.
        edit_frames: What came of it, all frames.
        model: Of the generator that drew the pictures, or empty.
    """
    rows = []
    for planned in plan.rows:
        mine = pc.and_(
            pc.equal(edit_frames["edit_index"], planned.index),
            pc.equal(edit_frames["occurrence"], planned.occurrence),
        )
        own = edit_frames.filter(mine).filter(pc.field("visible_px") > 0)
        row = {name: getattr(planned, name, None) for name in EDITS_SCHEMA.names}
        row |= dict(zip(("length_m", "width_m", "height_m"), planned.size_m, strict=True))
        row |= {
            "sequence_id": sequence_id,
            "edit_index": planned.index,
            "class": planned.class_name,
            "frames_changed": len(pc.unique(own["frame_index"])),
            "most_visible_px": pc.max(own["visible_px"]).as_py() or 0,
            "donor": planned.shape.donor if planned.shape else "",
            "donor_licence": planned.shape.licence if planned.shape else "",
            "plan_hash": plan.hash,
            "base_hash": plan.base_hash,
            "base_sequence": plan.sequence_id,
            "model": model,
        }
        rows.append(row)
    return pa.Table.from_pylist(rows, schema=EDITS_SCHEMA)


def write_table(path: Path, table: pa.Table) -> None:
    """Write a table as Parquet; the same rows give the same bytes."""
    pq.write_table(table, path, compression="zstd", write_page_checksum=True)


def _is_nan(value: object) -> bool:
    return isinstance(value, float) and math.isnan(value)
