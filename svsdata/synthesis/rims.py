"""Where the colours of a region's rim must not be followed: what comes out of a rim is seen afresh.

Next to an object that moves, ground takes on some of the object's colour: by interpolation, and
because networks blur borders. Carried along by flow it would stay, a line for every frame.
"""

from typing import TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from svsdata.flow import warp
from svsdata.records import Flow, InstanceMap, Mask, SemanticMap

Regions: TypeAlias = InstanceMap | SemanticMap
"""(H, W): pixels of one id are a region."""


def rim(ids: Regions, width: int) -> Mask:
    """Mark pixels less than ``width`` rows and columns away from one next to another id, (H, W)."""
    borders = np.zeros(ids.shape, np.uint8)
    down, across = ids[1:] != ids[:-1], ids[:, 1:] != ids[:, :-1]
    borders[1:] |= down
    borders[:-1] |= down
    borders[:, 1:] |= across
    borders[:, :-1] |= across
    side = 2 * width - 1
    return np.asarray(cv2.dilate(borders, np.ones((side, side), np.uint8)), np.uint8)


def look_past_rims(
    flow: Flow,
    occlusion: Mask | None,
    previous_ids: Regions,
    ids: Regions,
    *,
    width: int,
) -> tuple[Flow, Mask]:
    """Point the flow of what comes out of a region's rim at what lies farther inside the region.

    Args:
        flow: (H, W, 2) backward flow; stays as it is.
        occlusion: (H, W), 1 = the previous frame does not show the pixel; None: nowhere.
        previous_ids: At t - 1.
        ids: At t.
        width: Of a rim in pixels, at least 1.

    Returns:
        The flow, and a mask that is 1 where pixels came out of a rim. Its flow is another one
        where the nearest pixel of the previous frame that is in no rim has the same id, and is
        not farther away than four rims are wide.
    """
    height, width_px = ids.shape
    previous_rim = rim(previous_ids, width)
    came_out = warp(previous_rim, flow, nearest=True)
    came_out &= 1 - rim(ids, width)
    # Next to the frame's border it may be the other region that has left.
    inside = np.zeros_like(came_out)
    inside[width:-width, width:-width] = 1
    came_out &= inside
    if occlusion is not None:
        came_out &= 1 - occlusion
    places = np.flatnonzero(came_out.view(bool))
    rows, columns = places // width_px, places % width_px
    across, down = np.rint(flow[rows, columns].T).astype(np.intp)
    source_rows, source_columns = rows + down, columns + across
    is_inside = (source_rows >= 0) & (source_rows < height)
    is_inside &= (source_columns >= 0) & (source_columns < width_px)
    came_out.ravel()[places[~is_inside]] = 0
    sources = (source_rows * width_px + source_columns)[is_inside]
    places = places[is_inside]
    found, distance = nearest_outside(previous_rim, sources)
    is_same = previous_ids.ravel()[found] == ids.ravel()[places]
    is_same &= distance <= 4 * width
    places, found = places[is_same], found[is_same]
    steered = flow.copy()
    steered.reshape(-1, 2)[places] = np.stack(
        [found % width_px - places % width_px, found // width_px - places // width_px], axis=1
    )
    return steered, came_out


def nearest_outside(
    mask: Mask, places: NDArray[np.intp]
) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
    """Return the pixel nearest to each of (N,) places where a (H, W) mask is 0, and its distance.

    Places count row by row. Where the mask is 0 nowhere, distances are beyond any frame.
    """
    distance, nearest = cv2.distanceTransformWithLabels(
        mask, cv2.DIST_L2, cv2.DIST_MASK_5, labelType=cv2.DIST_LABEL_PIXEL
    )
    # OpenCV numbers the pixels outside, and tells every pixel the number of its nearest one.
    outside = np.flatnonzero(mask == 0)
    place_of = np.zeros(len(outside) + 1, np.intp)
    place_of[nearest.ravel()[outside]] = outside
    return place_of[nearest.ravel()[places]], np.asarray(distance.ravel()[places], np.float32)
