"""A picture of a sequence for people: image, labels, instances and flow side by side."""

from collections.abc import Iterable

import cv2
import numpy as np
from numpy.typing import NDArray

from svsdata.images import resize_image, write_text
from svsdata.labels import LabelSet
from svsdata.records import INSTANCE_BASE, Flow, Frame, Image, InstanceMap

SHEET_LAYERS = ("image", "semantic", "confidence", "instance", "flow")
"""The columns of a sheet; those that a store lacks are left out."""


def contact_sheet(
    frames: Iterable[Frame], label_set: LabelSet, layers: tuple[str, ...], cell_hw: tuple[int, int]
) -> Image:
    """Draw one row per frame and one column per layer; a null layer is black.

    Args:
        frames: With those layers decoded; held one at a time.
        label_set: Of the frames.
        layers: Some of ``SHEET_LAYERS``.
        cell_hw: Height and width of each picture.

    Returns:
        (rows * height, columns * width, 3) uint8.
    """
    rows = []
    for frame in frames:
        cells = [
            resize_image(_picture(frame, layer, label_set, cell_hw), cell_hw) for layer in layers
        ]
        row = np.ascontiguousarray(np.concatenate(cells, axis=1))
        write_text(row, str(frame.frame_index), (6, 18))
        rows.append(row)
    return np.concatenate(rows, axis=0)


def colorize_flow(flow: Flow, scale_px: float) -> Image:
    """Paint direction as hue and length as saturation: white stands still.

    Args:
        flow: (H, W, 2) pixels.
        scale_px: The length that gets full saturation.

    Returns:
        (H, W, 3) uint8 RGB.
    """
    length, angle = cv2.cartToPolar(
        np.ascontiguousarray(flow[..., 0]), np.ascontiguousarray(flow[..., 1]), angleInDegrees=True
    )
    saturation = np.minimum(length / max(scale_px, 1e-6), 1.0)
    hsv = np.dstack([angle, saturation, np.ones_like(length)]).astype(np.float32)
    return np.rint(cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB) * 255).astype(np.uint8)


def colorize_instances(instance: InstanceMap, label_set: LabelSet) -> Image:
    """Paint each thing in a colour of its own over dimmed class colours."""
    ids = np.arange(2**16)
    things = ids >= INSTANCE_BASE
    # Multiplying by an odd number mixes the bits, so neighbours in number differ in colour.
    mixed = (ids * 2654435761) % 2**32
    palette = np.stack([64 + (mixed >> shift) % 192 for shift in (8, 16, 24)], axis=-1)
    palette[~things] = label_set.palette[np.minimum(ids[~things], 255)] // 3
    return np.asarray(palette.astype(np.uint8)[instance], np.uint8)


def _picture(
    frame: Frame, layer: str, label_set: LabelSet, cell_hw: tuple[int, int]
) -> NDArray[np.uint8]:
    if layer == "image" and frame.image is not None:
        return frame.image
    if layer == "semantic" and frame.semantic is not None:
        return label_set.colorize(frame.semantic)
    if layer == "confidence" and frame.confidence is not None:
        return np.dstack([frame.confidence] * 3)
    if layer == "instance" and frame.instance is not None:
        return colorize_instances(frame.instance, label_set)
    if layer == "flow" and frame.flow is not None:
        lengths = np.hypot(frame.flow[..., 0], frame.flow[..., 1])
        return colorize_flow(frame.flow, float(np.percentile(lengths, 98)))
    return np.zeros((*cell_hw, 3), np.uint8)
