"""Pictures of an edit for people: the frame with the edit over it, labels before and after."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from svsdata.editing.painting import EditFrame
from svsdata.editing.plan import PROVENANCE_INFERRED
from svsdata.images import id_borders, resize_image, resize_map, write_text
from svsdata.labels import LabelSet
from svsdata.records import Frame, Image

_OPACITY = 0.65
_FILLED_OPACITY = 0.4
_NAMED_SHARE = 0.0005
"""Of a frame: what is smaller goes without its name."""
_DIMMED = 0.45
"""Of the brightness of unchanged labels beside changed ones."""


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
    changed = provenance > 0
    old = label_set.colorize(np.asarray(resize_map(before.semantic, cell_hw), np.uint8))
    new = label_set.colorize(np.asarray(resize_map(after.semantic, cell_hw), np.uint8))
    ids = after.semantic if after.instance is None else after.instance
    rim = id_borders(np.where(changed, resize_map(ids, cell_hw), 0))
    cells = []
    if before.image is not None:
        cells.append(_overlay(resize_image(before.image, cell_hw), new, provenance, rim))
    shown = np.where(changed[..., None], new, _dimmed(new)) if changed.any() else new
    shown[rim] = 255
    row = np.ascontiguousarray(np.concatenate([*cells, old, shown], axis=1))
    write_text(row, str(before.frame_index), (6, 18))
    left = row.shape[1] - cell_hw[1]
    scale = cell_hw[1] / after.semantic.shape[1]
    for event in events:
        if event.visible_px >= _NAMED_SHARE * after.semantic.size:
            x, y = left + round(event.box.x0 * scale), round(event.box.y0 * scale)
            write_text(row, event.edit_id, (x, max(y - 4, 12)), 0.38)
    return row


def _overlay(
    picture: Image, labels: Image, provenance: NDArray[np.uint8], rim: NDArray[np.bool_]
) -> Image:
    """Lay the labels of what changed over the picture."""
    changed = provenance > 0
    is_filled = provenance[changed] == PROVENANCE_INFERRED
    opacity = np.where(is_filled, _FILLED_OPACITY, _OPACITY).astype(np.float32)[:, None]
    mixed = picture.copy()
    mixed[changed] = np.rint(picture[changed] * (1 - opacity) + labels[changed] * opacity)
    mixed[rim] = 255
    return mixed


def _dimmed(image: Image) -> Image:
    return np.rint(np.arange(256) * _DIMMED).astype(np.uint8).take(image)
