"""Maps as files of other label sets hold them: no license plates, ids of their own labels."""

from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
from numpy.typing import NDArray

from svsdata.errors import ExportError
from svsdata.labels import LabelSet, conversion_table
from svsdata.records import INSTANCE_BASE, Frame, InstanceMap, SemanticMap

_PLATE = "license plate"


@dataclass(frozen=True)
class LabelConversion:
    """From the ids of a store to those of an export."""

    source: LabelSet
    target: LabelSet

    def maps(self, frame: Frame, where: str) -> tuple[SemanticMap, InstanceMap | None]:
        """Return a frame's semantic and instance map without plates, in the target's ids.

        Raises:
            ExportError: If it has no semantic map.
        """
        if frame.semantic is None:
            raise ExportError(f"{where}: has no semantic map; label the store first")
        semantic, instance = absorb_license_plates(
            frame.semantic, frame.instance, label_set=self.source
        )
        instances = None if instance is None else self._instance_table[instance]
        return self._label_table[semantic], instances

    @cached_property
    def _label_table(self) -> NDArray[np.uint8]:
        return conversion_table(self.source, self.target)

    @cached_property
    def _instance_table(self) -> NDArray[np.uint16]:
        return instance_table(self.target, self._label_table)


def absorb_license_plates(
    semantic: SemanticMap, instance: InstanceMap | None, *, label_set: LabelSet
) -> tuple[SemanticMap, InstanceMap | None]:
    """Give each license plate to the vehicle it sits on.

    A plate's vehicle is the one that most pixels of its rim belong to; a plate without a vehicle
    at its rim becomes what most of its rim is, and "unlabeled" where plates fill the frame.

    Args:
        semantic: (H, W) uint8 ids of ``label_set``.
        instance: (H, W) uint16, or None.
        label_set: Names the plates' id and the vehicles.

    Returns:
        Both maps without plates; the same arrays where there were none.
    """
    plate_id = label_set.by_name[_PLATE].id if _PLATE in label_set.by_name else None
    is_plate = (semantic == plate_id).astype(np.uint8)
    if plate_id is None or not is_plate.any():
        return semantic, instance
    vehicles = [la.id for la in label_set.labels if la.category == "vehicle" and la.id != plate_id]
    semantic = semantic.copy()
    owners = semantic.astype(np.uint16) if instance is None else instance.copy()
    num_regions, regions, stats, _ = cv2.connectedComponentsWithStats(is_plate, connectivity=8)
    for region in range(1, num_regions):
        left, top, width, height = stats[region, :4]
        window = (
            slice(max(top - 1, 0), top + height + 1),
            slice(max(left - 1, 0), left + width + 1),
        )
        inside = regions[window] == region
        rim = cv2.dilate(inside.astype(np.uint8), np.ones((3, 3), np.uint8)).astype(bool) & ~inside
        semantic[window][inside], owners[window][inside] = _owner(
            semantic[window][rim], owners[window][rim], vehicles
        )
    return semantic, None if instance is None else owners


def _owner(
    semantic: NDArray[np.uint8], owners: NDArray[np.uint16], vehicles: list[int]
) -> tuple[int, int]:
    """Return the label id and the instance id that a plate's rim speaks for."""
    if not semantic.size:
        return 0, 0
    on_vehicle = np.isin(semantic, vehicles)
    candidates = np.flatnonzero(on_vehicle) if on_vehicle.any() else np.arange(semantic.size)
    pairs = semantic[candidates].astype(np.int64) * 2**16 + owners[candidates]
    values, counts = np.unique(pairs, return_counts=True)
    return divmod(int(values[counts.argmax()]), 2**16)


def instance_table(target: LabelSet, table: NDArray[np.uint8]) -> NDArray[np.uint16]:
    """Return the lookup from instance ids of one label set to those of another.

    Args:
        target: A class that is no thing there loses its index.
        table: (256,) uint8, ``conversion_table(source, target)``.

    Returns:
        (65536,) uint16; ``instance_table(...)[instance_map]`` is the map in the target set.
    """
    ids = np.arange(2**16)
    with_index = ids >= INSTANCE_BASE
    labels = table[np.minimum(np.where(with_index, ids // INSTANCE_BASE, ids), 255)].astype(int)
    keeps_index = with_index & np.isin(labels, list(target.thing_ids))
    return np.where(keeps_index, labels * INSTANCE_BASE + ids % INSTANCE_BASE, labels).astype(
        np.uint16
    )
