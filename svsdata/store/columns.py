"""Columns of a part, and how a frame becomes a row and a row a frame."""

import json
from collections.abc import Mapping
from pathlib import PurePath
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from svsdata.errors import CorruptShardError, LabelSetError, SourceError, StoreError
from svsdata.flow_codec import decode_flow, encode_flow
from svsdata.images import decode_image, decode_map, encode_png, read_header
from svsdata.labels import LabelSet
from svsdata.records import (
    FRAME_LAYERS,
    INSTANCE_BASE,
    Camera,
    EgoMotion,
    EncodedImage,
    Frame,
)
from svsdata.store.format import VERIFY_ADVICE, StoreInfo

ENCODED_IMAGE = "encoded_image"
"""May be asked for like a layer: the stored bytes of the image, not decoded."""

REQUIRED_LAYERS = ("image", "semantic")
_LAYER_TYPES = {layer: np.dtype(np.uint8) for layer in FRAME_LAYERS} | {
    "instance": np.dtype(np.uint16),
    "flow": np.dtype(np.float32),
}
_LAYER_CHANNELS = {"image": (3,), "flow": (2,)}

_PICTURE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
_NUMBERS = pa.list_(pa.float64())
_MODELS = pa.list_(pa.struct([("layer", pa.string()), ("model", pa.string())]))
_SCALARS: dict[str, pa.DataType] = {
    "sequence_id": pa.string(),
    "frame_index": pa.int32(),
    "timestamp_us": pa.int64(),
    "camera": _NUMBERS,
    "cam_T_vehicle": _NUMBERS,
    "ego_pose": _NUMBERS,
    "speed_mps": pa.float32(),
    "yaw_rate_rps": pa.float32(),
    "calib_flag": pa.string(),
    "pose_flag": pa.string(),
    "source": pa.string(),
    "source_frame": pa.int64(),
    "models": _MODELS,
    "is_synthetic": pa.bool_(),
    "plan_hash": pa.string(),
    "seed": pa.int64(),
}
_NOT_NULL = ("sequence_id", "frame_index", "timestamp_us", "source", "is_synthetic")
SCALAR_COLUMNS = tuple(_SCALARS)
"""Every column that is no picture."""


def _huggingface_feature(column: str) -> Any:
    """Describe a column to Hugging Face datasets, which shows ``Image`` features as pictures.

    Flow is no ``Image``: Pillow would cut its 16 bits to 8. ``Sequence`` and the one-element list
    are understood by all versions, ``List`` is not.
    """
    if column == "flow":
        return {"bytes": _value("binary"), "path": _value("string")}
    if column in FRAME_LAYERS:
        return {"_type": "Image"}
    if column == "models":
        return [{"layer": _value("string"), "model": _value("string")}]
    if _SCALARS[column] == _NUMBERS:
        return {"feature": _value("float64"), "length": -1, "_type": "Sequence"}
    return _value({"float": "float32"}.get(str(_SCALARS[column]), str(_SCALARS[column])))


def _value(kind: str) -> dict[str, str]:
    return {"dtype": kind, "_type": "Value"}


def _schema() -> pa.Schema:
    columns = {**_SCALARS, **dict.fromkeys(FRAME_LAYERS, _PICTURE)}
    features = {column: _huggingface_feature(column) for column in columns}
    return pa.schema(
        [pa.field(name, kind, nullable=name not in _NOT_NULL) for name, kind in columns.items()],
        metadata={"huggingface": json.dumps({"info": {"features": features}})},
    )


SCHEMA: pa.Schema = _schema()
"""The Arrow schema of every part; layers that a store lacks are null."""


def check_frame(frame: Frame, info: StoreInfo, where: str) -> None:
    """Refuse a frame that does not fit its store.

    Raises:
        StoreError: Naming the layer: missing, not one of the store's modalities, or of another
            size or type.
    """
    for layer in FRAME_LAYERS:
        value: NDArray[Any] | None = getattr(frame, layer)
        absent = value is None and not (layer == "image" and frame.encoded_image is not None)
        if absent and layer in REQUIRED_LAYERS and layer in info.modalities:
            raise StoreError(f"{where}: the {layer} is missing; every frame of this store has one")
        if not absent and layer not in info.modalities:
            held = ", ".join(info.modalities)
            raise StoreError(f"{where}: has {layer}, but the store was made for: {held}")
        expected = (*info.size_hw, *_LAYER_CHANNELS.get(layer, ()))
        if value is not None and (value.shape, value.dtype) != (expected, _LAYER_TYPES[layer]):
            raise StoreError(
                f"{where}: {layer} must be {expected} {_LAYER_TYPES[layer]}, "
                f"got {value.shape} {value.dtype}"
            )
    if frame.camera is not None and frame.camera.size_hw != info.size_hw:
        raise StoreError(
            f"{where}: the camera is for frames of {frame.camera.size_hw} (height, width), "
            f"the store holds {info.size_hw}; use Camera.resized"
        )


def encode_row(frame: Frame, sequence_id: str, info: StoreInfo) -> dict[str, Any]:
    """Encode a checked frame as a row; runs in threads.

    Raises:
        LabelSetError: If a map holds ids outside the label set.
        StoreError: If kept bytes are no picture of the store's size, or their name is a path.
    """
    where = f"{sequence_id} frame {frame.frame_index}"
    if frame.semantic is not None and frame.semantic.max() >= info.label_set.num_classes:
        info.label_set.check(frame.semantic, f"{where}: semantic map")
    if frame.instance is not None:
        check_instances(frame.instance, info.label_set, f"{where}: instance map")
    name = f"{sequence_id}_{frame.frame_index:06d}.png"
    row: dict[str, Any] = {
        layer: {"bytes": encode_png(picture), "path": name}
        for layer in FRAME_LAYERS
        if layer != "flow"
        and (picture := getattr(frame, layer)) is not None
        and not (layer == "image" and frame.encoded_image is not None)
    }
    if frame.encoded_image is not None:
        row["image"] = _kept_bytes(frame.encoded_image, info.size_hw, where)
    if frame.flow is not None:
        row["flow"] = {"bytes": encode_flow(frame.flow, frame.flow_validity), "path": name}
    return row | _scalars(frame, sequence_id)


def check_instances(instance: NDArray[np.uint16], label_set: LabelSet, where: str) -> None:
    """Refuse ids that are neither ``label_id`` nor a thing's ``label_id * 1000 + index``.

    Raises:
        LabelSetError: Naming the ids that do not belong.
    """
    belongs = np.zeros(2**16, bool)
    belongs[: label_set.num_classes] = True
    for thing in label_set.thing_ids:
        belongs[thing * INSTANCE_BASE : (thing + 1) * INSTANCE_BASE] = True
    fits = belongs[instance]
    if not fits.all():
        foreign = np.unique(instance[~fits])
        shown = ", ".join(map(str, foreign[:5])) + (", ..." if foreign.size > 5 else "")
        raise LabelSetError(
            f"{where}: ids {shown} are neither classes of label set '{label_set.name}' nor "
            f"class * {INSTANCE_BASE} + index of its things"
        )


def decode_row(row: Mapping[str, Any], layers: tuple[str, ...], info: StoreInfo) -> Frame:
    """Decode the asked layers of a row.

    Raises:
        CorruptShardError: If a picture is damaged, of another size, or holds foreign ids, or one
            that every frame has is missing.
    """
    where = f"{row['sequence_id']} frame {row['frame_index']}"
    decoded: dict[str, Any] = {}
    try:
        for layer in layers:
            column = "image" if layer == ENCODED_IMAGE else layer
            stored = row[column]
            if stored is not None:
                decoded |= _decode_layer(layer, stored, f"{where}: {layer}", info)
            elif column in REQUIRED_LAYERS:
                raise SourceError(f"{where}: {column} is missing")
    except (SourceError, LabelSetError) as error:
        raise CorruptShardError(f"{error}{VERIFY_ADVICE}") from error
    return Frame(
        frame_index=row["frame_index"],
        timestamp_us=row["timestamp_us"],
        camera=_camera(row, info.size_hw),
        ego=_ego(row),
        source=row["source"],
        source_frame=row["source_frame"],
        models={model["layer"]: model["model"] for model in row["models"] or ()},
        is_synthetic=row["is_synthetic"],
        plan_hash=row["plan_hash"],
        seed=row["seed"],
        **decoded,
    )


def _decode_layer(
    layer: str, stored: Mapping[str, Any], where: str, info: StoreInfo
) -> dict[str, Any]:
    data: bytes = stored["bytes"] or b""
    size_hw = read_header(data, where).size_hw
    if size_hw != info.size_hw:
        raise SourceError(f"{where}: is {size_hw} (height, width), the store holds {info.size_hw}")
    if layer == ENCODED_IMAGE:
        return {layer: EncodedImage(data, PurePath(stored["path"] or "").name)}
    if layer == "image":
        return {layer: decode_image(data, where)}
    if layer == "flow":
        flow, validity = decode_flow(data, where)
        return {"flow": flow, "flow_validity": validity}
    decoded = decode_map(data, where)
    if decoded.dtype != _LAYER_TYPES[layer]:
        raise SourceError(f"{where}: must be {_LAYER_TYPES[layer]}, got {decoded.dtype}")
    if layer == "semantic" and decoded.max() >= info.label_set.num_classes:
        info.label_set.check(np.asarray(decoded, np.uint8), where)
    return {layer: decoded}


def _kept_bytes(kept: EncodedImage, size_hw: tuple[int, int], where: str) -> dict[str, Any]:
    header = read_header(kept.data, f"{where}: {kept.path}")
    if header.size_hw != size_hw:
        raise StoreError(
            f"{where}: {kept.path} is {header.size_hw} (height, width), the store holds {size_hw}"
        )
    if PurePath(kept.path).name != kept.path:
        raise StoreError(f"{where}: '{kept.path}' must be a plain file name")
    return {"bytes": kept.data, "path": kept.path}


def _scalars(frame: Frame, sequence_id: str) -> dict[str, Any]:
    camera, ego = frame.camera, frame.ego
    pose = None if ego is None else ego.world_T_vehicle
    return {
        "sequence_id": sequence_id,
        "frame_index": frame.frame_index,
        "timestamp_us": frame.timestamp_us,
        "camera": None if camera is None else camera.intrinsics.ravel(),
        "cam_T_vehicle": None if camera is None else camera.cam_T_vehicle.ravel(),
        "ego_pose": None if pose is None else pose.ravel(),
        "speed_mps": None if ego is None else ego.speed_mps,
        "yaw_rate_rps": None if ego is None else ego.yaw_rate_rps,
        "calib_flag": None if camera is None else camera.flag,
        "pose_flag": None if ego is None else ego.flag,
        "source": frame.source,
        "source_frame": frame.source_frame,
        "models": [{"layer": key, "model": value} for key, value in sorted(frame.models.items())],
        "is_synthetic": frame.is_synthetic,
        "plan_hash": frame.plan_hash,
        "seed": frame.seed,
    }


def _camera(row: Mapping[str, Any], size_hw: tuple[int, int]) -> Camera | None:
    if row["camera"] is None:
        return None
    return Camera(
        _matrix(row, "camera", 3),
        _matrix(row, "cam_T_vehicle", 4),
        size_hw,
        row["calib_flag"],
    )


def _ego(row: Mapping[str, Any]) -> EgoMotion | None:
    if row["speed_mps"] is None:
        return None
    pose = None if row["ego_pose"] is None else _matrix(row, "ego_pose", 4)
    return EgoMotion(row["speed_mps"], row["yaw_rate_rps"], row["pose_flag"], pose)


def _matrix(row: Mapping[str, Any], column: str, side: int) -> NDArray[np.float64]:
    numbers = np.array(row[column], np.float64)
    if numbers.shape != (side * side,):
        where = f"{row['sequence_id']} frame {row['frame_index']}"
        raise CorruptShardError(f"{where}: {column} must hold {side * side} numbers")
    return numbers.reshape(side, side)
