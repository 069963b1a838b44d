"""Objects of edits as rays see them: the truth that ``edits.py`` compares with.

The ray of every pixel is cut with the planes of every convex part, and compared with the depth of
the street world. Drawing shares no code with ``svsdata.editing``.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import ConvexHull

from svsdata.editing.plan import PlannedEdit
from svsdata.editing.shapes import OBJECT_KINDS
from svsdata.geometry.camera import camera_centre, pixel_rays, project
from svsdata.records import Camera


def true_depth(camera: Camera, row: PlannedEdit, step: int) -> NDArray[np.float64]:
    """Return the (H, W) z-depth of an object at every pixel's centre, infinite beside it."""
    height, width = camera.size_hw
    x, y, heading = row.poses[step]
    cosine, sine = np.cos(heading), np.sin(heading)
    turn = np.array([[cosine, sine, 0.0], [-sine, cosine, 0.0], [0.0, 0.0, 1.0]])
    origin = turn @ (camera_centre(camera) - (x, y, 0.0))
    parts = OBJECT_KINDS[row.class_name].build(*row.size_m, float(row.travelled_m[step]))
    corners = np.concatenate([part.points for part in parts]) @ turn + (x, y, 0.0)
    u, v, depth = project(camera, corners).T
    box = [slice(0, width), slice(0, height)]
    if depth.min() > 0.1:  # else it may be anywhere
        ends = zip((u, v), (width, height), strict=True)
        box = [slice(*np.clip((a.min() - 1, a.max() + 2), 0, n).astype(int)) for a, n in ends]
    columns, rows = np.meshgrid(np.arange(width)[box[0]], np.arange(height)[box[1]])
    pixels = np.stack([columns, rows], axis=-1).astype(np.float64)
    directions = pixel_rays(camera, pixels).reshape(-1, 3) @ turn.T
    nearest = np.full(len(directions), np.inf)
    for part in parts:
        enter, leave = np.zeros(len(directions)), np.full(len(directions), np.inf)
        for *normal, offset in np.unique(ConvexHull(part.points).equations.round(9), axis=0):
            along, beyond = directions @ normal, origin @ normal + offset
            with np.errstate(divide="ignore", invalid="ignore"):
                cut = -beyond / along
            enter = np.where(along < 0, np.maximum(enter, cut), enter)
            leave = np.where(along > 0, np.minimum(leave, cut), leave)
            leave[(along == 0) & (beyond > 0)] = -1
        hit = enter <= leave
        nearest[hit] = np.minimum(nearest[hit], enter[hit])
    whole = np.full((height, width), np.inf)
    whole[box[1], box[0]] = nearest.reshape(columns.shape)
    return whole
