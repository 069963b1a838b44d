"""What an edited sequence adds to its base: rectangles of new values, nothing of the base in them.

A table has one row a frame: the changed rectangles of every layer, a picture where a generator drew
all of it, and a hash of the base's layers, so that another base is found out.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from svsdata.errors import EditPlanError
from svsdata.flow_codec import decode_codes, flow_codes, flow_of_codes
from svsdata.images import decode_image, decode_map, encode_png
from svsdata.records import EncodedImage, Frame

_BLOCK = 16
"""Changes nearer than about so many pixels share a rectangle."""
_MAP_LEVEL = 6
_BASE_LAYERS = ("image", "semantic", "instance", "flow", "occlusion")
_LAYERS = (*_BASE_LAYERS, "provenance")

Layer = NDArray[np.uint8] | NDArray[np.uint16]
"""Flow is what a store keeps of it: codes."""

_PATCH = pa.struct(
    [
        ("layer", pa.string()),
        ("x", pa.int32()),
        ("y", pa.int32()),
        ("values", pa.binary()),
        ("changed", pa.binary()),
    ]
)
DELTA_SCHEMA = pa.schema(
    [
        ("frame_index", pa.int32()),
        ("source", pa.string()),
        ("models", pa.list_(pa.struct([("layer", pa.string()), ("model", pa.string())]))),
        ("is_synthetic", pa.bool_()),
        ("plan_hash", pa.string()),
        ("seed", pa.int64()),
        ("base_sha256", pa.binary()),
        ("patches", pa.list_(_PATCH)),
        ("image", pa.struct([("bytes", pa.binary()), ("path", pa.string())])),
    ]
)


@dataclass(frozen=True)
class Patch:
    """One changed rectangle of a layer."""

    x: int
    y: int
    values: Layer
    """(h, w) or (h, w, 3); 0 where nothing changed."""
    changed: NDArray[np.bool_]
    """(h, w)."""


def delta_row(base: Frame, made: Frame, drawn: EncodedImage | None) -> dict[str, Any]:
    """Tell what a frame adds to its base, as a row of ``DELTA_SCHEMA``.

    Args:
        base: With the layers of ``made``; of these an image only where that is to be compared.
        made: The same frame edited; ``image`` only where it is the base's but for some rectangles.
        drawn: The picture of a frame of which a generator drew all.
    """
    patches = []
    for layer, old, new in _layers(base, made):
        patches += [{"layer": layer, **_encoded(it)} for it in patches_between(old, new)]
    return {
        "frame_index": made.frame_index,
        "source": made.source,
        "models": [{"layer": key, "model": value} for key, value in sorted(made.models.items())],
        "is_synthetic": made.is_synthetic,
        "plan_hash": made.plan_hash,
        "seed": made.seed,
        "base_sha256": _digest(base),
        "patches": patches,
        "image": drawn and {"bytes": drawn.data, "path": drawn.path},
    }


def restored(base: Frame, row: Mapping[str, Any], layers: Iterable[str]) -> Frame:
    """Put a row onto its base.

    Args:
        base: As ``delta_row`` had it; without an image where the row brings one.
        row: Of ``DELTA_SCHEMA``.
        layers: Which the edited frame has.

    Raises:
        EditPlanError: If the base is another, or a rectangle does not fit.
        SourceError: If a picture of the row is damaged.
    """
    require_base(base, row)
    where = f"delta, frame {row['frame_index']}"
    blank = replace(base, provenance=_untouched(base))
    values: dict[str, Any] = dict.fromkeys(_LAYERS)
    for layer in layers:
        old = _layer(blank, layer)
        own = [_decoded(it, where) for it in row["patches"] if it["layer"] == layer]
        values[layer] = None if old is None else patched(old, own)
    if values["flow"] is not None:
        values["flow"], values["flow_validity"] = flow_of_codes(values["flow"])
    if row["image"] is not None:
        values["encoded_image"] = EncodedImage(row["image"]["bytes"], row["image"]["path"])
    values["models"] = {it["layer"]: it["model"] for it in row["models"]}
    values |= {name: row[name] for name in ("source", "is_synthetic", "plan_hash", "seed")}
    return replace(base, **values)


def require_base(base: Frame, row: Mapping[str, Any]) -> None:
    """Refuse a base that a row was not made on.

    Raises:
        EditPlanError: If a pixel differs; ``base`` as of ``restored``.
    """
    if _digest(base) != row["base_sha256"]:
        raise EditPlanError(
            f"delta, frame {row['frame_index']}: was made on another base; name the one of its plan"
        )


def patches_between(base: Layer, edited: Layer) -> list[Patch]:
    """Return rectangles that turn one layer into another.

    Args:
        base: (H, W) or (H, W, 3).
        edited: Of the same shape and type.

    Raises:
        ValueError: If shapes or types differ.
    """
    if (base.shape, base.dtype) != (edited.shape, edited.dtype):
        raise ValueError(f"{base.shape} {base.dtype} against {edited.shape} {edited.dtype}")
    differs = base != edited
    changed = differs.any(axis=2) if differs.ndim == 3 else differs
    patches = []
    for rows, columns in _rectangles(changed):
        window, values = changed[rows, columns], edited[rows, columns].copy()
        values[~window] = 0
        patches.append(Patch(columns.start, rows.start, values, window))
    return patches


def patched(base: Layer, patches: Iterable[Patch]) -> Layer:
    """Return the layer with its rectangles.

    Raises:
        EditPlanError: If one lies outside, or is of another type.
    """
    layer = base.copy()
    for patch in patches:
        height, width = patch.changed.shape
        window = layer[patch.y : patch.y + height, patch.x : patch.x + width]
        if window.shape != patch.values.shape or window.dtype != patch.values.dtype:
            raise EditPlanError(
                f"a rectangle of {width}x{height} at ({patch.x}, {patch.y}) does not fit a layer "
                f"of {layer.shape[1]}x{layer.shape[0]}; the delta is damaged"
            )
        window[patch.changed] = patch.values[patch.changed]
    return layer


def _layers(base: Frame, made: Frame) -> Iterator[tuple[str, Layer, Layer]]:
    blank = replace(base, provenance=_untouched(base))
    for layer in _LAYERS:
        old, new = _layer(blank, layer), _layer(made, layer)
        if old is not None and new is not None:
            yield layer, old, new


def _layer(frame: Frame, name: str) -> Layer | None:
    if name == "flow":
        return None if frame.flow is None else flow_codes(frame.flow, frame.flow_validity)
    layer: Layer | None = getattr(frame, name)
    return layer


def _untouched(base: Frame) -> NDArray[np.uint8]:
    if base.semantic is None:
        raise ValueError(f"frame {base.frame_index} has no semantic map")
    return np.zeros(base.semantic.shape, np.uint8)


def _digest(base: Frame) -> bytes:
    digest = hashlib.sha256()
    for layer in _BASE_LAYERS:
        array = _layer(base, layer)
        if array is not None:
            digest.update(np.ascontiguousarray(array).tobytes())
    return digest.digest()


def _encoded(patch: Patch) -> dict[str, Any]:
    return {
        "x": patch.x,
        "y": patch.y,
        "values": encode_png(patch.values, _MAP_LEVEL),
        "changed": encode_png(patch.changed.astype(np.uint8), _MAP_LEVEL),
    }


def _decoded(row: Mapping[str, Any], where: str) -> Patch:
    changed = decode_map(row["changed"], where) != 0
    values: Layer
    if row["layer"] == "image":
        values = decode_image(row["values"], where)
    elif row["layer"] == "flow":
        values = decode_codes(row["values"], where)
    else:
        values = decode_map(row["values"], where)
    return Patch(row["x"], row["y"], values, changed)


def _rectangles(changed: NDArray[np.bool_]) -> list[tuple[slice, slice]]:
    """Bound each group of changed pixels; groups that touch in a coarse grid are one."""
    height, width = changed.shape
    padded = np.pad(changed, ((0, -height % _BLOCK), (0, -width % _BLOCK)))
    blocks = padded.reshape(padded.shape[0] // _BLOCK, _BLOCK, -1, _BLOCK).any(axis=(1, 3))
    grid = np.asarray(blocks, np.uint8)
    count, groups = cv2.connectedComponents(grid, connectivity=8)
    group_of = np.kron(groups, np.ones((_BLOCK, _BLOCK), groups.dtype))[:height, :width]
    found = []
    for group in range(1, count):
        own = changed & (group_of == group)
        rows, columns = np.flatnonzero(own.any(axis=1)), np.flatnonzero(own.any(axis=0))
        found.append(
            (slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1))
        )
    return found
