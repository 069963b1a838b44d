"""What a removed object leaves: labels seen there in near frames, else the columns continued."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from svsdata.editing.occlusion import FLAT_NAMES
from svsdata.editing.placement import pose_step
from svsdata.editing.plan import EditPlan
from svsdata.geometry.camera import ground_homography
from svsdata.labels import NO_LABEL, LabelSet
from svsdata.records import Frame, SemanticMap

LOOK_AROUND = 8
"""Frames before and after the current one whose labels may fill a hole."""

# Beyond, a pixel is metres of ground, and a pitch error moves it further.
_SEEN_WITHIN_M = 50.0


@dataclass(frozen=True)
class MapWindow:
    """A frame among its neighbours in time."""

    frame: Frame
    before: tuple[Frame, ...]
    after: tuple[Frame, ...]


def fill_hole(
    semantic: SemanticMap,
    hole: NDArray[np.bool_],
    window: MapWindow,
    plan: EditPlan,
    label_set: LabelSet,
) -> None:
    """Overwrite a hole of a semantic map in place.

    Args:
        semantic: (H, W), changed inside the hole only.
        hole: (H, W) what is removed.
        window: The frame and its neighbours, unedited.
        plan: Whose camera and vehicle poses relate the frames.
        label_set: Of the maps.
    """
    flat_ids = [label_set.by_name[n].id for n in FLAT_NAMES if n in label_set.by_name]
    is_flat = np.zeros(256, bool)
    is_flat[flat_ids] = True
    _continue_columns(semantic, hole, is_flat, label_set)
    _vote_of_neighbours(semantic, hole, is_flat, window, plan)


def _vote_of_neighbours(
    semantic: SemanticMap,
    hole: NDArray[np.bool_],
    is_flat: NDArray[np.bool_],
    window: MapWindow,
    plan: EditPlan,
) -> None:
    """Take the flat label that the nearest of the near frames saw at the same place."""
    rows, columns = np.nonzero(hole)
    pixels = np.stack([columns, rows, np.ones_like(rows)]).astype(np.float32)
    index = window.frame.frame_index
    ground_T_image = np.linalg.inv(ground_homography(plan.camera_at(index)))
    is_near = ground_T_image[2].astype(np.float32) @ pixels > 1 / _SEEN_WITHIN_M
    rows, columns, pixels = rows[is_near], columns[is_near], pixels[:, is_near]
    height, width = semantic.shape
    seen = np.full(len(rows), NO_LABEL, np.uint8)
    neighbours = [f for f in (*window.before, *window.after) if (f.frame_index - index) % 4 == 0]
    for frame in sorted(neighbours, key=lambda f: -abs(f.frame_index - index)):
        assert frame.semantic is not None
        moved = pose_step(plan.ego[index], plan.ego[frame.frame_index])
        image_T_ground = ground_homography(plan.camera_at(frame.frame_index))
        homography = image_T_ground @ moved @ ground_T_image
        u, v, w = homography.astype(np.float32) @ pixels
        is_ahead = w > 0.01
        u, v = (np.rint(k / np.where(is_ahead, w, 1)) for k in (u, v))
        inside = is_ahead & (u >= 0) & (u < width) & (v >= 0) & (v < height)
        labels = frame.semantic[v[inside].astype(np.intp), u[inside].astype(np.intp)]
        seen[inside] = np.where(is_flat[labels], labels, seen[inside])
    is_seen = seen != NO_LABEL
    semantic[rows[is_seen], columns[is_seen]] = seen[is_seen]


def _continue_columns(
    semantic: SemanticMap,
    hole: NDArray[np.bool_],
    is_flat: NDArray[np.bool_],
    label_set: LabelSet,
) -> None:
    """Fill each column from above down to where the ground begins, and from below up to it."""
    is_thing = np.zeros(256, bool)
    is_thing[list(label_set.thing_ids)] = True
    height, _ = semantic.shape
    columns = np.flatnonzero(hole.any(axis=0))
    part = hole[:, columns]
    labels = semantic[:, columns]
    ground_row = _ground_rows(semantic, hole, is_flat, is_thing)[columns]
    rows = np.arange(height)[:, None]
    is_source = ~part & ~is_thing[labels]
    above = np.maximum.accumulate(np.where(is_source & ~is_flat[labels], rows, -1), axis=0)
    below = np.minimum.accumulate(
        np.where(is_source & is_flat[labels], rows, height)[::-1], axis=0
    )[::-1]
    has_above, has_below = above >= 0, below < height
    take_below = has_below & ((rows >= ground_row) | ~has_above)
    source = np.where(take_below, below, np.where(has_above, above, -1))
    road = label_set.label("road").id
    taken = np.where(source >= 0, np.take_along_axis(labels, np.maximum(source, 0), axis=0), road)
    semantic[:, columns] = np.where(part, taken, labels)


def _ground_rows(
    semantic: SemanticMap,
    hole: NDArray[np.bool_],
    is_flat: NDArray[np.bool_],
    is_thing: NDArray[np.bool_],
) -> NDArray[np.float64]:
    """(W,) row at which the flat ground begins, across holes by straight lines."""
    height, width = semantic.shape
    is_ground = is_flat[semantic] & ~hole
    first = np.where(is_ground.any(axis=0), is_ground.argmax(axis=0), height)
    above = np.clip(first - 1, 0, height - 1)
    columns = np.arange(width)
    top = semantic[above, columns]
    is_seen = (first > 0) & (first < height) & ~hole[above, columns] & ~is_thing[top]
    known = np.flatnonzero(is_seen)
    if not known.size:
        return np.full(width, height / 2)
    return np.interp(columns, known, first[known])
