"""Pictures of an edit for people: the frame with the edit over it, labels before and after."""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from svsdata.editing.painting import EditFrame
from svsdata.editing.plan import PROVENANCE_INFERRED
from svsdata.images import id_borders, resize_image, resize_map, text_size, write_text
from svsdata.labels import LabelSet
from svsdata.records import Frame, Image

_OPACITY = 0.65
_FILLED_OPACITY = 0.4
_NAMED_SHARE = 0.0005
"""Of a frame: what is smaller goes without its name."""
_NAME_SIZE = 0.38
_DIM = np.rint(np.arange(256) * 0.45).astype(np.uint8)
"""Of every brightness, that of unchanged labels beside changed ones."""


def preview_row(
    before: Frame,
    after: Frame,
    events: Sequence[EditFrame],
    label_set: LabelSet,
    cell_hw: tuple[int, int],
) -> Image:
    """Draw one frame: picture with the edit over it, labels before, labels after.

    Args:
        before: Of the base; without a picture that cell is left out.
        after: The same, edited: its maps and provenance.
        events: What the edits came to in this frame; named at their boxes.
        label_set: Of the maps.
        cell_hw: Height and width of each cell.

    Returns:
        (h, 3w, 3) or (h, 2w, 3) uint8. What the edit drew has the colours of its classes and a
        white rim, what it uncovered is paler; unchanged labels are dimmed after the edit.
    """
    if before.semantic is None or after.semantic is None or after.provenance is None:
        raise ValueError(f"frame {before.frame_index} lacks maps to show")
    provenance = np.asarray(resize_map(after.provenance, cell_hw), np.uint8)
    is_changed = (provenance > 0).view(np.uint8)
    old = label_set.colorize(np.asarray(resize_map(before.semantic, cell_hw), np.uint8))
    new = label_set.colorize(np.asarray(resize_map(after.semantic, cell_hw), np.uint8))
    ids = after.semantic if after.instance is None else after.instance
    rim = id_borders(resize_map(ids, cell_hw) * is_changed)
    cells = []
    if before.image is not None:
        cells.append(_overlay(_in_cell(before.image, cell_hw), new, provenance, rim))
    shown = np.asarray(cv2.LUT(new, _DIM), np.uint8) if is_changed.any() else new.copy()
    cv2.copyTo(new, is_changed, shown)
    _draw_rim(shown, rim)
    row = np.ascontiguousarray(np.concatenate([*cells, old, shown], axis=1))
    write_text(row, str(before.frame_index), (6, 18))
    left = row.shape[1] - cell_hw[1]
    scale = cell_hw[1] / after.semantic.shape[1]
    drawn = {event.edit_index for event in events if event.instance_id}
    names = []
    for event in events:
        # What takes another thing's place is named there, and not at the hole once more.
        is_named = event.instance_id or event.edit_index not in drawn
        if is_named and event.visible_px >= _NAMED_SHARE * after.semantic.size:
            x, y = round(event.box.x0 * scale), round(event.box.y0 * scale)
            names.append((event.edit_id, x, y - 4))
    for name, x, y in names_apart(names, cell_hw[1]):
        write_text(row, name, (left + x, y), _NAME_SIZE)
    return row


def names_apart(names: Sequence[tuple[str, int, int]], width: int) -> list[tuple[str, int, int]]:
    """Move names inside the width of a cell, and up or else down where others are written.

    Args:
        names: With the column and the row at which they should begin.
        width: Of the cell, pixels.
    """
    placed: list[tuple[str, int, int]] = []
    taken: list[tuple[int, int, int]] = []
    for name, x, wanted in names:
        length, height = text_size(name, _NAME_SIZE)
        x = max(0, min(x, width - length))
        lines = range(2 * len(names))  # each name is in the way of two at most
        rows = [wanted - k * height for k in lines if wanted - k * height >= height]
        rows += [max(wanted, height) + k * height for k in lines]
        near = [row for start, stop, row in taken if x < stop and start < x + length]
        y = next(row for row in rows if all(abs(row - other) >= height for other in near))
        placed.append((name, x, y))
        taken.append((x, x + length, y))
    return placed


def _in_cell(picture: Image, cell_hw: tuple[int, int]) -> Image:
    """Resample by halves, then bilinearly: looks as means do, in a fifth of the time."""
    height, width = cell_hw
    while len(picture) >= 2 * height and picture.shape[1] >= 2 * width:
        picture = resize_image(picture, (len(picture) // 2, picture.shape[1] // 2))
    return np.asarray(
        cv2.resize(picture, (width, height), interpolation=cv2.INTER_LINEAR), np.uint8
    )


def _overlay(
    picture: Image, labels: Image, provenance: NDArray[np.uint8], rim: NDArray[np.bool_]
) -> Image:
    """Lay the labels of what changed over the picture."""
    is_filled = provenance == PROVENANCE_INFERRED
    mixed = picture.copy()
    for chosen, opacity in (
        (~is_filled & (provenance > 0), _OPACITY),
        (is_filled, _FILLED_OPACITY),
    ):
        if chosen.any():
            blend = cv2.addWeighted(picture, 1 - opacity, labels, opacity, 0.0)
            cv2.copyTo(blend, chosen.view(np.uint8), mixed)
    _draw_rim(mixed, rim)
    return mixed


def _draw_rim(image: Image, rim: NDArray[np.bool_]) -> None:
    cv2.copyTo(np.full_like(image, 255), rim.view(np.uint8), image)
