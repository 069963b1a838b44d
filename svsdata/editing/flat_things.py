"""Things of a frame as flat pictures of themselves, to be seen from elsewhere.

A thing is a plane upright before the camera, at its foot; where flow tells that one side of it is
nearer, it is turned. A plane seen from elsewhere is moved by a homography.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from svsdata.editing.occlusion import Rect
from svsdata.editing.parallax import Parallax
from svsdata.editing.sight import Floats
from svsdata.editing.things import things_in
from svsdata.labels import NO_LABEL, LabelSet
from svsdata.records import INSTANCE_BASE, InstanceMap, SemanticMap

NEAR_M = 0.3
"""Nothing nearer is seen."""
_UNKNOWN_M = 150.0


@dataclass(frozen=True)
class FlatThing:
    """One thing."""

    instance_id: int
    box: Rect
    labels: SemanticMap
    """(h, w) of the box, ``NO_LABEL`` off the thing."""
    plane: Floats
    """(3,) its product with (u, v, 1) is one over the z-depth."""
    stands: bool
    """Flow shows that it did not move."""

    @property
    def depth(self) -> NDArray[np.float32]:
        """(h, w) z-depth of the box."""
        rows, columns = np.mgrid[self.box.slices]
        inverse = self.plane[0] * columns + self.plane[1] * rows + self.plane[2]
        return (1.0 / np.maximum(inverse, 1e-6)).astype(np.float32)

    def draw(
        self,
        homography: Floats,
        semantic: SemanticMap,
        instance: InstanceMap,
        depth: NDArray[np.float32],
    ) -> None:
        """Draw it into (H, W) maps wherever it is nearer than what they show.

        Args:
            homography: (3, 3) takes (u, v, 1) of the plane to new z-depth over old times (u, v, 1).
            semantic: Changed in place, as are the others.
            instance: As said.
            depth: z-depth of what they show.
        """
        box = self.box
        corners = np.array([[box.x0, box.x1] * 2, [box.y0, box.y0, box.y1, box.y1], [1.0] * 4])
        seen = homography @ (corners - [[0.5], [0.5], [0.0]])
        nearness = self.plane @ corners
        if (seen[2] <= NEAR_M * nearness).all():
            return
        height, width = semantic.shape
        rect = Rect(0, 0, width, height)
        if (seen[2] > NEAR_M * nearness).all():
            u, v = seen[:2] / seen[2]
            x0, y0 = (max(0, int(np.floor(it.min()))) for it in (u, v))
            x1 = min(width, int(np.ceil(u.max())) + 1)
            y1 = min(height, int(np.ceil(v.max())) + 1)
            rect = Rect(x0, y0, x1, y1)
        if rect.x0 >= rect.x1 or rect.y0 >= rect.y1:
            return
        into_rect, from_box = np.eye(3), np.eye(3)
        into_rect[:2, 2], from_box[:2, 2] = (-rect.x0, -rect.y0), (box.x0, box.y0)
        labels = cv2.warpPerspective(
            self.labels, into_rect @ homography @ from_box,
            (rect.x1 - rect.x0, rect.y1 - rect.y0), flags=cv2.INTER_NEAREST, borderValue=NO_LABEL,
        )  # fmt: skip
        rows, columns = np.mgrid[rect.slices]
        across, down, whole = self.plane @ np.linalg.inv(homography)
        inverse = across * columns + down * rows + whole
        shows = (labels != NO_LABEL) & (inverse > 0) & (inverse < 1 / NEAR_M)
        metres = (1.0 / np.where(shows, inverse, 1.0)).astype(np.float32)
        shows &= metres < depth[rect.slices]
        semantic[rect.slices][shows] = labels[shows]
        instance[rect.slices][shows] = self.instance_id
        depth[rect.slices][shows] = metres[shows]


def flat_things(
    semantic: SemanticMap,
    instance: InstanceMap,
    depth: NDArray[np.float32],
    label_set: LabelSet,
    parallax: Parallax | None,
    moved_m: Mapping[int, Floats],
) -> list[FlatThing]:
    """Cut out all things; of vehicles what nearer things hide is completed.

    Args:
        semantic: (H, W).
        instance: (H, W).
        depth: (H, W) z-depth of the feet of things.
        label_set: Of the maps.
        parallax: What flow tells, if there is any.
        moved_m: By instance id (2,) metres ahead and left since the frame before; others stood.
    """
    vehicles = {label.id for label in label_set.labels if label.category == "vehicle"}
    things, width, found = things_in(instance), instance.shape[1], []
    for one, edges in zip(things.instance_id.tolist(), things.box.tolist(), strict=True):
        box = Rect(*edges)
        own = instance[box.slices] == one
        foot_m = float(depth[box.slices][own].min())
        foot_m = foot_m if NEAR_M < foot_m < np.inf else _UNKNOWN_M
        labels = np.where(own, semantic[box.slices], np.uint8(NO_LABEL))
        if one // INSTANCE_BASE in vehicles:
            hidden = instance[box.slices] >= INSTANCE_BASE
            hidden &= ~own & (depth[box.slices] < foot_m)
            labels[hidden & _hull(own)] = one // INSTANCE_BASE
        plane, stands = np.array([0.0, 0.0, 1 / foot_m]), False
        if parallax is not None:
            rows, columns = np.nonzero(own)
            places = (box.y0 + rows) * width + box.x0 + columns
            stands = parallax.shows_standing(places, foot_m)
            moved = np.zeros(2) if stands else moved_m.get(one, np.zeros(2))
            plane = parallax.plane(places, foot_m, moved)
        found.append(FlatThing(one, box, labels, plane, stands))
    return found


def _hull(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """(h, w) convex hull of a mask that is not empty."""
    rows, columns = np.nonzero(mask)
    filled = np.zeros(mask.shape, np.uint8)
    corners = cv2.convexHull(np.stack([columns, rows], axis=1).astype(np.int32))
    return np.asarray(cv2.fillConvexPoly(filled, corners, (1.0,)), np.uint8).view(bool)
